"""The page of a comparison: every table of it, made from the document alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from onehead.bench import page_more
from onehead.bench.contenders import ABLATIONS
from onehead.bench.document import main_rows
from onehead.bench.markdown import counted, markdown, mean, signed, taken
from onehead.bench.rows import Entry, Row, by_recipe, main, margin, name_of, seeds_of, values

Columns = dict[str, tuple[Callable[[Row], Any], int]]
Pictures = Callable[[str], str | None]
"""Name of a picture → its place as the page links to it, None where it was not drawn."""

NEVER: Final = "never"
CONTROLS: Final = {
    "cheapest": "cheapest model",
    "best_single": "best single model",
    "random": "random mix",
    "zero_router": "zero router",
    "true_task_label": "true task label",
    "oracle": "oracle",
}
READING: Final = """\
## How well recipes route

Each seed holds out a fifth of a table's prompts, which neither the recipe, nor its tuning, nor any mean sees.
Figures are means over the seeds. Brackets are 95 % intervals from resampling prompts over all seeds at
once: a prompt that two seeds hold out counts as one prompt, and the fits are kept as they are. The reward is
the exponential one where none is named. λ-sensitivity is the largest change of mean quality, and of mean
cost as a share of its range, when λ moves by a decade: smaller is steadier. Every row is a process of its own;
memory is what only that process can use at its peak (programs and libraries, which a system can drop and read
again, are not counted), time is wall clock from reading the table on.
"""


def page(document: dict[str, Any], pictures: Pictures) -> str:
    """The page of a user's own comparison. pictures: name → the place of that picture, if any."""
    head = (
        "# Comparison\n\nMade by `onehead bench` from `bench.json`; no number here is typed in.\n"
    )
    parts = [head, *sections(document, pictures)]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def sections(document: dict[str, Any], pictures: Pictures = lambda _: None) -> Iterator[str]:
    """The sections of all tables, and where the figures come from."""
    yield READING
    for name, entry in document["tables"].items():
        yield _head(entry)
        for encoder in _encoders(entry):
            yield from _encoder(name, entry, encoder, pictures)
        yield from page_more.sections(name, entry, pictures)
        if entry["controls"]:
            yield _controls(entry)
    runs = document["runs"].values()
    yield "### Where these figures come from\n\n" + "\n".join(f"- {taken(run)}" for run in runs)


def _encoders(entry: Entry) -> list[str]:
    return [name for name in entry["encoders"] if _recipes(entry, name)]


def _encoder(name: str, entry: Entry, encoder: str, pictures: Pictures) -> Iterator[str]:
    """The main comparison with one encoder."""
    rows = _recipes(entry, encoder)
    held = sorted({row["n_test"] for row in rows})
    size = f"{held[0]:,}" if len(held) == 1 else f"{held[0]:,} to {held[-1]:,}"
    yield f"Encoder `{encoder}`, {seeds_of(rows)}, {size} prompts held out.\n"
    yield _routing(entry, encoder, rows)
    place = pictures(f"curve-{name}-{encoder}")
    if place:
        yield f"![Mean quality over mean cost, by recipe]({place})\n"
    yield _estimates(rows)
    yield _rewards(rows)
    if any(row["recipe"] in ABLATIONS for row in main_rows(entry, encoder)):
        yield page_more.ablations(entry, encoder)


def _recipes(entry: Entry, encoder: str) -> list[Row]:
    return [row for row in main_rows(entry, encoder) if row["recipe"] not in ABLATIONS]


def _head(entry: Entry) -> str:
    models, prompts = entry["left_out"]["models"], entry["left_out"]["n_prompts"]
    lost = [f"{counted(len(models), 'model')} ({', '.join(models)})"] if models else []
    lost += [counted(prompts, "prompt")] if prompts else []
    without = f" Left out for want of outcomes: {' and '.join(lost)}." if lost else ""
    return (
        f"### {entry['title']}\n\n{entry['n_prompts']:,} prompts of "
        f"{counted(entry['n_tasks'], 'task')} × {entry['n_models']} models.{without}\n"
    )


def _routing(entry: Entry, encoder: str, rows: list[Row]) -> str:
    """What a router is for: where it stands against controls and against ours."""
    found = entry["differences"].get(encoder, {})
    ours = found.get("ours", "")
    header = [
        "recipe",
        "AIQ",
        "minus zero router",
        "minus true task label",
        "maximum quality",
        "cost to match the best model",
        *([f"`{ours}` minus it (AIQ)"] if ours else []),
    ]
    lines = [
        [
            name_of(recipe),
            mean(values(own, lambda row: main(row)["aiq"])),
            margin(found, "minus_zero_router", recipe),
            margin(found, "minus_true_task_label", recipe),
            mean(values(own, lambda row: main(row)["max_quality"])),
            mean(values(own, lambda row: main(row)["cost_to_match_best"]), 3, NEVER),
            *([margin(found, "ours_minus", recipe)] if ours else []),
        ]
        for recipe, own in by_recipe(rows)
    ]
    return markdown(header, lines)


def _estimates(rows: list[Row]) -> str:
    """How good the estimates are, and what learning takes."""
    columns: Columns = {
        "Brier": (lambda row: row["quality"]["brier"], 4),
        "ECE": (lambda row: row["quality"]["ece"], 4),
        "AUC": (lambda row: row["quality"]["auc"], 3),
        "cost: log-RMSE": (lambda row: row["cost"]["log_rmse"], 3),
        "Spearman": (lambda row: row["cost"]["spearman"], 3),
        "within models": (lambda row: row["cost"]["spearman_within_model"], 3),
        "seconds to tune": (lambda row: row["tuning_s"], 1),
        "to fit": (lambda row: row["fit_s"], 1),
        "in all": (lambda row: row["seconds"], 1),
        "memory, MB": (lambda row: row["peak_private_mb"], 0),
    }
    return _table(rows, columns)


def _rewards(rows: list[Row]) -> str:
    """All rewards, both definitions of AIQ, and how much moves when λ moves by a decade."""
    kinds = list(rows[0]["rewards"])
    columns: Columns = {f"AIQ, {kind} reward": (_reward(kind, "aiq"), 4) for kind in kinds[1:]}
    columns["AIQ by upstream's code"] = lambda row: main(row)["aiq_upstream"], 4
    for figure in ("quality", "cost"):
        for kind in kinds:
            columns[f"λ-sensitivity of {figure}, {kind}"] = _sensitivity(kind, figure), 3
    return _table(rows, columns)


def _table(rows: list[Row], columns: Columns) -> str:
    """Means over the seeds, a line for each recipe."""
    lines = [
        [name_of(recipe), *(mean(values(own, get), digits) for get, digits in columns.values())]
        for recipe, own in by_recipe(rows)
    ]
    return markdown(["recipe", *columns], lines)


def _reward(kind: str, figure: str) -> Callable[[Row], Any]:
    return lambda row: row["rewards"].get(kind, {}).get(figure)


def _sensitivity(kind: str, figure: str) -> Callable[[Row], Any]:
    """The largest change per decade of λ."""
    get = _reward(kind, "lambda_sensitivity")
    return lambda row: (get(row) or {}).get(f"{figure}_max")


def _controls(entry: Entry) -> str:
    """The controls, means over the seeds."""
    each = list(entry["controls"].values())
    header = [
        "control",
        "AIQ",
        "minus zero router",
        "maximum quality",
        "cost to match the best model",
    ]
    rows = [
        [
            title,
            mean([one[name]["aiq"] for one in each]),
            gap_of_control(entry, name),
            mean([one[name]["max_quality"] for one in each]),
            mean([one[name]["cost_to_match_best"] for one in each], 3, NEVER),
        ]
        for name, title in CONTROLS.items()
    ]
    return markdown(header, rows)


def gap_of_control(entry: Entry, name: str) -> str:
    """AIQ of a control minus the zero router's, mean over the seeds."""
    each = entry["controls"].values()
    gaps = [one[name]["aiq"] - one["zero_router"]["aiq"] for one in each]
    return signed(sum(gaps) / len(gaps))
