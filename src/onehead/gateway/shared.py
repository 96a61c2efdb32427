"""What the workers of one machine know of a key together: its last minute, and what runs.

Each key has a small file in a folder that the supervisor made, mapped into the memory of every worker.
A worker writes into its own row alone; a lock on the file makes checking and counting one step.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np

from onehead.gateway.rates import WINDOW_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from onehead.gateway.place import Place

_RING: Final = 64
"""Seconds that a row remembers; a window of 61 fits."""
_CELLS: Final = 4 * _RING + 1
_NUMBER: Final = np.dtype(np.float64)


class SharedMinute:
    """`rates.Minute` of all workers: the sum of amounts over a sliding minute.

    amounts, seconds: [workers, 64], what was counted in a second, and in which
    """

    __slots__ = ("_amounts", "_newest", "_row", "_seconds", "_stamps")

    def __init__(
        self, amounts: NDArray[np.float64], seconds: NDArray[np.float64], worker: int
    ) -> None:
        self._amounts = amounts
        self._seconds = seconds
        self._row = amounts[worker]
        self._stamps = seconds[worker]
        self._newest = int(self._stamps.max())

    def total(self, now: float) -> float:
        """The sum of what still counts at `now`, of every worker."""
        return float(self._amounts.sum(where=self._seconds > int(now) - WINDOW_S))

    def add(self, at: float, amount: float) -> None:
        """Count `amount`; a clock that was set back counts in the newest second."""
        second = self._newest = max(int(at), self._newest)
        cell = second % _RING
        if self._stamps[cell] != second:
            self._row[cell] = 0.0
            self._stamps[cell] = second
        self._row[cell] += amount

    def correct(self, second: int, by: float) -> None:
        """Change what this worker counted in a second, where that still counts."""
        cell = second % _RING
        if self._stamps[cell] == second:
            self._row[cell] += by

    def newest(self) -> int:
        """The second in which this worker last counted."""
        return self._newest

    def wait(self, now: float, amount: float, limit: float) -> float:
        """Seconds until `amount` more fits under `limit`, if nothing else is added."""
        counts = self._seconds > int(now) - WINDOW_S
        left = float(self._amounts[counts].sum())
        wait = 0.0
        for second, counted in sorted(
            zip(self._seconds[counts].tolist(), self._amounts[counts].tolist(), strict=True)
        ):
            if left + amount <= limit:
                break
            left -= counted
            wait = max(second + WINDOW_S - now, 0.0)
        return wait


class SharedKey:
    """A key's file: its minutes, and what each worker has reserved."""

    def __init__(self, place: Place, name: str) -> None:
        size = place.workers * _CELLS * _NUMBER.itemsize
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        self._file = os.open(place.folder / f"{digest[:32]}.limits", os.O_RDWR | os.O_CREAT, 0o600)
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, size)
        cells = np.frombuffer(mmap.mmap(self._file, size), _NUMBER).reshape(place.workers, _CELLS)
        rings = [cells[:, start : start + _RING] for start in range(0, 4 * _RING, _RING)]
        self.requests = SharedMinute(rings[0], rings[1], place.worker)
        self.tokens = SharedMinute(rings[2], rings[3], place.worker)
        self._reserved = cells[:, -1]
        self._worker = place.worker
        self.reserve(0.0)  # what a worker with this number ran before it died, runs no more

    def reserve(self, usd: float) -> None:
        """Tell the others what this worker's running requests may still cost."""
        self._reserved[self._worker] = usd

    def reserved_elsewhere(self) -> float:
        """USD that other workers' running requests may still cost."""
        amounts: list[float] = self._reserved.tolist()
        return sum(amounts) - amounts[self._worker]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other workers from counting meanwhile; held for microseconds."""
        import fcntl

        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
