"""CSV, JSONL and plain-text files, read with the standard library alone."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from onehead.errors import DataError
from onehead.sources.frame import Frame, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import TextIO


class CsvSource:
    """Comma-separated values with a header, UTF-8; quoted fields may hold newlines."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        with _opened(path) as file, _csv_errors(self.name):
            header = next(csv.reader(file, strict=True), None)
        if header is None:
            raise DataError(f"{self.name}: the file is empty. Give a header and one row at least.")
        self.columns = tuple(name.strip() for name in header)
        self._check_header()

    def _check_header(self) -> None:
        """DataError where the header shows another encoding or another delimiter."""
        text = "".join(self.columns)
        if "\0" in text:
            raise DataError(
                f"{self.name}: the header holds NUL bytes, so it may be UTF-16. Save it as UTF-8, "
                "for example with: iconv -f UTF-16LE -t UTF-8"
            )
        others = [mark for mark in ";\t|" if text.count(mark) > 1]
        if len(self.columns) == 1 and others:
            raise DataError(
                f"{self.name}: the header has no comma but {text.count(others[0])} × "
                f"{others[0]!r}. Separate the columns by commas."
            )

    def read(self, wanted: Sequence[str]) -> Frame:
        """The columns `wanted`, as texts; equal texts are kept once."""
        numbers = [self.columns.index(name) for name in wanted]
        columns: list[list[str]] = [[] for _ in wanted]
        kept: dict[str, str] = {}
        n_rows = 0
        with _opened(self._path) as file, _csv_errors(self.name):
            reader = csv.reader(file, strict=True)
            next(reader)
            for record in reader:
                if not record:
                    continue
                n_rows += 1
                if len(record) != len(self.columns):
                    raise DataError(
                        f"{self.name}, row {n_rows} (ends on line {reader.line_num}): has "
                        f"{len(record)} fields, the header {len(self.columns)}. Quote fields that "
                        "hold commas or newlines, and double the quotes inside them."
                    )
                for column, i in zip(columns, numbers, strict=True):
                    column.append(kept.setdefault(record[i], record[i]))
        return Frame(self.name, n_rows, dict(zip(wanted, columns, strict=True)))


class JsonLinesSource:
    """One JSON object a line, UTF-8; blank lines are passed over."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._objects: list[dict[str, Any]] = []
        self._lines: list[int] = []
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    self._objects.append(self._parse(line, number))
                    self._lines.append(number)
        if not self._objects:
            raise DataError(f"{self.name}: the file is empty. Give one JSON object a line.")
        names = (name for record in self._objects for name in record)
        self.columns = tuple(dict.fromkeys(names))

    def read(self, wanted: Sequence[str]) -> Frame:
        """The columns `wanted`; a key that a line lacks is missing there."""
        columns = {name: [record.get(name) for record in self._objects] for name in wanted}
        return Frame(self.name, len(self._objects), columns, "line", self._lines)

    def _parse(self, line: str, number: int) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{self.name}, line {number}: is no JSON ({error}). "
                "Each line must hold one whole JSON object."
            ) from None
        if not isinstance(record, dict):
            raise DataError(
                f"{self.name}, line {number}: holds {shorten(record)}; "
                "each line must hold one JSON object such as "
                '{"prompt": "…", "model": "…", "quality": 1}.'
            )
        return record


class TextSource:
    """Prompts alone: one a line, UTF-8; blank lines are passed over."""

    columns = ("prompt",)

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        with _opened(path) as file:
            lines = [(number, line.rstrip("\r\n")) for number, line in enumerate(file, start=1)]
        kept = [(number, line) for number, line in lines if line.strip()]
        self._lines = [number for number, _ in kept]
        self._prompts = [line for _, line in kept]

    def read(self, wanted: Sequence[str]) -> Frame:
        """The prompts."""
        columns = {name: list(self._prompts) for name in wanted}
        return Frame(self.name, len(self._prompts), columns, "line", self._lines)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """The file as text; DataError where it cannot be read or is not UTF-8."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8: {_likely(error.object, error.start)}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


def _likely(data: bytes, start: int) -> str:
    """What a file that is not UTF-8 seems to be, and how to mend it."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "it is UTF-16. Save it as UTF-8, for example with: iconv -f UTF-16 -t UTF-8"
    if b"\0" in data or data[:4] in (b"PAR1", b"PK\x03\x04"):
        return "it is a binary file. Name it by its format (.parquet, .pkl), or write it as UTF-8."
    return f"byte {data[start]:#04x}. Save it as UTF-8, for example with: iconv -f LATIN1 -t UTF-8"


@contextmanager
def _csv_errors(name: str) -> Iterator[None]:
    """Lift the csv module's limit on the size of a field, and turn its errors into DataError."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        yield
    except csv.Error as error:
        raise DataError(
            f"{name}: is no whole CSV file ({error}). It may be cut short, or a quote inside a "
            "field may not be doubled."
        ) from None
    finally:
        csv.field_size_limit(limit)
