"""One file of a journal: of a fixed size, and mapped into memory while it is written to.

A record is then copied into the kernel's page with no call of the system, and is as safe there as what
write(2) took: the process may be killed, the page stays. The file gets its blocks beforehand, for a page
without one would kill the process where the disk is full.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from pathlib import Path
from typing import Final

import msgspec

from onehead.errors import StoreError
from onehead.store.frames import HEADING, OVERHEAD, payloads, put_frame

SEGMENT_BYTES: Final = 1 << 20
"""The size of a file, unless one record needs more; also what is written to the database at once."""
_MODE: Final = 0o600
_FLAGS: Final = (
    os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
_NO_WAY: Final = (errno.EINVAL, errno.EOPNOTSUPP)
"""The file system has no way to do it, which macOS and Windows do not offer either."""


class Part(msgspec.Struct, frozen=True):
    """Bytes of a journal's file that hold whole frames."""

    path: str
    start: int
    end: int


class PartLost(StoreError):  # noqa: N818  (the name says what happened)
    """Somebody has removed the file."""


def part_payloads(part: Part) -> tuple[list[bytes], int]:
    """The sound payloads of a part, and how many damaged places there are between them.

    Raises:
        PartLost: there is no such file any more.
        StoreError: it cannot be read now.
    """
    try:
        with Path(part.path).open("rb") as file:
            file.seek(part.start)
            data = file.read(part.end - part.start)
    except FileNotFoundError as error:
        raise PartLost(f"{part.path}: the journal has been removed") from error
    except OSError as error:  # such as too many open files
        raise StoreError(f"{part.path}: {error.strerror or error}") from error
    return payloads(data)


class Segment:
    """A file of a journal; `size` is where the next frame goes."""

    def __init__(self, path: Path, first: int) -> None:
        """Make the file, large enough for a payload of `first` bytes; OSError where it cannot be."""
        self.path = path
        self.size = len(HEADING)
        self._room = max(SEGMENT_BYTES, len(HEADING) + OVERHEAD + first)
        self._synced = 0
        handle = os.open(path, _FLAGS, _MODE)
        try:
            _allocate(handle, self._room)
            self._map: mmap.mmap | None = mmap.mmap(handle, self._room)
        except BaseException:
            os.close(handle)
            path.unlink(missing_ok=True)
            raise
        os.close(handle)
        self._map[: len(HEADING)] = HEADING

    def append(self, payload: bytes) -> bool:
        """Write a frame; False where there is no room for it."""
        if self._map is None or self.size + OVERHEAD + len(payload) > self._room:
            return False
        self.size = put_frame(self._map, self.size, payload)
        return True

    def read_mapped(self, start: int, end: int) -> tuple[list[bytes], int]:
        """As `part_payloads`, when the file has lost its name; one damaged place once it is retired."""
        return ([], 1) if self._map is None else payloads(self._map[start:end])

    def clear(self) -> bool:
        """Wipe all frames, so that the file can be filled anew; False where it is retired."""
        if self._map is None:
            return False
        self._map[len(HEADING) : self.size] = bytes(self.size - len(HEADING))
        self.size = self._synced = len(HEADING)
        return True

    def moved(self, path: Path, first: int) -> bool:
        """Give a cleared file another name; False where it cannot have it, or has no room for `first`."""
        if len(HEADING) + OVERHEAD + first > self._room:
            return False
        try:
            self.path.rename(path)
        except OSError:  # it has lost its name, or the system keeps a mapped file where it is
            return False
        self.path = path
        return True

    def sync(self) -> None:
        """Wait until it is on the disk, its mapped pages too."""
        size = self.size
        if self._synced < size:
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
            self._synced = size

    def retire(self) -> None:
        """Nothing more is written to it."""
        if self._map is not None:
            self._map.close()
        self._map = None

    def drop(self) -> None:
        """Remove it."""
        self.retire()
        with contextlib.suppress(OSError):
            self.path.unlink()


def _allocate(handle: int, size: int) -> None:
    """Give a file its blocks; OSError where the disk has none."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError as error:
            if error.errno not in _NO_WAY:
                raise
        else:
            return
    zeros = memoryview(bytes(size))
    while zeros:
        zeros = zeros[os.write(handle, zeros) :]
