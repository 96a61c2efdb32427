"""How far true costs and lengths lie from estimates: bands, intervals, and how they are measured."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from routers import LetterEncoder, make_artifact
from training_tables import make_table

from onehead.amounts import Amounts
from onehead.artifact import Artifact, Manifest, load, save
from onehead.cli.run import run
from onehead.joining import Prices, join, join_like
from onehead.pool import ModelCard, Pool
from onehead.predictors import Estimates
from onehead.router import Router
from onehead.spread import Band, Spread, usual_bands
from onehead.training import train
from onehead.training.spreading import bands_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

POOL = Pool(
    (
        ModelCard("priced", "tokens", 1.0, 10.0),
        ModelCard("dollars"),
        ModelCard("free", "tokens", 0.0, 0.0),
        ModelCard("new", "tokens", 2.0, 2.0),
    )
)
BANDS = {
    "priced": {
        "input": Band((0.0,), (0.9,), (1.1,)),
        "output": Band((0.0, 100.0), (0.8, 0.5), (1.5, 3.0)),
    },
    "dollars": {"output": Band((0.0,), (0.5,), (2.0,))},
}


def estimates(read: float = 1000.0, written: float = 200.0) -> Estimates:
    """One prompt for each model of `POOL`."""
    tokens = np.array([[read, np.nan, 0.0, read], [written, np.nan, 0.0, written]])[None]
    tokens[:, :, 2] = np.nan
    priced = 1e-6 * (read * np.array([1, 0, 0, 2]) + written * np.array([10, 0, 0, 2]))
    cost = np.where([False, True, False, False], 0.01, priced)[None]
    return Estimates(np.full((1, 4), 0.5), cost, np.ones(1), tokens)


@pytest.fixture(scope="module")
def spreading() -> Artifact:
    """The tiny router of four models, the last without a spread."""
    whole = make_artifact()
    bands = BANDS["priced"], BANDS["priced"], BANDS["dollars"]
    spread = dict(zip(whole.manifest.pool.ids, bands, strict=False))
    return replace(whole, manifest=replace(whole.manifest, spread=spread))


@pytest.mark.parametrize(
    ("start", "low", "high"),
    [
        ((), (), ()),
        ((1.0,), (0.5,), (2.0,)),
        ((0.0, 5.0), (0.5,), (2.0,)),
        ((0.0, 5.0, 5.0), (0.5, 0.5, 0.5), (2.0, 2.0, 2.0)),
        ((0.0,), (1.2,), (1.1,)),
        ((0.0,), (-0.1,), (2.0,)),
        ((0.0,), (float("nan"),), (2.0,)),
    ],
)
def test_what_is_no_band_is_refused(
    start: tuple[float, ...], low: tuple[float, ...], high: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="no band"):
        Band(start, low, high)


def test_a_band_goes_by_the_size_of_the_estimate() -> None:
    low, high = BANDS["priced"]["output"].at(np.array([0.0, 99.0, 100.0, 1e9, np.nan]))
    np.testing.assert_array_equal(low, [0.8, 0.8, 0.5, 0.5, np.nan])
    np.testing.assert_array_equal(high, [1.5, 1.5, 3.0, 3.0, np.nan])


def test_intervals_are_around_the_estimates_where_a_spread_is_known() -> None:
    found = Spread(POOL, BANDS).around(estimates())
    np.testing.assert_allclose(found.output_tokens_low[0], [100, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(found.output_tokens_high[0], [600, np.nan, np.nan, np.nan])
    low, high = found.cost_usd_low[0], found.cost_usd_high[0]
    np.testing.assert_allclose([low[1], high[1]], [0.005, 0.02])
    assert low[2] == high[2] == 0.0  # free, however long
    assert np.isnan([low[3], high[3]]).all()
    less, more = 0.003 - low[0], high[0] - 0.003
    assert np.hypot(1e-4, 1e-3) < less < 1e-4 + 1e-3
    assert np.hypot(1e-4, 4e-3) < more < 1e-4 + 4e-3


def test_a_cost_lies_in_its_interval_even_where_the_length_does_not() -> None:
    short = {"priced": {**BANDS["priced"], "output": Band((0.0,), (0.2,), (0.7,))}}
    found = Spread(POOL, short).around(estimates())
    np.testing.assert_allclose(found.output_tokens_high[0, 0], 140)
    np.testing.assert_allclose(found.cost_usd_high[0, 0], 0.003 + 1e-4)


def test_intervals_follow_the_prices() -> None:
    dear = Pool((ModelCard("priced", "tokens", 3.0, 30.0), *POOL.models[1:]))
    said = estimates()
    dearer = replace(said, cost_usd=said.cost_usd * [3, 1, 1, 1])
    one, other = Spread(POOL, BANDS).around(said), Spread(dear, BANDS).around(dearer)
    np.testing.assert_allclose(other.cost_usd_high[0, 0], 3 * one.cost_usd_high[0, 0])
    np.testing.assert_array_equal(other.output_tokens_high, one.output_tokens_high)


def test_the_usual_band_is_the_median() -> None:
    usual = usual_bands(BANDS.values())
    assert usual["input"] == Band((0.0,), (0.9,), (1.1,))
    assert usual["output"] == Band((0.0,), (0.5,), (2.0,))
    assert usual_bands([{}]) == {}


def drawn(n: int, seed: int) -> tuple[Estimates, SimpleNamespace]:
    """Amounts of two models whose long answers are spread far wider than their short ones."""
    rng = np.random.default_rng(seed)
    pool = Pool((ModelCard("one", "tokens", 1.0, 1.0), ModelCard("two", "tokens", 2.0, 2.0)))
    long = rng.random((n, 2)) < 0.3
    written = np.where(long, 400.0, 5.0) * np.exp(0.1 * rng.normal(size=(n, 2)))
    true = written * np.exp(np.where(long, 0.8, 0.05) * rng.normal(size=(n, 2)))
    read = np.full((n, 2), 50.0)
    cost = 1e-6 * (read + written) * [1, 2]
    said = Estimates(np.ones((n, 2)), cost, np.ones(n), np.stack([read, written], axis=1))
    logs = Amounts(pool, np.log(read * np.exp(0.01 * rng.normal(size=(n, 2)))), np.log(true))
    return said, SimpleNamespace(amounts=logs)


def test_eight_of_ten_lie_within_and_of_long_answers_too() -> None:
    bands = bands_of(*drawn(3000, 0))
    said, unseen = drawn(3000, 1)
    found = Spread(unseen.amounts.pool, bands).around(said)
    true = np.exp(unseen.amounts.log_output)
    inside = (true >= found.output_tokens_low) & (true <= found.output_tokens_high)
    assert inside.mean() == pytest.approx(0.8, abs=0.03)
    assert inside[said.output_tokens > 100].mean() == pytest.approx(0.8, abs=0.06)
    assert len(bands["one"]["output"].start) > 1


def test_few_outcomes_lean_on_the_pools_and_none_take_it() -> None:
    said, unseen = drawn(200, 0)
    logs = unseen.amounts.log_output
    logs[4:, 1] = np.nan
    band = bands_of(said, unseen, 1)["two"]["output"]
    logs[:, 1] = np.nan
    pools = bands_of(said, unseen, 1)["two"]["output"]
    np.testing.assert_allclose(band.high, pools.high, rtol=0.15)
    assert pools == bands_of(said, unseen, 1)["one"]["output"]


def test_too_few_outcomes_say_nothing() -> None:
    assert bands_of(*drawn(9, 0)) == {}


def test_equal_estimates_are_one_step() -> None:
    said, unseen = drawn(600, 0)
    flat = replace(said, tokens=np.full_like(said.tokens, 50.0))
    assert all(len(own["output"].start) == 1 for own in bands_of(flat, unseen).values())


def test_training_measures_it_and_disk_keeps_it(tmp_path: Path) -> None:
    table = make_table(200, 4, tokens=True)
    artifact = train(table, recipe="ridge", options={})
    spread = artifact.manifest.spread
    assert set(spread) == set(table.models)
    assert all(set(own) == {"input", "output"} for own in spread.values())
    save(artifact, tmp_path / "router")
    assert load(tmp_path / "router").manifest.spread == spread
    unseen = make_table(300, 4, tokens=True, seed=1)
    router = Router(artifact)
    found = router.intervals(router.estimate(unseen.prompts))
    true = unseen.output_tokens
    inside = (true >= found.output_tokens_low) & (true <= found.output_tokens_high)
    assert inside.mean() == pytest.approx(0.8, abs=0.08)
    paid = unseen.cost_usd
    inside = (paid >= found.cost_usd_low) & (paid <= found.cost_usd_high)
    assert inside.mean() == pytest.approx(0.8, abs=0.1)


def test_too_few_prompts_leave_it_unknown() -> None:
    assert train(make_table(18), recipe="constant").manifest.spread == {}


def test_a_joining_model_takes_it_from_the_other_or_the_pool() -> None:
    table = make_table(120, 4, tokens=True)
    artifact = train(table.without(["model-3"]), options={"anchors": 32, "width": 8})
    before = artifact.manifest.spread
    twin = join_like(artifact, "twin", "model-1", Prices(1.0, 2.0)).manifest
    assert twin.spread == before | {"twin": before["model-1"]}
    joined = join(artifact, "model-3", table, Prices())
    assert joined.manifest.spread["model-3"] == usual_bands(before.values())
    assert joined.only(artifact.manifest.pool.ids).manifest.spread == before
    bare = replace(artifact, manifest=replace(artifact.manifest, spread={}))
    assert join(bare, "model-3", table, Prices()).manifest.spread == {}
    assert join_like(bare, "twin", "model-1", Prices()).manifest.spread == {}


def test_a_decision_has_the_intervals(spreading: Artifact) -> None:
    router = Router(spreading, LetterEncoder())
    decisions = router.route_many(["Name a prime.", "Sum up this text, please."])
    found = router.intervals(router.estimate(["Name a prime.", "Sum up this text, please."]))
    for row, decision in enumerate(decisions):
        for column, one in enumerate(decision.estimates[:3]):
            assert one.cost_usd_low == pytest.approx(found.cost_usd_low[row, column], rel=1e-5)
            assert one.cost_usd_low < one.cost_usd < one.cost_usd_high
        long = decision.estimates[0]
        assert long.output_tokens_low < long.output_tokens < long.output_tokens_high
        assert decision.estimates[2].output_tokens is None  # known in dollars alone
        last = decision.estimates[3]
        assert last.output_tokens > 0
        assert last.cost_usd_low is last.cost_usd_high is last.output_tokens_high is None
        assert json.loads(json.dumps(decision.to_json(), allow_nan=False)) == decision.to_json()


def test_a_manifest_without_it_loads_and_a_wrong_one_does_not(spreading: Artifact) -> None:
    document = spreading.manifest.to_document()
    assert Manifest.from_document(json.loads(json.dumps(document))).spread == (
        spreading.manifest.spread
    )
    document["spread"]["model-00"]["output"]["low"] = [7.0, 7.0]
    with pytest.raises(ValueError, match="no band"):
        Manifest.from_document(document)
    del document["spread"]
    assert Manifest.from_document(document).spread == {}


def test_models_show_tells_it(
    spreading: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(spreading, tmp_path / "router")
    for model, ends in (("model-00", (0.65, 2.25)), ("model-03", (None, None))):
        assert run(["models", "show", model, "--router", str(tmp_path / "router"), "--json"]) == 0
        row = json.loads(capsys.readouterr().out)
        assert (row["output_times_low"], row["output_times_high"]) == ends
    assert run(["models", "show", "model-00", "--router", str(tmp_path / "router")]) == 0
    assert "output times high" in capsys.readouterr().out
