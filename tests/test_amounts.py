"""Amounts: tokens and list prices where a table tells them, dollars otherwise, never a guess."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training_tables import make_table

from onehead.amounts import amounts_of, with_costs
from onehead.encoders import load_encoder
from onehead.errors import DataError, UsageError
from onehead.pool import ModelCard, Pool
from onehead.router import Router
from onehead.training.estimating import estimate
from onehead.training.pipeline import examples_of, train
from onehead.training.recipes import recipe_named


def test_list_prices_are_recovered_from_tokens_and_costs() -> None:
    amounts = amounts_of(make_table(18, 4, tokens=True))
    for j, card in enumerate(amounts.pool):
        assert card == ModelCard(f"model-{j}", "tokens", 1.0 + j, 4.0 + 4 * j)


def test_a_price_of_zero_is_recovered_too() -> None:
    table = make_table(tokens=True)
    inputs_only = make_table(tokens=True, cost_usd=table.input_tokens * 2e-6)
    card = amounts_of(inputs_only).pool.models[0]
    assert (card.input_usd_per_million, card.output_usd_per_million) == (2.0, 0.0)


def test_token_amounts_are_logarithms_with_gaps() -> None:
    table = make_table(tokens=True)
    tokens = table.output_tokens.copy()
    tokens[3, 1], tokens[4, 1] = np.nan, 0
    cost = table.cost_usd.copy()
    cost[4, 1] = table.input_tokens[4, 1] * 2e-6
    amounts = amounts_of(make_table(tokens=True, output_tokens=tokens, cost_usd=cost))
    assert amounts.pool.models[1].cost_basis == "tokens"
    assert np.isnan(amounts.log_output[3, 1])
    assert amounts.log_output[0, 1] == pytest.approx(np.log(tokens[0, 1]))
    assert np.isfinite(amounts.log_output[4, 1])
    np.testing.assert_array_equal(
        amounts.take(np.array([4, 0])).log_output[1], amounts.log_output[0]
    )


@pytest.mark.parametrize("why", ["no tokens", "other prices", "one row"])
def test_dollars_are_taken_where_prices_do_not_follow(why: str) -> None:
    table = make_table(tokens=why != "no tokens")
    cost = table.cost_usd.copy()
    if why == "other prices":  # half of the runs at twice the price: no list price explains both
        cost[::2] *= 2
    if why == "one row":
        cost[1:] = np.nan
    amounts = amounts_of(
        make_table(
            cost_usd=cost, input_tokens=table.input_tokens, output_tokens=table.output_tokens
        )
    )
    assert [card.cost_basis for card in amounts.pool] == ["usd"] * 3
    known = ~np.isnan(cost)
    np.testing.assert_allclose(amounts.log_output[known], np.log(cost[known]))
    np.testing.assert_array_equal(amounts.log_input[known], 0.0)


def test_an_unknown_cost_is_an_error_that_a_given_one_mends() -> None:
    cost = make_table().cost_usd.copy()
    cost[:, [0, 2]] = np.nan
    table, static = make_table(cost_usd=cost), load_encoder("static")
    with pytest.raises(DataError, match=r"model-0, model-2 is unknown.*--cost"):
        amounts_of(table)
    with pytest.raises(DataError, match="cost of model-2 is unknown"):
        amounts_of(with_costs(table, {"model-0": 0.01}))
    given = {"model-0": 0.01, "model-2": 0.2}
    shown = examples_of(table, static, lambda *_: None, costs=given)
    for name in ("attention", "constant"):
        recipe = recipe_named(name)
        estimates = estimate(recipe.fit(shown, recipe.options, 0), shown)
        np.testing.assert_allclose(estimates.cost_usd[:, 0], 0.01, rtol=1e-3)
        np.testing.assert_allclose(estimates.cost_usd[:, 2], 0.2, rtol=1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gpt": 0.1}, "no outcomes"),
        ({"model-1": 0.1}, "holds costs"),
        ({"model-0": -1.0}, "0 for a free model"),
        ({"model-0": float("nan")}, "0 for a free model"),
        ({"model-0": float("inf")}, "0 for a free model"),
    ],
)
def test_impossible_given_costs_are_refused(given: dict[str, float], message: str) -> None:
    cost = make_table().cost_usd.copy()
    cost[:, 0] = np.nan
    with pytest.raises(UsageError, match=message):
        with_costs(make_table(cost_usd=cost), given)


def test_given_costs_count_in_the_validation() -> None:
    bare = make_table(60, cost_usd=np.full((60, 3), np.nan))
    costs = {f"model-{j}": 0.01 * (j + 1) for j in range(3)}
    manifest = train(bare, recipe="constant", costs=costs).manifest
    priced = train(with_costs(bare, costs), recipe="constant").manifest
    assert manifest.validation == priced.validation
    assert manifest.validation["aiq"] is not None
    assert manifest.data_hash == priced.data_hash


def test_a_free_model_is_free_by_its_costs_or_by_word() -> None:
    cost = make_table().cost_usd.copy()
    cost[:, 0], cost[:, 1] = np.nan, 0.0
    artifact = train(make_table(cost_usd=cost), recipe="constant", costs={"model-0": 0.0})
    estimated = Router(artifact).estimate(["solve", ""]).cost_usd
    np.testing.assert_array_equal(estimated[:, :2], 0.0)
    assert (estimated[:, 2] > 0).all()


def test_a_price_change_moves_costs_without_training_again() -> None:
    """Model 0 has list prices, model 1 is free, of model 2 only dollars are known."""
    table = make_table(tokens=True)
    cost, tokens = table.cost_usd.copy(), table.output_tokens.copy()
    cost[:, 1] = 0.0
    tokens[:, 2] = np.nan
    artifact = train(make_table(tokens=True, cost_usd=cost, output_tokens=tokens), recipe="ridge")
    pool = artifact.manifest.pool
    assert [card.cost_basis for card in pool] == ["tokens", "tokens", "usd"]
    before = Router(artifact).estimate(["solve the equation", ""]).cost_usd
    np.testing.assert_array_equal(before[:, 1], 0.0)
    dearer = replace(pool.models[0], input_usd_per_million=3.0, output_usd_per_million=12.0)
    changed = replace(artifact.manifest, pool=Pool((dearer, *pool.models[1:])))
    after = (
        Router(replace(artifact, manifest=changed)).estimate(["solve the equation", ""]).cost_usd
    )
    np.testing.assert_allclose(after[:, 0], 3 * before[:, 0], rtol=2e-5)
    np.testing.assert_array_equal(after[:, 1:], before[:, 1:])


def test_costs_follow_the_length_of_the_answer() -> None:
    """Linear amounts: where tokens grow with the prompt's length, so does the estimated cost."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(2, 200, 60)
    prompts = tuple(" ".join(rng.choice(["solve", "sum", "angle"], size)) for size in sizes)
    tokens = np.repeat(sizes[:, None], 2, axis=1).astype(float)
    table = make_table(
        60,
        2,
        prompts=prompts,
        input_tokens=tokens,
        output_tokens=tokens**0.5,
        cost_usd=tokens * 1e-6,
    )
    shown = examples_of(table, load_encoder("static"), lambda *_: None)
    for name in ("attention", "ridge"):
        recipe = recipe_named(name)
        cost = estimate(recipe.fit(shown, recipe.options, 0), shown).cost_usd
        assert np.corrcoef(np.log(cost[:, 0]), np.log(sizes))[0, 1] > 0.95
