"""RouterBench's MLP: one small network per model, ReLU, trained by cross-entropy."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from onehead.training.recipes.amounts import plain_amounts
from onehead.training.recipes.base import (
    Fitted,
    Options,
    Recipe,
    Standard,
    assemble,
    tensor,
)
from onehead.training.recipes.loop import known_cross_entropy, train

if TYPE_CHECKING:
    from onehead.training.examples import Examples


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


def fit_mlp(examples: Examples, options: Options, seed: int) -> Fitted:
    """All models' networks at once; they share nothing but the batches."""
    standard = Standard.of(examples)
    x, target = tensor(standard.x), tensor(examples.quality)
    generator = torch.Generator().manual_seed(seed)
    sizes = [standard.d, *options["hidden"], 1]
    m = examples.table.n_models
    weights = [
        torch.randn(m, a, b, generator=generator) * (2 / a) ** 0.5 for a, b in pairwise(sizes)
    ]
    biases = [torch.zeros(m, 1, b) for b in sizes[1:]]
    network = PerModelMLP(weights, biases, standard.d)
    train(
        network.parameters(),
        lambda rows: known_cross_entropy(network(x[rows]), target[rows]) * m,
        len(examples),
        options,
        seed,
    )
    amounts = plain_amounts(examples, standard.x, options["cost"], seed)
    return assemble(examples, standard, network, amounts, seed)


MLP = Recipe(
    fit_mlp,
    {"hidden": (100,), "epochs": 20, "batch": 256, "rate": 1e-3, "decay": 10.0, "cost": "linear"},
    tuple(
        {"hidden": hidden, "decay": decay}
        for hidden in ((100,), (100, 100))
        for decay in (1.0, 10.0, 30.0)
    ),
)
