"""How much the linear predictors of amounts are held back."""

from __future__ import annotations

import numpy as np
import pytest

from onehead.training.recipes.amounts import _PENALTIES, _path, best_penalty
from onehead.training.recipes.base import ridge


def test_a_path_is_every_ridge_of_it() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 8)), rng.normal(size=(60, 4))
    x[:, 3] = 0.0  # a column that says nothing
    y[:20, 1] = np.nan
    y[:20, 2] = np.nan
    y[1:, 3] = np.nan  # known of one example only
    for penalty, (weight, bias) in zip(_PENALTIES, _path(x, y, _PENALTIES), strict=True):
        expected = ridge(x, y, penalty)
        assert weight == pytest.approx(expected[0], abs=1e-9)
        assert bias == pytest.approx(expected[1], abs=1e-9)


def test_what_is_certain_is_learned_freely_and_what_is_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 20))
    line = x @ rng.normal(size=(20, 3))
    noise = rng.normal(size=(400, 3))
    fold = np.arange(400) % 4
    certain = best_penalty(x, line + 0.01 * noise, fold)
    doubtful = best_penalty(x, 0.1 * line + 3 * noise, fold)
    assert certain == _PENALTIES[0]
    assert doubtful > 100 * certain
    assert best_penalty(x, noise, fold) == _PENALTIES[-1]


def test_a_single_fold_leaves_nothing_to_try() -> None:
    x = np.ones((3, 2))
    assert best_penalty(x, x, np.zeros(3, dtype=np.intp)) in _PENALTIES
