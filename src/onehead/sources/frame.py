"""Columns of a file as the readers hand them over, and their conversion to text and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from onehead.errors import DataError
from onehead.outcomes import allowed, highest
from onehead.pool import CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

# A table is dense in memory; more cells than this are a column of the wrong kind, not outcomes.
MOST_CELLS = 200_000_000
MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "none"})
TRUTH_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, eq=False)
class Distinct:
    """A column as its distinct values (each hashable or not) and the value of each row [n]."""

    values: Sequence[Any]
    codes: NDArray[np.intp]

    def used(self) -> list[tuple[int, Any]]:
        """(code, value) of the values that occur; a dictionary may list others."""
        occurs = np.zeros(len(self.values), dtype=bool)
        occurs[self.codes] = True
        return [(code, self.values[code]) for code in np.flatnonzero(occurs).tolist()]


Column = Distinct | list[Any]


@dataclass(frozen=True, eq=False)
class Frame:
    """Some columns of one file.

    source: the file, as messages name it
    columns: by name, each of `n_rows` values
    row_word, first_row: how messages count rows ("row 1" is the first after a header)
    """

    source: str
    n_rows: int
    columns: Mapping[str, Column]
    row_word: str = "row"
    row_numbers: Sequence[int] | None = None

    def row(self, i: int) -> str:
        """Row `i`, counted from 0, in the words of a message."""
        number = self.row_numbers[i] if self.row_numbers is not None else i + 1
        return f"{self.row_word} {number}"

    def refuse(self, column: str, i: int, what: str) -> NoReturn:
        """Raise DataError about one cell."""
        raise DataError(f"{self.source}, {self.row(i)}, column {column!r}: {what}")

    def distinct(self, name: str) -> Distinct:
        """The column with equal values counted once; unhashable values stay apart."""
        column = self.columns[name]
        if isinstance(column, Distinct):
            return column
        numbers: dict[Any, int] = {}
        values: list[Any] = []
        codes = np.empty(self.n_rows, dtype=np.intp)
        for i, value in enumerate(column):
            try:
                # The type is part of the key: True == 1 == 1.0, but they are different ids.
                code = numbers.setdefault((type(value), value), len(values))
            except TypeError:
                code = len(values)
            if code == len(values):
                values.append(value)
            codes[i] = code
        return Distinct(values, codes)

    def texts(self, name: str, convert: Callable[[Any], str | None]) -> Distinct:
        """The column as distinct texts; `convert` is called once a value and may raise ValueError.

        It returns None for a missing value, which gets the code −1.
        """
        raw = self.distinct(name)
        numbers: dict[str, int] = {}
        code_of = np.empty(len(raw.values), dtype=np.intp)
        for code, value in raw.used():
            try:
                text = convert(value)
            except ValueError as error:
                self.refuse(name, first_row(raw.codes, code), str(error))
            code_of[code] = -1 if text is None else numbers.setdefault(text, len(numbers))
        return Distinct(tuple(numbers), code_of[raw.codes])

    def numbers(self, name: str, quantity: str) -> NDArray[np.float64]:
        """The column as float64 [n], NaN where missing; `quantity` says which values are allowed.

        Accepts numbers, truth values and texts that spell one.
        """
        raw = self.distinct(name)
        of_value = np.empty(len(raw.values))
        for code, value in raw.used():
            try:
                number = to_number(value)
                if not math.isnan(number) and not _fits(quantity, number):
                    raise ValueError(f"{number:g} is not {allowed(quantity)}.")  # noqa: TRY301
            except ValueError as error:
                where = first_row(raw.codes, code)
                self.refuse(name, where, f"{error} Correct the value, or leave it empty.")
            of_value[code] = number
        return of_value[raw.codes]


class Source(Protocol):
    """One file of which the columns are known, and can be read."""

    @property
    def name(self) -> str:
        """The file, as messages name it."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns, in the file's order."""
        ...

    def read(self, wanted: Sequence[str]) -> Frame:
        """The columns `wanted`, all of which exist."""
        ...


def check_size(frame: Frame, n: int, m: int) -> None:
    """DataError where a table of n prompts × m models would be too large to be one."""
    if n * m > MOST_CELLS:
        raise DataError(
            f"{frame.source}: {n} prompts × {m} models are more than {MOST_CELLS} cells. "
            "Check which column holds the prompts and which the models."
        )


def first_row(codes: NDArray[np.intp], code: int) -> int:
    """The first row that holds a value."""
    return int(np.argmax(codes == code))


def to_number(value: Any) -> float:
    """A cell as a number, NaN where it is missing; ValueError says what is not a number."""
    if value is None:
        return math.nan
    if isinstance(value, bool | int | float | Decimal | np.bool_ | np.integer | np.floating):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if isinstance(value, str):
        word = value.strip().lower()
        if word in MISSING_WORDS:
            return math.nan
        if word in TRUTH_WORDS:
            return TRUTH_WORDS[word]
        try:
            return float(word)
        except ValueError:
            pass
    raise ValueError(f"{shorten(value)} is not a number.")


def to_name(value: Any) -> str | None:
    """A cell as an id or a name, None where it is missing; whole numbers lose a trailing .0."""
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, str | int | float | Decimal | np.integer | np.floating | np.bool_):
        text = str(value).strip()
        check_encodable(text)
        return text or None
    raise ValueError(f"{shorten(value)} is neither text nor a number.")


def to_label(value: Any) -> str | None:
    """As `to_name`, for what is shown in tables: a control character could steer the terminal."""
    text = to_name(value)
    if text is not None and CONTROL.search(text):
        raise ValueError(f"{shorten(text)} holds a control character. Rename it.")
    return text


def check_encodable(text: str) -> None:
    """ValueError unless `text` is text: half of a surrogate pair is not."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"character {error.start} is half of a surrogate pair, which is no valid text. "
            "Write the file as UTF-8 with whole characters."
        ) from None


def shorten(value: Any, limit: int = 60) -> str:
    """A value as it is quoted in a message."""
    shown = repr(value) if not isinstance(value, str) else repr(value[: limit + 1])
    return shown if len(shown) <= limit else shown[:limit] + "…"


def _fits(quantity: str, number: float) -> bool:
    return 0 <= number <= highest(quantity)
