"""RouterBench's wide layout: one row per prompt, some columns for each model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import DataError
from onehead.outcomes import OutcomeTable, differ
from onehead.pool import CONTROL
from onehead.sources.frame import check_size, to_number
from onehead.sources.prompts import (
    ID_NAMES,
    PROMPT_NAMES,
    TASK_NAMES,
    prompt_columns,
    read_prompt_rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.sources.frame import Frame, Source
    from onehead.sources.prompts import PromptRows

COST_SUFFIX = "|total_cost"
RESPONSE_SUFFIX = "|model_response"
# Columns that are about the row, never about a model; the last four are an index that was saved.
ABOUT_THE_ROW = frozenset(
    {*ID_NAMES, *PROMPT_NAMES, *TASK_NAMES, "oracle_model_to_route_to"}
    | {"", "index", "Unnamed: 0", "__index_level_0__"}
)


def has_models(columns: Sequence[str]) -> bool:
    """Whether there are columns that may be about models."""
    return bool(_named_models(columns)) or bool(_plain_columns(columns))


def read_wide(source: Source) -> OutcomeTable:
    """Prompts in the order of their first rows, models by name; responses are never read.

    A model is what has a column ``<model>|total_cost`` or ``<model>|model_response``, and any
    other column of numbers from 0 to 1. Rows that share an id are one prompt: their cells
    complete each other, and what two of them know must agree. The cost of a row without a quality
    counts only where it is lower, because RouterBench's doubled rows charge one prompt twice.
    """
    named, plain = _named_models(source.columns), _plain_columns(source.columns)
    costs = {model: model + COST_SUFFIX for model in named if model + COST_SUFFIX in source.columns}
    frame = source.read((*prompt_columns(source.columns), *plain, *costs.values()))
    prompts = read_prompt_rows(frame)
    qualities = {
        name: frame.numbers(name, "quality")
        for name in plain
        if name in named or _is_quality(frame, name, strict=not named)
    }
    models = tuple(sorted({*named, *qualities}))
    if not models:
        raise DataError(
            f"{frame.source}: no column holds a model's quality. Found: "
            f"{', '.join(map(repr, source.columns))}. Expected a column of numbers from 0 to 1 for each model."
        )
    steering = [model for model in models if CONTROL.search(model)]
    if steering:
        raise DataError(
            f"{frame.source}: the column name {steering[0]!r} holds a control character. Rename it."
        )
    n = len(prompts.prompt_ids)
    check_size(frame, n, len(models))
    quality = np.full((n, len(models)), np.nan)
    cost_usd = np.full((n, len(models)), np.nan)
    for j, model in enumerate(models):
        qualities_of_rows = qualities.get(model, np.full(frame.n_rows, np.nan))
        np.fmin.at(quality[:, j], prompts.of_row, qualities_of_rows)
        _must_agree(frame, model, qualities_of_rows, prompts, quality[:, j])
        if model in costs:
            costs_of_rows = frame.numbers(costs[model], "cost_usd")
            np.fmin.at(cost_usd[:, j], prompts.of_row, costs_of_rows)
            of_runs = np.where(np.isnan(qualities_of_rows), np.nan, costs_of_rows)
            _must_agree(frame, costs[model], of_runs, prompts, None)
    if np.isnan(quality).all():
        raise DataError(f"{frame.source}: no quality is known; all models' columns are empty.")
    tokens = np.full((2, n, len(models)), np.nan)
    return OutcomeTable(
        prompts.prompt_ids, prompts.prompts, prompts.tasks, models, quality, cost_usd, *tokens
    )


def _named_models(columns: Sequence[str]) -> set[str]:
    """The models that columns with RouterBench's suffixes name."""
    return {
        name.removesuffix(suffix)
        for name in columns
        for suffix in (COST_SUFFIX, RESPONSE_SUFFIX)
        if name.endswith(suffix) and name != suffix
    }


def _plain_columns(columns: Sequence[str]) -> list[str]:
    """The columns that may hold a model's quality."""
    return [
        name
        for name in columns
        if name not in ABOUT_THE_ROW and not name.endswith((COST_SUFFIX, RESPONSE_SUFFIX))
    ]


def _is_quality(frame: Frame, name: str, *, strict: bool) -> bool:
    """Whether an unnamed column holds qualities, told by its values.

    Where no column names a model (`strict`), any column in which some value is a number, or which
    is empty, is taken for one, so that a wrong value in it is an error. Where others name models,
    it must hold numbers from 0 to 1 and nothing else.
    """
    known, other = [], False
    for _, value in frame.distinct(name).used():
        try:
            number = to_number(value)
        except ValueError:
            other = True
        else:
            known += [] if math.isnan(number) else [number]
    if strict:
        return bool(known) or not other
    return bool(known) and not other and all(0 <= number <= 1 for number in known)


def _must_agree(
    frame: Frame,
    column: str,
    values: NDArray[np.float64],
    prompts: PromptRows,
    kept: NDArray[np.float64] | None,
) -> None:
    """DataError where two rows of one prompt know different values; `kept` is their minimum [n]."""
    if len(prompts.prompt_ids) == frame.n_rows:
        return
    if kept is None:
        kept = np.full(len(prompts.prompt_ids), np.nan)
        np.fmin.at(kept, prompts.of_row, values)
    clash = np.flatnonzero(differ(values, kept[prompts.of_row]))
    if len(clash):
        i = int(clash[0])
        prompt = prompts.of_row[i]
        other = int(np.flatnonzero((prompts.of_row == prompt) & (values == kept[prompt]))[0])
        frame.refuse(
            column,
            i,
            f"{values[i]:g}, but {values[other]:g} in {frame.row(other)}, which has the same id "
            f"{prompts.prompt_ids[prompt]!r}. Keep one of the rows, or give each its own id.",
        )
