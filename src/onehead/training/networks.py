"""The networks that recipes train, each defined once: what is exported is what was trained.

A network is four heads over standardised features x [n, d]: quality [n, m], the logarithms of the
input and output amounts [n, m] each, and confidence [n]. Buffers whose names end in an entry of
`MODEL_AXES` have one row or column per model, and no head fixes the number of models: a model is
removed by slicing them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

Amounts = tuple[Tensor, Tensor]

SCORE_FLOOR = -60.0
"""Attention scores this far under the greatest weigh nothing; lower ones would be denormal numbers,
which are slow."""
_PROBABILITY = 1e-4
"""Probabilities are kept this far from 0 and 1 before a logit."""


class RouterNetwork(nn.Module):
    """Standardisation and four heads. `model_axes` says which array has models on which axis."""

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        mean: Tensor,
        scale: Tensor,
        quality: nn.Module,
        amounts: nn.Module,
        confidence: nn.Module,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.quality, self.amounts, self.confidence = quality, amounts, confidence

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Quality, log_input, log_output [n, m] and confidence [n] of features [n, d]."""
        x = (features - self.mean) * self.scale
        log_input, log_output = self.amounts(x)
        return self.quality(x), log_input, log_output, self.confidence(x)


def attention(query: Tensor, keys: Tensor, sharpness: Tensor, mask: Tensor | None = None) -> Tensor:
    """Weights [n, a] of one head: the softmax of the cosine of query [n, k] and keys [a, k].

    `mask` [n, a] marks keys that a query must not see.
    """
    scores = sharpness * functional.normalize(query, dim=1) @ keys.T
    if mask is not None:
        scores = scores.masked_fill(mask, -torch.inf)
    scores = torch.clamp(scores - scores.amax(dim=1, keepdim=True), min=SCORE_FLOOR)
    if mask is not None:
        scores = scores.masked_fill(mask, -torch.inf)
    return torch.softmax(scores, dim=1)


class ConstantQuality(nn.Module):
    """Every prompt like the mean prompt. quality [m]."""

    model_axes: ClassVar[Mapping[str, int]] = {"value": 0}
    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def forward(self, x: Tensor) -> Tensor:
        """Quality [n, m]."""
        return torch.zeros_like(x[:, :1]) + self.value


class RandomQuality(nn.Module):
    """An estimate without information that is the same whenever a prompt comes back. seeds [d, m]."""

    model_axes: ClassVar[Mapping[str, int]] = {"seeds": 1}
    seeds: Tensor

    def __init__(self, seeds: Tensor) -> None:
        super().__init__()
        self.register_buffer("seeds", seeds)

    def forward(self, x: Tensor) -> Tensor:
        """About uniform in [0, 1], [n, m]: a triangle wave, which has no jumps for rounding to find."""
        phase = x @ self.seeds
        return torch.abs(2.0 * (phase - torch.floor(phase)) - 1.0)


class LinearQuality(nn.Module):
    """weight [d, m], bias [m]; clipped to [0, 1]."""

    model_axes: ClassVar[Mapping[str, int]] = {"weight": 1, "bias": 0}
    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """Quality [n, m]."""
        return torch.clamp(x @ self.weight + self.bias, 0.0, 1.0)


class NeighbourQuality(nn.Module):
    """Mean outcome of the k nearest training prompts by cosine; ties with the k-th all count.

    keys [a, d], unit length; values [a, m], 0 where not observed; observed [a, m]; mean [m] fills
    in where no neighbour was observed.
    """

    model_axes: ClassVar[Mapping[str, int]] = {"values": 1, "observed": 1, "mean": 0}
    keys: Tensor
    values: Tensor
    observed: Tensor
    mean: Tensor

    def __init__(
        self, keys: Tensor, values: Tensor, observed: Tensor, mean: Tensor, k: int
    ) -> None:
        super().__init__()
        for name, tensor in (("keys", keys), ("values", values), ("observed", observed)):
            self.register_buffer(name, tensor)
        self.register_buffer("mean", mean)
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """Quality [n, m]."""
        cosine = functional.normalize(x[:, : self.keys.shape[1]], dim=1) @ self.keys.T
        kth = torch.topk(cosine, self.k, dim=1).values[:, -1:]
        near = (cosine >= kth).to(x.dtype)
        total, count = near @ self.values, near @ self.observed
        return torch.where(count > 0, total / torch.clamp(count, min=1.0), self.mean)


class PerModelMLP(nn.Module):
    """One small network per model, ReLU between layers, as RouterBench's MLP baseline.

    weight i [m, in, out], bias i [m, 1, out]; the last layer has one output.
    """

    def __init__(self, weights: list[Tensor], biases: list[Tensor], inputs: int) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(weights), nn.ParameterList(biases)
        self.inputs = inputs
        self.model_axes = {
            f"{kind}.{i}": 0 for kind in ("weights", "biases") for i in range(len(weights))
        }

    def logits(self, x: Tensor) -> Tensor:
        """Logits [n, m].

        A row more goes along: alone, a row would be summed in another order than in a batch.
        """
        hidden = torch.cat([x, x[:1]])[:, : self.inputs].unsqueeze(0)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.matmul(hidden, weight) + bias
            if i + 1 < len(self.weights):
                hidden = torch.relu(hidden)
        return hidden.squeeze(2).T[:-1]

    def forward(self, x: Tensor) -> Tensor:
        """Quality [n, m]."""
        return torch.sigmoid(self.logits(x))


class PaperHead(nn.Module):
    """One head of cross-attention over models, as far as arXiv 2509.09782 says.

    query: W_Q over the prompt's vector. Keys and values: W_K and W_V over the vectors of the
    training pool, `context` [p, c] (mean outcome per prompt cluster). `model_vectors` [m, c] are
    those of the pool in force: a model that leaves it takes nothing from the others. How the
    attended vector becomes one estimate per model is not published. Here a model's estimate reads
    what an encoder layer would see at its place: the query, the attended mixture, the model's own
    value and its product with the query.
    """

    model_axes: ClassVar[Mapping[str, int]] = {"model_vectors": 0}
    model_vectors: Tensor
    context: Tensor

    def __init__(
        self, model_vectors: Tensor, inputs: int, width: int, hidden: int, outputs: int
    ) -> None:
        super().__init__()
        self.register_buffer("model_vectors", model_vectors)
        self.register_buffer("context", model_vectors.clone())
        clusters = model_vectors.shape[1]
        self.inputs = inputs
        self.to_query = nn.Linear(inputs, width)
        self.to_key = nn.Linear(clusters, width, bias=False)
        self.to_value = nn.Linear(clusters, width, bias=False)
        self.from_prompt = nn.Linear(2 * width, hidden)
        self.from_model = nn.Linear(width, hidden, bias=False)
        self.from_product = nn.Linear(width, hidden, bias=False)
        self.out = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Raw outputs [n, m, outputs]."""
        query = self.to_query(x[:, : self.inputs])
        keys, values = self.to_key(self.context), self.to_value(self.model_vectors)
        weights = torch.softmax(query @ keys.T / keys.shape[1] ** 0.5, dim=1)
        attended = weights @ self.to_value(self.context)
        prompt = self.from_prompt(torch.cat([query, attended], dim=1)).unsqueeze(1)
        model = self.from_model(values).unsqueeze(0)
        product = self.from_product(query.unsqueeze(1) * values.unsqueeze(0))
        outputs: Tensor = self.out(torch.relu(prompt + model + product))
        return outputs


class PaperQuality(nn.Module):
    """The quality predictor of the paper: a probability from one `PaperHead`."""

    def __init__(self, head: PaperHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Quality [n, m]."""
        return torch.sigmoid(self.head(x).squeeze(2))


class PaperAmounts(nn.Module):
    """The cost predictor of the paper: a second, separately trained `PaperHead`.

    Its two outputs are deviations, in standard deviations `spread` [2], from the models' mean
    log amounts `mean` [m, 2].
    """

    model_axes: ClassVar[Mapping[str, int]] = {"mean": 0}
    mean: Tensor
    spread: Tensor

    def __init__(self, head: PaperHead, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)

    def forward(self, x: Tensor) -> Amounts:
        """log_input and log_output [n, m]."""
        amounts = self.mean + self.spread * self.head(x)
        return amounts[:, :, 0], amounts[:, :, 1]


class Gate(nn.Module):
    """Which task a prompt belongs to. weight [d, t], bias [t]."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """Task probabilities [n, t]."""
        return torch.softmax(x @ self.weight + self.bias, dim=1)


class AnchorAttention(nn.Module):
    """Ours: a soft task prior, corrected by one head that attends over anchor prompts.

    task_quality [t, m]: what each model achieves on each task; focus [d]: weight of each feature
    in the metric; keys [a, d]: anchors in that metric, unit length; values [a, m]: what an anchor
    adds to each model's prior; slope, offset [m]: calibration.
    """

    model_axes: ClassVar[Mapping[str, int]] = {
        "task_quality": 1,
        "values": 1,
        "slope": 0,
        "offset": 0,
    }
    task_quality: Tensor
    focus: Tensor
    keys: Tensor
    values: Tensor
    sharpness: Tensor
    slope: Tensor
    offset: Tensor

    def __init__(self, gate: Gate, arrays: dict[str, Tensor]) -> None:
        super().__init__()
        self.gate = gate
        for name, tensor in arrays.items():
            self.register_buffer(name, tensor)

    def forward(self, x: Tensor) -> Tensor:
        """Quality [n, m]."""
        prior = self.gate(x) @ self.task_quality
        weights = attention(x * self.focus, self.keys, self.sharpness)
        raw = torch.clamp(prior + weights @ self.values, _PROBABILITY, 1 - _PROBABILITY)
        return torch.sigmoid(self.slope * torch.logit(raw) + self.offset)


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


class TaskAmounts(nn.Module):
    """`LinearAmounts` with the gate's task probabilities beside the features."""

    def __init__(self, gate: Gate, linear: LinearAmounts) -> None:
        super().__init__()
        self.gate, self.linear = gate, linear

    def forward(self, x: Tensor) -> Amounts:
        """log_input and log_output [n, m]."""
        amounts: Amounts = self.linear(torch.cat([x, self.gate(x)], dim=1))
        return amounts


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
