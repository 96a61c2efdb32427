"""The published router: one head of cross-attention over models, two predictors.

Known from arXiv 2509.09782: model vectors from clustered training prompts (C = 20), one attention
head, quality and cost predicted by two networks that are trained separately. Everything else here
is a hyper-parameter of ours, with its reason:

- width 64 of query, key and value: model vectors have 20 entries, more adds nothing;
- hidden 64: the estimate's non-linear part, as in an encoder layer's feed-forward half;
- cross-entropy for quality (outcomes are successes), squared error of log amounts for cost
  (costs span orders of magnitude);
- AdamW, one cycle of the rate; the number of epochs is chosen on validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from onehead.training.recipes.amounts import smearing
from onehead.training.recipes.base import (
    Fitted,
    Options,
    Recipe,
    Standard,
    assemble,
    known_mean,
    tensor,
    unit,
)
from onehead.training.recipes.loop import known_cross_entropy, known_squares, train

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onehead.training.examples import Examples
    from onehead.training.networks import Amounts

    Floats = NDArray[np.float64]


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


def fit_paper(examples: Examples, options: Options, seed: int) -> Fitted:
    """Model vectors, then the two predictors."""
    standard = Standard.of(examples)
    clusters = _clusters(examples, int(options["clusters"]), seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        quality = _fit_quality(examples, standard, clusters, options, seed)
        amounts = _fit_amounts(examples, standard, clusters, options, seed)
    return assemble(examples, standard, quality, amounts, seed)


def _clusters(examples: Examples, count: int, seed: int) -> NDArray[np.intp]:
    """The cluster [n] of each training prompt."""
    from sklearn.cluster import KMeans

    vectors = unit(examples.vectors)
    count = min(count, len(np.unique(vectors, axis=0)))
    labels: NDArray[np.intp] = KMeans(count, n_init=4, random_state=seed).fit_predict(vectors)
    return labels


def _model_vectors(values: Floats, clusters: NDArray[np.intp]) -> Floats:
    """Mean of the known values of each model in each cluster [m, c]; the model's mean elsewhere."""
    means = [
        known_mean(np.concatenate([values[clusters == c], known_mean(values)[None]]))
        for c in range(clusters.max() + 1)
    ]
    return np.stack(means, axis=1)


def _fit_quality(
    examples: Examples,
    standard: Standard,
    clusters: NDArray[np.intp],
    options: Options,
    seed: int,
) -> PaperQuality:
    vectors = tensor(_model_vectors(examples.quality, clusters))
    head = PaperHead(vectors, standard.d, int(options["width"]), int(options["hidden"]), 1)
    network, x, target = PaperQuality(head), tensor(standard.x), tensor(examples.quality)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return known_cross_entropy(network(x[rows]), target[rows])

    train(head.parameters(), loss, len(examples), options, seed)
    return network


def _fit_amounts(
    examples: Examples,
    standard: Standard,
    clusters: NDArray[np.intp],
    options: Options,
    seed: int,
) -> PaperAmounts:
    """The cost predictor. It sees the prompt's length too: costs hang on it, vectors hide it."""
    logs = np.stack([examples.amounts.log_input, examples.amounts.log_output], axis=2)
    mean = np.stack([known_mean(logs[:, :, i]) for i in range(2)], axis=1)
    deviation = logs - mean
    spread = np.maximum(np.sqrt(np.nanmean(np.square(deviation), axis=(0, 1))), 1e-3)
    vectors = _model_vectors(deviation[:, :, 1] / spread[1], clusters)
    x = tensor(standard.x)
    head = PaperHead(tensor(vectors), x.shape[1], int(options["width"]), int(options["hidden"]), 2)
    target = tensor(deviation / spread)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return known_squares(head(x[rows]), target[rows])

    train(head.parameters(), loss, len(examples), options, seed)
    with torch.no_grad():
        residual = (target - head(x)).numpy().astype(np.float64) * spread
    mean += np.stack([smearing(residual[:, :, i]) for i in range(2)], axis=1)
    return PaperAmounts(head, tensor(mean), tensor(spread))


PAPER = Recipe(
    fit_paper,
    {
        "clusters": 20,
        "width": 64,
        "hidden": 64,
        "epochs": 30,
        "batch": 256,
        "rate": 3e-3,
        "decay": 0.01,
    },
    tuple({"epochs": epochs} for epochs in (15, 30, 60)),
)
