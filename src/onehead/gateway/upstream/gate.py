"""How many calls of one worker may be under way at once."""

from __future__ import annotations

import asyncio
from collections import deque


class Gate:
    """A semaphore whose usual case, room for one more, is a subtraction.

    Places are handed over in the order of asking.
    """

    __slots__ = ("_free", "_waiting")

    def __init__(self, places: int) -> None:
        """Open with so many `places`."""
        self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """A place, if there is one."""
        if self._free > 0:
            self._free -= 1
            return True
        return False

    async def wait(self) -> None:
        """A place, as soon as one is given back."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # the place came together with the cancellation
            raise

    def give(self) -> None:
        """Give a place back."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
