"""The model card of the bundled router, written from its manifest and its files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bundled_tables import ALIASES, SOURCES, TASKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from onehead.artifact import Manifest

CARD: Final = "MODEL_CARD.md"

_HEAD: Final = """\
# Bundled router

What `Router.load()` gives. It estimates, for a prompt, how well each of {models} models answers it and
what that costs. Written by `scripts/train_bundled.py` from the router's manifest; do not edit.

| | |
|---|---|
| recipe, encoder | `{recipe}`, `{encoder}` |
| trained | {created}, onehead {version}, seed {seed} |
| data | {prompts} prompts, hash `{data_hash}` |
| size | {megabytes:.1f} MB ({files}) |
| presets (USD a good answer is worth) | {presets} |
"""

_DATA: Final = """\
## Data

{table}

Only learned parameters are shipped: means, weights, projections, and ids and weights of word pieces.
No prompt and no answer is in the router.

Names are matched where they surely mean the same weights ({aliases}) or the same task ({tasks}); MMLU's
57 subjects count as {fields} fields. Models that ran on several tables link them: what a model would do on
a table that it never ran on is estimated by an additive model of task and model.

**Costs are those of a user's own prompt**, not of the benchmark's run:

- Input tokens are the word pieces of the prompt. MMLU-Pro's own counts include five examples that are not
  in its prompts, and RouterBench's prompts repeat theirs; both are left out.
- Output tokens are counted where answers were written out (MMLU-Pro, GSM8K, MBPP). Where a single letter
  was forced, or nothing was recorded, they are those of a usual answer of the model, by an additive model
  of task and model on the logarithm.
- RouterBench holds dollars alone. Its list prices explain them, so its output tokens are what was paid
  beyond the prompt.
"""

_POOL: Final = """\
## Pool

Mean estimates over all training prompts; prices in USD per million tokens, as of the tables. Yours may
differ: change them, or route among your own models only.

{table}

Learned from but not offered: {not_chat} (they do not follow instructions in a chat, or nobody offers
them), and {no_price} (no price is known, and an unknown price is not zero).
"""

_FIGURES: Final = """\
## Figures

On {share:.0%} of the prompts of each table, held out from a router that was otherwise made the same way;
the shipped one then learned from all. Only models that ran on a table count in its row. AIQ is the mean
quality over the range of costs (see the documentation of `onehead evaluate`); the zero router mixes single
models without looking at the prompt. Intervals are 95 %, over prompts.

{table}

Which models the held-out prompts go to at each preset:

{presets}
"""

_LIMITS: Final = """\
## Limits

- **Mostly multiple choice.** All but {written} of {prompts} prompts are exam questions with one right
  answer, in English. Chat, writing, translation, long documents, tools and other languages are nowhere in
  the data; there the estimates fall back on how the models do in general, and `confidence` says so.
- **Models of 2023 and 2024.** Add your own with `onehead models add`, or train on your own outcomes.
- **Pools hardly overlap.** {links}. Estimates of a model on another table's tasks rest on these few links.
- **Graders differ.** Answers were graded by string matching; some models lose by form rather than by
  substance (for example claude-v2 on RouterBench, or models of the 14 tasks on MMLU without options).
- **Questions recur.** MMLU-Pro took up questions of MMLU, and ARC occurs in two tables, so a held-out
  question may have a near copy, with other models' outcomes, among those learned from.
- **Output tokens are those of the benchmarks' answers**, mostly short. Long answers cost more than
  estimated, for all models alike.
"""


def model_card(manifest: Manifest, directory: Path) -> str:
    """The card of a router whose other files lie in `directory`."""
    figures = manifest.validation
    tables = figures["tables"]
    sizes = {path.name: path.stat().st_size for path in sorted(directory.iterdir())}
    sizes.pop(CARD, None)
    n = sum(one["n_prompts"] + one["n_trained"] for one in tables.values())
    learned = figures["learned_from_only"]
    parts = [
        _HEAD.format(
            models=len(manifest.pool),
            recipe=manifest.recipe,
            encoder=manifest.encoder.spec,
            created=manifest.created[:10],
            version=manifest.onehead_version,
            seed=manifest.seed,
            prompts=n,
            data_hash=manifest.data_hash[:16],
            megabytes=sum(sizes.values()) / 1e6,
            files=", ".join(
                f"{name.split('-')[0]} {size / 1e6:.2f}" for name, size in sizes.items()
            ),
            presets=", ".join(f"{name} {usd:.2g}" for name, usd in manifest.presets.items()),
        ),
        _DATA.format(
            table=_data_table(tables),
            aliases=_renamed(ALIASES),
            tasks=_renamed({old: new for old, new in TASKS.items() if not old.startswith("mmlu")}),
            fields=len({new for old, new in TASKS.items() if old.startswith("mmlu_")}),
        ),
        _POOL.format(
            table=_pool_table(manifest),
            not_chat=", ".join(learned["not_chat"]),
            no_price=", ".join(learned["no_price"]),
        ),
        _FIGURES.format(
            share=figures["held_out_share"],
            table=_figure_table(tables),
            presets=_preset_table(figures["presets"]),
        ),
        _LIMITS.format(
            written=figures["n_free_form"], prompts=n, links="; ".join(_links(figures["links"]))
        ),
    ]
    return "\n".join(parts)


def _data_table(tables: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (
            source.title,
            str(tables[source.name]["n_prompts"] + tables[source.name]["n_trained"]),
            str(tables[source.name]["n_models"]),
            source.licence,
        )
        for source in SOURCES
    ]
    return _table(("table", "prompts", "models offered", "licence"), rows, "lrrl")


def _pool_table(manifest: Manifest) -> str:
    cards = sorted(manifest.pool, key=lambda card: -manifest.profiles[card.id]["quality"])
    rows = [
        (
            card.id,
            f"{card.input_usd_per_million:g}",
            f"{card.output_usd_per_million:g}",
            f"{manifest.profiles[card.id]['quality']:.3f}",
            f"{manifest.profiles[card.id]['cost_usd']:.2g}",
            ", ".join(manifest.validation["ran_on"][card.id]),
        )
        for card in cards
    ]
    return _table(("model", "input", "output", "quality", "USD a call", "ran on"), rows, "lrrrrl")


def _figure_table(tables: Mapping[str, Mapping[str, Any]]) -> str:
    columns = (
        "held-out prompts of", "n", "models", "AIQ", "over zero router", "interval",
        "best quality", "best single", "its cost needed", "Brier", "ECE", "log-RMSE of cost",
    )  # fmt: skip
    rows = []
    for name, one in tables.items():
        low, high = one.get("aiq_minus_zero_router_ci") or (None, None)
        rows.append(
            (
                name,
                str(one["n_prompts"]),
                str(one["n_models"]),
                _number(one.get("aiq")),
                _number(one.get("aiq_minus_zero_router"), "+.4f"),
                "–" if low is None else f"{low:+.3f} … {high:+.3f}",
                _number(one.get("max_quality")),
                _number(one.get("best_single")),
                _number(one.get("cost_to_match_best"), ".0%"),
                _number(one["brier"]),
                _number(one["ece"]),
                _number(one.get("cost_log_rmse"), ".2f"),
            )
        )
    return _table(columns, rows, "l" + "r" * 11)


def _preset_table(shares: Mapping[str, Mapping[str, float]]) -> str:
    rows = []
    for preset, share in shares.items():
        most = list(share.items())[:5]
        rest = len(share) - len(most)
        told = ", ".join(f"{model} {part:.0%}" for model, part in most)
        rows.append((preset, told + (f", {rest} more" if rest else "")))
    return _table(("preset", "models"), rows, "ll")


def _links(links: Mapping[str, Sequence[str]]) -> Iterable[str]:
    for model, tables in links.items():
        yield f"{model} links {', '.join(tables)}"


def _renamed(names: Mapping[str, str]) -> str:
    return ", ".join(f"{old} = {new}" for old, new in names.items() if old != new)


def _number(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    rules = ["---:" if side == "r" else "---" for side in align]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rules, *rows))
