"""The gate: two linear classifiers in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training_tables import make_table

from onehead.encoders.static import load_static
from onehead.training.gate import (
    Labelled,
    Mix,
    are_named,
    held_out_probabilities,
    labels_of,
)
from onehead.training.pipeline import examples_of


def labelled(n: int = 60, **columns: object) -> Labelled:
    examples = examples_of(make_table(n, **columns), load_static(), lambda *_: None)
    tasks, labels = labels_of(examples, 0)
    return Labelled(examples, np.zeros((n, 2), np.float32), tasks, labels)


def test_the_mix_is_the_geometric_mean_of_its_parts() -> None:
    known = labelled()
    fold = np.arange(60) % 3
    one, other, both = (
        held_out_probabilities(known, Mix(10.0, share), fold) for share in (0.0, 1.0, 0.3)
    )
    wanted = one**0.7 * other**0.3
    np.testing.assert_allclose(both, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-6)
    assert (both.argmax(axis=1) == known.labels).mean() > 0.9


def test_a_task_that_a_fold_lacks_is_never_predicted() -> None:
    known = labelled()
    fold = (known.labels == 0).astype(np.intp)
    found = held_out_probabilities(known, Mix(10.0, 0.3), fold)
    assert found[fold == 1, 0].max() < 1e-4
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize(("named", "share"), [(True, 1.0), (False, 0.2)])
def test_clusters_stand_in_where_most_prompts_name_no_task(named: bool, share: float) -> None:
    table = make_table(60)
    tasks = tuple(task if i < share * 60 else "" for i, task in enumerate(table.tasks))
    examples = examples_of(replace(table, tasks=tasks), load_static(), lambda *_: None)
    assert are_named(examples) is named
    assert labels_of(examples, 0)[0][0].startswith("cluster") is not named
