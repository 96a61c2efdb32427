"""Ids of decisions: unique without asking anyone, and in the order of time.

``dec_`` and 32 hexadecimal digits. The first 15 count 1/4096 milliseconds since 1970, so the first 12
are those of a UUIDv7; the other 17 are random. Ids therefore sort as their decisions were made, and a
span of time is a span of ids.
"""

from __future__ import annotations

import os
import re
import time
from typing import Final

from onehead.errors import UnknownDecision

_TICKS_PER_S: Final = 4_096_000
_CLOCK: Final = slice(4, 19)
_LAST: Final = (1 << 60) - 1
_FORM: Final = re.compile(r"dec_[0-9a-f]{32}", re.ASCII)


def new_decision_id(at: float | None = None) -> str:
    """An id for a decision made now, or `at` (unix seconds)."""
    ticks = int((time.time() if at is None else at) * _TICKS_PER_S)
    return f"dec_{ticks:015x}{os.urandom(9).hex()[1:]}"


def id_time(decision_id: str) -> float:
    """When the decision was made, in unix seconds, to a microsecond; UnknownDecision for no id."""
    if not _FORM.fullmatch(decision_id):
        raise UnknownDecision(
            f"{decision_id[:80]!r} is no id of a decision. Take it from the answer's header "
            "x-onehead-decision-id; it is dec_ and 32 hexadecimal digits."
        )
    return int(decision_id[_CLOCK], 16) / _TICKS_PER_S


def first_id(at: float) -> str:
    """The lowest id that a decision made `at` can have: a bound for spans of time."""
    ticks = min(max(int(at * _TICKS_PER_S), 0), _LAST)
    return f"dec_{ticks:015x}{'0' * 17}"
