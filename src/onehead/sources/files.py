"""From a path to the files it means, each opened by the reader of its format."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from onehead.errors import DataError, UsageError
from onehead.sources.delimited import CsvSource, JsonLinesSource, TextSource
from onehead.sources.hub import HUB_PREFIX, download
from onehead.sources.parquet import ParquetSource
from onehead.sources.pickled import PickleSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from onehead.sources.frame import Source

READERS: dict[str, Callable[[Path], Source]] = {
    ".csv": CsvSource,
    ".jsonl": JsonLinesSource,
    ".ndjson": JsonLinesSource,
    ".parquet": ParquetSource,
    ".pkl": PickleSource,
    ".pickle": PickleSource,
}
# Read only where it is named itself: in a folder a .txt is a note or a licence.
BY_NAME_ONLY: dict[str, Callable[[Path], Source]] = {".txt": TextSource}

_ADVICE = {
    ".json": " Write one JSON object a line, and name the file .jsonl.",
    ".tsv": " Separate the columns by commas, and name the file .csv.",
    ".xlsx": " Save the sheet as .csv in UTF-8.",
    ".xls": " Save the sheet as .csv in UTF-8.",
    ".gz": " Unpack the file first.",
    ".zip": " Unpack the file first.",
}


def open_sources(path: str | Path) -> Iterator[Source]:
    """The files that a path means, one after the other: one file, a folder's, or a hub: name."""
    if isinstance(path, str) and path.startswith(HUB_PREFIX):
        yield _open(download(path), READERS)
        return
    if not str(path).strip():
        raise UsageError("a path to data is empty; give a file, a folder or a hub: name.")
    if "://" in str(path):
        raise UsageError(f"{path}: addresses are not read. Download the file, and give its path.")
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder. Check the path.")
    if not path.is_dir():
        yield _open(path, {**READERS, **BY_NAME_ONLY})
        return
    files = sorted(
        file
        for file in _below(path)
        if file.suffix.lower() in READERS and file.is_file() and not _hidden(file, path)
    )
    if not files:
        raise DataError(
            f"{path}: the folder holds no file in {', '.join(READERS)}. Put the tables there, or "
            "give another path."
        )
    for file in files:
        yield _open(file, READERS)


def _below(folder: Path) -> Iterator[Path]:
    """Everything in a folder and below it; DataError where a part of it cannot be listed."""

    def refuse(error: OSError) -> NoReturn:
        raise DataError(
            f"{error.filename}: the folder cannot be read ({error.strerror}). Mend its "
            "permissions, or name the files to read one by one."
        ) from None

    for place, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in names)


def _open(path: Path, readers: dict[str, Callable[[Path], Source]]) -> Source:
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: the format {path.suffix or '(none)'} is not known. "
            f"Accepted are {', '.join(readers)}.{_ADVICE.get(path.suffix.lower(), '')}"
        )
    source = reader(path)
    twice = sorted(name for name, count in Counter(source.columns).items() if count > 1)
    if twice:
        raise DataError(
            f"{path}: several columns are named {twice[0]!r}. Give every column a name of its own."
        )
    return source


def _hidden(file: Path, folder: Path) -> bool:
    """Whether a file, or a folder on the way to it, is hidden or a program's leavings."""
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
