"""What recipes learn from: prompts in every view, outcomes, and amounts to be paid for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.features import SURFACE, tokenizer, vocabulary_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.amounts import Amounts
    from onehead.outcomes import OutcomeTable

    Rows = NDArray[np.intp]

SparseMatrix = Any
"""A scipy.sparse.csr_matrix; scipy has no types of its own."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Training examples: `n` prompts, `m` models, vectors of length `d`.

    table: tasks and quality [n, m], NaN where a model was not run
    features: encoder vector and surface, float32 [n, d + len(SURFACE)]
    counts: how often each word piece occurs, sparse [n, v]
    amounts: what is paid for
    """

    table: OutcomeTable
    features: NDArray[np.float32]
    counts: SparseMatrix
    amounts: Amounts

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The encoder's vectors [n, d]."""
        return self.features[:, : -len(SURFACE)]

    @property
    def surface(self) -> NDArray[np.float32]:
        """The surface features [n, len(SURFACE)]."""
        return self.features[:, -len(SURFACE) :]

    @property
    def quality(self) -> NDArray[np.float64]:
        """Outcomes [n, m], NaN where unknown."""
        return self.table.quality

    def __len__(self) -> int:
        return self.table.n_prompts

    def take(self, rows: Rows) -> Examples:
        """Some of the examples."""
        return Examples(
            self.table.take(rows), self.features[rows], self.counts[rows], self.amounts.take(rows)
        )


def count_pieces(texts: tuple[str, ...]) -> SparseMatrix:
    """How often each word piece occurs in each text, sparse [n, v]."""
    from scipy.sparse import csr_matrix

    ids_of = tokenizer().ids
    ids = [ids_of(text) for text in texts]
    ends = np.cumsum([0, *map(len, ids)])
    columns = np.fromiter((i for row in ids for i in row), np.int32, ends[-1])
    ones = np.ones(len(columns), np.float32)
    counts = csr_matrix((ones, columns, ends), shape=(len(texts), vocabulary_size()))
    counts.sum_duplicates()
    return counts
