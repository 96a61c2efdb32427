"""Which prompts to grade a new model on: few that stand for all.

Support points (Mak & Joseph 2018), taken greedily: prompts come one by one so that, at every number of
them, those taken are spread as all are, by energy distance. What is spread is what a new model is
solved by: the pool's estimates, the tasks and how much is read and written, and beside them what the
pool's models really did. So those taken are neither too easy nor too hard for the models known, and
hardly so for one more. Means alone, as kernel herding follows them, can be met by prompts that are all
extreme (`benchmarks/LOG.md`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import UsageError
from onehead.joining.view import view
from onehead.outcomes import OutcomeTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.artifact import Artifact
    from onehead.cache import EmbeddingCache
    from onehead.encoders import Encoder
    from onehead.joining.view import View
    from onehead.outcomes import PromptTable

    Floats = NDArray[np.float64]

_MISSES = 1.0
_ESTIMATES = 4.0
_AMOUNTS = 0.3
"""How much outcomes beyond the estimates, estimates and amounts count against the tasks (LOG.md)."""
_ALL = 4096
"""Prompts that stand for all in distances to all, at most."""
_ROWS = 1024
"""Rows of distances at a time."""


def choose_anchors(
    artifact: Artifact,
    table: PromptTable | OutcomeTable,
    n: int,
    *,
    encoder: Encoder | None = None,
    cache: EmbeddingCache | None = None,
) -> NDArray[np.intp]:
    """Rows of the `n` prompts to grade a new model on, the most telling first.

    table: prompts like those to come; outcomes of the router's models on them sharpen the choice.
        A text that occurs twice is taken once.

    Raises:
        UsageError: there are fewer prompts, or the router is of a recipe that cannot use them.
    """
    texts, first = np.unique(np.array(table.prompts, dtype=object), return_index=True)
    if not 1 <= n <= len(texts):
        raise UsageError(f"{n} anchors of {len(texts)} different prompts; choose from 1 to that.")
    rows = np.sort(first)
    seen = view(artifact, [table.prompts[i] for i in rows], encoder=encoder, cache=cache)
    parts = [
        _ESTIMATES * seen.raw / np.sqrt(seen.raw.shape[1]),
        seen.tasks,
        _AMOUNTS * _usual_amounts(seen),
    ]
    misses = _misses(seen.raw, artifact, table, rows)
    if misses is not None:
        parts.append(_MISSES * misses)
    return rows[spread_rows(np.concatenate(parts, axis=1), n)]


def _usual_amounts(seen: View) -> Floats:
    """Logarithms of what a usual model reads and writes [n, 2], standardised."""
    logs = np.stack([seen.log_amounts(which).mean(axis=1) for which in ("input", "output")], axis=1)
    standard: Floats = (logs - logs.mean(axis=0)) / np.maximum(logs.std(axis=0), 1e-6)
    return standard


def _misses(
    raw: Floats, artifact: Artifact, table: PromptTable | OutcomeTable, rows: NDArray[np.intp]
) -> Floats | None:
    """Outcomes minus estimates of the router's models [n, m], 0 where unknown; None without any."""
    if not isinstance(table, OutcomeTable):
        return None
    known = [j for j, name in enumerate(artifact.manifest.pool.ids) if name in table.models]
    if not known:
        return None
    columns = [table.models.index(artifact.manifest.pool.ids[j]) for j in known]
    left = table.quality[rows][:, columns] - raw[:, known]
    misses: Floats = np.nan_to_num(left) / np.sqrt(len(known))
    return misses


def spread_rows(points: Floats, n: int) -> NDArray[np.intp]:
    """Rows of points [p, k], one by one: those taken are spread as all are.

    Each one taken lies near to all and far from those taken before.
    """
    every = points
    if len(points) > _ALL:
        every = points[np.random.default_rng(0).permutation(len(points))[:_ALL]]
    to_all = np.concatenate(
        [
            _distances(points[start : start + _ROWS], every).mean(axis=1)
            for start in range(0, len(points), _ROWS)
        ]
    )
    to_taken, taken = np.zeros(len(points)), np.empty(n, np.intp)
    for number in range(n):
        loss = to_all - to_taken / (number + 1)
        loss[taken[:number]] = np.inf
        taken[number] = int(loss.argmin())
        to_taken += _distances(points, points[taken[number], None])[:, 0]
    return taken


def _distances(some: Floats, others: Floats) -> Floats:
    """Euclidean distances [n, k]."""
    squares = np.square(some).sum(axis=1)[:, None] + np.square(others).sum(axis=1)
    distances: Floats = np.sqrt(np.maximum(squares - 2 * (some @ others.T), 0.0))
    return distances
