"""How recipes route, as pages show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tables import NOTHING, counted, markdown, mean, signed, taken, with_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Columns = dict[str, tuple[Callable[[dict[str, Any]], Any], int]]
    Rows = list[dict[str, Any]]

OURS = "attention"
NEVER = "never"
NAMES = {
    "knn": "knn, tuned",
    "knn-upstream": "knn, upstream's k = 10 and constant cost",
    "mlp": "mlp, tuned",
    "mlp-upstream": "mlp, upstream's settings and constant cost",
}
CONTROLS = {
    "cheapest": "cheapest model",
    "best_single": "best single model",
    "random": "random mix",
    "zero_router": "zero router",
    "true_task_label": "true task label",
    "oracle": "oracle",
}
IN_README = ("attention", "paper", "knn", "knn-upstream", "ridge", "mlp")

READING = """\
## How well recipes route

Each seed holds out a fifth of a table's prompts, which neither the recipe, nor its tuning, nor any mean sees.
Figures are means over the seeds. Brackets are 95 % intervals from resampling prompts over all seeds at
once: a prompt that two seeds hold out counts as one prompt, and the fits are kept as they are. The reward is
the exponential one where none is named. λ-sensitivity is the largest change of mean quality, and of mean
cost as a share of its range, when λ moves by a decade: smaller is steadier.
"""


def recipe_sections(found: dict[str, Any]) -> Iterator[str]:
    """Tables of every outcome table that was run, and where the figures come from."""
    if "recipes" not in found:
        return
    document = found["recipes"]
    yield READING
    for entry in document["tables"].values():
        yield _head(entry)
        yield _routing(entry)
        yield _estimates(entry)
        yield _rewards(entry)
        yield _controls(entry)
    runs = document["runs"].values()
    yield "### Where these figures come from\n\n" + "\n".join(f"- {taken(run)}" for run in runs)


def readme_table(found: dict[str, Any]) -> str:
    """AIQ above the zero router, one column for each table, and where it was measured."""
    document = found["recipes"]
    entries = list(document["tables"].values())
    header = ["recipe", *(_title(entry) for entry in entries)]
    rows = [
        [_name(recipe), *(_margin(entry, "minus_zero_router", recipe) for entry in entries)]
        for recipe in IN_README
    ]
    label = [_mean_gap_of_control(entry, "true_task_label") for entry in entries]
    rows.append(["*control: told the true task*", *label])
    oracle = [_mean_gap_of_control(entry, "oracle") for entry in entries]
    rows.append(["*control: oracle*", *oracle])
    return (
        "AIQ above the zero router's (mixing single models at random) on held-out prompts, mean over "
        f"{_seeds(entries[0])} with 95 % intervals, static encoder; "
        "[all figures and how they are made](docs/benchmarks.md):\n\n" + markdown(header, rows)
    )


def _head(entry: dict[str, Any]) -> str:
    models, prompts = entry["left_out"]["models"], entry["left_out"]["n_prompts"]
    lost = [f"{counted(len(models), 'model')} ({', '.join(models)})"] if models else []
    lost += [counted(prompts, "prompt")] if prompts else []
    without = f" Left out for want of outcomes: {' and '.join(lost)}." if lost else ""
    held = sorted({row["n_test"] for row in entry["rows"]})
    size = f"{held[0]:,}" if len(held) == 1 else f"{held[0]:,} to {held[-1]:,}"
    return (
        f"### {entry['title']}\n\n{entry['n_prompts']:,} prompts of {entry['n_tasks']} tasks × "
        f"{entry['n_models']} models; {size} prompts held out; encoder `{entry['encoder']}`; "
        f"{_seeds(entry)}.{without}\n"
    )


def _routing(entry: dict[str, Any]) -> str:
    """What a router is for: where it stands against controls and against ours."""
    header = [
        "recipe",
        "AIQ",
        "minus zero router",
        "minus true task label",
        "maximum quality",
        "cost to match the best model",
        f"`{OURS}` minus it (AIQ)",
    ]
    rows = [
        [
            _name(recipe),
            mean(_values(rows, lambda row: _main(row)["aiq"])),
            _margin(entry, "minus_zero_router", recipe),
            _margin(entry, "minus_true_task_label", recipe),
            mean(_values(rows, lambda row: _main(row)["max_quality"])),
            mean(_values(rows, lambda row: _main(row)["cost_to_match_best"]), 3, NEVER),
            _margin(entry, "ours_minus", recipe) if recipe != OURS else NOTHING,
        ]
        for recipe, rows in _by_recipe(entry)
    ]
    return markdown(header, rows)


def _estimates(entry: dict[str, Any]) -> str:
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
    }
    return _table(entry, columns)


def _rewards(entry: dict[str, Any]) -> str:
    """Both rewards, both definitions of AIQ, and how much moves when λ moves by a decade."""
    columns: Columns = {
        "AIQ, linear reward": (lambda row: row["rewards"]["linear"]["aiq"], 4),
        "AIQ by upstream's code": (lambda row: _main(row)["aiq_upstream"], 4),
    }
    for figure in ("quality", "cost"):
        for reward in ("exponential", "linear"):
            columns[f"λ-sensitivity of {figure}, {reward}"] = _sensitivity(reward, figure), 3
    return _table(entry, columns)


def _table(entry: dict[str, Any], columns: Columns) -> str:
    """Means over the seeds, a line for each recipe."""
    lines = [
        [_name(recipe), *(mean(_values(rows, get), digits) for get, digits in columns.values())]
        for recipe, rows in _by_recipe(entry)
    ]
    return markdown(["recipe", *columns], lines)


def _sensitivity(reward: str, figure: str) -> Callable[[dict[str, Any]], Any]:
    """The largest change per decade of λ."""
    return lambda row: row["rewards"][reward]["lambda_sensitivity"][f"{figure}_max"]


def _controls(entry: dict[str, Any]) -> str:
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
            _mean_gap_of_control(entry, name),
            mean([one[name]["max_quality"] for one in each]),
            mean([one[name]["cost_to_match_best"] for one in each], 3, NEVER),
        ]
        for name, title in CONTROLS.items()
    ]
    return markdown(header, rows)


def _mean_gap_of_control(entry: dict[str, Any], name: str) -> str:
    each = entry["controls"].values()
    gaps = [one[name]["aiq"] - one["zero_router"]["aiq"] for one in each]
    return signed(sum(gaps) / len(gaps))


def _by_recipe(entry: dict[str, Any]) -> Iterator[tuple[str, Rows]]:
    """The rows of each recipe, in the order of the file."""
    for recipe in dict.fromkeys(row["recipe"] for row in entry["rows"]):
        yield recipe, [row for row in entry["rows"] if row["recipe"] == recipe]


def _margin(entry: dict[str, Any], kind: str, recipe: str) -> str:
    gap = entry["differences"].get(kind, {}).get(recipe)
    return NOTHING if gap is None else with_interval(gap)


def _values(rows: Rows, get: Callable[[dict[str, Any]], Any]) -> list[Any]:
    return [get(row) for row in rows]


def _main(row: dict[str, Any]) -> dict[str, Any]:
    return row["rewards"]["exponential"]  # type: ignore[no-any-return]


def _name(recipe: str) -> str:
    return NAMES.get(recipe, recipe)


def _title(entry: dict[str, Any]) -> str:
    return f"{entry['title']} ({entry['n_prompts']:,} × {entry['n_models']})"


def _seeds(entry: dict[str, Any]) -> str:
    seeds = sorted({row["seed"] for row in entry["rows"]})
    return f"{counted(len(seeds), 'seed')} ({', '.join(map(str, seeds))})"
