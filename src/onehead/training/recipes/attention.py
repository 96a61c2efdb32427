"""Ours: a soft task prior, corrected by one head that attends over anchors with known outcomes.

quality = calibrate( Σ_t p(t | prompt) · mean[t, model] + Σ_a weight(prompt, a) · value[a, model] )

- p(t | prompt): a linear classifier over a lexicon and the encoder's vector;
- mean[t, model]: means per task and model, shrunk toward an additive model, so that a pool whose
  models ran on different tasks can be learned together;
- weight(prompt, a): one attention head, the softmax of cosines of the prompt and the anchors;
- value[a, model]: solved, so that the head's answer fits what the prior leaves of all known
  outcomes: a ridge regression on attention weights, as the posterior mean of a Gaussian process
  is a sum over solved values. A new model is one more column; nothing else depends on the pool.

What the prior leaves has a part that all models share (how hard the prompt is) and a part of each
model's own. The first is predictable, the second decides the routing and is mostly noise, so it is
shrunk harder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from onehead.calibrate import calibrate, recalibrated
from onehead.training.gate import (
    Labelled,
    fit_gate,
    held_out_probabilities,
    task_means,
)
from onehead.training.networks import Amounts, LinearAmounts, NaturalFamiliarity, attention
from onehead.training.novelty import fit_novelty
from onehead.training.recipes.amounts import linear_amounts
from onehead.training.recipes.base import (
    Fitted,
    Options,
    Recipe,
    Standard,
    assemble,
    familiarity,
    folds_of,
    ridge,
    tensor,
    unit,
)
from onehead.training.recipes.tasks import labels_of
from onehead.training.unnatural import fit_naturalness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onehead.training.examples import Examples
    from onehead.training.gate import TaskGate
    from onehead.training.unnatural import Naturalness

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

_PROBABILITY = 1e-4
"""Probabilities are kept this far from 0 and 1 before a logit."""
_PAIRS = 512
"""Anchors whose pairs measure how far cosines spread."""
_TASK_EMPHASIS = 10.0
"""How large task probabilities count among what amounts are regressed on. Where tasks are many, each
is improbable for most prompts, and a penalty for features of unit size would shrink its mean away."""


class Gate(nn.Module):
    """Which task a prompt belongs to. weight [d, t], bias [t]; their rows add up to 0."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def logits(self, x: Tensor) -> Tensor:
        """How well each task fits [n, t]."""
        return x @ self.weight + self.bias

    def forward(self, x: Tensor) -> Tensor:
        """Task probabilities [n, t]."""
        return torch.softmax(self.logits(x), dim=1)


class AnchorAttention(nn.Module):
    """Ours: a soft task prior, corrected by one head that attends over anchor prompts.

    task_quality [t, m]: what each model achieves on each task; metric [d, k]: projection of the
    dense features; keys [a, k]: projected anchors, unit length; values [a, m]: what an anchor adds
    to each model's prior; slope, offset [m]: calibration.
    """

    model_axes: ClassVar[Mapping[str, int]] = {
        "task_quality": 1,
        "values": 1,
        "slope": 0,
        "offset": 0,
    }
    task_quality: Tensor
    metric: Tensor
    keys: Tensor
    values: Tensor
    sharpness: Tensor
    slope: Tensor
    offset: Tensor

    def __init__(self, gate: Gate, arrays: dict[str, Tensor]) -> None:
        super().__init__()
        self.gate = gate
        for name, array in arrays.items():
            self.register_buffer(name, array)

    def forward(self, x: Tensor) -> Tensor:
        """Quality [n, m]."""
        prior = self.gate(x) @ self.task_quality
        dense = x[:, : self.metric.shape[0]]  # the lexicon's columns come after
        weights = attention(dense @ self.metric, self.keys, self.sharpness)
        raw = torch.clamp(prior + weights @ self.values, _PROBABILITY, 1 - _PROBABILITY)
        return torch.sigmoid(self.slope * torch.logit(raw) + self.offset)


class TaskAmounts(nn.Module):
    """`LinearAmounts` with the gate's task probabilities beside the features."""

    def __init__(self, gate: Gate, linear: LinearAmounts) -> None:
        super().__init__()
        self.gate, self.linear = gate, linear

    def forward(self, x: Tensor) -> Amounts:
        """log_input and log_output [n, m]."""
        amounts: Amounts = self.linear(torch.cat([x, self.gate(x)], dim=1))
        return amounts


class TaskConfidence(nn.Module):
    """Confidence: familiar, no noise, and of a known task; the three multiply.

    slope and bias of the log-odds that the prompt's task is known, linear in the logit of the task
    that fits best; logits add up to 0.
    """

    slope: Tensor
    bias: Tensor

    def __init__(self, gate: Gate, natural: NaturalFamiliarity, known: tuple[float, float]) -> None:
        super().__init__()
        self.gate, self.natural = gate, natural
        self.register_buffer("slope", torch.tensor(known[0]))
        self.register_buffer("bias", torch.tensor(known[1]))

    def forward(self, x: Tensor) -> Tensor:
        """Confidence [n]."""
        margin = self.gate.logits(x).amax(dim=1)
        confidence: Tensor = self.natural(x) * torch.sigmoid(self.slope * margin + self.bias)
        return confidence


@dataclass(frozen=True, eq=False)
class Head:
    """One attention head over anchors.

    metric: projection of standardised dense features, [d, k]
    keys: projected anchors, unit length, [a, k]
    sharpness: of the softmax over cosines
    """

    metric: NDArray[np.float32]
    keys: NDArray[np.float32]
    sharpness: float

    @classmethod
    def over(cls, standard: Standard, options: Options, seed: int) -> Head:
        """A head over anchors drawn from the training prompts.

        Cosines are taken along the anchors' principal axes: fewer numbers to read per decision.
        The sharpness is given in standard deviations of the anchors' cosines, so that it means the
        same for every encoder.
        """
        surface = standard.x.shape[1] - standard.d
        focus = np.append(np.ones(standard.d), np.full(surface, float(options["surface_focus"])))
        order = np.random.default_rng(seed).permutation(len(standard.x))
        anchors = standard.x[np.sort(order[: int(options["anchors"])])] * focus
        axes = np.linalg.svd(anchors, full_matrices=False)[2][: int(options["width"])]
        keys = unit(anchors @ axes.T)
        some = keys[:_PAIRS] @ keys[:_PAIRS].T
        pairs = some[np.triu_indices(len(some), 1)]
        spread = float(pairs.std()) if len(pairs) else 0.0
        sharpness = float(options["sharpness"]) / max(spread, 1e-3)
        return cls((focus[:, None] * axes.T).astype(np.float32), keys, sharpness)

    def weights(self, x: NDArray[np.float32]) -> Floats:
        """Attention weights [n, a] of standardised features [n, d]."""
        with torch.no_grad():
            weights = attention(
                tensor(x @ self.metric), tensor(self.keys), torch.tensor(self.sharpness)
            )
        return weights.numpy().astype(np.float64)


def fit_attention(examples: Examples, options: Options, seed: int) -> Fitted:
    """The prior, then the head over what it leaves, then calibration."""
    standard = Standard.of(examples)
    tasks, labels = labels_of(examples, seed)
    dense = standard.x * np.float32(options["gate_dense"])
    labelled = Labelled(examples, dense, tasks, labels)
    fold = folds_of(examples, seed)
    gate = fit_gate(labelled, float(options["gate_strength"]))
    held_out = _held_out(labelled, float(options["gate_strength"]), fold)
    labels = np.where(labels >= 0, labels, held_out.argmax(axis=1))
    means = task_means(examples.quality, labels, len(tasks), float(options["prior_count"]))
    head = Head.over(standard, options, seed)
    weights, prior = head.weights(standard.x), held_out @ means
    left = examples.quality - prior
    raw = prior + _held_out_corrections(weights, left, fold, options)
    slope, offset = calibrate(raw, examples.quality, float(options["calibration_count"]))
    arrays: dict[str, NDArray[Any]] = {
        "task_quality": means,
        "metric": head.metric,
        "keys": head.keys,
        "values": solve_values(weights, left, options),
        "sharpness": np.array(head.sharpness),
        "slope": slope,
        "offset": offset,
    }
    natural = fit_naturalness(examples, gate.lexicon, seed)
    known = fit_novelty(labelled, float(options["gate_strength"]), fold, seed)
    lexicon = natural.onto(gate.lexicon)
    network_gate = _network_gate(gate, float(options["gate_dense"]))
    quality = AnchorAttention(network_gate, {name: tensor(a) for name, a in arrays.items()})
    blind = np.zeros((len(examples), lexicon.dimension))
    inputs = np.concatenate([standard.x, blind, held_out], axis=1).astype(np.float32)
    emphasis = np.append(np.ones(inputs.shape[1] - len(tasks)), np.full(len(tasks), _TASK_EMPHASIS))
    amounts = TaskAmounts(network_gate, linear_amounts(examples, inputs, seed, emphasis))
    share = np.bincount(labels, minlength=len(tasks)) / len(labels)
    usual = recalibrated((share @ means)[None], slope, offset)[0]
    return assemble(
        examples,
        standard,
        quality,
        amounts,
        seed,
        lexicon=lexicon,
        confidence=TaskConfidence(
            network_gate, _natural(natural, examples, inputs.shape[1] - len(tasks), seed), known
        ),
        usual=tensor(usual),
        tasks=tasks
        if tasks[0] in examples.table.tasks
        else (),  # the numbers of kinds name nothing
    )


def solve_values(weights: Floats, left: Floats, options: Options) -> Floats:
    """Values [a, m] such that weights @ values fits what the prior left [n, m], NaN where unknown.

    The mean over the models that were run and the rest are fitted apart, each with its penalty.
    """
    known = ~np.isnan(left)
    count = known.sum(axis=1)
    total = np.where(known, left, 0.0).sum(axis=1)
    shared = np.where(count > 0, total / np.maximum(count, 1), np.nan)[:, None]
    common = _solve(weights, shared, float(options["shared_penalty"]))
    return common + _solve(weights, left - shared, float(options["own_penalty"]))


def _solve(weights: Floats, target: Floats, penalty: float) -> Floats:
    """Ridge-regressed values; the intercept goes into them, since weights sum to 1.

    Weights are scaled to a total variance of 1 first, so that a penalty means the same for any
    number of anchors and any sharpness.
    """
    scale = 1 / max(float(np.sqrt(weights.var(axis=0).sum())), 1e-6)
    values, intercept = ridge(weights * scale, target, penalty)
    return values * scale + intercept


def _held_out_corrections(weights: Floats, left: Floats, fold: Rows, options: Options) -> Floats:
    """What the head says of each training prompt [n, m] with values solved without its fold."""
    corrections = np.zeros_like(left)
    for number in np.unique(fold):
        here, rest = fold == number, fold != number
        if rest.any():
            corrections[here] = weights[here] @ solve_values(weights[rest], left[rest], options)
    return corrections


def _held_out(labelled: Labelled, strength: float, fold: Rows) -> Floats:
    """Task probabilities of the training prompts as of unseen ones, [n, t]."""
    t = len(labelled.tasks)
    if t == 1 or len(np.unique(fold)) < 2:
        return np.eye(t)[np.maximum(labelled.labels, 0)]
    return held_out_probabilities(labelled, strength, fold)


def _network_gate(gate: TaskGate, dense_scale: float) -> Gate:
    """The classifier over (standardised dense features, lexicon, the column of naturalness)."""
    last = np.zeros((1, len(gate.tasks)))
    weight = np.concatenate([gate.dense * dense_scale, gate.lexical, last])
    weight -= weight.mean(axis=1, keepdims=True)
    return Gate(tensor(weight), tensor(gate.bias - gate.bias.mean()))


def _natural(natural: Naturalness, examples: Examples, width: int, seed: int) -> NaturalFamiliarity:
    """Familiarity, and the log-odds of being no noise, which are the last of `width` features."""
    weight = np.zeros(width)
    weight[-1] = 1.0
    return NaturalFamiliarity(
        familiarity(examples, seed),
        tensor(weight),
        torch.tensor(natural.bias),
    )


ATTENTION = Recipe(
    fit_attention,
    {
        "gate_strength": 10.0,
        "gate_dense": 0.05,
        "prior_count": 20.0,
        "anchors": 1024,
        "width": 64,
        "sharpness": 3.0,
        "surface_focus": 0.3,
        "shared_penalty": 0.002,
        "own_penalty": 0.04,
        "calibration_count": 500.0,
    },
)
