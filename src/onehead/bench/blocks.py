"""A complete table handed from process to process, and the estimates that come back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.artifact.atomic import replacing
from onehead.outcomes import VALUES, OutcomeTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from onehead.predictors import Estimates

_STRINGS = ("prompt_ids", "prompts", "tasks", "models")


def save_table(path: Path, table: OutcomeTable) -> None:
    """Write a table that `load_table` reads at once, without the memory that parsing takes."""
    strings = json.dumps({name: getattr(table, name) for name in _STRINGS}).encode()
    _write(
        path,
        strings=np.frombuffer(strings, np.uint8),
        **{name: getattr(table, name) for name in VALUES},
    )


def load_table(path: Path) -> OutcomeTable:
    """The table of a file."""
    with np.load(path) as found:
        strings = json.loads(found["strings"].tobytes())
        columns: dict[str, Any] = {name: tuple(strings[name]) for name in _STRINGS}
        return OutcomeTable(**columns, **{name: found[name] for name in VALUES})


def save_estimates(path: Path, estimates: Estimates, rows: NDArray[np.intp], mark: str) -> None:
    """Write estimates of some rows of a table; `mark` says what they were made by."""
    _write(
        path,
        quality=estimates.quality,
        cost_usd=estimates.cost_usd,
        rows=rows,
        mark=np.array(mark),
    )


def load_estimates(
    path: Path, rows: NDArray[np.intp], mark: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Quality and cost [n, m] for these rows by what `mark` says; None where they are gone."""
    if not path.exists():
        return None
    with np.load(path) as found:
        if str(found["mark"]) != mark or not np.array_equal(found["rows"], rows):
            return None
        return found["quality"], found["cost_usd"]


def _write(path: Path, **arrays: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
