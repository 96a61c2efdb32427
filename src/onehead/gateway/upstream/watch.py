"""Times out the reading of an answer with one timer for all of its pieces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from aiohttp import StreamReader

CLOCK_TICK_S = 1e-3
"""Timers may fire that much early."""


class Watch:
    """Ends a read that waits too long for the next bytes, or past the time of the whole answer.

    The time counts only while somebody reads: a client that takes its bytes slowly is not the
    upstream's silence. A timer for every piece would cost more than handing the piece on, so that one timer
    runs, and looks when it fires whether it was too early.
    """

    __slots__ = ("_idle_s", "_loop", "_reader", "_since", "_timer", "_total_at", "why")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reader: StreamReader,
        idle_s: float,
        total_at: float,
    ) -> None:
        """Watch `reader`; `total_at` is a loop time."""
        self._loop = loop
        self._reader = reader
        self._idle_s = idle_s
        self._total_at = total_at
        self._since = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self.why = ""

    def begin(self) -> None:
        """Somebody waits for bytes from now on."""
        self._since = self._loop.time()
        if self._timer is None:
            self._arm()

    def end(self) -> None:
        """Nobody waits any more."""
        self._since = math.inf

    def stop(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        due = min(
            (self._since if self._since < math.inf else self._loop.time()) + self._idle_s,
            self._total_at,
        )
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._reader.is_eof():
            return  # everything has arrived; how long the client takes to read it is its own affair
        now = self._loop.time() + CLOCK_TICK_S
        if self._since == math.inf and now < self._total_at:
            self._arm()
            return
        if now < min(self._since + self._idle_s, self._total_at):
            self._arm()
            return
        whole = now >= self._total_at
        self.why = "it took too long as a whole" if whole else f"no byte for {self._idle_s:g} s"
        self._reader.set_exception(TimeoutError(self.why))
