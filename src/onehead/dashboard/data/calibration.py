"""Are predicted qualities kept? Feedback beside what was predicted of the model that answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from onehead.dashboard import words
from onehead.dashboard.document import Chart, Table
from onehead.report import charts
from onehead.store.search import by_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.dashboard.log import Log
    from onehead.dashboard.ranges import Range
    from onehead.report.charts.reliability import ReliabilityBin

MOST: Final = 2000
"""The newest judgements that a page looks at."""
_BINS = 10
_NORMAL = 1.96


@dataclass(frozen=True, slots=True)
class Judged:
    """One judgement: of which model, what was predicted of it, and what was said."""

    model: str
    predicted: float
    said: float


def judged(log: Log, chosen: Range) -> list[Judged]:
    """The newest judgements given in a range whose decisions had estimates of their model."""
    feedback = log.store.feedback(since=chosen.since, until=chosen.until, limit=MOST)
    ids = list(dict.fromkeys(one.decision_id for one in feedback))
    known = {one.decision_id: one for one in by_ids(log.store.database, ids)}
    found = []
    for one in feedback:
        decision = known.get(one.decision_id)
        if decision is None or decision.model is None:
            continue
        for model, quality, *_ in decision.estimates:
            if model == decision.model and quality is not None:
                found.append(Judged(model, quality, one.quality))
    return found


def reliability(found: Sequence[Judged]) -> list[ReliabilityBin]:
    """Mean judgement over mean prediction in equal bins, with normal 95 % intervals."""
    bins: list[ReliabilityBin] = []
    for place in range(_BINS):
        low, high = place / _BINS, (place + 1) / _BINS
        rows = [
            one
            for one in found
            if low <= one.predicted < high or (place == 9 and one.predicted == 1)
        ]
        if not rows:
            continue
        said = np.array([one.said for one in rows])
        mean = float(said.mean())
        half = _NORMAL * _error(said)
        bins.append(
            {
                "low": low,
                "high": high,
                "count": len(rows),
                "predicted": float(np.mean([one.predicted for one in rows])),
                "observed": mean,
                "observed_low": max(mean - half, 0.0),
                "observed_high": min(mean + half, 1.0),
            }
        )
    return bins


def reliability_chart(found: Sequence[Judged], *, half: bool = True) -> Chart:
    """The diagram over all models."""
    bins = reliability(found)
    title = "Predicted quality against feedback"
    if not bins:
        return Chart(
            "reliability", title, "", None, half=half,
            empty="No feedback in this range. Judge answers with the thumbs of a decision, with "
            "`POST /v1/feedback`, or with `onehead feedback`.",
        )  # fmt: skip
    rows = tuple(
        (
            f"{one['low']:.1f} to {one['high']:.1f}",
            words.count(one["count"]),
            words.quality(one["predicted"], 3),
            words.quality(one["observed"], 3),
        )
        for one in bins
    )
    return Chart(
        "reliability", title,
        "On the dashed diagonal predictions are kept exactly. Bars count the judgements; 95 % "
        "intervals. Who gives feedback, and on what, is no random sample.",
        lambda width: charts.reliability_chart(bins, width=min(width, 380)),
        Table(("predicted", "judgements", "mean predicted", "mean fed back"), rows),
        half=half,
    )  # fmt: skip


def by_model(found: Sequence[Judged]) -> dict[str, tuple[int, float, float, float, float]]:
    """For each model: judgements, means of prediction and judgement, 95 % ends of their difference."""
    models: dict[str, list[Judged]] = {}
    for one in found:
        models.setdefault(one.model, []).append(one)
    told = {}
    for model, rows in models.items():
        gap = np.array([one.said - one.predicted for one in rows])
        mean, half = float(gap.mean()), _NORMAL * _error(gap)
        predicted = float(np.mean([one.predicted for one in rows]))
        said = float(np.mean([one.said for one in rows]))
        told[model] = (len(rows), predicted, said, mean - half, mean + half)
    return told


def _error(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """The standard error of a mean; of a single value that of the widest scatter, 1/2."""
    if len(values) < 2:
        return 0.5
    return float(max(values.std(ddof=1), 0.05) / np.sqrt(len(values)))
