"""Splits: grouped by text, stratified by task, deterministic."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehead.errors import DataError, UsageError
from onehead.splits import fold_rows, split_rows

TEXTS = [f"prompt {i}" for i in range(100)]
TASKS = ["large"] * 60 + ["middle"] * 30 + ["small"] * 10


def test_every_task_gives_its_share():
    _, held = split_rows(TEXTS, TASKS, 0.2, seed=0)
    assert len(held) == 20
    shares = Counter(TASKS[i] for i in held)
    assert abs(shares["large"] - 12) <= 1
    assert abs(shares["middle"] - 6) <= 1
    assert abs(shares["small"] - 2) <= 1


def test_every_fold_gets_its_share_of_every_task():
    folds = fold_rows(TEXTS, TASKS, 5, seed=3)
    assert Counter(folds.tolist()) == dict.fromkeys(range(5), 20)
    for task, size in Counter(TASKS).items():
        counts = Counter(fold for fold, name in zip(folds, TASKS, strict=True) if name == task)
        assert all(abs(counts[k] - size / 5) <= 1 for k in range(5))


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows():
    first = split_rows(TEXTS, TASKS, 0.2, seed=0)[1]
    assert first.tolist() == split_rows(TEXTS, TASKS, 0.2, seed=0)[1].tolist()
    assert first.tolist() != split_rows(TEXTS, TASKS, 0.2, seed=1)[1].tolist()
    back = split_rows(TEXTS[::-1], TASKS[::-1], 0.2, seed=0)[1]
    assert {TEXTS[::-1][i] for i in back} == {TEXTS[i] for i in first}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 12), st.sampled_from("xyz")), min_size=2, max_size=40),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 5),
    k=st.integers(2, 5),
)
def test_equal_texts_stay_together(rows, fraction, seed, k):
    texts = [str(text) for text, _ in rows]
    tasks = [task for _, task in rows]
    if len(set(texts)) < k:
        return
    rest, held = split_rows(texts, tasks, fraction, seed)
    assert len(rest)
    assert len(held)
    assert sorted([*rest.tolist(), *held.tolist()]) == list(range(len(rows)))
    assert not {texts[i] for i in rest} & {texts[i] for i in held}
    folds = fold_rows(texts, tasks, k, seed)
    assert set(folds.tolist()) == set(range(k))
    assert len(set(zip(texts, folds.tolist(), strict=True))) == len(set(texts))


def test_what_cannot_be_split_says_so():
    with pytest.raises(DataError, match="at least two distinct prompts"):
        split_rows(["same", "same"], ["", ""], 0.5, seed=0)
    for fraction in (0.0, 1.0, -1.0, np.nan):
        with pytest.raises(UsageError, match="between 0 and 1"):
            split_rows(TEXTS, TASKS, fraction, seed=0)
    for k in (1, 101):
        with pytest.raises(UsageError, match="distinct prompts"):
            fold_rows(TEXTS, TASKS, k, seed=0)
