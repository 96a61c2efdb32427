"""How steady routers are over what users will pay, as pages show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.bench.markdown import markdown, number, signed
from onehead.bench.pictures import line_chart
from onehead.bench.rows import name_of
from onehead.report.theme import INK, ORACLE, ROUTER, chart, titled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OURS = "attention"
WHOLE = "all models"
COLOURS = {"exponential": ROUTER, "linear": ORACLE}
SHAPES = {"exponential": "circle", "linear": "diamond"}

READING = """\
## Steady over what users will pay

λ-sensitivity once more, over whole pools and pools of a few models: the largest change of mean quality (and of
mean cost, as a share of its range) when λ moves by a decade. Pools are made by rules that fit every table; the
estimates are the same, with columns left out, as `--models` does. Brackets: 95 % over prompts.

**Why the two rewards are so near, and where the linear one wins.** A prompt moves from a cheap model to a dear one
at λ = Δc/Δs under the linear reward and at λ = Δc/Δ ln s under the exponential one: the same λ times the
logarithmic mean L of the two qualities. So the exponential reward does two things. It *shifts* every move to a
smaller λ (by log L): the same user buys more. And it changes how far the moves are *spread* over λ, by the variance
of log L plus twice its covariance with log(Δc/Δs). Spread moves are what steadiness is. Where prompts that are hard
(small L) are also those where the dear model adds little (large Δc/Δs), the correlation is negative, and the shift
pulls late moves back among the others: there the linear reward spreads more, and can be the steadier one. Where the
correlation is positive, or estimates of quality lie far apart, the exponential one spreads more. Both effects are a
fraction of a decade, while the models' own gaps in price, which no reward changes (see `constant`), take several: so
the differences are small, and the worst decade of most pools is that of one big step in price.
"""


def preference_sections(found: dict[str, Any]) -> Iterator[str]:
    """Tables of every outcome table that was studied."""
    document = found.get("preferences")
    if not document:
        return
    yield READING + "\n" + _verdict(document)
    for name, entry in document["tables"].items():
        yield f"### Preferences: {entry['title']}\n"
        yield f"![λ-sensitivity by pool and reward](pictures/steadiness-{name}.svg)\n"
        yield _steadiness(entry)
        yield f"![Mean quality over λ](pictures/over-lambda-{name}.svg)\n"
        yield _presets(entry)
        yield _users(entry)


def preference_pictures(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and specification of the pictures."""
    for name, entry in found.get("preferences", {"tables": {}})["tables"].items():
        yield f"steadiness-{name}", _dumbbells(entry)
        yield f"over-lambda-{name}", _over_lambda(entry)


def _pairs(entry: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What is shown: every recipe with the whole pool, ours with every pool."""
    for pool, found in entry["pools"].items():
        for recipe, figures in found["recipes"].items():
            if pool == WHOLE or recipe == OURS:
                yield pool, recipe, figures


def _verdict(document: dict[str, Any]) -> str:
    """How often which reward is the steadier one."""
    every = [
        figures
        for entry in document["tables"].values()
        for pool in entry["pools"].values()
        for figures in pool["recipes"].values()
    ]
    parts = []
    for name in ("quality", "cost"):
        gaps = [figures[f"{name}_max_gap"] for figures in every]
        below, above = sum(high < 0 for _, high in gaps), sum(low > 0 for low, _ in gaps)
        parts.append(f"in {name} the exponential reward in {below} and the linear one in {above}")
    return (
        f"Of {len(every)} pairs of recipe and pool, these are steadier with an interval that excludes 0: "
        f"{'; '.join(parts)}. The others show no difference.\n"
    )


def _steadiness(entry: dict[str, Any]) -> str:
    header = [
        "pool, recipe",
        "quality: exponential",
        "linear",
        "difference",
        "mean over λ: exponential",
        "linear",
        "cost: exponential",
        "linear",
        "difference",
        "spread of the moves, decades: exponential",
        "linear",
        "correlation",
    ]
    rows = []
    for pool, recipe, figures in _pairs(entry):
        size = entry["pools"][pool]["models"]
        one, other = figures["exponential"], figures["linear"]
        moves = figures["switches"]
        rows.append(
            [
                f"{pool} ({size}), {name_of(recipe)}",
                number(one["quality_max"], 3),
                number(other["quality_max"], 3),
                _gap(figures, "quality_max"),
                *(number(each["quality_mean"], 3) for each in (one, other)),
                *(number(each["cost_max"], 3) for each in (one, other)),
                _gap(figures, "cost_max"),
                *(number(moves.get(f"{kind}_sd"), 2) for kind in COLOURS),
                number(moves.get("correlation"), 2),
            ]
        )
    return markdown(header, rows)


def _gap(figures: dict[str, Any], name: str) -> str:
    """The exponential reward's figure minus the linear one's, with its interval."""
    low, high = figures[f"{name}_gap"]
    gap = figures["exponential"][name] - figures["linear"][name]
    return f"{signed(gap, 3)} [{signed(low, 3)}, {signed(high, 3)}]"


def _presets(entry: dict[str, Any]) -> str:
    """What presets reach beside the best single model."""
    rows = []
    for pool, found in entry["pools"].items():
        points = found["recipes"][OURS]["exponential"]["presets"].values()
        cells = [(signed(at["quality"], 3), f"{at['cost'] * 100:.0f} %") for at in points]
        rows.append([f"{pool} ({found['models']})", *(cell for pair in cells for cell in pair)])
    header = [
        "pool",
        "cheap: quality",
        "cost",
        "balanced: quality",
        "cost",
        "best: quality",
        "cost",
    ]
    return (
        f"**Presets**, `{OURS}`, exponential reward: quality minus the best single model's, and cost as a share of "
        "that model's.\n\n" + markdown(header, rows)
    )


def _users(entry: dict[str, Any]) -> str:
    """Expected figures under distributions of λ."""
    recipes = entry["pools"][WHOLE]["recipes"]
    chosen = [(OURS, "exponential"), (OURS, "linear"), ("constant", "exponential")]
    kinds = recipes[OURS]["exponential"]["users"]
    rows = []
    for kind in kinds:
        for recipe, reward in chosen:
            one = recipes[recipe][reward]["users"][kind]
            rows.append(
                [
                    f"{kind}: `{recipe}`, {reward}",
                    number(one["quality"]),
                    f"{one['spend_usd'] * 1000:.3g}",
                    number(one["regret"]),
                    number(one["linear_regret"]),
                    number(one.get("quality_step")),
                    number(one.get("spend_step"), 2),
                ]
            )
    header = [
        "users",
        "quality",
        "USD per 1,000 prompts",
        "regret by the router's reward",
        "regret by the linear one",
        "largest step of quality",
        "of spend, ×",
    ]
    return (
        "**Kinds of users**, the whole pool. log λ is uniform from a decade below `cheap` to one above `best`, normal "
        "(half a decade) around `cheap` or `best`, or drifts from the one to the other in twelve periods; steps are "
        "from one period to the next. Regret is what a user misses against the best model of every prompt.\n\n"
        + markdown(header, rows)
    )


def _dumbbells(entry: dict[str, Any]) -> dict[str, Any]:
    """One row for each pool and recipe, one mark for each reward."""
    points: list[dict[str, Any]] = [
        {
            "row": f"{pool}, {name_of(recipe)}",
            "reward": reward,
            "value": figures[reward]["quality_max"],
        }
        for pool, recipe, figures in _pairs(entry)
        for reward in COLOURS
    ]
    names = list(dict.fromkeys(point["row"] for point in points))
    rows = {
        "field": "row",
        "type": "nominal",
        "sort": names,
        "axis": {"title": None, "labelLimit": 320, "labelColor": INK},
    }
    value: Callable[[str], dict[str, Any]] = lambda how: {  # noqa: E731
        "field": "value",
        "type": "quantitative",
        "aggregate": how,
        "axis": {"title": "largest change of mean quality per decade of λ"},
        "scale": {"zero": True},
    }
    exact = {key: entry for key, entry in value("min").items() if key != "aggregate"}
    domain = {"domain": list(COLOURS), "range": list(COLOURS.values())}
    shapes = {"domain": list(SHAPES), "range": list(SHAPES.values())}
    layers = [
        {
            "mark": {"type": "rule", "color": "#8c959f"},
            "encoding": {
                "y": rows,
                "x": value("min"),
                "x2": {"field": "value", "aggregate": "max"},
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": {
                "y": rows,
                "x": exact,
                "color": {
                    "field": "reward",
                    "type": "nominal",
                    "scale": domain,
                    "legend": {"title": None},
                },
                "shape": {"field": "reward", "type": "nominal", "scale": shapes},
            },
        },
    ]
    description = (
        "λ-sensitivity of quality under the exponential and the linear reward, by pool and recipe."
    )
    spec = chart(420, 24 * len(names), description, data={"values": points}, layer=layers)
    return titled(spec, f"{entry['title']}: steady over λ?", "Further left is steadier")


def _over_lambda(entry: dict[str, Any]) -> dict[str, Any]:
    """Mean quality over λ, ours with the whole pool, one seed."""
    curves = entry["pools"][WHOLE]["recipes"][OURS]["curve"]
    lines = [
        (f"{reward} reward", [(wtp, quality) for wtp, quality, _ in points])
        for reward, points in curves.items()
    ]
    return line_chart(
        lines,
        ("willingness to pay λ, USD", "mean quality"),
        (f"{entry['title']}: what λ buys", f"{OURS}, all models, prompts held out by one seed"),
    )
