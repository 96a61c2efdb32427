"""What a router knows beyond its own table, and where it loses, as pages show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.bench.markdown import NOTHING, markdown, number, signed, taken, with_interval
from onehead.bench.markdown import mean as matched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAYS = {
    "transferred": "transferred",
    "no fallback": "transferred, without the fallback",
    "constants": "source's mean quality, transferred costs",
    "transferred, own costs": "transferred quality, own costs",
    "constants, own costs": "source's mean quality, own costs",
    "own": "learned from the table itself",
    "zero_router": "zero router, which knows the outcomes",
}
WHO = ("transferred", "no fallback", "own")
LUCK = {
    "ours": "ours",
    "task means": "means of each task",
    "model means": "one mean for each model",
}
GROUPS = {
    "kinds": "kind",
    "lengths": "length, thirds",
    "estimates": "estimate of the chosen",
    "tasks": "task",
}
PLACES = {"at home": "own held-out prompts", "abroad": "the other table's"}
TRANSFER = """\
## On another table's prompts

A router learns from four fifths of one table and routes the held-out fifth of another, which it knows nothing of,
among the models that both hold. Two mean qualities and a guess at costs go a long way with two models: whether the
transferred *estimates of quality* are worth anything is what "transferred minus the source's means" says, once with
the transferred costs and once with costs that the table's own router predicts. Intervals are 95 % over prompts; the
zero router has seen the outcomes. Where confidence is below one half, estimates are drawn toward each
model's usual quality at the source.
"""
FAILURES = """\
## Where routing loses

On held-out prompts, with the estimates that `recipes.py` kept, of all seeds together. *Gap*: what the best outcome of
any model has more than the chosen model's. *Regret*: the same in the reward that was chosen by. *Overspend*: what was
paid beyond the cheapest model that did as well. At `balanced` part of the gap is meant: quality that the preset does
not buy. At *best quality* cost plays no part. Few are a quarter of the models at most, which of two models is none.
Tasks are the worst five by gap.
"""
SHOWN: dict[str, Callable[[dict[str, Any]], str]] = {
    "prompts": lambda one: f"{one['share']:.1%}",
    "of gap": lambda one: f"{one['share_of_gap']:.1%}",
    "gap": lambda one: number(one["gap"], 3),
    "regret": lambda one: number(one["regret"], 3),
    "overspent, mUSD": lambda one: number(one["overspend_usd"] * 1e3, 3),
    "of overspent": lambda one: f"{one['share_of_overspend']:.1%}",
}
COLUMNS = {
    "balanced": tuple(SHOWN),
    "best quality": ("prompts", "of gap", "gap", "overspent, mUSD"),
}
LUCK_TEXT = """\
**How much of the gap is luck?** The oracle sees outcomes, and takes the model that happened to be right. Outcomes drawn
from the estimates give an oracle too; its lead is what the estimates themselves call luck. Drawn for each model on
its own it is too much, because models fail together: see how seldom all would fail. One hardness behind all models of
a prompt, fitted to how unevenly successes gather, is nearer. This is no floor: estimates that know less explain their
own gap by luck just as well. What it says is whether the gap is more than calibrated estimates expect.
"""


def knowledge_sections(found: dict[str, Any]) -> Iterator[str]:
    """What was measured of other tables' prompts, and of losses."""
    if "transfer" in found:
        yield _transfer(found["transfer"])
    if "failures" in found:
        yield _failures(found["failures"])


def _transfer(document: dict[str, Any]) -> str:
    pairs = document["pairs"]
    rows = [row for pair in pairs for row in _estimates(pair)]
    header = ["learned from → asked about", "model", *WHO, *WHO, "said − came"]
    confidence = [
        [_direction(pair), *(_confidence(pair["confidence"][where]) for where in PLACES)]
        for pair in pairs
    ]
    seeds = ", ".join(map(str, document["seeds"]))
    return (
        f"{TRANSFER}\n{_routed([pair for pair in pairs if 'aiq' in pair])}\n### Transfer: the estimates\n\n"
        f"Estimates of quality, means over the seeds ({seeds}); first AUC, then the Brier score. *Own* learned from "
        "the table itself. The fourteen tasks have no costs and share one model with MMLU-Pro, so nothing can be "
        f"routed there:\n\n{markdown(header, rows)}\nMean confidence, and the share below one half:\n\n"
        f"{markdown(['learned from → asked about', *PLACES.values()], confidence)}\n"
        f"{taken(document['run'])}\n"
    )


def _direction(pair: dict[str, Any]) -> str:
    return " → ".join(pair["titles"])


def _routed(pairs: list[dict[str, Any]]) -> str:
    """The directions in which prompts can be routed, a column each."""
    header = ["", *(_direction(pair) for pair in pairs)]
    aiq = [[title, *(number(pair["aiq"][way]) for pair in pairs)] for way, title in WAYS.items()]
    match = [
        [title, *(matched(pair["cost_to_match_best"][way], 3, "never") for pair in pairs)]
        for way, title in WAYS.items()
        if way in pairs[0]["cost_to_match_best"]
    ]
    gaps = [
        [_difference(name), *(with_interval(pair["gaps"][name]) for pair in pairs)]
        for name in pairs[0]["gaps"]
    ]
    return (
        f"### Transfer: routing\n\nModels: {', '.join(pairs[0]['models'])}. AIQ:\n\n{markdown(header, aiq)}\n"
        f"Differences of AIQ:\n\n{markdown(header, gaps)}\nCost to match the best single model:\n\n"
        f"{markdown(header, match)}"
    )


def _difference(name: str) -> str:
    return " minus ".join(WAYS[way] for way in name.split(" - "))


def _estimates(pair: dict[str, Any]) -> Iterator[list[str]]:
    """A row for every shared model."""
    for each in zip(*(pair["estimates"][who] for who in WHO), strict=True):
        yield [
            _direction(pair),
            each[0]["model"],
            *(number(one[name], 3) for name in ("auc", "brier") for one in each),
            signed(each[0]["said"] - each[0]["came"], 3),
        ]


def _confidence(one: dict[str, float]) -> str:
    return f"{number(one['mean'], 2)} ({one['below_half']:.0%})"


def _failures(document: dict[str, Any]) -> str:
    parts = [_of_table(entry) for entry in document["tables"].values()]
    return f"{FAILURES}\n" + "\n".join(parts) + f"\n{LUCK_TEXT}\n{_luck(document)}"


def _of_table(entry: dict[str, Any]) -> str:
    """Losses of one table at both willingness to pay."""
    columns = [f"{point}: {name}" for point, names in COLUMNS.items() for name in names]
    points = entry["points"]
    rows = [["all prompts", *_losses(points, lambda found: found["all"])]]
    for group, title in GROUPS.items():
        names = dict.fromkeys(name for found in points.values() for name in found[group])
        rows += [[f"{title}: {name}", *_losses(points, _picker(group, name))] for name in names]
    seeds = ", ".join(map(str, entry["seeds"]))
    count = points["balanced"]["all"]["n"]
    return (
        f"### Losses: {entry['title']} (seeds {seeds}, {count:,} prompts)\n\n"
        f"{markdown(['', *columns], rows)}"
    )


def _picker(group: str, name: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda found: found[group].get(name)


def _losses(
    points: dict[str, Any], pick: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> Iterator[str]:
    """The figures of one group of prompts at every willingness to pay."""
    for point, names in COLUMNS.items():
        one = pick(points[point])
        yield from ((SHOWN[name](one) if one else NOTHING) for name in names)


def _luck(document: dict[str, Any]) -> str:
    rows, ceilings, words = [], [], []
    for entry in document["tables"].values():
        luck = entry["luck"]
        for part, title in LUCK.items():
            names = ("observed_gap", "independent_gap", "shared_gap", "nobody_observed")
            names += ("nobody_independent", "nobody_shared")
            rows.append(
                [f"{entry['title']}: {title}", *(number(luck[part][name], 3) for name in names)]
            )
        ceilings.append(
            [
                entry["title"],
                *(number(value, 3) for value in luck["ceilings"].values()),
                with_interval(luck["ours_minus_task_means"], 3),
            ]
        )
        words += [*_copies(entry), *_guessing(entry)]
    header = ["estimates", "gap", "drawn alone", "shared hardness"]
    header += ["nobody succeeds", "drawn alone", "shared hardness"]
    first = next(iter(document["tables"].values()))["luck"]["ceilings"]
    return (
        f"{markdown(header, rows)}\nMean quality without regard to cost, of choices that know more and more; the "
        "difference is ours minus the best of each task known before:\n\n"
        f"{markdown(['', *first, 'difference'], ceilings)}\n" + "\n".join(words) + "\n\n"
        "Most models repeat themselves on the same text, right or wrong, so that much of what the oracle knows is no luck "
        "of a run. That makes it no more foreseeable: a lucky guess that is repeated looks like knowledge. Copies are few, "
        "of few tasks, and may carry outcomes that were copied along.\n\n"
        f"{taken(document['run'])}\n"
    )


def _copies(entry: dict[str, Any]) -> Iterator[str]:
    """What repeated texts say."""
    one = entry["copies"]
    if not one:
        return
    low, high = one["survives_interval"]
    between = f" [{low:.0%}, {high:.0%}]" if low is not None else ""
    sampled = [
        f"{each['model']} had the same outcome in {each['agree']:.0%}, which puts {each['within']:.0%} of the variance "
        "of its outcomes within a text"
        for each in one["sampled"]
    ]
    aside = (
        f" Of the models whose answers mostly differ in length, {'; '.join(sampled)}."
        if sampled
        else ""
    )
    yield (
        f"- {entry['title']} holds {one['n']} texts twice. A second run had the same outcome in {one['agree']:.0%} of "
        f"cases (and the same length in {one['same_length']:.0%}).{aside} The oracle of one run, scored on the "
        f"other, reaches {number(one['oracle_of_the_other_run'], 3)} where it reaches {number(one['oracle'], 3)} on its "
        f"own and the best single model {number(one['best_single'], 3)}: {one['survives']:.0%}{between} of its lead."
    )


def _guessing(entry: dict[str, Any]) -> Iterator[str]:
    """What guessing would do."""
    one = entry["guessing"]
    if one:
        yield (
            f"- {entry['title']}: were all {entry['n_models']} models to guess among {number(one['options'], 1)} options, "
            f"one would be right on {one['any_if_all_guess']:.0%} of the questions. No more models are right than so on "
            f"{one['share']:.0%} of the prompts, which hold {one['share_of_gap']:.0%} of the gap."
        )
