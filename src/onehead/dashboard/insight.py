"""What speaks for each model, as far as a router's arrays tell: kinds of prompts and its anchors.

Only the `attention` recipe keeps such arrays. Its quality is a mean over kinds of prompts, weighted by
how likely the prompt is of each kind, plus what its anchors (known prompts, kept as vectors without
their texts) add, calibrated in the end.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onehead.encoders.static import BUNDLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.artifact import Artifact

    Floats = NDArray[np.float64]

_NEEDED = (
    "mean", "scale", "bound", "amounts.gate.weight", "amounts.gate.bias", "quality.task_quality",
    "quality.metric", "quality.keys", "quality.sharpness", "quality.values",
)  # fmt: skip
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
        self.known = all(name in artifact.arrays for name in _NEEDED)
        """Whether the router can tell."""

    def _array(self, name: str) -> Floats:
        return np.asarray(self.artifact.arrays[name], dtype=np.float64)

    @cached_property
    def kinds(self) -> list[str]:
        """A name for each kind of prompt: as the router keeps it, else its most telling words."""
        if not self.known:
            return []
        size = self._array("quality.task_quality").shape[0]
        named = self.artifact.manifest.hyperparameters.get("tasks")
        if isinstance(named, list) and len(named) == size:
            return _unique([str(name) for name in named])
        return _unique(self._telling_words(size))

    @cached_property
    def quality(self) -> Floats:
        """Mean quality of each model of the router on each kind [t, m], within [0, 1]."""
        return np.clip(self._array("quality.task_quality"), 0.0, 1.0)

    @cached_property
    def n_anchors(self) -> int:
        """How many anchors the router has."""
        return len(self.artifact.arrays["quality.keys"]) if self.known else 0

    def evidence(self, features: NDArray[np.float32]) -> Evidence | None:
        """What speaks for each of the router's models on a prompt with these features [d]."""
        if not self.known:
            return None
        x = (features.astype(np.float64) - self._array("mean")) * self._array("scale")
        x = np.clip(x, -self._array("bound"), self._array("bound"))
        gate = self._array("amounts.gate.weight")
        kinds = _softmax(x[: len(gate)] @ gate + self._array("amounts.gate.bias"))
        metric, keys = self._array("quality.metric"), self._array("quality.keys")
        query = x[: len(metric)] @ metric
        cosine = keys @ (query / max(float(np.linalg.norm(query)), 1e-12))
        weights = _softmax(float(self._array("quality.sharpness").reshape(-1)[0]) * cosine)
        return Evidence(
            kinds, kinds @ self._array("quality.task_quality"),
            weights @ self._array("quality.values"), weights,
        )  # fmt: skip

    def _telling_words(self, size: int) -> list[str]:
        """The words of the lexicon that speak most for each kind."""
        arrays = self.artifact.arrays
        if "lexicon.table" not in arrays:
            return [f"kind {place + 1}" for place in range(size)]
        table = self._array("lexicon.table") * self._array("lexicon.idf")[:, None]
        width = table.shape[1]
        gate = self._array("amounts.gate.weight")[-width:] * self._array("scale")[-width:, None]
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


def _softmax(scores: Floats) -> Floats:
    raised: Floats = np.exp(scores - scores.max())
    total: Floats = raised / raised.sum()
    return total
