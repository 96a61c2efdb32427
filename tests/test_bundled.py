"""The router that comes with the package, and its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from onehead.router import Router, bundled_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onehead.router import Decision, ModelEstimate

SCRIPTS = Path(__file__).parents[1] / "scripts"
MOST_BYTES = 5_000_000

EASY = "Which organ produces insulin?\nA. liver\nB. pancreas\nC. spleen\nD. kidney\nAnswer:"
HARD = (
    "Question:\nA particle is in a three-dimensional box with infinite walls of lengths a, a and 2a. "
    "What is the degeneracy of the energy level 27 h²/(32 m a²)?\nOptions:\nA. 1\nB. 2\nC. 3\nD. 4"
)
PROMPTS = (
    "hi",
    "",
    "Write a haiku about autumn rain.",
    "Write a Python function that returns the longest palindromic substring of a text.",
    "Prove that the square root of 2 is irrational.",
    "A buyer rejects goods after using them for a month. Which remedies has the seller?",
    "asdkjh 2893 ;;;; qwpoei zxmncb !!!! lkj",
    "The quick brown fox jumps over the lazy dog and goes on its way. " * 230,
    EASY,
    HARD,
    "Derive the energy levels of a particle in a three-dimensional box with infinite walls.",
)
OTHER_SCRIPTS = (
    "请解释一下量子纠缠是什么意思？",
    "Объясните квантовую запутанность простыми словами.",
)
PRESETS = ("cheap", "balanced", "best")


@pytest.fixture(scope="module")
def bundled() -> Router:
    return Router.load()


@pytest.fixture(scope="module")
def decisions(bundled: Router) -> dict[str, list[Decision]]:
    return {name: bundled.route_many(PROMPTS, willingness_to_pay=name) for name in PRESETS}


def chosen(decision: Decision) -> ModelEstimate:
    return next(one for one in decision.estimates if one.model == decision.model)


def of_model(decision: Decision) -> Mapping[str, ModelEstimate]:
    return {one.model: one for one in decision.estimates}


def test_it_stays_small() -> None:
    assert sum(path.stat().st_size for path in bundled_path().iterdir()) <= MOST_BYTES


def test_every_model_has_a_price_of_its_own(bundled: Router) -> None:
    assert len(bundled.pool) >= 20
    for card in bundled.pool:
        assert card.cost_basis == "tokens", card.id
        assert card.input_usd_per_million is not None, card.id
        assert card.output_usd_per_million is not None, card.id
        assert 0 < card.input_usd_per_million <= card.output_usd_per_million, card.id


def test_no_base_model_and_no_model_twice(bundled: Router) -> None:
    ids = {model.rpartition("/")[2].lower() for model in bundled.pool.ids}
    assert len(ids) == len(bundled.pool)
    assert not any(name.endswith(("-hf", "mixtral-8x7b-v0.1", "mixtral-8x7b-chat")) for name in ids)


def test_estimates_are_plausible_for_any_prompt(decisions: dict[str, list[Decision]]) -> None:
    for prompt, decision in zip(PROMPTS, decisions["balanced"], strict=True):
        for one in decision.estimates:
            assert 0.001 < one.quality < 0.999, (prompt[:30], one.model)
            assert 1e-7 < one.cost_usd < 0.2, (prompt[:30], one.model, one.cost_usd)


def test_estimates_are_plausible_in_other_scripts(bundled: Router) -> None:
    estimates = bundled.estimate(OTHER_SCRIPTS)
    assert (estimates.quality < 0.999).all()
    assert (estimates.cost_usd < 0.03).all()


def test_strong_models_are_estimated_stronger(decisions: dict[str, list[Decision]]) -> None:
    for prompt, decision in zip(PROMPTS, decisions["balanced"], strict=True):
        one = of_model(decision)
        assert one["gpt-4o-2024-05"].quality > one["Mistral-7B-Instruct-v0.1"].quality, prompt[:30]
        assert one["gpt-4-1106-preview"].quality > one["mistralai/mistral-7b-chat"].quality
        assert one["gpt-4o-2024-05"].cost_usd > 10 * one["Mistral-7B-Instruct-v0.1"].cost_usd


def test_a_hard_question_is_estimated_harder(bundled: Router) -> None:
    easy, hard = bundled.estimate([EASY, HARD]).quality
    assert (easy > hard + 0.1).mean() > 0.9


def test_paying_more_buys_quality(decisions: dict[str, list[Decision]]) -> None:
    for row in zip(*(decisions[name] for name in PRESETS), strict=True):
        cheap, balanced, best = map(chosen, row)
        assert cheap.quality <= balanced.quality <= best.quality
        assert cheap.cost_usd <= balanced.cost_usd <= best.cost_usd
        highest = max(one.quality for one in row[2].estimates)
        assert best.quality > 0.93 * highest
        typical = sorted(one.cost_usd for one in row[0].estimates)[len(row[0].estimates) // 2]
        assert cheap.cost_usd < typical


def test_presets_differ_and_the_prompt_matters(decisions: dict[str, list[Decision]]) -> None:
    spent = {name: sum(chosen(one).cost_usd for one in row) for name, row in decisions.items()}
    assert 3 * spent["cheap"] < spent["best"]
    assert len({one.model for one in decisions["balanced"]}) > 1


def test_short_honest_prompts_are_read_and_noise_is_not_trusted(bundled: Router) -> None:
    honest = [
        "What is 17*23?",
        "def fib(n): return n if n<2 else fib(n-1)+fib(n-2)",
        "Solve x^2 = 9.",
    ]
    noise = [
        "xkcd fjdksl vmzn qpwo rity alskd",
        ")(*&^%$#@!~ |}{ 98f7 s9df",
        "qqqqqqqqqqqqqqqqqqqq",
    ]
    assert min(one.confidence for one in bundled.route_many(honest)) > 0.5
    assert max(one.confidence for one in bundled.route_many(noise)) < 0.3


def test_long_prompts_cost_more(bundled: Router) -> None:
    text = "The committee met on Tuesday to talk about the new library and its opening hours. "
    short, long = bundled.estimate([text, text * 100]).cost_usd
    assert (long > 1.2 * short).all()
    assert (long < 100 * short).all()


def test_alone_and_in_a_batch_decide_the_same(
    bundled: Router, decisions: dict[str, list[Decision]]
) -> None:
    for name in PRESETS:
        for prompt, together in zip(PROMPTS, decisions[name], strict=True):
            alone = bundled.route(prompt, willingness_to_pay=name)
            assert alone.model == together.model
            assert alone.estimates == together.estimates


def test_no_prompts_are_no_decisions(bundled: Router) -> None:
    assert bundled.route_many([]) == []
    assert bundled.estimate([]).quality.shape == (0, len(bundled.pool))


def test_the_card_tells_what_the_manifest_holds(
    bundled: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from bundled_card import CARD, model_card

    written = (bundled_path() / CARD).read_text(encoding="utf-8")
    assert written == model_card(bundled.manifest, bundled_path())


def test_it_holds_figures_and_no_prompt(bundled: Router) -> None:
    tables = bundled.manifest.validation["tables"]
    for name in ("mmlu_pro", "two_models", "routerbench"):
        assert tables[name]["aiq_minus_zero_router_ci"][0] > 0, name
    longest = max(map(len, _strings(bundled.manifest.to_document())))
    assert longest <= 100
    names = {path.suffix for path in bundled_path().iterdir()}
    assert names == {".json", ".md", ".onnx", ".safetensors"}


def test_its_network_names_no_folder_of_the_machine_it_was_trained_on() -> None:
    (network,) = bundled_path().glob("*.onnx")
    assert b".py" not in network.read_bytes()


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [s for pair in value.items() for item in pair for s in _strings(item)]
    if isinstance(value, list | tuple):
        return [s for item in value for s in _strings(item)]
    return [value] if isinstance(value, str) else []
