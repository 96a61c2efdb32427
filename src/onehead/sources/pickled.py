"""Pickled DataFrames, such as RouterBench's, read without running what they say."""

from __future__ import annotations

import io
import os
import pickle
import struct
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
    struct.error,
    TypeError,
    ValueError,
)
_MEND = "Save the table as .parquet or .csv."


class PickleSource:
    """One pickled DataFrame."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            with _BoundedReader(path.open("rb", buffering=0)) as file:
                if not file.size:
                    raise DataError(f"{path}: the file is empty. {_MEND}")
                most, frame = file.size, _Unpickler(file, self.name).load()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
        except _DAMAGE as error:
            raise DataError(
                f"{path}: is no whole pickle ({type(error).__name__}: {error}). It may be empty, "
                f"cut short or of another format. {_MEND}"
            ) from None
        try:
            self._columns, self._n_rows = frame_columns(frame, most)
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


class _BoundedReader(io.BufferedReader):
    """A file that never sets aside more memory than it has bytes, whatever a pickle claims."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self.size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """At most as many bytes as the file holds."""
        return super().read(self.size if size is None or size < 0 else min(size, self.size))


# The unpickler that is written in Python, as in pandas: the one in C sets aside memory for any
# memo number and any length that a damaged file names (we saw 22 GB for a file of 2 kB).
class _Unpickler(pickle._Unpickler):  # noqa: SLF001
    """Gives stand-ins for what a DataFrame needs, and refuses every other name."""

    dispatch = pickle._Unpickler.dispatch.copy()  # noqa: SLF001

    def __init__(self, file: _BoundedReader, name: str) -> None:
        super().__init__(file)
        self._name = name

    def find_class(self, module: str, name: str, /) -> Any:
        """The stand-in; nothing is imported. DataError names what is refused."""
        stand_in = STAND_INS.get((module, name))
        if stand_in is None:
            raise DataError(
                f"{self._name}: the pickle asks for {module}.{name}, which no table of outcomes "
                "needs. It was refused and nothing was run. If you trust the file, open it "
                "yourself and save the table as .parquet or .csv."
            )
        return stand_in

    def load_bytearray8(self: Any) -> None:
        """As in pickle, but reading first and setting memory aside after."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(length)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
