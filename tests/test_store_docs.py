"""docs/log.md describes the tables as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from onehead.store import Store
from onehead.store.schema import (
    LATENCY_BINS,
    LATENCY_EDGES_S,
    OVERHEAD_BINS,
    OVERHEAD_EDGES_S,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[1] / "docs" / "log.md").read_text("utf-8")
BINS = {"overhead_…": OVERHEAD_BINS, "latency_…": LATENCY_BINS}


def described() -> Iterator[tuple[str, list[str]]]:
    """Tables and their columns, in order, as the page has them."""
    for part in PAGE.partition("## Tables")[2].split("\n### ")[1:]:
        name, _, text = part.partition("\n")
        columns: list[str] = []
        for column in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE):
            columns += BINS.get(column, (column,))
        yield name.strip(), columns


def test_every_table_and_column_is_described(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'log.db'}") as store:
        names = store.database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        real = {
            name: [
                column
                for (column,) in store.database.rows(
                    f"SELECT name FROM pragma_table_info('{name}')"
                )
            ]
            for (name,) in names
        }
    assert dict(described()) == real


def test_the_same_columns_on_both_databases(store: Store) -> None:
    for table, columns in described():
        store.database.rows(f"SELECT {', '.join(columns)} FROM {table}")


def test_bins_are_as_wide_as_described() -> None:
    assert (OVERHEAD_EDGES_S[0], round(OVERHEAD_EDGES_S[-1], 6)) == (0.0001, 0.1024)
    assert (LATENCY_EDGES_S[0], round(LATENCY_EDGES_S[-1], 6)) == (0.05, 204.8)
