"""Pickled DataFrames, such as RouterBench's, read without running what they say."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from onehead.errors import DataError
from onehead.sources.frame import Frame
from onehead.sources.pandas_frame import frame_columns
from onehead.sources.standins import STAND_INS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# What the pickle module raises on bytes that are no pickle, or a damaged one.
_DAMAGE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
_MEND = "Save the table as .parquet or .csv."


class PickleSource:
    """One pickled DataFrame."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            with path.open("rb") as file:
                frame = _Unpickler(file, self.name).load()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
        except _DAMAGE as error:
            raise DataError(
                f"{path}: is no whole pickle ({error or type(error).__name__}). It may be empty, "
                f"cut short or of another format. {_MEND}"
            ) from None
        try:
            self._columns, self._n_rows = frame_columns(frame)
        except _DAMAGE as error:
            raise self._unreadable(error) from None
        self.columns = tuple(self._columns)

    def read(self, wanted: Sequence[str]) -> Frame:
        """The columns `wanted`, decoded."""
        try:
            columns = {name: self._columns[name]() for name in wanted}
        except _DAMAGE as error:
            raise self._unreadable(error) from None
        return Frame(self.name, self._n_rows, columns)

    def _unreadable(self, error: BaseException) -> DataError:
        return DataError(f"{self.name}: the pickle cannot be read as a table: {error} {_MEND}")


class _Unpickler(pickle.Unpickler):
    """Gives stand-ins for what a DataFrame needs, and refuses every other name."""

    def __init__(self, file: Any, name: str) -> None:
        super().__init__(file)
        self._name = name

    def find_class(self, module: str, name: str, /) -> Any:
        """The stand-in; nothing is imported. DataError names what is refused."""
        stand_in = STAND_INS.get((module, name))
        if stand_in is None:
            raise DataError(
                f"{self._name}: the pickle asks for {module}.{name}, which no table of outcomes "
                "needs. It was refused and nothing was run. If you trust the file, open it "
                f"yourself and save the table as .parquet or .csv."
            )
        return stand_in
