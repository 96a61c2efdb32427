"""Baselines without a training loop: constant, random, nearest neighbours, linear models."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from onehead.training.recipes.amounts import constant_amounts, plain_amounts
from onehead.training.recipes.base import (
    Fitted,
    Options,
    Recipe,
    Standard,
    assemble,
    known_mean,
    ridge,
    tensor,
    unit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onehead.training.examples import Examples

    Floats = NDArray[np.float64]


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
        """About uniform in [0, 1], [n, m]: a triangle wave, which has no jumps for rounding to find.

        In float64, since only the fraction of the phase counts, where processors sum differently.
        """
        phase = x.double() @ self.seeds.double()
        return torch.abs(2.0 * (phase - torch.floor(phase)) - 1.0).float()


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
        for name, array in (("keys", keys), ("values", values), ("observed", observed)):
            self.register_buffer(name, array)
        self.register_buffer("mean", mean)
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """Quality [n, m]."""
        cosine = functional.normalize(x[:, : self.keys.shape[1]], dim=1) @ self.keys.T
        kth = torch.topk(cosine, self.k, dim=1).values[:, -1:]
        near = (cosine >= kth).to(x.dtype)
        total, count = near @ self.values, near @ self.observed
        return torch.where(count > 0, total / torch.clamp(count, min=1.0), self.mean)


def fit_constant(examples: Examples, _options: Options, seed: int) -> Fitted:
    """Each model's mean quality and mean cost: always the same choice at one λ."""
    standard = Standard.of(examples)
    quality = ConstantQuality(tensor(known_mean(examples.quality)))
    return assemble(
        examples, standard, quality, constant_amounts(examples, standard.x.shape[1]), seed
    )


def fit_random(examples: Examples, _options: Options, seed: int) -> Fitted:
    """Estimates without information: what a router must beat to be one."""
    standard = Standard.of(examples)
    shape = (standard.x.shape[1], examples.table.n_models)
    seeds = tensor(np.random.default_rng(seed).normal(size=shape))
    costs = constant_amounts(examples, standard.x.shape[1])
    return assemble(examples, standard, RandomQuality(seeds), costs, seed)


def fit_neighbours(examples: Examples, options: Options, seed: int) -> Fitted:
    """The unweighted mean of the k nearest prompts; upstream's cost is constant per model."""
    standard = Standard.of(examples)
    known = examples.table.observed
    quality = NeighbourQuality(
        tensor(unit(examples.vectors)),
        tensor(np.where(known, examples.quality, 0.0)),
        tensor(known),
        tensor(known_mean(examples.quality)),
        min(int(options["k"]), len(examples)),
    )
    return _assembled(examples, standard, quality, options, seed)


def fit_ridge(examples: Examples, options: Options, seed: int) -> Fitted:
    """Ridge regression of quality on the encoder's vector."""
    standard = Standard.of(examples)
    d = standard.d
    x = standard.x[:, :d].astype(np.float64)
    weight, bias = ridge(x, examples.quality, float(options["penalty"]))
    quality = _linear(standard, weight, bias)
    return _assembled(examples, standard, quality, options, seed)


def fit_svr(examples: Examples, options: Options, seed: int) -> Fitted:
    """One linear support vector regression per model, as upstream."""
    from sklearn.svm import LinearSVR

    standard = Standard.of(examples)
    d, known = standard.d, examples.table.observed
    x = unit(examples.vectors)
    to_unit = 1.0 / np.sqrt(d)  # standardised vectors are about √d long
    weight, bias = np.zeros((d, examples.table.n_models)), known_mean(examples.quality)
    for j, rows in enumerate(known.T):
        if not rows.any():
            continue
        model = LinearSVR(
            C=float(options["C"]), epsilon=float(options["epsilon"]), random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # upstream keeps the default number of iterations
            model.fit(x[rows], examples.quality[rows, j])
        weight[:, j], bias[j] = model.coef_ * to_unit, float(np.ravel(model.intercept_)[0])
    quality = _linear(standard, weight, bias)
    return _assembled(examples, standard, quality, options, seed)


def _assembled(
    examples: Examples, standard: Standard, quality: nn.Module, options: Options, seed: int
) -> Fitted:
    """A baseline's network: its quality, and amounts as its options say."""
    amounts = plain_amounts(examples, standard.x, options["cost"], seed)
    return assemble(examples, standard, quality, amounts, seed)


def _linear(standard: Standard, weight: Floats, bias: Floats) -> LinearQuality:
    """A head from weights over the vector alone, [d, m]."""
    full = np.zeros((standard.x.shape[1], weight.shape[1]))
    full[: standard.d] = weight
    return LinearQuality(tensor(full), tensor(bias))


CONSTANT = Recipe(fit_constant)
RANDOM = Recipe(fit_random)
KNN = Recipe(
    fit_neighbours,
    {"k": 10, "cost": "linear"},
    tuple({"k": k} for k in (5, 10, 20, 40, 80, 160, 320, 640)),
)
RIDGE = Recipe(
    fit_ridge,
    {"penalty": 1.0, "cost": "linear"},
    tuple({"penalty": p} for p in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)),
)
SVR = Recipe(
    fit_svr,
    {"C": 1.0, "epsilon": 0.0, "cost": "linear"},
    tuple({"C": c, "epsilon": e} for c in (0.1, 1.0) for e in (0.0, 0.25)),
)
