"""Models that join, pools of any size, and prompts unlike all that is known, as pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.bench.markdown import NOTHING, markdown, number, signed, taken, with_interval
from onehead.bench.markdown import mean as matched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOW = {
    "trained": "trained with all models",
    "all": "joined by every outcome",
    "chosen": "joined by chosen prompts",
    "chosen, alone": "the same, outcomes of the pool's models not used",
    "random": "joined by prompts drawn at random",
    "like": "joined by likeness alone",
    "without": "without the new models",
}
WAYS = {
    "with": "with the fallback",
    "without": "without it",
    "usual": "nothing but what is usual",
    "zero_router": "zero router, which knows the outcomes",
    "single": "best single model at equal cost",
}


def model_sections(found: dict[str, Any]) -> Iterator[str]:
    """What was measured of new models, of the size of pools, and of unknown prompts."""
    if "new_models" in found:
        yield _new_models(found["new_models"])
    if "pools" in found:
        yield _pools(found["pools"])
    if "unknown" in found:
        yield _unknown(found["unknown"])
    if "calibration" in found:
        yield _calibration(found["calibration"])
    if "costs" in found:
        yield _costs(found["costs"])


def _new_models(document: dict[str, Any]) -> str:
    head = (
        "## New models without training\n\nEach seed holds out a fifth of a table's prompts, and then a group of "
        "models at a time, until every model was held out. A router is trained without the group, whose models "
        "join it by what is known of them on a few prompts ([`onehead models add`](method.md#new-models)). AIQ is "
        "of the whole pool on held-out prompts; the other figures are of the new models there. Means over seeds, "
        "groups and draws.\n"
    )
    return "\n".join([head, *(_joined(entry) for entry in document["tables"].values())])


def _joined(entry: dict[str, Any]) -> str:
    rows = [row | {"n": 0 if row["how"] == "all" else row["n"]} for row in entry["rows"]]
    trained = _mean(rows, "trained", 0, "aiq")
    lines = [
        [
            title + (f", {n:,}" if n else ""),
            number(_mean(rows, how, n, "aiq")),
            signed(_mean(rows, how, n, "aiq") - trained),
            *(_figure(rows, how, n, name) for name in ("brier", "mean_error", "ece")),
            _figure(rows, how, n, "cost_log_rmse", 3),
        ]
        for how, title in HOW.items()
        for n in sorted({row["n"] for row in rows if row["how"] == how})
    ]
    header = ["", "AIQ", "minus trained", "Brier", "error of the mean", "ECE", "cost: log-RMSE"]
    seeds = len({row["seed"] for row in rows})
    paired = [
        [f"{n} prompts", *(with_interval(gaps[name]) for name in ("brier", "mean_error", "aiq"))]
        for n, gaps in entry["chosen_minus_random"].items()
    ]
    return (
        f"### New models: {entry['title']}\n\n{entry['n_models']} models in {entry['groups']} groups, {seeds} "
        f"seeds, {entry['draws']} draws.\n\n{markdown(header, lines)}\n"
        "Chosen minus drawn at random, with 95 % intervals from resampling the models (for AIQ their "
        "groups); for Brier and error less is better:\n\n"
        f"{markdown(['', 'Brier', 'error of the mean', 'AIQ'], paired)}\n{taken(entry['run'])}\n"
    )


def _mean(rows: list[dict[str, Any]], how: str, n: int, name: str) -> float:
    """Mean over seeds, draws and new models."""
    found = [row[name] for row in rows if (row["how"], row["n"]) == (how, n)]
    return float(np.mean(np.concatenate([np.atleast_1d(each) for each in found])))


def _figure(rows: list[dict[str, Any]], how: str, n: int, name: str, digits: int = 4) -> str:
    return NOTHING if how == "without" else number(_mean(rows, how, n, name), digits)


def _pools(document: dict[str, Any]) -> str:
    lines = [
        [
            f"{row['models']:,}",
            f"{row['us']:,.0f} µs",
            " to ".join(f"{us:,.0f}" for us in row["range_us"]),
        ]
        for row in document["rows"]
    ]
    return (
        "## Pools of any size\n\nProcessor time of one decision on the bundled router, cut or filled up with "
        f"disturbed copies of its models; new prompts of {document['tokens']} tokens, median and range of "
        f"rounds.\n\n{markdown(['models', 'one decision', 'range, µs'], lines)}\n{taken(document['run'])}\n"
    )


def _unknown(document: dict[str, Any]) -> str:
    head = (
        "## Prompts unlike all that is known\n\nEach task is left out of learning in turn. As confidence falls "
        "below one half, estimates are drawn toward what is usual for each model. The zero router of a task "
        "left out knows which models do well there; a router cannot, and one that never reads the prompt "
        "comes as near as can be. The best single model at equal cost is, at every cost, the best that costs no "
        "more. Confidence tells noise and strange texts well, and a new task that is put like the known ones to "
        "some degree.\n"
    )
    parts = [_of_table(entry) for entry in document["tables"].values()]
    return "\n".join([head, *parts])


def _of_table(entry: dict[str, Any]) -> str:
    means = [
        [title, *(number(entry[part]["aiq"][way]) for part in ("in_distribution", "left_out"))]
        for way, title in WAYS.items()
    ]
    gaps = [
        [
            name.replace("_", " "),
            *(with_interval(entry[part]["gaps"][name]) for part in ("in_distribution", "left_out")),
        ]
        for name in entry["left_out"]["gaps"]
    ]
    tasks = [
        [task, f"{one['n']:,}", *(number(one["aiq"][way]) for way in WAYS), _off(one["confidence"])]
        for task, one in entry["tasks"].items()
    ]
    kinds = [[kind, _off(off)] for kind, off in entry["confidence"].items()]
    header = ["", "usual split", "task left out"]
    return (
        f"### {entry['title']}\n\n{markdown(['AIQ', *header[1:]], means)}\n"
        f"{markdown(['difference of AIQ', *header[1:]], gaps)}\n"
        f"{markdown(['task left out', 'prompts', *WAYS.values(), 'confidence'], tasks)}\n"
        f"AUC of confidence, known tasks' held-out prompts against tasks left out: {number(entry['told_apart'], 3)}. "
        "Confidence (10 %, median, 90 %) of the router of the first seed:\n\n"
        f"{markdown(['texts', 'confidence'], kinds)}\n{taken(entry['run'])}\n"
    )


def _calibration(document: dict[str, Any]) -> str:
    parts = []
    for entry in document["tables"].values():
        rows = entry["rows"]
        ece, right = (np.mean([row[name] for row in rows]) for name in ("ece", "ece_if_right"))
        of_models = np.mean([row["ece_of_models"]["mean"] for row in rows])
        floor = np.mean([row["ece_of_models_if_right"] for row in rows])
        targets = zip(*(row["promises"] for row in rows), strict=True)
        lines = [_promise(each) for each in targets]
        seeds = ", ".join(str(row["seed"]) for row in rows)
        parts.append(
            f"### Calibration: {entry['title']} (seeds {seeds})\n\n"
            f"ECE {number(ece)}; estimates that are right would show {number(right)} on so few prompts. Of single "
            f"models, on average: {number(of_models)}, and {number(floor)} were they right.\n\n"
            + markdown(["`min_quality`", "reached by", "successes", "cost of best model"], lines)
        )
    head = (
        "## Whether estimates come true\n\nOn held-out prompts, with the estimates that `recipes.py` kept. "
        "`min_quality` takes the cheapest model that is estimated to reach the target: of the prompts where one "
        "is, this share was answered well, at this share of what the best single model costs there.\n"
    )
    return "\n".join([head, *parts]) + f"\n{taken(document['run'])}\n"


def _promise(each: Sequence[dict[str, Any]]) -> list[str]:
    """A target, means over the seeds that reach it."""
    known = [one for one in each if one["success"] is not None]
    share = number(float(np.mean([one["share"] for one in each])), 2)
    figures = [
        number(float(np.mean([one[name] for one in known])), 3) if known else NOTHING
        for name in ("success", "spent_of_best")
    ]
    return [number(each[0]["target"], 2), share, *figures]


COSTS = {"ours": "ours", "knn": "40 neighbours", "constant": "constant", "true": "true costs"}


def _costs(document: dict[str, Any]) -> str:
    names = ("log_rmse", "spearman", "spearman_within_model", "bias", "aiq")
    parts = []
    for entry in document["tables"].values():
        lines = [
            [
                title,
                *(
                    number(float(np.mean([row[way][name] for row in entry["rows"]])))
                    for name in names
                ),
                matched([row[way]["cost_to_match_best"] for row in entry["rows"]], 3, "never"),
            ]
            for way, title in COSTS.items()
        ]
        header = [
            "cost",
            "log-RMSE",
            "Spearman",
            "within models",
            "said / paid",
            "AIQ",
            "to match best",
        ]
        seeds = ", ".join(str(row["seed"]) for row in entry["rows"])
        parts.append(f"### Costs: {entry['title']} (seeds {seeds})\n\n{markdown(header, lines)}")
    head = (
        "## What predicted costs are worth\n\nQuality as estimated by our recipe (kept by `recipes.py`), cost by "
        "ours, by the geometric mean over neighbours, by one mean for each model, and as it came.\n"
    )
    return "\n".join([head, *parts]) + f"\n{taken(document['run'])}\n"


def _off(quantiles: list[float]) -> str:
    return " · ".join(number(value, 2) for value in quantiles)
