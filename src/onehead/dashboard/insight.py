"""What speaks for each model, as far as a router's arrays tell: kinds of prompts and its anchors.

Only the `attention` recipe keeps such arrays. Its quality is a mean over kinds of prompts, weighted by
how likely the prompt is of each kind, plus what its anchors (known prompts, kept as vectors without
their texts) add, calibrated in the end.
"""

from __future__ import annotations

import contextlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onehead.encoders.static import BUNDLED
from onehead.errors import UsageError
from onehead.joining.view import arrays_of, seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onehead.artifact import Artifact

    Floats = NDArray[np.float64]

_WORDS = 3
_SHORTEST = 4


class Evidence(NamedTuple):
    """What an estimate of quality rests on, for one prompt.

    kinds: how likely the prompt is of each kind [t]
    prior: what that says of each model [m] · anchors: what the anchors add [m]
    weights: of the anchors, adding up to 1 [a]
    """

    kinds: Floats
    prior: Floats
    anchors: Floats
    weights: Floats


class Insight:
    """Reads a router's arrays."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self._arrays: Mapping[str, Floats] = {}
        with contextlib.suppress(UsageError):  # a router of another recipe: it cannot tell
            self._arrays = arrays_of(artifact)
        self.known = bool(self._arrays)
        """Whether the router can tell."""

    @cached_property
    def kinds(self) -> list[str]:
        """A name for each kind of prompt: as the router keeps it, else its most telling words."""
        if not self.known:
            return []
        size = self._arrays["quality.task_quality"].shape[0]
        named = self.artifact.manifest.tasks
        if len(named) == size:
            return _unique(list(named))
        return _unique(self._telling_words(size))

    @cached_property
    def quality(self) -> Floats:
        """Mean quality of each model of the router on each kind [t, m], within [0, 1]."""
        return np.clip(self._arrays["quality.task_quality"], 0.0, 1.0)

    @cached_property
    def n_anchors(self) -> int:
        """How many anchors the router has."""
        return len(self._arrays["quality.keys"]) if self.known else 0

    def evidence(self, features: NDArray[np.float32]) -> Evidence | None:
        """What speaks for each of the router's models on a prompt with these features [d]."""
        if not self.known:
            return None
        view = seen(self._arrays, features.reshape(1, -1))
        kinds, weights = view.tasks[0], view.weights[0]
        return Evidence(
            kinds, kinds @ self._arrays["quality.task_quality"],
            weights @ self._arrays["quality.values"], weights,
        )  # fmt: skip

    def _telling_words(self, size: int) -> list[str]:
        """The words of the lexicon that speak most for each kind."""
        arrays = self.artifact.arrays
        if "lexicon.table" not in arrays:
            return [f"kind {place + 1}" for place in range(size)]
        table = arrays["lexicon.table"].astype(np.float64) * arrays["lexicon.idf"][:, None]
        width = table.shape[1]
        gate = self._arrays["quality.gate.weight"][-width:] * self._arrays["scale"][-width:, None]
        score = table @ gate
        score -= score.mean(axis=1, keepdims=True)
        vocabulary = _vocabulary()
        pieces = [vocabulary.get(int(token), "") for token in arrays["lexicon.tokens"]]
        whole = np.array([len(p) >= _SHORTEST and p.isalpha() for p in pieces])
        score[~whole] = -np.inf
        best = np.argsort(-score, axis=0)[:_WORDS]
        return [", ".join(pieces[row] for row in best[:, place]) for place in range(size)]


def _vocabulary() -> dict[int, str]:
    """Word pieces of the bundled tokenizer by id."""
    document = json.loads((BUNDLED / "tokenizer.json").read_text(encoding="utf-8"))
    return {int(number): piece for piece, number in document["model"]["vocab"].items()}


def _unique(names: list[str]) -> list[str]:
    """The names, those that come again with a number."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
