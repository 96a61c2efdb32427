"""Estimates for many prompts, piece by piece, with a bar on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.cli.options import cache_for
from onehead.cli.output import stages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onehead.predictors import Estimates
    from onehead.router import Router

PIECE = 1024
"""Prompts estimated at a time: memory stays flat, and the bar moves."""


def pieces(router: Router, prompts: Sequence[str]) -> Iterator[tuple[slice, Estimates]]:
    """Which prompts, and their estimates, in order."""
    cache = cache_for(router.encoder.name)
    with stages() as tell:
        for start in range(0, len(prompts), PIECE):
            rows = slice(start, min(start + PIECE, len(prompts)))
            yield rows, router.estimate(prompts[rows], cache=cache)
            tell("estimating", rows.stop, len(prompts))


def estimate_all(router: Router, prompts: Sequence[str]) -> Estimates:
    """Estimates for all prompts at once."""
    from onehead.predictors import Estimates

    return Estimates.concatenate([part for _, part in pieces(router, prompts)])
