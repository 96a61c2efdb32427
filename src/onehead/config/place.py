"""Where in a configuration file a value stands, so that every error can say it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

from onehead.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple["str | int", ...]

_HEADER = re.compile(r"\s*(\[{1,2})\s*([^\]\[]+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(
    r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)")
_BARE = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Source:
    """A configuration file as it was given."""

    where: str
    text: str = field(default="", repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Place:
    """One key of a file. `owner` names the model or key that it is about."""

    source: Source
    path: Path = ()
    owner: str = ""

    def __truediv__(self, key: str | int) -> Place:
        """The place of `key` below this one."""
        return replace(self, path=(*self.path, key))

    def of(self, owner: str) -> Place:
        """The same place, about `owner`."""
        return replace(self, owner=owner)

    @property
    def key(self) -> str:
        """The path as people write it: ``models[2].input_usd_per_million``."""
        shown = ""
        for part in self.path:
            if isinstance(part, int):
                shown += f"[{part}]"
            else:
                name = part if _BARE.fullmatch(part) else repr(part)
                shown += f".{name}" if shown else name
        return shown

    def fail(self, problem: str) -> NoReturn:
        """Raise ConfigError: file, line where known, key, and the problem, which holds no value."""
        line = line_of(self.source.text, self.path)
        where = self.source.where + (f":{line}" if line else "")
        owner = f" ({self.owner})" if self.owner else ""
        key = f": {self.key}{owner}" if self.path else ""
        raise ConfigError(f"{where}{key}: {problem}")


def line_of(text: str, path: Path) -> int | None:
    """The line on which `path`, or else the table that holds it, is written; None where unknown.

    tomllib keeps no positions. This reads headers and the beginnings of lines, which is how such
    files are written; a value inside an inline table is given the line of the key that holds it.
    """
    best: tuple[int, int] | None = None
    for number, at in _written(text):
        if path[: len(at)] == at and (best is None or len(at) > best[0]):
            best = (len(at), number)
    return best[1] if best else None


def _written(text: str) -> list[tuple[int, Path]]:
    """(line, path) of every header and every key that begins a line."""
    found: list[tuple[int, Path]] = []
    counts: dict[Path, int] = {}
    table: Path = ()
    inside = ""
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        if inside:
            inside = "" if inside in line else inside
            continue
        header = _HEADER.match(line) if depth <= 0 else None
        key = _KEY.match(line) if depth <= 0 else None
        if header:
            table = _table(_parts(header[2]), counts, array=header[1] == "[[")
            found.append((number, table))
        elif key:
            found.append((number, (*table, *_parts(key[1]))))
        bare = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|#.*", "", line) if not header else ""
        depth = max(0, depth + bare.count("[") - bare.count("]"))
        inside = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), "")
    return found


def _table(parts: Path, counts: dict[Path, int], *, array: bool) -> Path:
    """The path of a header, with the place of each array of tables in it."""
    path: Path = ()
    for place, part in enumerate(parts, 1):
        path = (*path, part)
        if array and place == len(parts):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _parts(text: str) -> Path:
    """The names of a dotted key."""
    return tuple(
        next(group for group in match.groups() if group is not None)
        for match in _PART.finditer(text)
    )
