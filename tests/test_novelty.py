"""A prompt of a task that nobody showed the router: confidence is lower there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from training_tables import make_table

from onehead.encoders import load_encoder
from onehead.router import Router
from onehead.training import novelty, train
from onehead.training.gate import Labelled
from onehead.training.networks import Familiarity, NaturalFamiliarity
from onehead.training.novelty import NOT_TOLD, fit_novelty, margin
from onehead.training.pipeline import examples_of
from onehead.training.recipes.attention import Gate, TaskConfidence
from onehead.training.recipes.base import Standard
from onehead.training.recipes.tasks import labels_of

if TYPE_CHECKING:
    from onehead.outcomes import OutcomeTable

FIELDS = {
    "cooking": "simmer onion butter oven dough pepper sauce roast whisk flour",
    "law": "statute plaintiff contract court liability appeal verdict tort clause jury",
    "physics": "velocity momentum photon charge magnetic entropy orbit quantum joule lens",
    "music": "chord melody tempo violin rhythm octave sonata harmony drum scale",
    "sailing": "anchor mast tide harbour sail rudder knot deck breeze mooring",
}
COMMON = "the question asks what happens when two things are compared with each other"


def fields(n: int, seed: int, names: tuple[str, ...]) -> OutcomeTable:
    """n prompts with words of their own field and words that all share."""
    rng = np.random.default_rng(seed)
    tasks = [names[i] for i in rng.integers(0, len(names), n)]
    prompts = []
    for task in tasks:
        words = [*rng.choice(FIELDS[task].split(), 5), *rng.choice(COMMON.split(), 12)]
        prompts.append(" ".join(rng.permutation(words)))
    table = make_table(n, 3, seed=seed)
    ids = tuple(f"f{i}" for i in range(n))
    return replace(table, prompt_ids=ids, prompts=tuple(prompts), tasks=tuple(tasks))


def labelled_of(table: OutcomeTable) -> tuple[Labelled, np.ndarray]:
    examples = examples_of(table, load_encoder("static"), lambda *_: None)
    tasks, labels = labels_of(examples, 0)
    dense = Standard.of(examples).x * np.float32(0.05)
    return Labelled(examples, dense, tasks, labels), table.folds(4, 0)


def test_prompts_of_a_task_left_out_get_less_confidence() -> None:
    known = ("cooking", "law", "music", "sailing")
    artifact = train(fields(400, 0, known), options={"anchors": 64, "width": 16})
    router = Router(artifact)
    old = router.estimate(fields(200, 1, known).prompts).confidence
    new = router.estimate(fields(200, 2, ("physics",)).prompts).confidence
    assert np.median(old) > np.median(new) + 0.2
    assert (new[:, None] < old).mean() > 0.9


def test_the_odds_separate_what_was_left_out_in_training() -> None:
    labelled, fold = labelled_of(fields(300, 3, tuple(FIELDS)))
    slope, bias = fit_novelty(labelled, 10.0, fold, 0)
    assert slope > 0
    assert bias < 0
    assert (slope, bias) == fit_novelty(labelled, 10.0, fold, 0)


@pytest.mark.parametrize("names", [("law",), ("law", "music")])
def test_two_tasks_are_too_few_to_tell_by(names: tuple[str, ...]) -> None:
    labelled, fold = labelled_of(fields(60, 4, names))
    assert fit_novelty(labelled, 10.0, fold, 0) == NOT_TOLD


def test_without_folds_nothing_is_told() -> None:
    labelled, fold = labelled_of(fields(60, 5, tuple(FIELDS)))
    assert fit_novelty(labelled, 10.0, np.zeros_like(fold), 0) == NOT_TOLD


def test_margins_that_rise_for_new_tasks_are_not_believed() -> None:
    margins = np.repeat([1.0, 1.1, 3.0, 3.1], 20)
    above = margins > 2
    assert novelty._fit(margins, ~above) == NOT_TOLD
    slope, bias = novelty._fit(margins, above)
    assert slope * 3 + bias > 0 > slope + bias


def test_the_margin_is_above_the_mean_whatever_is_added_to_all() -> None:
    logits = np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(margin(logits), [3.0, 0.0])
    np.testing.assert_allclose(margin(logits + 7.0), [3.0, 0.0])


def test_confidence_is_the_product_of_all_three() -> None:
    familiarity = Familiarity(torch.tensor([[1.0, 0.0]]), torch.tensor(0.0), torch.tensor(1.0))
    natural = NaturalFamiliarity(familiarity, torch.zeros(2), torch.tensor(0.0))
    gate = Gate(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.zeros(2))
    head = TaskConfidence(gate, natural, (1.0, -1.0))
    x = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    sure = [0.5 / (1 + np.exp(-(top - 1))) for top in (1.0, 2.0)]
    np.testing.assert_allclose(head(x), [*sure, 0.0], rtol=1e-6)
