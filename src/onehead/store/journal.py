"""What was logged and is not in the database yet: files for each worker, which outlive its process.

`append` copies a record into a mapped file. When it returns, the kernel has it, so it survives
`kill -9` of the process (a power cut only once the disk has it). The same files are read from their
other end; while the database is away there come more of them, up to a limit. They are at once the queue,
the spill and what a crash leaves. Where no file can be made, memory takes their place.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from onehead.store.frames import HEADING, OVERHEAD
from onehead.store.segment import Part, Segment

if TYPE_CHECKING:
    from pathlib import Path

SPILL_LIMIT_BYTES: Final = 1 << 30
"""What one worker keeps on disk at most while the database is away."""
_AT_ONCE: Final = 250
"""Records that are taken out of memory together."""


@dataclass(frozen=True)
class _Out:
    """What was read and is not done.

    until: how many payloads are done when it is
    end: where it ends in the first file; None where it came from memory
    lost: whether that file has lost its name, so that nothing more should go into it
    """

    until: int
    end: int | None = None
    lost: bool = False


class Journal:
    """A queue of payloads in `folder`; None keeps them in memory only.

    Any thread may append; one thread reads.

    appended, finished: how many payloads were ever kept, and were done
    damaged: damaged places that were met
    error: why nothing can be kept on disk; None where it can
    """

    def __init__(
        self, folder: Path | None, *, memory: int, limit_bytes: int = SPILL_LIMIT_BYTES
    ) -> None:
        self.error: str | None = None if folder else "there is no folder to spill to"
        self.damaged = 0
        self.appended = 0
        self.finished = 0
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._segments: deque[Segment] = deque()
        self._spare: Segment | None = None
        self._ends: deque[int] = deque()
        self._number = 0
        self._bytes = 0
        self._offset = len(HEADING)
        self._out: _Out | None = None
        self._memory: deque[bytes] = deque()
        self._memory_limit = memory

    @property
    def backlog(self) -> int:
        """How many payloads are not done."""
        return self.appended - self.finished

    @property
    def many(self) -> bool:
        """Whether so much waits that there is no point in gathering more."""
        return len(self._segments) > 1 or len(self._memory) >= _AT_ONCE

    def append(self, payload: bytes) -> bool:
        """Keep a payload; False where there is no room for it."""
        with self._lock:
            if self._memory or not self._append_file(payload):
                if len(self._memory) >= self._memory_limit:
                    return False
                self._memory.append(payload)
            self.appended += 1
        return True

    def read(self) -> Part | list[bytes] | None:
        """The next payloads, in order, or where they are; None where there are none.

        They stay where they are until `done`, and until then they are what is read.
        """
        with self._lock:
            while self._segments and self._offset < self._segments[0].size:
                first = self._segments[0]
                # What memory holds came after all that is in files.
                until = self._ends[0] if self._ends else self.appended - len(self._memory)
                part = Part(str(first.path), self._offset, first.size)
                lost = not first.path.exists()
                self._out = _Out(until, part.end, lost=lost)
                if not lost:
                    return part
                rescued, damaged = first.read_mapped(part.start, part.end)
                self.damaged += damaged
                if rescued:
                    return rescued
                self._finish()
            if not self._memory:
                self._out = None
                return None
            count = min(_AT_ONCE, len(self._memory))
            self._out = _Out(self.finished + count)
            return list(islice(self._memory, count))

    def done(self, damaged: int = 0) -> None:
        """What was read last is safe elsewhere; free what holds nothing else.

        damaged: places in it that whoever read it could not read
        """
        with self._lock:
            self.damaged += damaged
            self._finish()

    def sync(self) -> None:
        """Wait until all that was appended is on the disk; appending goes on meanwhile."""
        with self._lock:
            waiting = list(self._segments)
        for segment in waiting:
            with contextlib.suppress(OSError):
                segment.sync()

    def close(self) -> int:
        """Close the files, and remove them where all is done; how many payloads are lost.

        What only memory holds is written to disk now, where that is possible again.
        """
        with self._lock:
            while self._memory and self._append_file(self._memory[0]):
                self._memory.popleft()
            empty = not self.backlog
            for segment in self._segments:
                if empty:
                    segment.drop()
                else:
                    segment.retire()
            self._segments.clear()
            if self._spare is not None:
                self._spare.drop()
                self._spare = None
            self._folder = None
            self._memory_limit = 0
            return len(self._memory)

    def _append_file(self, payload: bytes) -> bool:
        segments, size = self._segments, OVERHEAD + len(payload)
        if self._folder is None or self._bytes + size > self._limit_bytes:
            return False
        if not segments or not segments[-1].append(payload):
            path = self._folder / f"{self._number + 1:08d}.journal"
            try:
                fresh = self._fresh(path, len(payload))
            except OSError as error:
                self.error = f"{self._folder}: {error.strerror or error}"
                return False
            self._number += 1
            if segments and segments[-1].size == len(HEADING):
                segments.pop().drop()  # too small for this one, and all in it is done
            elif segments:
                if len(segments) > 1:
                    segments[-2].retire()  # the last may yet be used again
                self._ends.append(self.appended)
            segments.append(fresh)
            fresh.append(payload)
        self._bytes += size
        self.error = None
        return True

    def _fresh(self, path: Path, first: int) -> Segment:
        """An empty file: one that has served, for a new one needs blocks and pages of the kernel."""
        spare, self._spare = self._spare, None
        if spare is not None:
            if spare.moved(path, first):
                return spare
            spare.drop()
        return Segment(path, first)

    def _finish(self) -> None:
        out, self._out = self._out, None
        if out is None:
            return
        if out.end is None:
            for _ in range(out.until - self.finished):
                self._memory.popleft()
        else:
            self._bytes -= out.end - self._offset
            self._offset = out.end
        self.finished = out.until
        if out.end is None or self._offset < self._segments[0].size:
            return
        if len(self._segments) > 1 or out.lost:
            done = self._segments.popleft()
            if self._spare is None and not out.lost and done.clear():
                self._spare = done
            else:
                done.drop()
            if self._ends:
                self._ends.popleft()
        else:
            self._segments[0].clear()
        self._offset = len(HEADING)
