"""Confidence falls for what is no prompt, and estimates fall back with it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from training_tables import make_table

from onehead.features import SURFACE
from onehead.router import Router
from onehead.training import train
from onehead.training.examples import Examples
from onehead.training.networks import TRUSTED, Familiarity, NaturalFamiliarity, RouterNetwork
from onehead.training.recipes.base import familiarity
from onehead.training.unnatural import spoil

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.artifact import Artifact


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return train(make_table(240, 3), options={"anchors": 64, "width": 16})


def noise(count: int = 30) -> list[str]:
    rng = random.Random(0)
    return [
        " ".join("".join(rng.choices("qzxjkvwp", k=6)) for _ in range(12)) for _ in range(count)
    ]


def test_prompts_like_the_training_are_trusted_and_noise_is_not(artifact: Artifact) -> None:
    router = Router(artifact)
    known = router.estimate(make_table(100, 3, seed=5).prompts).confidence
    assert np.median(known) >= TRUSTED
    assert router.estimate(noise()).confidence.max() < 0.1
    assert router.estimate(["", "!!!!", "\n"]).confidence.max() < TRUSTED


def test_estimates_of_noise_are_what_is_usual_for_each_model(artifact: Artifact) -> None:
    estimates = Router(artifact).estimate(noise(5))
    usual = artifact.arrays["usual"]
    trust = np.minimum(estimates.confidence / TRUSTED, 1)[:, None]
    assert (np.abs(estimates.quality - usual) <= trust + 1e-5).all()
    assert np.abs(usual - make_table(240, 3).quality.mean(axis=0)).max() < 0.1


def test_trust_grows_with_confidence() -> None:
    class Given(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :1] * 0 + 0.9

    class Confidence(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 0]

    class Amounts(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x[:, :1], x[:, :1]

    standard = (torch.zeros(1), torch.ones(1), torch.full((1,), 9.0))
    features = torch.tensor([[0.0], [TRUSTED / 2], [TRUSTED], [1.0]])
    network = RouterNetwork(standard, Given(), Amounts(), Confidence(), torch.tensor([0.5]))
    np.testing.assert_allclose(network(features)[0][:, 0], [0.5, 0.7, 0.9, 0.9], rtol=1e-6)
    network = RouterNetwork(standard, Given(), Amounts(), Confidence())
    np.testing.assert_allclose(network(features)[0][:, 0], 0.9)


def test_familiar_noise_is_still_noise() -> None:
    familiarity = Familiarity(torch.tensor([[1.0, 0.0]]), torch.tensor(0.0), torch.tensor(1.0))
    weight, bias = torch.tensor([0.0, 0.0, 1.0]), torch.tensor(-1.0)
    head = NaturalFamiliarity(familiarity, weight, bias)
    x = torch.tensor([[1.0, 0.0, 9.0], [1.0, 0.0, 1.0], [1.0, 0.0, -9.0], [0.0, 1.0, 9.0]])
    np.testing.assert_allclose(head(x), [1.0, 0.5, 0.0, 0.0], atol=1e-3)


def test_spoiled_texts_are_other_texts_of_every_kind() -> None:
    prompts = make_table(60).prompts * 4
    spoiled = spoil(prompts, np.random.default_rng(0))
    assert len(spoiled) == len(prompts)
    assert not set(spoiled) & set(prompts)
    assert any(not text.isascii() for text in spoiled)
    assert spoiled == spoil(prompts, np.random.default_rng(0))
    assert spoil(["", "a"], np.random.default_rng(1))


def test_a_small_kind_of_unlike_prompts_is_familiar_too() -> None:
    """Each of its training prompts lies near its own cluster; the next ones lie where those would alone."""
    rng = np.random.default_rng(0)

    def drawn(middle: int, spread: float, count: int) -> NDArray[np.float32]:
        return (np.eye(32)[middle] + spread * rng.normal(size=(count, 32))).astype(np.float32)

    vectors = np.concatenate([drawn(0, 0.02, 360), drawn(1, 0.25, 40)])
    features = np.concatenate([vectors, np.zeros((400, len(SURFACE)), np.float32)], axis=1)
    prompts = tuple(f"prompt {i}" for i in range(400))
    shown = Examples(make_table(400, 3, prompts=prompts), features, None, None)  # type: ignore[arg-type]
    confidence = familiarity(shown, seed=0)
    small, large, strange = (
        confidence(torch.from_numpy(some)).numpy()
        for some in (drawn(1, 0.25, 200), drawn(0, 0.02, 200), drawn(2, 0.25, 200))
    )
    assert np.median(small) > TRUSTED
    assert large.min() > 0.9
    assert np.median(strange) < TRUSTED
