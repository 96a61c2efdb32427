"""Prompts of a file: ids, texts and tasks by row, whatever its layout."""

from __future__ import annotations

import ast
import hashlib
import math
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.errors import DataError, UsageError
from onehead.messages import routing_text
from onehead.outcomes import PromptTable
from onehead.sources.frame import check_encodable, first_row, shorten, to_label, to_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from onehead.sources.frame import Distinct, Frame, Source

# What a column may be called; the first that exists counts. Names of the long format come first,
# RouterBench's own after them.
ID_NAMES = ("prompt_id", "sample_id")
PROMPT_NAMES = ("prompt", "messages")
TASK_NAMES = ("task", "eval_name")

_STRING_LIST = re.compile(r"\s*\[\s*['\"]")


@dataclass(frozen=True, eq=False)
class PromptRows:
    """The distinct prompts of a file [n], and the prompt of each of its rows [rows]."""

    prompt_ids: tuple[str, ...]
    prompts: tuple[str, ...]
    tasks: tuple[str, ...]
    of_row: NDArray[np.intp]


def find_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of `names` that is a column."""
    return next((name for name in names if name in columns), None)


def prompt_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that `read_prompt_rows` needs, of those that exist."""
    found = (find_column(columns, names) for names in (ID_NAMES, PROMPT_NAMES, TASK_NAMES))
    return tuple(name for name in found if name is not None)


def read_prompt_table(source: Source) -> PromptTable:
    """The prompts of a file; no other column is read."""
    columns = prompt_columns(source.columns)
    if find_column(columns, PROMPT_NAMES) is None:
        found = ", ".join(map(repr, source.columns)) or "no columns"
        raise DataError(
            f"{source.name}: no column 'prompt'. Found: {found}. Name the column that holds the "
            "prompts prompt; prompt_id and task may stand beside it."
        )
    rows = read_prompt_rows(source.read(columns))
    return PromptTable(rows.prompt_ids, rows.prompts, rows.tasks)


def read_prompt_rows(frame: Frame) -> PromptRows:
    """The prompts of a frame, in the order in which they first occur.

    A row without an id column is known by its text: the id is ``text-`` and the first 16 digits
    of the text's SHA-256. One id must keep one text and one task throughout the file; a row that
    leaves the task open takes the others'.
    """
    columns = tuple(frame.columns)
    if frame.n_rows == 0:
        raise DataError(f"{frame.source}: holds no rows. Give at least one prompt.")
    prompt_name = find_column(columns, PROMPT_NAMES)
    assert prompt_name is not None  # noqa: S101  (whoever reads a frame looked for it)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a prompt with "\d" in a list literal warns when parsed
        texts = frame.texts(prompt_name, prompt_text)
    id_name = find_column(columns, ID_NAMES)
    if id_name is None:
        ids, of_row = tuple(_id_of_text(text) for text in texts.values), texts.codes
    else:
        known = frame.texts(id_name, to_name)
        _require(frame, id_name, known)
        ids, of_row = tuple(known.values), known.codes
    text_of = _one_each(frame, prompt_name, "text", texts, of_row, n=len(ids))
    tasks = _tasks(frame, find_column(columns, TASK_NAMES), of_row, len(ids))
    _, first = np.unique(of_row, return_index=True)
    order = np.argsort(first)
    place = np.empty(len(ids), dtype=np.intp)
    place[order] = np.arange(len(ids))
    return PromptRows(
        tuple(ids[i] for i in order),
        tuple(texts.values[text_of[i]] for i in order),
        tuple(tasks[i] for i in order),
        place[of_row],
    )


def prompt_text(value: Any) -> str:
    """The text that is routed, of a cell that holds a prompt.

    Text stands for itself. A list of strings, or text that spells one as a Python literal (as
    RouterBench writes prompts), is joined with newlines; an element that repeats the one before
    it is dropped (RouterBench holds prompts that were run, and listed, twice). A list of
    OpenAI-style messages becomes text by `messages.routing_text`. ValueError says what is wrong.
    """
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        raise ValueError("the prompt is missing. Fill it in, or remove the row.")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str):
        value = _listed(value)
    if isinstance(value, list | tuple) and value:
        if all(isinstance(item, str) for item in value):
            turns = [turn for i, turn in enumerate(value) if i == 0 or turn != value[i - 1]]
            value = "\n".join(turns)
        elif all(isinstance(item, dict) for item in value):
            value = _of_messages(value)
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004  (the caller adds the row to a ValueError)
            f"{shorten(value)} is no prompt. Give text, a list of strings or a list of messages."
        )
    if not value.strip():
        raise ValueError("the prompt is empty. Fill it in, or remove the row.")
    check_encodable(value)
    return routing_text(value)


def _listed(text: str) -> str | list[str]:
    """The strings that a Python list literal holds, or the text itself where it is none."""
    if not (_STRING_LIST.match(text) and text.rstrip().endswith("]")):
        return text
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return text


def _of_messages(messages: Sequence[Mapping[str, Any]]) -> str:
    try:
        return routing_text(messages)
    except UsageError as error:
        raise ValueError(f"the messages cannot be read: {error}") from None


def _id_of_text(text: str) -> str:
    return "text-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _require(frame: Frame, name: str, column: Distinct) -> None:
    """DataError at the first row where the column is missing."""
    if (column.codes < 0).any():
        frame.refuse(name, first_row(column.codes, -1), "missing. Fill it in, or remove the row.")


def _one_each(
    frame: Frame, name: str, what: str, column: Distinct, of_row: NDArray[np.intp], *, n: int
) -> NDArray[np.intp]:
    """The code of each prompt [n], −1 where no row has one; DataError where its rows disagree."""
    known = np.flatnonzero(column.codes >= 0)
    first = np.full(n, -1)
    first[of_row[known[::-1]]] = known[::-1]  # the first of a prompt's rows stays
    other = known[column.codes[known] != column.codes[first[of_row[known]]]]
    if len(other):
        i = int(other[0])
        frame.refuse(
            name,
            i,
            f"the prompt has another {what} than in "
            f"{frame.row(int(first[of_row[i]]))}. Give every prompt one {what} and an id of its own.",
        )
    return np.where(first < 0, -1, column.codes[first])


def _tasks(frame: Frame, name: str | None, of_row: NDArray[np.intp], n: int) -> list[str]:
    """The task of each prompt [n], "" where it is unknown."""
    if name is None:
        return [""] * n
    tasks = frame.texts(name, to_label)
    codes = _one_each(frame, name, "task", tasks, of_row, n=n)
    return ["" if code < 0 else tasks.values[code] for code in codes]
