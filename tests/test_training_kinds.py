"""Where no task is named, kinds of prompts stand in for tasks."""

from __future__ import annotations

from string import ascii_lowercase
from typing import TYPE_CHECKING

import numpy as np
import pytest
from training_tables import make_table

from onehead.encoders import load_encoder
from onehead.training.estimating import estimate
from onehead.training.pipeline import examples_of
from onehead.training.recipes import recipe_named
from onehead.training.recipes.tasks import labels_of

if TYPE_CHECKING:
    from onehead.outcomes import OutcomeTable
    from onehead.training.examples import Examples

STATIC = load_encoder("static")


def examples(table: OutcomeTable) -> Examples:
    return examples_of(table, STATIC, lambda *_: None)


def test_without_task_names_kinds_follow_what_models_can_do() -> None:
    """Twenty-four subjects fill the vectors; one word among them says which model is right."""
    rng, n = np.random.default_rng(0), 1200
    subject, asked = rng.integers(0, 24, n), rng.integers(0, 2, n)
    words = ["".join(rng.choice(list(ascii_lowercase), 6)) for _ in range(192)]
    prompts = tuple(
        " ".join([*rng.choice(words[8 * k : 8 * k + 8], 9), ("translate", "calculate")[which]])
        for k, which in zip(subject, asked, strict=True)
    )
    right = rng.random((n, 2)) < np.where(asked[:, None] == [0, 1], 0.85, 0.25)
    table = make_table(n, 2, prompts=prompts, tasks=("",) * n, quality=right.astype(float))
    names, kinds = labels_of(examples(table), 0)
    member = np.eye(len(names))[kinds]
    share = member.T @ asked / member.sum(axis=0)
    assert (np.maximum(share, 1 - share) * member.mean(axis=0)).sum() > 0.95
    some = table.quality.copy()
    some[rng.random((n, 2)) < 0.5] = np.nan  # each model ran on half of the prompts
    gaps = make_table(n, 2, prompts=prompts, tasks=("",) * n, quality=some)
    chosen = recipe_named("attention")
    fitted = chosen.fit(examples(gaps), chosen.options, 0)
    said = estimate(fitted, examples(table)).quality
    assert said[asked == 0, 0].mean() - said[asked == 1, 0].mean() > 0.2


@pytest.mark.filterwarnings("error")
def test_few_texts_are_few_kinds() -> None:
    prompts = tuple(f"the same text {'abc'[i % 3]}" for i in range(200))
    names, kinds = labels_of(examples(make_table(200, 3, prompts=prompts, tasks=("",) * 200)), 0)
    assert len(names) == 1
    assert not kinds.any()
