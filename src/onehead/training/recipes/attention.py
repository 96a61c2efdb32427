"""Ours: a soft task prior, corrected by one head that attends over anchors with known outcomes.

quality = calibrate( Σ_t p(t | prompt) · mean[t, model] + Σ_a weight(prompt, a) · value[a, model] )

- p(t | prompt): a linear classifier over a lexicon and the encoder's vector;
- mean[t, model]: means per task and model, shrunk toward an additive model, so that a pool whose
  models ran on different tasks can be learned together;
- weight(prompt, a): the softmax of cosines in a learned metric;
- value[a, model]: how much better the model did on the anchor than the prior said (0 where it was
  not run), the part that all models share and the part of its own damped apart: the first says how
  hard a prompt is and is predictable, the second decides the routing and is mostly noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from onehead.training.gate import Labelled, fit_gate, held_out_probabilities, labels_of, task_means
from onehead.training.networks import AnchorAttention, Gate, TaskAmounts, attention
from onehead.training.recipes.base import (
    Fitted,
    Options,
    Recipe,
    Standard,
    assemble,
    linear_amounts,
    tensor,
)
from onehead.training.recipes.loop import known_cross_entropy, train

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.training.examples import Examples
    from onehead.training.gate import TaskGate

    Floats = NDArray[np.float64]

_FOLDS = 4
_INSIDE = 0.005


@dataclass(frozen=True, eq=False)
class Remainder:
    """What the prior leaves to the head, for each training prompt.

    x: standardised features, [n, d]
    prior: the prior's estimates, [n, m]
    shared: outcome − prior, its mean over the models that were run, [n, 1]
    own: what each model's outcome differs by from the shared part, 0 where it was not run, [n, m]
    """

    x: torch.Tensor
    prior: torch.Tensor
    shared: torch.Tensor
    own: torch.Tensor

    @classmethod
    def of(cls, x: NDArray[np.float32], quality: Floats, prior: Floats) -> Remainder:
        """From outcomes [n, m], NaN where unknown."""
        known = ~np.isnan(quality)
        residual = np.where(known, quality - prior, 0.0)
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        shared = residual.sum(axis=1, keepdims=True) / count
        own = np.where(known, residual - shared, 0.0)
        return cls(tensor(x), tensor(prior), tensor(shared), tensor(own))


class Metric(torch.nn.Module):
    """What is learned of the head: a projection, its sharpness, and the two dampings."""

    def __init__(self, width: int, options: Options, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        size = float(options["input_scale"]) / width**0.5
        start = torch.randn(width, int(options["width"]), generator=generator) * size
        self.projection = torch.nn.Parameter(start)
        self.log_sharpness = torch.nn.Parameter(torch.tensor(float(options["sharpness"])).log())
        self.shared = torch.nn.Parameter(torch.tensor(0.5))
        self.own = torch.nn.Parameter(torch.tensor(0.3))

    def keys(self, x: torch.Tensor) -> torch.Tensor:
        """Projected prompts of length 1, [n, width]."""
        return torch.nn.functional.normalize(x @ self.projection, dim=1)

    def values(self, shared: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """Damped residuals [a, m] from their shared part [a, 1] and the rest [a, m]."""
        return self.shared * shared + self.own * own


def fit_attention(examples: Examples, options: Options, seed: int) -> Fitted:
    """The prior, then the head over its residuals, then calibration."""
    standard = Standard.of(examples)
    tasks, labels = labels_of(examples, seed)
    dense = standard.x * np.float32(options["gate_dense"])
    strength = float(options["gate_strength"])
    labelled = Labelled(examples, dense, tasks, labels)
    gate = fit_gate(labelled, strength)
    held_out = _held_out(labelled, strength, seed)
    labels = np.where(labels >= 0, labels, held_out.argmax(axis=1))
    means = task_means(examples.quality, labels, len(tasks), float(options["prior_count"]))
    left = Remainder.of(standard.x, examples.quality, held_out @ means)
    metric = Metric(standard.x.shape[1], options, seed)
    _train_metric(metric, left, tensor(examples.quality), options, seed)
    anchors = _anchors(examples, int(options["anchors"]), seed)
    raw = _leave_one_out(metric, left, anchors)
    slope, offset = _calibrate(raw, examples.quality, float(options["calibration_count"]))
    rows = torch.from_numpy(anchors)
    with torch.no_grad():
        arrays = {
            "task_quality": tensor(means),
            "metric": _widen(metric.projection, gate),
            "keys": metric.keys(left.x[rows]),
            "values": metric.values(left.shared[rows], left.own[rows]),
            "sharpness": metric.log_sharpness.exp(),
            "slope": tensor(slope),
            "offset": tensor(offset),
        }
    network_gate = _network_gate(gate, float(options["gate_dense"]))
    inputs = np.concatenate(
        [standard.x, np.zeros((len(examples), gate.lexicon.dimension)), held_out], 1
    )
    amounts = TaskAmounts(network_gate, linear_amounts(examples, inputs.astype(np.float32)))
    quality = AnchorAttention(network_gate, arrays)
    return assemble(examples, standard, quality, amounts, seed, lexicon=gate.lexicon)


def _held_out(labelled: Labelled, strength: float, seed: int) -> Floats:
    """Task probabilities of the training prompts as of unseen ones, [n, t]."""
    table, t = labelled.examples.table, len(labelled.tasks)
    distinct = len(set(table.prompts))
    if t == 1 or distinct < 2:
        return np.eye(t)[np.maximum(labelled.labels, 0)]
    return held_out_probabilities(labelled, strength, table.folds(min(_FOLDS, distinct), seed))


def _train_metric(
    metric: Metric, left: Remainder, target: torch.Tensor, options: Options, seed: int
) -> None:
    """Leave-one-out: each prompt of a batch attends over a sample of the others."""
    n = len(left.x)
    generator = torch.Generator().manual_seed(seed)
    sample = min(int(options["sample"]), n)
    drop = float(options["dropout"])

    def loss(rows: torch.Tensor) -> torch.Tensor:
        others = torch.randperm(n, generator=generator)[:sample]
        query = torch.nn.functional.dropout(left.x[rows], drop)
        keys = metric.keys(torch.nn.functional.dropout(left.x[others], drop))
        mask = rows[:, None] == others[None, :]
        weights = attention(query @ metric.projection, keys, metric.log_sharpness.exp(), mask)
        values = metric.values(left.shared[others], left.own[others])
        raw = left.prior[rows] + weights @ values
        return known_cross_entropy(torch.clamp(raw, _INSIDE, 1 - _INSIDE), target[rows])

    if n < 3:
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        train(metric.parameters(), loss, n, options, seed)


def _anchors(examples: Examples, most: int, seed: int) -> NDArray[np.intp]:
    """Rows of the anchors: those with most outcomes first, else drawn at random."""
    n = len(examples)
    if n <= most:
        return np.arange(n)
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[:most])


def _leave_one_out(metric: Metric, left: Remainder, anchors: NDArray[np.intp]) -> Floats:
    """Raw estimates [n, m] of the training prompts; an anchor does not see itself."""
    rows = torch.from_numpy(anchors)
    parts = []
    with torch.no_grad():
        keys = metric.keys(left.x[rows])
        values = metric.values(left.shared[rows], left.own[rows])
        for part in torch.split(torch.arange(len(left.x)), 512):
            mask = part[:, None] == rows[None, :]
            if len(rows) == 1:
                mask = torch.zeros_like(mask)
            query = left.x[part] @ metric.projection
            weights = attention(query, keys, metric.log_sharpness.exp(), mask)
            parts.append(left.prior[part] + weights @ values)
    return torch.cat(parts).numpy().astype(np.float64)


def _calibrate(raw: Floats, quality: Floats, count: float) -> tuple[Floats, Floats]:
    """Slope and offset [m] on the logit scale, by Newton steps.

    Every model's pair is drawn toward (1, 0) as by `count` prompts that are calibrated already.
    """
    clipped = np.clip(raw, 1e-4, 1 - 1e-4)
    logits = np.log(clipped / (1 - clipped))
    known = ~np.isnan(quality)
    target = np.where(known, quality, 0.0)
    slope, offset = np.ones(raw.shape[1]), np.zeros(raw.shape[1])
    for j in range(raw.shape[1]):
        rows = known[:, j]
        inputs = np.stack([logits[rows, j], np.ones(rows.sum())], axis=1)
        slope[j], offset[j] = _newton(inputs, target[rows, j], 0.2 * count)
    return slope, offset


def _newton(inputs: Floats, target: Floats, penalty: float, steps: int = 20) -> Floats:
    """Logistic regression from (1, 0), penalised by the distance from there."""
    start = np.array([1.0, 0.0])
    pair = start.copy()
    for _ in range(steps):
        p = 1 / (1 + np.exp(-(inputs @ pair)))
        slope = inputs.T @ (target - p) - penalty * (pair - start)
        curvature = (inputs * (p * (1 - p))[:, None]).T @ inputs + penalty * np.eye(2)
        pair = pair + np.linalg.solve(curvature, slope)
    return pair


def _widen(projection: torch.Tensor, gate: TaskGate) -> torch.Tensor:
    """The metric over the full features: the lexicon's columns do not count in it."""
    blind = torch.zeros(gate.lexicon.dimension, projection.shape[1])
    return torch.cat([projection.detach(), blind])


def _network_gate(gate: TaskGate, dense_scale: float) -> Gate:
    """The classifier over (standardised dense features, lexicon)."""
    weight = np.concatenate([gate.dense * dense_scale, gate.lexical])
    return Gate(tensor(weight), tensor(gate.bias))


ATTENTION = Recipe(
    fit_attention,
    {
        "gate_strength": 10.0,
        "gate_dense": 0.05,
        "prior_count": 20.0,
        "width": 64,
        "input_scale": 0.2,
        "sharpness": 15.0,
        "sample": 2048,
        "epochs": 20,
        "batch": 256,
        "rate": 1e-2,
        "decay": 0.01,
        "dropout": 0.3,
        "anchors": 2048,
        "calibration_count": 500.0,
    },
)
