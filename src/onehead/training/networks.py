"""The network of every router, and the heads that recipes share. What is exported is what was trained.

A network is four heads over standardised features x [n, d]: quality [n, m], the logarithms of the
input and output amounts [n, m] each, and confidence [n]. A head names in `model_axes` its arrays
that have one row or column per model, and no head fixes the number of models: a model is removed by
slicing them. The head of one recipe alone stands in that recipe's file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

Amounts = tuple[Tensor, Tensor]

TRUSTED = 0.5
"""Estimates are taken as they are from this confidence on (`benchmarks/unknown.py`)."""
SCORE_FLOOR = -60.0
"""Attention scores this far under the greatest weigh nothing; lower ones would be denormal numbers,
which are slow."""


class RouterNetwork(nn.Module):
    """Standardisation and four heads.

    standard: mean, scale and bound of the features, [d] each
    usual: quality of each model whatever the prompt [m]; None: estimates stay as they are. The
        estimates of a prompt whose confidence is below `TRUSTED` are drawn toward it, all the way
        where confidence is 0: there the router picks as one that never reads the prompt.
    """

    model_axes: ClassVar[Mapping[str, int]] = {"usual": 0}
    mean: Tensor
    scale: Tensor
    bound: Tensor
    usual: Tensor | None

    def __init__(
        self,
        standard: tuple[Tensor, Tensor, Tensor],
        quality: nn.Module,
        amounts: nn.Module,
        confidence: nn.Module,
        usual: Tensor | None = None,
    ) -> None:
        super().__init__()
        for name, column in zip(("mean", "scale", "bound"), standard, strict=True):
            self.register_buffer(name, column)
        self.register_buffer("usual", usual)
        self.quality, self.amounts, self.confidence = quality, amounts, confidence

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Quality, log_input, log_output [n, m] and confidence [n] of features [n, d]."""
        x = (features - self.mean) * self.scale
        x = torch.minimum(torch.maximum(x, -self.bound), self.bound)
        log_input, log_output = self.amounts(x)
        quality, confidence = self.quality(x), self.confidence(x)
        if self.usual is not None:
            trust = torch.clamp(confidence * (1 / TRUSTED), max=1.0).unsqueeze(1)
            quality = self.usual + trust * (quality - self.usual)
        return quality, log_input, log_output, confidence


def attention(query: Tensor, keys: Tensor, sharpness: Tensor) -> Tensor:
    """Weights [n, a] of one head: the softmax of the cosine of query [n, k] and keys [a, k].

    The keys have unit length.
    """
    scores = sharpness * functional.normalize(query, dim=1) @ keys.T
    scores = torch.clamp(scores - scores.amax(dim=1, keepdim=True), min=SCORE_FLOOR)
    return torch.softmax(scores, dim=1)


class LinearAmounts(nn.Module):
    """Log amounts linear in the features. weights [d, m] each, biases [m] each."""

    model_axes: ClassVar[Mapping[str, int]] = {
        "input_weight": 1,
        "output_weight": 1,
        "input_bias": 0,
        "output_bias": 0,
    }
    input_weight: Tensor
    output_weight: Tensor
    input_bias: Tensor
    output_bias: Tensor

    def __init__(self, weights: Amounts, biases: Amounts) -> None:
        super().__init__()
        self.register_buffer("input_weight", weights[0])
        self.register_buffer("output_weight", weights[1])
        self.register_buffer("input_bias", biases[0])
        self.register_buffer("output_bias", biases[1])

    def forward(self, x: Tensor) -> Amounts:
        """log_input and log_output [n, m]."""
        return (
            x @ self.input_weight + self.input_bias,
            x @ self.output_weight + self.output_bias,
        )


class Familiarity(nn.Module):
    """Confidence: how near a prompt lies to the training prompts' clusters.

    centroids [c, v] of the encoder's vectors, unit length. The greatest cosine counts 1 at `high`
    and 0 at `low`, linearly between.
    """

    centroids: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, centroids: Tensor, low: Tensor, high: Tensor) -> None:
        super().__init__()
        self.register_buffer("centroids", centroids)
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, x: Tensor) -> Tensor:
        """Confidence [n]."""
        vectors = functional.normalize(x[:, : self.centroids.shape[1]], dim=1)
        nearest = (vectors @ self.centroids.T).amax(dim=1)
        return torch.clamp((nearest - self.low) / (self.high - self.low), 0.0, 1.0)


class NaturalFamiliarity(nn.Module):
    """Confidence: familiar, and no noise.

    weight [d] and bias of the log-odds that a text is no noise; its probability and familiarity
    multiply.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, familiarity: Familiarity, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.familiarity = familiarity
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """Confidence [n]."""
        natural = torch.sigmoid(x @ self.weight + self.bias)
        confidence: Tensor = self.familiarity(x) * natural
        return confidence
