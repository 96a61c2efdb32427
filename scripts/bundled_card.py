"""The model card of the bundled router, written from its manifest and its files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bundled_tables import ALIASES, LEFT_OUT_TASKS, MMLU_FIELDS, SOURCES, TASKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from onehead.artifact import Manifest

    Tables = Mapping[str, Mapping[str, Any]]

CARD: Final = "MODEL_CARD.md"
_WORTH_TELLING = 0.005
"""Models with a smaller share of the choices are told together."""

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
a table that it never ran on is estimated by an additive model of task and model. Left out: {left_out}.

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

Mean estimates over all training prompts. Prices are in USD per million tokens, as the tables had them;
yours may differ.

{table}

Left out: {not_offered} (base models, which continue a text instead of answering, and one that nobody
offers), and {no_price} (no price is known, and an unknown price is not zero). As further outcomes on the
same prompts they did not make the estimates of the others better.
"""

_FIGURES: Final = """\
## Figures

On {share:.0%} of the prompts of each table, held out from a router that was otherwise made the same way;
the one that ships then learned from all. A table's row counts only models that ran on it, and costs as
described above. AIQ is the mean quality over the range of costs; the zero router mixes single models
without looking at the prompt. Intervals are 95 %, over prompts.

{table}

What the presets reach there, against always taking the table's best model:

{operating}

Over the whole pool the held-out prompts go to:

{choices}
"""

_LIMITS: Final = """\
## Limits

- **Mostly exam questions.** All but {free_form} of {prompts} prompts are questions with options and one
  right answer, and nearly all are English. Chat, writing, translation, long documents, tools and other
  languages are hardly in the data: there the estimates fall back on how the models do in general. In
  MMLU, ARC and Winogrande models answered with a bare letter, without room to reason.
- **Models of 2023 and 2024.** For others, train on your own outcomes.
- **Pools hardly overlap.** {links}. What a model would do on another table's tasks rests on these links.
- **Graders differ.** Answers were graded by matching strings; some models lose by form rather than by
  substance, for example claude-v2 on RouterBench.
- **Questions recur.** MMLU-Pro took up questions of MMLU, and ARC is in two tables, so a held-out question
  may have a near copy, with other models' outcomes, among those learned from.
- **Intervals are narrow where lengths were filled in.** For models whose tokens a table does not tell, lengths
  are those of an additive model of task and model, and so are the intervals of their costs.
- **Answers were short.** Output tokens are those of benchmark answers, as the tables counted them; long
  answers cost more than estimated, with every model. Some counts look too low (jamba-1.5-large).
- **No judge of safety, style or speed.** Quality here means a right answer, nothing else.
"""


def model_card(manifest: Manifest, directory: Path) -> str:
    """The card of a router whose other files lie in `directory`."""
    figures = manifest.validation
    prompts = sum(one["n_prompts"] for one in figures["tables"].values())
    parts = [
        _head(manifest, directory, prompts),
        _DATA.format(
            table=_data_table(figures["tables"]),
            aliases=_renamed(ALIASES),
            tasks=_renamed({old: new for old, new in TASKS.items() if not old.startswith("mmlu")}),
            fields=len(MMLU_FIELDS),
            left_out="; ".join(f"{task} ({why})" for task, why in LEFT_OUT_TASKS.items()),
        ),
        _POOL.format(
            table=_pool_table(manifest),
            not_offered=", ".join(figures["left_out"]["not_offered"]),
            no_price=", ".join(figures["left_out"]["no_price"]),
        ),
        _FIGURES.format(
            share=figures["held_out_share"],
            table=_figure_table(figures["tables"]),
            operating=_operating_table(figures["tables"]),
            choices=_choice_table(figures["choices"]),
        ),
        _LIMITS.format(
            free_form=figures["n_free_form"], prompts=prompts, links=_links(figures["ran_on"])
        ),
    ]
    return "\n".join(parts)


def _head(manifest: Manifest, directory: Path, prompts: int) -> str:
    sizes = {path.name.split("-")[0]: path.stat().st_size for path in directory.iterdir()}
    sizes.pop(CARD, None)
    files = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in sorted(sizes.items()))
    return _HEAD.format(
        models=len(manifest.pool),
        recipe=manifest.recipe,
        encoder=manifest.encoder.spec,
        created=manifest.created,
        version=manifest.onehead_version,
        seed=manifest.seed,
        prompts=prompts,
        data_hash=manifest.data_hash[:16],
        megabytes=sum(sizes.values()) / 1e6,
        files=files,
        presets=", ".join(f"{name} {usd:.2g}" for name, usd in manifest.presets.items()),
    )


def _data_table(tables: Tables) -> str:
    rows = [
        (
            f"`{source.name}`: {source.title}",
            str(tables[source.name]["n_prompts"]),
            str(tables[source.name]["n_models"]),
            source.licence,
        )
        for source in SOURCES
    ]
    return _table(("table", "prompts", "models of the pool", "licence"), rows, "lrrl")


def _pool_table(manifest: Manifest) -> str:
    cards = sorted(manifest.pool, key=lambda card: -manifest.profiles[card.id]["quality"])
    rows = [
        (
            card.id,
            f"{card.input_usd_per_million:g}",
            f"{card.output_usd_per_million:g}",
            f"{manifest.profiles[card.id]['quality']:.3f}",
            f"{manifest.profiles[card.id]['cost_usd']:.6f}",
            ", ".join(manifest.validation["ran_on"][card.id]),
        )
        for card in cards
    ]
    return _table(("model", "input", "output", "quality", "USD a call", "ran on"), rows, "lrrrrl")


def _figure_table(tables: Tables) -> str:
    head = (
        "table", "held out", "AIQ", "minus zero router's", "interval", "most quality", "best single",
        "cost to match it", "Brier", "ECE", "log-RMSE of cost",
    )  # fmt: skip
    rows = []
    for name, one in tables.items():
        low, high = one.get("aiq_minus_zero_router_ci") or (None, None)
        rows.append(
            (
                name,
                str(one["n_held_out"]),
                _number(one.get("aiq")),
                _number(one.get("aiq_minus_zero_router"), "+.3f"),
                "–" if low is None else f"{low:+.3f} … {high:+.3f}",
                _number(one.get("max_quality")),
                _number(one.get("best_single", {}).get("quality")),
                _number(one.get("cost_to_match_best"), ".0%"),
                _number(one["brier"]),
                _number(one["ece"]),
                _number(one.get("cost_log_rmse"), ".2f"),
            )
        )
    return _table(head, rows, "l" + "r" * 10)


def _operating_table(tables: Tables) -> str:
    rows = []
    for name, one in tables.items():
        if "presets" in one:
            best = one["best_single"]
            points = {**one["presets"], best["model"]: best}
            told = [f"{p['quality']:.3f} for ${p['cost_usd']:.6f}" for p in points.values()]
            rows.append((name, *told[:-1], f"{told[-1]} ({best['model']})"))
    presets = next(one["presets"] for one in tables.values() if "presets" in one)
    return _table(("table", *presets, "best single"), rows, "lrrrr")


def _choice_table(choices: Mapping[str, Mapping[str, float]]) -> str:
    rows = []
    for preset, share in choices.items():
        told = [f"{model} {part:.1%}" for model, part in share.items() if part >= _WORTH_TELLING]
        rest = sum(part for part in share.values() if part < _WORTH_TELLING)
        rows.append((preset, ", ".join(told) + (f", others {rest:.1%}" if rest else "")))
    return _table(("preset", "models"), rows, "ll")


def _links(ran_on: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(
        f"{model} links {', '.join(tables)}" for model, tables in ran_on.items() if len(tables) > 1
    )


def _renamed(names: Mapping[str, str]) -> str:
    return ", ".join(f"{old} = {new}" for old, new in names.items() if old != new)


def _number(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    rules = ["---:" if side == "r" else "---" for side in align]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rules, *rows))
