"""Which prompts to grade a new model on: few that stand for all.

Kernel herding (Welling 2009): prompts are taken one by one so that, at every number of them, the
mean over those taken stays near the mean over all. What is averaged is what a new model is solved
by: the pool's estimates and the tasks, and beside them what the pool's models really did. So those
taken are neither too easy nor too hard for the models known, and hardly so for one more.
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
    from onehead.outcomes import PromptTable

    Floats = NDArray[np.float64]

_MISSES = 0.3
_ESTIMATES = 2.0
"""How much outcomes beyond the estimates, and estimates, count against the tasks (LOG.md)."""


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
    parts = [_ESTIMATES * seen.raw / np.sqrt(seen.raw.shape[1]), seen.tasks]
    misses = _misses(seen.raw, artifact, table, rows)
    if misses is not None:
        parts.append(_MISSES * misses)
    return rows[_herd(np.concatenate(parts, axis=1), n)]


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


def _herd(points: Floats, n: int) -> NDArray[np.intp]:
    """Rows of points [p, k], one by one: the mean of those taken follows the mean of all."""
    mean, total = points.mean(axis=0), np.zeros(points.shape[1])
    squares = np.square(points).sum(axis=1)
    taken = np.empty(n, np.intp)
    for number in range(n):
        distance = squares - 2 * (points @ ((number + 1) * mean - total))
        distance[taken[:number]] = np.inf
        taken[number] = int(distance.argmin())
        total += points[taken[number]]
    return taken
