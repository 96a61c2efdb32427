"""One training loop for everything that is trained by gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from onehead.training.recipes.base import Options

    Rows = NDArray[np.intp]


def train(
    parameters: Iterable[torch.nn.Parameter],
    loss: Callable[[torch.Tensor], torch.Tensor],
    n: int,
    options: Options,
    seed: int,
) -> None:
    """AdamW with a one-cycle rate.

    loss: of the rows [b] of a batch; n: rows in all
    options: ``epochs``, ``batch``, ``rate`` and ``decay``
    """
    parameters = list(parameters)
    batch, rate = min(int(options["batch"]), n), float(options["rate"])
    steps = max(1, int(options["epochs"]) * (n // batch))
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=float(options["decay"]))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps + 1)
    generator = np.random.default_rng(seed)
    order: Rows = np.empty(0, np.intp)
    for _ in range(steps):
        if len(order) < batch:
            order = generator.permutation(n)
        rows, order = order[:batch], order[batch:]
        optimiser.zero_grad()
        value = loss(torch.from_numpy(rows))
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


def known_cross_entropy(p: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of probabilities [n, m] over the targets that are not NaN."""
    known = ~torch.isnan(target)
    safe = torch.where(known, target, torch.zeros_like(target))
    each = functional.binary_cross_entropy(torch.clamp(p, 1e-6, 1 - 1e-6), safe, reduction="none")
    return (each * known).sum() / torch.clamp(known.sum(), min=1)


def known_squares(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean square error over the targets that are not NaN."""
    known = ~torch.isnan(target)
    error = torch.where(known, value - target, torch.zeros_like(target))
    return error.square().sum() / torch.clamp(known.sum(), min=1)
