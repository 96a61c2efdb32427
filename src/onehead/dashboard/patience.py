"""How many wrong keys an address may try: a login page is where keys are guessed."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from onehead.gateway.errors import GatewayError
from onehead.gateway.rates import Minute

if TYPE_CHECKING:
    from collections.abc import Callable

MOST: Final = 10
"""Wrong keys of one address in a minute."""
_ADDRESSES: Final = 10_000
"""Addresses that are remembered; the one that was wrong longest ago is forgotten first."""


class Patience:
    """The wrong keys of the last minute, by address; of this worker alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, Minute] = OrderedDict()

    def check(self, address: str) -> None:
        """GatewayError (429) for an address that has been wrong too often, whatever it says now."""
        wrong = self._wrong.get(address)
        wait_s = 0.0 if wrong is None else wrong.wait(self._clock(), 1, MOST)
        if wait_s > 0:
            raise GatewayError(
                f"too many wrong keys came from here; try again in {math.ceil(wait_s)} seconds.",
                status=429,
                code="too_many_wrong_keys",
                retry_after=wait_s,
            )

    def wrong(self, address: str) -> None:
        """Count a wrong key."""
        self._wrong.setdefault(address, Minute()).add(self._clock(), 1)
        self._wrong.move_to_end(address)
        if len(self._wrong) > _ADDRESSES:
            self._wrong.popitem(last=False)
