"""The long layout: one row per (prompt, model)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import DataError
from onehead.outcomes import VALUES, OutcomeTable, differ
from onehead.sources.frame import check_size, first_row, to_label
from onehead.sources.prompts import find_column, prompt_columns, read_prompt_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.sources.frame import Distinct, Frame, Source

# The second names are those of RouterBench's raw table.
MODEL_NAMES = ("model", "model_name")
VALUE_NAMES = {
    "quality": ("quality", "performance"),
    "cost_usd": ("cost_usd", "total_cost"),
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
}


def is_long(columns: Sequence[str]) -> bool:
    """Whether the columns name a model and its quality."""
    return all(find_column(columns, names) for names in (MODEL_NAMES, VALUE_NAMES["quality"]))


def read_long(source: Source) -> OutcomeTable:
    """Prompts in the order of their first rows, models by name.

    Rows of one prompt and model complete each other; where they contradict each other it is a
    DataError that names both.
    """
    found = [find_column(source.columns, names) for names in (MODEL_NAMES, *VALUE_NAMES.values())]
    wanted = (*prompt_columns(source.columns), *(name for name in found if name is not None))
    frame = source.read(wanted)
    prompts = read_prompt_rows(frame)
    models, model_of_row = _models(frame)
    n, m = len(prompts.prompt_ids), len(models)
    check_size(frame, n, m)
    cell_of_row = prompts.of_row * m + model_of_row
    arrays = []
    for name in VALUES:
        column = find_column(tuple(frame.columns), VALUE_NAMES[name])
        cells = np.full(n * m, np.nan)
        if column is not None:
            values = frame.numbers(column, name)
            known = np.flatnonzero(~np.isnan(values))[::-1]  # the first of a cell's rows stays
            cells[cell_of_row[known]] = values[known]
            _no_contradiction(frame, column, values, cells[cell_of_row], cell_of_row)
        arrays.append(cells.reshape(n, m))
    if np.isnan(arrays[0]).all():
        raise DataError(f"{frame.source}: no quality is known; the column is empty throughout.")
    return OutcomeTable(prompts.prompt_ids, prompts.prompts, prompts.tasks, models, *arrays)


def _models(frame: Frame) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Names of the models, sorted, and the number of each row's model."""
    name = find_column(tuple(frame.columns), MODEL_NAMES)
    assert name is not None  # noqa: S101  (the layout was chosen by it)
    column: Distinct = frame.texts(name, to_label)
    if (column.codes < 0).any():
        frame.refuse(name, first_row(column.codes, -1), "missing. Name the model.")
    models = tuple(sorted(column.values))
    rank = {model: j for j, model in enumerate(models)}
    return models, np.array([rank[model] for model in column.values])[column.codes]


def _no_contradiction(
    frame: Frame,
    column: str,
    values: NDArray[np.float64],
    kept: NDArray[np.float64],
    cell_of_row: NDArray[np.intp],
) -> None:
    """DataError unless all rows of a cell agree with the value that was kept for it."""
    clash = np.flatnonzero(differ(values, kept))
    if len(clash):
        i = int(clash[0])
        same = np.flatnonzero((cell_of_row == cell_of_row[i]) & ~differ(values, kept))
        other = int(same[~np.isnan(values[same])][0])
        frame.refuse(
            column,
            i,
            f"{values[i]:g}, but {values[other]:g} in {frame.row(other)}, which is about the same "
            "prompt and model. Keep one row for each run, or give repeated runs ids of their own.",
        )
