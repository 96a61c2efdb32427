"""The time ranges that a page can show."""

from __future__ import annotations

import time
from dataclasses import dataclass

from onehead.errors import UsageError, did_you_mean

_LENGTHS_S: dict[str, float] = {"1h": 3600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
NAMES = (*_LENGTHS_S, "all")
DEFAULT = "24h"
_WORDS = {
    "1h": "the last hour",
    "24h": "the last 24 hours",
    "7d": "the last 7 days",
    "30d": "the last 30 days",
    "all": "all time",
}


@dataclass(frozen=True, slots=True)
class Range:
    """A range by name, with its ends in unix seconds."""

    name: str
    since: float
    until: float

    @property
    def words(self) -> str:
        """The range as part of a sentence."""
        return _WORDS[self.name]


def range_of(name: str | None, first: float | None = None, now: float | None = None) -> Range:
    """The range called `name`, ending now; UsageError for a name that is none.

    first: when the oldest decision was made: `all` begins there, and without a name a log that is
        younger than an hour shows that hour
    """
    until = time.time() if now is None else now
    if not name:
        young = first is not None and first >= until - _LENGTHS_S["1h"]
        name = "1h" if young else DEFAULT
    if name not in NAMES:
        raise UsageError(
            f"no range {name!r}.{did_you_mean(name, NAMES)} Choose one of: {', '.join(NAMES)}."
        )
    if name in _LENGTHS_S:
        return Range(name, until - _LENGTHS_S[name], until)
    since = until - _LENGTHS_S[DEFAULT] if first is None else min(first, until - _LENGTHS_S["1h"])
    return Range(name, since, until)
