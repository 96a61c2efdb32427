"""What the gateway adds and carries, and what its log and pages take, as the page of figures shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.bench.markdown import markdown, number, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {
    "upstream": "the upstream alone",
    "onehead": "onehead",
    "litellm": "LiteLLM's proxy",
    "portkey": "Portkey's gateway",
}


def gateway_sections(found: dict[str, Any]) -> Iterator[str]:
    """What was measured of the gateway, its log and its dashboard."""
    if "gateway" in found:
        yield _gateway(found["gateway"])
    if "gateway_log" in found:
        yield _gateway_log(found["gateway_log"])
    if "soak" in found:
        yield _soak(found["soak"])
    if "store" in found:
        yield _store(found["store"])
    if "dashboard" in found:
        yield _dashboard(found["dashboard"])


def _gateway(document: dict[str, Any]) -> str:
    gateways = document["gateways"]
    lines = [
        [
            NAMES[name],
            *(f"{one[f'c{n}']['p50_ms']:,.2f}" for n in (1, 16, 64)),
            *(f"{one[f'c{n}']['p99_ms']:,.1f}" for n in (16, 64)),
            f"{one['c64']['requests_per_s']:,.0f}",
            f"{one['memory_after_mb']:,.0f}",
        ]
        for name, one in gateways.items()
    ]
    header = [
        "",
        "median at 1, ms",
        "at 16",
        "at 64",
        "99 % at 16",
        "at 64",
        "requests/s at 64",
        "MB",
    ]
    added = [
        [
            NAMES[name],
            *(
                f"{one[kind]['added_median_ms']:.2f}" if kind in one else "–"
                for kind in ("whole", "stream")
            ),
        ]
        for name, one in gateways.items()
        if "whole" in one
    ]
    ours = gateways["onehead"]["c64"]["requests_per_s"]
    ratios = "; ".join(
        f"{ours / one['c64']['requests_per_s']:.1f} × {NAMES[name]}"
        for name, one in gateways.items()
        if name not in ("upstream", "onehead")
    )
    return (
        "## The gateway\n\nEvery request of ours is routed by the static encoder and logged in SQLite, by one "
        "worker; its peers pass requests on to one named model. All stand on one machine beside the "
        "upstream and the load's own process, one after the other, for "
        f"{document['seconds']:.0f} seconds each, the middle one of three rounds.\n\n"
        + markdown(header, lines)
        + (f"\nRequests/s at 64 connections: {ratios}.\n" if ratios else "")
        + "\nAdded to the first byte of an answer, direct and through the gateway in turns, one connection, "
        "medians in milliseconds:\n\n"
        + markdown(["", "whole answers", "streams"], added)
        + f"\n{taken(document['run'])}\n"
    )


def _gateway_log(document: dict[str, Any]) -> str:
    logged, unlogged, ratio = document["logged"], document["unlogged"], document["throughput"]
    low, high = ratio["interval"]
    more = document["more_loop_us"]
    starts = document["throughput_of_each_start"]
    return (
        "### What the log costs\n\nOne gateway that logs the requests of every other second, at "
        f"{document['connections']} connections without a pause; {document['pairs']} pairs of seconds in "
        f"{document['starts']} starts: {logged['requests_per_s']:,.0f} requests/s with the log and "
        f"{unlogged['requests_per_s']:,.0f} without (medians). The median of the ratios of neighbours is "
        f"{ratio['median']:.3f} [{low:.3f}, {high:.3f}], of single starts {min(starts):.3f} to "
        f"{max(starts):.3f}: logging costs {1 - ratio['median']:.1%} of the throughput. The worker's loop takes "
        f"{more['median']:.0f} µs [{more['interval'][0]:.0f}, {more['interval'][1]:.0f}] more for a logged "
        f"request, of {unlogged['loop_us']:,.0f} µs, and the log's own process {document['beside_us']:,.0f} µs.\n\n"
        f"{taken(document['run'])}\n"
    )


def _soak(document: dict[str, Any]) -> str:
    steps, log = document["steps"], document["log"]
    memory = [step["memory_mb"] for step in steps]
    early = steps[min(1, len(steps) - 1)]
    return (
        f"### Many requests\n\n{document['answered']:,} requests over {document['connections']} "
        f"connections: the gateway has {early['memory_mb']:.0f} MB after the first "
        f"{early['answered']:,} and {memory[-1]:.0f} MB at the end, {max(memory):.0f} MB at most. The log "
        f"holds {log['answered']:,} answers, and {log['others']:,} of requests whose client was stopped "
        f"before the answer; it sums to ${log['usd']:.6f}, recomputed ${document['usd_recomputed']:.6f}.\n\n"
        f"{taken(document['run'])}\n"
    )


def _store(document: dict[str, Any]) -> str:
    logging = document["logging"]
    slowest = sorted(document["queries"].items(), key=lambda one: -one[1]["median_ms"])[:5]
    rows = [
        [name, *(number(one[key], 1) for key in ("median_ms", "longest_ms", "processor_ms"))]
        for name, one in slowest
    ]
    return (
        f"### The decision log\n\n{document['rows']:,} decisions in SQLite, "
        f"{document['bytes_per_row']:,.0f} bytes each, written in {document['fill_s']:,.0f} s. The slowest "
        "queries of pages and requests, in milliseconds:\n\n"
        + markdown(["", "median", "longest", "processor time"], rows)
        + f"\nLogging takes {logging['put_median_us']:.0f} µs of a request (99 %: "
        f"{logging['put_p99_us']:.0f} µs).\n\n{taken(document['run'])}\n"
    )


def _dashboard(document: dict[str, Any]) -> str:
    slowest = sorted(document["requests"].items(), key=lambda one: -one[1]["median_ms"])[:5]
    rows = [
        [
            f"`{address}`",
            *(number(one[key], 0) for key in ("median_ms", "longest_ms", "processor_ms")),
        ]
        for address, one in slowest
    ]
    return (
        f"### The dashboard\n\nThe slowest of its pages and their data over {document['rows']:,} decisions, "
        "in milliseconds, nothing kept from the request before:\n\n"
        + markdown(["", "median", "longest", "processor time"], rows)
        + f"\n{taken(document['conditions'])}\n"
    )
