"""Made-up outcomes for tests of training: tasks with words of their own, models that differ by task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.outcomes import OutcomeTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS = {
    "maths": "solve equation integral matrix prime number sum angle triangle root",
    "code": "python function loop class string array return compile bug test",
    "history": "king war empire treaty century revolution queen battle dynasty roman",
}
RECIPES = ("attention", "paper", "knn", "ridge", "mlp", "svr", "random", "constant")


def prompts_of(tasks: NDArray[np.str_], rng: np.random.Generator) -> tuple[str, ...]:
    """A text of 12 words of each prompt's task."""
    return tuple(" ".join(rng.choice(WORDS[task].split(), 12)) for task in tasks)


def make_table(
    n: int = 18,
    m: int = 3,
    *,
    seed: int = 0,
    missing: float = 0.0,
    tokens: bool = False,
    **columns: object,
) -> OutcomeTable:
    """n prompts of three tasks, m models: model j is good at task j mod 3.

    missing: share of the outcomes that are unknown; tokens: whether token counts are known, and
    costs are (1 + j, 4 + 4j) USD per million of them. `columns` replaces columns of the table.
    """
    rng = np.random.default_rng(seed)
    names = np.array(sorted(WORDS))
    task = rng.integers(0, len(names), n)
    good = (task[:, None] + np.arange(m)) % 3 == 0
    quality = (rng.random((n, m)) < np.where(good, 0.9, 0.15)).astype(float)
    quality[rng.random((n, m)) < missing] = np.nan
    input_tokens = np.repeat(rng.integers(8, 60, (n, 1)), m, axis=1).astype(float)
    output_tokens = rng.integers(5, 300, (n, m)).astype(float)
    price = 1e-6 * (1 + np.arange(m))
    unknown = np.full((n, m), np.nan)
    values = {
        "prompt_ids": tuple(f"p{i}" for i in range(n)),
        "prompts": prompts_of(names[task], rng),
        "tasks": tuple(names[task].tolist()),
        "models": tuple(f"model-{j}" for j in range(m)),
        "quality": quality,
        "cost_usd": (input_tokens + 4 * output_tokens) * price,
        "input_tokens": input_tokens if tokens else unknown,
        "output_tokens": output_tokens if tokens else unknown,
    }
    return OutcomeTable(**(values | columns))
