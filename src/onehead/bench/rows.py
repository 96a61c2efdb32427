"""What pages ask of the rows of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from onehead.bench.markdown import NOTHING, counted, with_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]
Entry = dict[str, Any]

NAMES: Final = {
    "knn": "knn, tuned",
    "knn-upstream": "knn, upstream's k = 10 and constant cost",
    "mlp": "mlp, tuned",
    "mlp-upstream": "mlp, upstream's settings and constant cost",
}


def by_recipe(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each recipe, in the order of the document."""
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        yield recipe, [row for row in rows if row["recipe"] == recipe]


def margin(differences: dict[str, Any], kind: str, recipe: str) -> str:
    """A difference with its interval, where it was taken."""
    gap = differences.get(kind, {}).get(recipe)
    return NOTHING if gap is None else with_interval(gap)


def values(rows: list[Row], get: Callable[[Row], Any]) -> list[Any]:
    """One figure of every row."""
    return [get(row) for row in rows]


def main(row: Row) -> dict[str, Any]:
    """Figures under the leading reward."""
    found: dict[str, Any] = next(iter(row["rewards"].values()))
    return found


def name_of(recipe: str) -> str:
    """A recipe as pages call it."""
    return NAMES.get(recipe, recipe)


def seeds_of(rows: list[Row]) -> str:
    """The seeds of rows, counted and named."""
    seeds = sorted({row["seed"] for row in rows})
    return f"{counted(len(seeds), 'seed')} ({', '.join(map(str, seeds))})"
