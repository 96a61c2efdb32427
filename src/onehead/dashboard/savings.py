"""What another way of answering the same requests would have cost and brought.

For each request the log holds what it cost, c, and the estimates of every model: expected cost ĉ and
expected quality q̂. A *way* names a model for each request: the one that answered, one single model
for all, or, in shadow mode, the router's choice. Over n requests:

    ratio    = Σ ĉ(other way) / Σ ĉ(way taken)
    instead  = Σ c · ratio            what the other way would have cost
    saved    = instead − Σ c          and its share 1 − 1/ratio of `instead`
    quality  = mean of q̂(other way) − q̂(way taken)

Estimates stand on both sides of the ratio, so an error that all of them share cancels, and what was
really paid sets the level. Where all that answered is free (Σ ĉ = 0) `instead` is Σ ĉ(other way).

Intervals: 95 %, Poisson bootstrap over requests with 1,000 resamples. Beyond 2,000 requests these are dealt
into 2,000 groups by turns, and the groups are drawn. They tell how far the figure depends on which
requests came, not whether the estimates are right: feedback and the router page tell that.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from onehead.store import DecisionRecord

    Floats = NDArray[np.float64]

GROUPS: Final = 2000
RESAMPLES: Final = 1000
FALL: Final = 0.05
"""A predicted quality lower by more than this counts as a fall."""
WORST: Final = 20
CHOSEN: Final = ""
"""Stands for the router's choice among the other ways."""

_COUNT, _PAID, _COST, _QUALITY, _OTHER_COST, _OTHER_QUALITY = range(6)
_ENDS = (2.5, 97.5)


@dataclass(frozen=True)
class Comparison:
    """Another way beside the one taken.

    requests: those with estimates for both ways and a known cost
    paid_usd: what they cost · expected_usd, other_usd: Σ ĉ of the way taken and of the other
    ratio_ends, quality_ends: 95 % intervals; None where there is nothing to resample
    quality: mean of q̂(other) − q̂(taken)
    """

    model: str
    requests: int
    paid_usd: float
    expected_usd: float
    other_usd: float
    quality: float
    ratio_ends: tuple[float, float] | None = None
    quality_ends: tuple[float, float] | None = None

    @property
    def ratio(self) -> float | None:
        """How many times dearer the other way is expected to be; None where that is undefined."""
        return self.other_usd / self.expected_usd if self.expected_usd > 0 else None

    @property
    def instead_usd(self) -> float:
        """What the other way would have cost."""
        return self.other_usd if self.ratio is None else self.paid_usd * self.ratio

    @property
    def saved_usd(self) -> float:
        """What the way taken saved against the other; below 0 where the other is cheaper."""
        return self.instead_usd - self.paid_usd

    @property
    def saved_ends(self) -> tuple[float, float] | None:
        """The interval of `saved_usd`."""
        if self.ratio_ends is None:
            return None
        low, high = self.ratio_ends
        return self.paid_usd * (low - 1), self.paid_usd * (high - 1)

    @property
    def would_save_ends(self) -> tuple[float, float] | None:
        """The interval of what the other way would have saved: of −`saved_usd`."""
        ends = self.saved_ends
        return None if ends is None else (-ends[1], -ends[0])

    @property
    def saved_share(self) -> float | None:
        """`saved_usd` as a share of `instead_usd`."""
        return self.saved_usd / self.instead_usd if self.instead_usd > 0 else None

    @property
    def share_ends(self) -> tuple[float, float] | None:
        """The interval of `saved_share`."""
        if self.ratio_ends is None or self.ratio_ends[0] <= 0:
            return None
        return 1 - 1 / self.ratio_ends[0], 1 - 1 / self.ratio_ends[1]

    @property
    def would_share(self) -> float | None:
        """What the other way would have saved, as a share of what was paid."""
        return -self.saved_usd / self.paid_usd if self.paid_usd > 0 else None

    @property
    def would_ends(self) -> tuple[float, float] | None:
        """The interval of `would_share`."""
        return None if self.ratio_ends is None else (1 - self.ratio_ends[1], 1 - self.ratio_ends[0])


class Fall(NamedTuple):
    """A request whose quality is predicted to fall on the other way."""

    quality: float
    decision_id: str
    taken: str
    other: str


@dataclass
class Move:
    """Requests that the other way takes from one model to another; sums over them."""

    taken: str
    other: str
    requests: int = 0
    paid_usd: float = 0.0
    expected_usd: float = 0.0
    other_usd: float = 0.0
    quality: float = 0.0
    falls: int = 0


@dataclass(frozen=True)
class Single:
    """One model alone: means of its estimates over the requests that have them."""

    model: str
    requests: int
    quality: float
    cost_usd: float


class Tally:
    """Adds decisions up; memory does not grow with their number.

    requests: decisions that can be compared · left_out: answered without a cost or an estimate
    falls: those whose quality is predicted to fall by more than `FALL` if the router's choice is taken
    """

    def __init__(self, records: Iterable[DecisionRecord] = ()) -> None:
        self.requests = self.left_out = self.falls = 0
        self.moves: dict[tuple[str, str], Move] = {}
        self._columns: dict[str, int] = {CHOSEN: 0}
        self._sums = np.zeros((6, GROUPS, 1))
        self._worst: list[Fall] = []
        self.add(records)

    def add(self, records: Iterable[DecisionRecord]) -> None:
        """Take in more decisions; those that nobody answered are passed over."""
        rest = (one for one in records if one.outcome == "ok" and one.model is not None)
        while block := list(islice(rest, GROUPS - self.requests % GROUPS)):
            self._add_block(block)

    @property
    def worst(self) -> list[Fall]:
        """The deepest predicted falls, deepest first."""
        return [Fall(-one.quality, *one[1:]) for one in sorted(self._worst, reverse=True)]

    def singles(self) -> list[Single]:
        """Each model alone, from the best expected quality down; the cheaper first among equals."""
        found = []
        for model, column in self._columns.items():
            count, *_, cost, quality = self._sums[:, :, column].sum(axis=1).tolist()
            if model != CHOSEN and count:
                found.append(Single(model, int(count), quality / count, cost / count))
        return sorted(found, key=lambda one: (-one.quality, one.cost_usd, one.model))

    def best_single(self) -> str | None:
        """The model with the best expected quality among those that could answer most requests."""
        return next((one.model for one in self._usual()), None)

    def dearest(self) -> str | None:
        """The model with the highest expected cost among those that could answer most requests."""
        return max(self._usual(), key=lambda one: one.cost_usd, default=Single("", 0, 0, 0)).model

    def against(self, model: str = CHOSEN) -> Comparison | None:
        """The way of `model` beside the one taken; None without a request to compare."""
        column = self._columns.get(model)
        if column is None:
            return None
        sums = self._sums[:, : min(self.requests, GROUPS), column]
        whole = sums.sum(axis=1)
        if not whole[_COUNT]:
            return None
        return Comparison(
            model, int(whole[_COUNT]), float(whole[_PAID]), float(whole[_COST]),
            float(whole[_OTHER_COST]),
            float((whole[_OTHER_QUALITY] - whole[_QUALITY]) / whole[_COUNT]),
            *self._ends(sums),
        )  # fmt: skip

    def _usual(self) -> list[Single]:
        """Models that nearly every request has an estimate of: the pool as it mostly was."""
        singles = self.singles()
        most = max((one.requests for one in singles), default=0)
        return [one for one in singles if one.requests >= 0.9 * most]

    def _ends(self, sums: Floats) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
        """Intervals of the ratio and of the change of quality, from sums by group [6, groups]."""
        if sums[_COUNT].sum() < 2:
            return None, None
        drawn = _draws(sums.shape[1]) @ sums.T
        fine = (drawn[:, _COST] > 0) & (drawn[:, _COUNT] > 0)
        if not fine.any():
            return None, None
        drawn = drawn[fine]
        ratio = np.percentile(drawn[:, _OTHER_COST] / drawn[:, _COST], _ENDS).tolist()
        change = (drawn[:, _OTHER_QUALITY] - drawn[:, _QUALITY]) / drawn[:, _COUNT]
        quality = np.percentile(change, _ENDS).tolist()
        return (ratio[0], ratio[1]), (quality[0], quality[1])

    def _add_block(self, block: list[DecisionRecord]) -> None:
        """Add up to `GROUPS` decisions, one to a group."""
        rows: list[tuple[float, float, float]] = []
        places: list[tuple[list[int], list[float], list[float]]] = []
        for one in block:
            known = {m: (q, c) for m, q, c, *_ in one.estimates if q is not None and c is not None}
            if one.model not in known or one.cost_usd is None:
                self.left_out += 1
                continue
            taken = known[one.model]
            if one.chosen is not None and one.chosen in known:
                self._move(one, taken, known[one.chosen])
                known[CHOSEN] = known[one.chosen]
            columns = [self._columns.setdefault(name, len(self._columns)) for name in known]
            quality, cost = zip(*known.values(), strict=True)
            rows.append((one.cost_usd, taken[1], taken[0]))
            places.append((columns, list(cost), list(quality)))
        if not rows:
            return
        self._widen()
        others = np.zeros((3, len(rows), len(self._columns)))
        for row, (columns, cost_usd, good) in enumerate(places):
            others[0, row, columns] = 1.0
            others[1, row, columns] = cost_usd
            others[2, row, columns] = good
        first = self.requests % GROUPS
        groups = self._sums[:, first : first + len(rows)]
        groups[_COUNT] += others[0]
        own = np.array(rows).T[:, :, None] * others[0]
        groups[_PAID : _QUALITY + 1] += own
        groups[_OTHER_COST] += others[1]
        groups[_OTHER_QUALITY] += others[2]
        self.requests += len(rows)

    def _widen(self) -> None:
        """Make room for models that came up since."""
        missing = len(self._columns) - self._sums.shape[2]
        if missing:
            self._sums = np.concatenate([self._sums, np.zeros((6, GROUPS, missing))], axis=2)

    def _move(
        self, one: DecisionRecord, taken: tuple[float, float], other: tuple[float, float]
    ) -> None:
        """Note from which model to which the router's choice would take a request."""
        assert one.model is not None  # noqa: S101
        assert one.chosen is not None  # noqa: S101
        move = self.moves.setdefault((one.model, one.chosen), Move(one.model, one.chosen))
        change = other[0] - taken[0]
        move.requests += 1
        move.paid_usd += one.cost_usd or 0.0
        move.expected_usd += taken[1]
        move.other_usd += other[1]
        move.quality += change
        if change < 0:
            fall = Fall(-change, one.decision_id, one.model, one.chosen)
            push = heapq.heappush if len(self._worst) < WORST else heapq.heappushpop
            push(self._worst, fall)
        if change < -FALL:
            move.falls += 1
            self.falls += 1


@lru_cache(maxsize=4)
def _draws(groups: int) -> Floats:
    """How often each group is drawn in each resample [resamples, groups]: a Poisson bootstrap."""
    return np.random.default_rng(0).poisson(1.0, (RESAMPLES, groups)).astype(np.float64)
