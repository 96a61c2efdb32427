"""What was logged and is not in the database yet: a file for each worker, which outlives its process.

`append` is one write(2) to the end of a file. What it wrote is in the kernel's hands when it returns,
so it survives `kill -9` of the process (a power cut only once the disk has it). The writer reads the
same file from its other end; while the database is away the file grows, up to a limit. It is at once
the queue, the spill and what a crash leaves. Where no file can be written, memory takes its place.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, Final

from onehead.store.frames import HEADING, frame, payloads

if TYPE_CHECKING:
    from pathlib import Path

SPILL_LIMIT_BYTES: Final = 1 << 30
"""What one worker keeps on disk at most while the database is away."""
SEGMENT_BYTES: Final = 4 << 20
_TRUNCATE_BYTES: Final = 1 << 20
_TRUNCATE_S: Final = 1.0
_MODE: Final = 0o600
_FLAGS: Final = os.O_CREAT | os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


class _Segment:
    """One file of a journal: open while it is written to, read by its name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = len(HEADING)
        self.synced = 0
        self.handle = os.open(path, _FLAGS, _MODE)
        try:
            os.write(self.handle, HEADING)
        except OSError:
            os.close(self.handle)
            raise

    def reader(self) -> BinaryIO:
        """A second way into it, which lasts when the file is retired or somebody removes it."""
        if self.handle >= 0:
            return os.fdopen(os.dup(self.handle), "rb")
        return self.path.open("rb")

    def sync(self) -> None:
        """Wait until it is on the disk."""
        size = self.size
        if self.synced < size:
            with self.reader() as file:
                os.fsync(file.fileno())
            self.synced = size

    def retire(self) -> None:
        """Nothing more is written to it."""
        if self.handle >= 0:
            os.close(self.handle)
        self.handle = -1

    def drop(self) -> None:
        """Remove it."""
        self.retire()
        with contextlib.suppress(OSError):
            self.path.unlink()


class Journal:
    """A queue of payloads in `folder`; None keeps them in memory only.

    Any thread may append; one thread reads.
    """

    def __init__(
        self, folder: Path | None, *, memory: int, limit_bytes: int = SPILL_LIMIT_BYTES
    ) -> None:
        self.error: str | None = None if folder else "there is no folder to spill to"
        self.damaged = 0
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._segments: deque[_Segment] = deque()
        self._number = 0
        self._bytes = 0
        self._appended = 0
        self._done = 0
        self._out = 0
        self._from_memory: list[bytes] = []
        self._offset = len(HEADING)
        self._parsed: deque[bytes] = deque()
        self._memory: deque[bytes] = deque()
        self._memory_limit = memory
        self._truncated = time.monotonic()

    @property
    def backlog(self) -> int:
        """How many payloads are not done."""
        return self._appended - self._done

    def append(self, payload: bytes) -> bool:
        """Keep a payload; False where there is no room for it."""
        data = frame(payload)
        with self._lock:
            kept = self._append_file(data) if not self._memory else False
            if not kept:
                if len(self._memory) >= self._memory_limit:
                    return False
                self._memory.append(payload)
            self._appended += 1
        return True

    def read(self, most: int) -> list[bytes]:
        """The next payloads, in order; they stay on disk until `done`, and no others come before it."""
        if self._out:
            return []
        if not self._parsed:
            self._parse()
        taken = [self._parsed.popleft() for _ in range(min(most, len(self._parsed)))]
        if not taken:
            with self._lock:
                taken = [self._memory.popleft() for _ in range(min(most, len(self._memory)))]
            self._from_memory = taken
        self._out = len(taken)
        return taken

    def done(self) -> None:
        """The payloads read last are safe elsewhere; free what holds nothing else."""
        with self._lock:
            self._done += self._out
            self._out = 0
            self._from_memory = []
            if self._parsed:
                return
            while len(self._segments) > 1 and self._offset >= self._segments[0].size:
                self._drop_first()
            self._truncate()

    def tidy(self) -> None:
        """Empty a file that holds only what is done; call it now and then when nothing comes."""
        with self._lock:
            if not self._parsed and not self.backlog:
                self._truncate()

    def sync(self) -> None:
        """Wait until all that was appended is on the disk; appending goes on meanwhile."""
        with self._lock:
            waiting = [segment for segment in self._segments if segment.synced < segment.size]
        for segment in waiting:
            with contextlib.suppress(OSError):
                segment.sync()

    def close(self) -> int:
        """Close the files, and remove them where all is done; how many payloads are lost.

        What only memory holds is written to disk now, where that is possible again.
        """
        with self._lock:
            self._memory.extendleft(reversed(self._from_memory))
            while self._memory and self._append_file(frame(self._memory[0])):
                self._memory.popleft()
            empty = not self.backlog
            for segment in self._segments:
                if empty:
                    segment.drop()
                else:
                    segment.retire()
            self._segments.clear()
            self._folder = None
            self._memory_limit = 0
            return len(self._memory)

    def _append_file(self, data: bytes) -> bool:
        if self._folder is None or self._bytes + len(data) > self._limit_bytes:
            return False
        try:
            if not self._segments or self._segments[-1].size >= SEGMENT_BYTES:
                self._begin()
            last = self._segments[-1]
            written = os.write(last.handle, data)
        except OSError as error:
            self.error = f"{self._folder}: {error.strerror or error}"
            return False
        last.size += written
        self._bytes += written
        if written < len(data):  # a disk that is almost full; readers skip the half frame
            self.error = f"{self._folder}: the disk is full"
            return False
        self.error = None
        return True

    def _begin(self) -> None:
        assert self._folder is not None  # noqa: S101  (asked by whoever calls)
        path = self._folder / f"{self._number + 1:08d}.journal"
        fresh = _Segment(path)
        if self._segments:
            self._segments[-1].retire()
        self._segments.append(fresh)
        self._number += 1

    def _parse(self) -> None:
        """Read what the first file has behind the last place read, or the next file that has any.

        Nothing is out by now, so a file that was read to its end is done.
        """
        while not self._parsed:
            with self._lock:
                while len(self._segments) > 1 and self._offset >= self._segments[0].size:
                    self._drop_first()
                if not self._segments or self._offset >= self._segments[0].size:
                    return
                size = self._segments[0].size
                try:
                    file = self._segments[0].reader()
                except FileNotFoundError:  # somebody removed it
                    self._offset = size
                    self.damaged += 1
                    continue
                except OSError as error:  # such as too many open files; it is tried again
                    self.error = f"{self._segments[0].path}: {error.strerror or error}"
                    return
            with file:  # pread, for the place in the file is shared with whoever writes
                data = os.pread(file.fileno(), size - self._offset, self._offset)
            found, damaged = payloads(data)
            self.damaged += damaged
            self._offset = size
            self._parsed.extend(found)

    def _drop_first(self) -> None:
        first = self._segments.popleft()
        self._bytes -= first.size - len(HEADING)
        self._offset = len(HEADING)
        first.drop()

    def _truncate(self) -> None:
        """Cut the only file back to its heading where all of it is done."""
        if len(self._segments) != 1 or self._offset < self._segments[0].size:
            return
        only, now = self._segments[0], time.monotonic()
        if only.size <= len(HEADING):
            return
        if only.size >= _TRUNCATE_BYTES or now - self._truncated >= _TRUNCATE_S:
            with contextlib.suppress(OSError):
                os.ftruncate(only.handle, len(HEADING))
                self._bytes = 0
                self._offset = only.size = only.synced = len(HEADING)
                self._truncated = now
