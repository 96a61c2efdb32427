"""A model joins a router without training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from training_tables import make_table

from onehead.artifact import Artifact, load, save
from onehead.calibrate import recalibrated
from onehead.cli.run import run
from onehead.errors import DataError, UsageError
from onehead.joining import Prices, choose_anchors, join, join_like
from onehead.joining.anchors import spread_rows
from onehead.joining.solve import Prior, solve
from onehead.joining.view import view
from onehead.router import Router
from onehead.training import train

if TYPE_CHECKING:
    from pathlib import Path

    from onehead.outcomes import OutcomeTable

NEW = "model-3"
OPTIONS = {"anchors": 64, "width": 16}
FREE_NAME = "model-9"


@dataclass(frozen=True)
class Joined:
    """A router without the new model, one that was trained with it, and what both learned from."""

    table: OutcomeTable
    unseen: OutcomeTable
    without: Artifact
    whole: Artifact


@pytest.fixture(scope="module")
def routers() -> Joined:
    table, unseen = make_table(240, 5, tokens=True), make_table(200, 5, tokens=True, seed=1)
    without = train(table.without([NEW]), options=OPTIONS)
    return Joined(table, unseen, without, train(table, options=OPTIONS))


def brier(artifact: Artifact, unseen: OutcomeTable) -> float:
    column = artifact.manifest.pool.index(NEW)
    estimate = Router(artifact).estimate(unseen.prompts).quality[:, column]
    truth = unseen.quality[:, unseen.models.index(NEW)]
    return float(np.square(estimate - truth).mean())


def test_the_view_is_what_the_network_computes(routers: Joined) -> None:
    seen = view(routers.without, routers.unseen.prompts)
    estimates = Router(routers.without).estimate(routers.unseen.prompts)
    arrays = seen.arrays
    quality = recalibrated(seen.raw, arrays["quality.slope"], arrays["quality.offset"])
    usual = routers.without.arrays["usual"]
    trust = np.minimum(2 * estimates.confidence, 1)[:, None]
    np.testing.assert_allclose(usual + trust * (quality - usual), estimates.quality, atol=1e-4)
    tokens = np.exp(seen.log_amounts("output"))
    np.testing.assert_allclose(tokens, estimates.output_tokens, rtol=1e-3)


def test_a_model_with_all_its_outcomes_is_as_good_as_trained(routers: Joined) -> None:
    larger = join(routers.without, NEW, routers.table, Prices())
    assert larger.manifest.pool.ids[-1] == NEW
    card, trained = larger.manifest.pool.models[-1], routers.whole.manifest.pool
    assert card == trained.models[trained.index(NEW)]
    assert brier(larger, routers.unseen) < brier(routers.whole, routers.unseen) + 0.01
    usual = larger.arrays["usual"][-1], routers.whole.arrays["usual"][trained.index(NEW)]
    assert usual[0] == pytest.approx(usual[1], abs=0.05)
    profiles = larger.manifest.profiles[NEW], routers.whole.manifest.profiles[NEW]
    assert profiles[0].keys() == profiles[1].keys()
    for name, value in profiles[1].items():
        assert profiles[0][name] == pytest.approx(value, rel=0.2, abs=0.05), name


def test_a_few_outcomes_beat_none(routers: Joined) -> None:
    rows = choose_anchors(routers.without, routers.table.without([NEW]), 24)
    larger = join(routers.without, NEW, routers.table.take(rows), Prices())
    constant = np.square(routers.unseen.quality[:, 3] - routers.table.quality[:, 3].mean()).mean()
    assert brier(larger, routers.unseen) < constant - 0.02
    alone = routers.table.take(rows).only([NEW])
    assert brier(join(routers.without, NEW, alone, Prices()), routers.unseen) < constant - 0.02


def test_joining_and_leaving_changes_nothing_else(routers: Joined) -> None:
    larger = join(routers.without, NEW, routers.table, Prices())
    back = larger.only(routers.without.manifest.pool.ids)
    for name, array in routers.without.arrays.items():
        np.testing.assert_array_equal(back.arrays[name], array, err_msg=name)
    assert back.manifest.presets == routers.without.manifest.presets
    before = Router(routers.without).estimate(routers.unseen.prompts)
    np.testing.assert_array_equal(
        Router(back).estimate(routers.unseen.prompts).quality, before.quality
    )
    during = Router(larger).estimate(routers.unseen.prompts)
    np.testing.assert_allclose(during.quality[:, :-1], before.quality, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(during.confidence, before.confidence)


def test_like_copies_everything_but_the_price(routers: Joined) -> None:
    larger = join_like(routers.without, "twin", "model-1", Prices(8.0, 20.0, 4096))
    card = larger.manifest.pool.models[-1]
    assert (card.id, card.context_window, card.output_usd_per_million) == ("twin", 4096, 20.0)
    estimates = Router(larger).estimate(routers.unseen.prompts)
    np.testing.assert_array_equal(estimates.quality[:, -1], estimates.quality[:, 1])
    np.testing.assert_allclose(
        estimates.cost_usd[:, -1],
        8e-6 * estimates.input_tokens[:, 1] + 2e-5 * estimates.output_tokens[:, 1],
        rtol=1e-4,
    )
    profile, known = (larger.manifest.profiles[name] for name in ("twin", "model-1"))
    assert profile["quality"] == known["quality"]
    assert profile["cost_usd"] == pytest.approx(
        8e-6 * known["input_tokens"] + 2e-5 * known["output_tokens"]
    )


def test_prices_without_tokens_go_by_the_pool(routers: Joined) -> None:
    bare = make_table(30, 5).only([NEW])
    larger = join(routers.without, NEW, bare, Prices(1.0, 2.0))
    estimates = Router(larger).estimate(routers.unseen.prompts)
    usual = np.exp(np.log(estimates.output_tokens[:, :-1]).mean(axis=1))
    np.testing.assert_allclose(estimates.output_tokens[:, -1], usual, rtol=0.01)


def test_a_model_of_which_only_dollars_are_known(routers: Joined) -> None:
    bare = make_table(200, 5).only([NEW])
    larger = join(routers.without, NEW, bare, Prices())
    assert larger.manifest.pool.models[-1].cost_basis == "usd"
    cost = Router(larger).estimate(bare.prompts).cost_usd[:, -1]
    assert cost.mean() == pytest.approx(bare.cost_usd.mean(), rel=0.25)


def test_little_known_stays_near_the_pool_and_much_known_leaves_it() -> None:
    rng = np.random.default_rng(0)
    pool, tasks = rng.random((400, 6)), np.eye(4)[rng.integers(0, 4, 400)]
    target = pool[:, 2] + 0.3 * rng.normal(size=400)
    prior = Prior(level=0.1, task=0.05, anchor=0.02, noise=0.1)
    none = solve(pool[:0], tasks[:0], None, target[:0], prior)
    np.testing.assert_allclose(none.shares, 1 / 6)
    few, many = (solve(pool[:n], tasks[:n], None, target[:n], prior) for n in (4, 400))
    assert many.shares[2] > few.shares[2] > 1 / 6
    assert many.shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("rows", [[0], [0, 0, 0]])
def test_one_prompt_alone_says_little(rows: list[int]) -> None:
    rng = np.random.default_rng(2)
    pool, tasks = rng.random((1, 6)), np.eye(4)[:1]
    weights = rng.dirichlet(np.full(64, 0.1), 1)
    prior = Prior(level=0.1, task=0.05, anchor=0.02, noise=0.2)
    column = solve(pool[rows], tasks[rows], weights[rows], np.ones(len(rows)), prior)
    said = pool @ column.shares + column.level + tasks @ column.task + weights @ column.anchor
    assert pool.mean() < said[0] < pool.mean() + 0.7 * (1 - pool.mean())


def test_held_out_predictions_are_those_of_fits_without_the_row() -> None:
    rng = np.random.default_rng(1)
    pool, tasks, target = rng.random((30, 5)), np.eye(3)[rng.integers(0, 3, 30)], rng.random(30)
    prior = Prior(level=0.5, task=0.2, anchor=0.0, noise=0.1)
    for n in (5, 30):  # fewer rows than coefficients, and more
        whole = solve(pool[:n], tasks[:n], None, target[:n], prior)
        rest = np.arange(1, n)
        part = solve(pool[rest], tasks[rest], None, target[rest], prior)
        said = pool[0] @ part.shares + part.level + tasks[0] @ part.task
        assert whole.held_out[0] == pytest.approx(said)


def test_anchors_are_different_texts_and_stand_for_all(routers: Joined) -> None:
    known = routers.table.without([NEW])
    rows = choose_anchors(routers.without, known, 40)
    assert len({known.prompts[i] for i in rows}) == 40
    np.testing.assert_array_equal(choose_anchors(routers.without, known, 10), rows[:10])
    overall = known.quality.mean(axis=0)
    rng = np.random.default_rng(0)

    def off(some: np.ndarray) -> float:
        return float(np.abs(known.quality[some].mean(axis=0) - overall).mean())

    drawn = np.mean([off(rng.permutation(240)[:20]) for _ in range(50)])
    assert off(rows[:20]) < 0.7 * drawn
    blind = choose_anchors(routers.without, known.prompt_table, 20)
    assert len(set(blind.tolist())) == 20


def test_anchors_are_spread_as_all_are() -> None:
    """Not only in the mean, which the extremes have too; of a tenth that is apart, a tenth is taken."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6000, 2))  # more than stand for all
    points[:600] += 12
    taken = points[spread_rows(points, 40)]
    assert (taken[:, 0] > 6).sum() == 4
    usual = taken[taken[:, 0] < 6]
    np.testing.assert_allclose(usual.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(usual.std(axis=0), 1, atol=0.15)


def test_what_cannot_join_is_named(routers: Joined) -> None:
    artifact, table = routers.without, routers.table
    with pytest.raises(UsageError, match="already has a model 'model-0'"):
        join(artifact, "model-0", table, Prices())
    with pytest.raises(DataError, match="none is of 'model-9'"):
        join(artifact, FREE_NAME, table, Prices())
    with pytest.raises(UsageError, match="both prices"):
        Prices(1.0)
    with pytest.raises(UsageError, match="not in the pool"):
        join_like(artifact, "twin", "gpt-9", Prices())
    with pytest.raises(UsageError, match="1000 anchors of"):
        choose_anchors(artifact, table, 1000)
    constant = train(table.without([NEW]), recipe="constant")
    with pytest.raises(UsageError, match="recipe 'constant' cannot take"):
        join(constant, NEW, table, Prices())
    assert join_like(constant, "twin", "model-1", Prices()).manifest.pool.ids[-1] == "twin"
    with pytest.raises(UsageError, match="already has a model 'model-0'"):
        join_like(artifact, "model-0", "model-1", Prices())


def test_the_commands(routers: Joined, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, larger, data = tmp_path / "router", tmp_path / "larger", tmp_path / "graded.jsonl"
    save(routers.without, place)
    table = routers.table
    data.write_text(
        "".join(
            json.dumps(
                {
                    "prompt_id": table.prompt_ids[i],
                    "prompt": table.prompts[i],
                    "task": table.tasks[i],
                    "model": NEW,
                    "quality": table.quality[i, 3],
                    "cost_usd": table.cost_usd[i, 3],
                    "input_tokens": table.input_tokens[i, 3],
                    "output_tokens": table.output_tokens[i, 3],
                }
            )
            + "\n"
            for i in range(40)
        )
    )
    at = ["--router", str(place)]
    assert run(["models", "anchors", *at, "--data", str(data), "-n", "5", "--json"]) == 0
    chosen = json.loads(capsys.readouterr().out)["anchors"]
    assert len({row["prompt_id"] for row in chosen}) == 5
    add = ["models", "add", NEW, *at, "--out", str(larger), "--json"]
    assert run([*add, "--outcomes", str(data), "--context-window", "8192"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][-1] == NEW
    card = load(larger).manifest.pool.models[-1]
    assert (card.id, card.cost_basis, card.context_window) == (NEW, "tokens", 8192)
    assert len(load(place).manifest.pool) == 4
    for wrong, says in (
        ([], "either --outcomes PATH or --like"),
        (["--like", "model-1", "--input-usd-per-million", "1"], "both prices"),
    ):
        assert run([*add, *wrong]) == 2
        assert says in capsys.readouterr().err
    assert run(["models", "add", "x", "--router", "bundled", "--like", "y"]) == 2
    assert "bundled router stays" in capsys.readouterr().err
