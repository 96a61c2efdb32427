"""Estimates straight from a trained network, and how good they are, without exporting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from onehead.evaluation.curves import Singles, mean_outcomes, score_curve, sweep_estimates
from onehead.features import tokenizer
from onehead.predictors import Estimates
from onehead.predictors.network import as_served
from onehead.predictors.prices import Prices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.pool import Pool
    from onehead.training.examples import Examples
    from onehead.training.recipes import Fitted

_ROWS = 512


def features_for(fitted: Fitted, examples: Examples) -> NDArray[np.float32]:
    """The features that a fitted network reads, with its lexicon's view where it has one."""
    if fitted.lexicon is None:
        return examples.features
    bag_of = tokenizer().bag
    lexical = [fitted.lexicon.project(bag_of(text)) for text in examples.table.prompts]
    return np.concatenate([examples.features, np.stack(lexical)], axis=1)


def estimate(fitted: Fitted, examples: Examples) -> Estimates:
    """Estimates for every example and model."""
    return run(fitted, features_for(fitted, examples), examples.amounts.pool)


def run(fitted: Fitted, features: NDArray[np.float32], pool: Pool) -> Estimates:
    """Estimates for features [n, d], rounded as they are served; cost as amounts × prices."""
    network = fitted.network.eval()
    with torch.no_grad():
        parts = [network(part) for part in torch.split(torch.from_numpy(features), _ROWS)]
    quality, log_input, log_output, confidence = (
        torch.cat(column).numpy().astype(np.float64) for column in zip(*parts, strict=True)
    )
    cost, tokens = Prices(pool)(np.concatenate([log_input, log_output], axis=1))
    return as_served(Estimates(quality, cost, confidence, tokens))


def aiq_of(estimates: Estimates, examples: Examples) -> float:
    """AIQ on the complete block of the examples, exponential reward: what recipes are tuned by."""
    block, *_ = examples.table.complete_block()
    kept = set(block.prompt_ids)
    rows = np.array([i for i, name in enumerate(examples.table.prompt_ids) if name in kept])
    columns = [examples.table.models.index(model) for model in block.models]
    own = estimates.take(rows).only(columns)
    sweep = sweep_estimates(own.quality, own.cost_usd, kind="exponential", ids=block.models)
    cost, quality = mean_outcomes(block, sweep.picks)
    singles = Singles(block.cost_usd.mean(axis=0), block.quality.mean(axis=0))
    return score_curve(cost, quality, singles).aiq
