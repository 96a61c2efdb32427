"""How a router sees prompts: the numbers that its columns of models are multiplied with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.encoders import load_encoder
from onehead.errors import UsageError
from onehead.features import Featurizer, Lexicon
from onehead.router import Router

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from onehead.artifact import Artifact
    from onehead.cache import EmbeddingCache
    from onehead.encoders import Encoder

    Floats = NDArray[np.float64]

_NEEDED = (
    "mean",
    "scale",
    "bound",
    "quality.gate.weight",
    "quality.gate.bias",
    "quality.metric",
    "quality.keys",
    "quality.sharpness",
    "quality.task_quality",
    "quality.values",
    "quality.slope",
    "quality.offset",
    "amounts.linear.input_weight",
    "amounts.linear.output_weight",
    "amounts.linear.input_bias",
    "amounts.linear.output_bias",
)
_GATE = "quality.gate."
_SHARED_BY = ("amounts.gate.", "confidence.gate.")
"""All heads read one gate, and the exporter keeps it under the name of any of them."""


@dataclass(frozen=True, eq=False)
class View:
    """Prompts as the heads of recipe `attention` see them. What the network computes, up to here.

    arrays: the router's, float64
    tasks: probability of each task [n, t]
    weights: attention to each anchor [n, a]
    amounts: what amounts are linear in [n, d + t]
    """

    arrays: Mapping[str, Floats]
    tasks: Floats
    weights: Floats
    amounts: Floats

    @property
    def raw(self) -> Floats:
        """Quality of every model of the pool before calibration [n, m]."""
        mean, value = self.arrays["quality.task_quality"], self.arrays["quality.values"]
        raw: Floats = self.tasks @ mean + self.weights @ value
        return raw

    def log_amounts(self, which: str) -> Floats:
        """Logarithms of the ``input`` or ``output`` amounts of every model [n, m]."""
        weight = self.arrays[f"amounts.linear.{which}_weight"]
        logs: Floats = self.amounts @ weight + self.arrays[f"amounts.linear.{which}_bias"]
        return logs


def view(
    artifact: Artifact,
    texts: Sequence[str],
    *,
    encoder: Encoder | None = None,
    cache: EmbeddingCache | None = None,
) -> View:
    """See prompts as a router does.

    Raises:
        UsageError: the router is of a recipe whose columns cannot be solved for.
        ArtifactError, EncoderError: the router or its encoder cannot be used.
    """
    arrays = arrays_of(artifact)
    encoder = encoder or load_encoder(artifact.manifest.encoder.spec)
    Router(artifact, encoder)  # refuses what does not fit together
    return seen(arrays, Featurizer(encoder, Lexicon.of(artifact.arrays))(texts, cache))


def seen(arrays: Mapping[str, Floats], features: NDArray[np.floating[Any]]) -> View:
    """What the heads see of features [n, d]; `arrays` as `arrays_of` gives them."""
    bound = arrays["bound"]
    x = np.clip((features - arrays["mean"]) * arrays["scale"], -bound, bound)
    tasks = _softmax(x @ arrays["quality.gate.weight"] + arrays["quality.gate.bias"])
    metric = arrays["quality.metric"]
    query = x[:, : len(metric)] @ metric
    length = np.linalg.norm(query, axis=1, keepdims=True)
    cosine = query / np.maximum(length, 1e-12) @ arrays["quality.keys"].T
    weights = _softmax(cosine * arrays["quality.sharpness"])
    return View(arrays, tasks, weights, np.concatenate([x, tasks], axis=1))


def arrays_of(artifact: Artifact) -> dict[str, Floats]:
    """The arrays of recipe `attention`; UsageError for another recipe."""
    found: Mapping[str, NDArray[Any]] = {
        _GATE + name.removeprefix(head): array
        for head in _SHARED_BY
        for name, array in artifact.arrays.items()
        if name.startswith(head)
    } | dict(artifact.arrays)
    if not set(_NEEDED) <= set(found):
        raise UsageError(
            f"a router of recipe {artifact.manifest.recipe!r} cannot take a model from outcomes "
            "without training. Add it --like one of its models, or train again (onehead train)."
        )
    return {name: found[name].astype(np.float64) for name in _NEEDED}


def _softmax(scores: Floats) -> Floats:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    normed: Floats = weights / weights.sum(axis=1, keepdims=True)
    return normed
