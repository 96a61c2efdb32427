"""How fast things are, as pages show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.bench.markdown import markdown, number, rate_of, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = {
    "features": "vector, surface and lexicon",
    "network": "estimates of every model",
    "choice": "the choice",
    "reason": "reason in words (only when asked for)",
    "vector_alone": "the vector alone",
}


def speed_sections(found: dict[str, Any]) -> Iterator[str]:
    """What was measured of decisions, training, encoders and start-up."""
    speed = found.get("speed", {})
    if speed or "startup" in found or "encoders" in found:
        yield "## How fast\n\nTimes are wall clock unless they are called processor time.\n"
    for name, section in SECTIONS.items():
        if name in speed:
            yield section(speed[name]) + "\n" + taken(speed[name]["run"]) + "\n"
    if "startup" in found:
        yield _startup(found["startup"])
    if "encoders" in found:
        yield _encoders(found["encoders"])


def _decision(figures: dict[str, Any]) -> str:
    rows = [_latency("one decision", figures["us"])]
    if "minilm_us" in figures:
        rows.append(_latency("one MiniLM embedding, sentence-transformers", figures["minilm_us"]))
    text = (
        f"### One decision in process\n\nStatic encoder, {figures['models']} models, recipe "
        f"`{figures['recipe']}`, {figures['decisions']:,} new prompts of {figures['tokens']} tokens. Mean "
        f"processor time {number(figures['processor_us_mean'], 0)} µs.\n\n"
    )
    text += markdown(["", "median", "90 %", "99 %"], rows)
    if "share_of_minilm" in figures:
        times = 1 / figures["share_of_minilm"]
        text += f"\nA decision takes 1/{times:.0f} of the embedding, both in the same run.\n"
    parts = [[PARTS[name], f"{value:.0f} µs"] for name, value in figures["parts_us"].items()]
    return f"{text}\n{markdown(['part of a decision', 'median'], parts)}"


def _latency(name: str, times: dict[str, float]) -> list[str]:
    return [name, *(f"{times[key]:,.0f} µs" for key in ("median", "p90", "p99"))]


def _throughput(figures: dict[str, Any]) -> str:
    rows = [
        ["one process", f"{figures['prompts_per_s_one_process']:,.0f}"],
        [f"{figures['processes']} processes", f"{figures['prompts_per_s_all_cores']:,.0f}"],
    ]
    return (
        f"### Many decisions\n\n`route_many` over {figures['prompts']:,} new prompts of "
        f"{figures['mean_tokens']:.0f} tokens on average, the best of {figures['repeats']}.\n\n"
        + markdown(["", "prompts/s"], rows)
    )


def _training(figures: dict[str, Any]) -> str:
    row = [
        f"{figures['seconds']:.1f} s",
        f"{figures['processor_seconds']:.1f} s",
        f"{figures['peak_memory_mb']:,.0f} MB",
        f"{figures['router_mb']:.1f} MB",
    ]
    return (
        f"### Training\n\n`onehead train` on all of MMLU-Pro with recipe `{figures['recipe']}`, "
        f"{figures['models']} models, as a process of its own: reading, embedding, validating, learning, "
        "writing.\n\n"
        + markdown(
            ["", "time", "processor time", "peak memory", "router"], [["onehead train", *row]]
        )
    )


def _startup(document: dict[str, Any]) -> str:
    rows = [
        [f"`{name}`", *(f"{times[key] * 1e3:.0f} ms" for key in ("median_s", "min_s", "max_s"))]
        for name, times in document["figures"].items()
    ]
    return (
        f"### Start-up\n\nA fresh process, interpreter included, {document['runs']} times "
        f"({document['when'][:10]}, Python {document['python']}, {document['machine']}).\n\n"
        + markdown(["", "median", "least", "most"], rows)
    )


def _encoders(document: dict[str, Any]) -> str:
    static, transformer, machine = (
        document["static"],
        document["transformer"],
        document["machine"],
    )
    versions = ", ".join(f"{name} {at}" for name, at in machine["versions"].items())
    rows = [
        ["static", rate_of(static["prompts_per_s"]), "", _ms(static["single_100_tokens_us_p50"])],
        *(
            [
                f"MiniLM, {name.replace('_', ' ')}",
                rate_of(rate),
                f"{transformer['times_sentence_transformers'][name]:.1f} ×",
                f"{transformer['single_ms_p50'][name]:.1f} ms",
            ]
            for name, rate in transformer["prompts_per_s"].items()
        ),
    ]
    header = ["encoder", "prompts/s", "against sentence-transformers", "one prompt, median"]
    return (
        f"### Encoders\n\n{document['texts']} ({transformer['texts']} of them for MiniLM, cut to "
        f"{transformer['max_tokens']} tokens, {transformer['threads']} threads).\n\n"
        f"{markdown(header, rows)}\n"
        f"{document['when'][:10]}: {machine['processor']}, {machine['processors']} cores, load "
        f"{machine['load_before']:.1f} when it began; Python {machine['python']}, {versions}.\n"
    )


def _ms(micro: float) -> str:
    return f"{micro / 1e3:.3f} ms"


SECTIONS = {"decision": _decision, "throughput": _throughput, "training": _training}
