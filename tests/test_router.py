"""The façade: decisions alone and in batches, their options, their reasons, their errors."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from routers import LetterEncoder, attention_network, make_artifact

from onehead import Decision, Router
from onehead.artifact import Artifact, save
from onehead.errors import ArtifactError, EncoderError, NoEligibleModel, UsageError
from onehead.features import LEXICON_ARRAYS, Lexicon, tokenizer_hash
from onehead.messages import routing_text
from onehead.policy import choose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ARTIFACT = make_artifact()
PROMPTS = [
    "Name a prime.",
    "Écris un poème 🙂",
    "",
    "x" * 1_000_000,
    "数学の問題",
    "\x00\u2028",
    "zzz",
]


def test_a_prompt_decides_the_same_alone_and_in_a_batch(router: Router) -> None:
    prompts = PROMPTS + [f"prompt {i} {'qxz'[i % 3] * i}" for i in range(600)]
    for options in ({}, {"willingness_to_pay": 1e-4, "reward": "linear"}, {"min_quality": 0.5}):
        together = router.route_many(prompts, **options)
        for prompt, decision in list(zip(prompts, together, strict=True))[::7]:
            assert router.route(prompt, **options).to_json() == decision.to_json()


@given(st.lists(st.text(max_size=50), min_size=2, max_size=5))
def test_any_text_decides_the_same_alone_and_in_a_batch(texts: list[str]) -> None:
    router = Router(ARTIFACT, LetterEncoder())
    together = router.route_many(texts)
    assert [router.route(text).to_json() for text in texts] == [d.to_json() for d in together]


def test_the_decision_is_the_policys(router: Router) -> None:
    estimates = router.estimate(PROMPTS)
    choice = choose(estimates.quality, estimates.cost_usd, 2e-4, ids=router.pool.ids)
    chosen = [router.pool.ids[column] for column in choice.column]
    assert [d.model for d in router.route_many(PROMPTS, willingness_to_pay=2e-4)] == chosen
    assert [d.model for d in router.decide(estimates, willingness_to_pay=2e-4)] == chosen


def test_json_has_what_the_contract_names(router: Router) -> None:
    document = router.route("Name a prime.", models=["model-01", "model-02"]).to_json()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    head = ["model", "willingness_to_pay", "reward", "confidence", "reason", "estimates"]
    assert list(document) == head
    assert document["reward"] == "exponential"
    assert document["willingness_to_pay"] == router.presets["balanced"]
    row = ["model", "quality", "cost_usd", "reward", "eligible", "why_not"]
    assert all(list(one)[: len(row)] == row for one in document["estimates"])
    assert [one["model"] for one in document["estimates"]] == list(router.pool.ids)
    assert [one["eligible"] for one in document["estimates"]] == [False, True, True, False]
    assert document["estimates"][0]["why_not"]
    assert document["estimates"][1]["why_not"] is None


def test_json_is_valid_at_any_willingness_to_pay(router: Router) -> None:
    for wtp in (1e-320, 1e300):
        for reward in ("linear", "exponential"):
            decision = router.route("a", willingness_to_pay=wtp, reward=reward)
            with np.errstate(invalid="ignore"):  # two rewards of −∞ are compared for the reason
                document = decision.to_json()
            assert json.dumps(document, allow_nan=False)


def test_options_choose(router: Router) -> None:
    estimates = router.estimate(["a"])
    best = router.pool.ids[int(estimates.quality[0].argmax())]
    cheapest = router.pool.ids[int(estimates.cost_usd[0].argmin())]
    assert router.route("a", willingness_to_pay=1e9).model == best
    assert router.route("a", willingness_to_pay=1e-9).model == cheapest
    assert router.route("a", models=["model-02"]).model == "model-02"
    assert router.route("a", models="model-02").model == "model-02"
    ceiling = float(estimates.cost_usd.min())
    assert router.route("a", willingness_to_pay=1e9, max_cost_usd=ceiling).model == cheapest
    unreachable = router.route("a", min_quality=1.0)
    assert unreachable.model == best
    assert "floor" in unreachable.reason


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"willingness_to_pay": 0}, UsageError, "willingness to pay is 0;"),
        ({"willingness_to_pay": 10**400}, UsageError, "willingness to pay is inf;"),
        ({"willingness_to_pay": -1}, UsageError, "willingness to pay"),
        ({"willingness_to_pay": float("nan")}, UsageError, "willingness to pay"),
        ({"willingness_to_pay": float("inf")}, UsageError, "willingness to pay"),
        ({"willingness_to_pay": "dear"}, UsageError, "cheap, balanced, best"),
        ({"reward": "cubic"}, UsageError, "exponential, linear"),
        ({"models": ["gpt-9"]}, UsageError, "'gpt-9' is not in the pool"),
        ({"models": []}, NoEligibleModel, "empty"),
        ({"max_cost_usd": 1e-12}, NoEligibleModel, "ceiling"),
        ({"max_cost_usd": 1e-300}, NoEligibleModel, r"ceiling of \$1\.0e-300;"),
        ({"max_cost_usd": float("nan")}, UsageError, "max cost"),
        ({"min_quality": 1.5}, UsageError, "min quality"),
    ],
)
def test_options_that_cannot_be_taken(
    router: Router, options: dict, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        router.route("a", **options)


def test_messages_are_prompts(router: Router) -> None:
    conversation = [{"role": "user", "content": "Name a prime."}]
    assert router.route(conversation).to_json() == router.route("Name a prime.").to_json()
    assert len(router.route_many([conversation, "Name a prime."])) == 2
    assert router.route_many([]) == []


@pytest.mark.parametrize(
    ("prompt", "chars"),
    [
        ("ab " * 20_000, 60_000),
        (
            [
                {"role": "user", "content": "ab"},
                {"role": "assistant", "content": "x" * 5000},
                {"role": "tool", "content": [{"type": "text", "text": "y" * 300}]},
                {"role": "user", "content": "abc"},
            ],
            5305,
        ),
    ],
)
def test_what_is_not_looked_at_is_paid_for(router: Router, prompt: Any, chars: int) -> None:
    """Input tokens in proportion; what is written, quality and costs known in USD stay."""
    text = routing_text(prompt)
    assert len(text) < chars
    seen, whole = router.estimate([text]), router.estimate(["zzz", prompt]).take(slice(1, 2))
    times = chars / len(text)
    assert whole.quality.tolist() == seen.quality.tolist()
    assert whole.output_tokens[0, 0] == seen.output_tokens[0, 0]
    assert whole.input_tokens[0, 0] == pytest.approx(times * seen.input_tokens[0, 0])
    card = router.pool.models[0]
    assert card.input_usd_per_million is not None
    more = (times - 1) * seen.input_tokens[0, 0] * card.input_usd_per_million / 1e6
    assert whole.cost_usd[0, 0] == pytest.approx(seen.cost_usd[0, 0] + more, rel=1e-5)
    assert router.pool.models[2].cost_basis == "usd"
    assert whole.cost_usd[0, 2] == seen.cost_usd[0, 2]


@pytest.mark.parametrize(
    "prompts", ["a text", {"role": "user"}, [{"role": "user", "content": "a"}]]
)
def test_a_single_prompt_given_as_many_is_said(router: Router, prompts: object) -> None:
    with pytest.raises(UsageError):
        router.route_many(prompts)  # type: ignore[arg-type]


def test_another_encoder_is_refused(artifact: Artifact) -> None:
    other = LetterEncoder(hash="f" * 64)
    with pytest.raises(EncoderError, match=r"'letters'.*has hash ffffffffffff"):
        Router(artifact, other)


def test_features_of_another_width_are_refused(artifact: Artifact) -> None:
    wide = LetterEncoder(dimension=30)
    record = replace(artifact.manifest.encoder, dimension=30)
    with pytest.raises(ArtifactError, match="features"):
        Router(replace(artifact, manifest=replace(artifact.manifest, encoder=record)), wide)


def lexical_artifact(tokens: list[int]) -> Artifact:
    """The tiny router with three words of its own and the keys that see them."""
    lexicon = Lexicon(np.array([2, 3, 5]), np.ones(3, np.float32), np.eye(3, 2, dtype=np.float32))
    words = lexicon.arrays() | {LEXICON_ARRAYS[0]: np.array(tokens, np.int32)}
    keys = ARTIFACT.arrays["keys"]
    wide = np.concatenate([keys, np.ones((len(keys), 2), np.float32)], axis=1)
    axes = {**ARTIFACT.manifest.model_axes, **dict.fromkeys(LEXICON_ARRAYS)}
    manifest = replace(ARTIFACT.manifest, model_axes=axes, tokenizer=tokenizer_hash())
    network = attention_network(wide.shape[1])
    return Artifact(manifest, {**ARTIFACT.arrays, "keys": wide, **words}, network)


def test_a_lexicon_belongs_to_the_features(tmp_path: Path) -> None:
    save(lexical_artifact([2, 3, 5]), tmp_path / "r")
    router = Router.load(tmp_path / "r", encoder=LetterEncoder())
    together = router.route_many(PROMPTS)
    assert [d.to_json() for d in together] == [router.route(p).to_json() for p in PROMPTS]


def test_a_lexicon_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ArtifactError, match="lexicon does not fit"):
        Router(lexical_artifact([2, 3, 10**9]), LetterEncoder())


@pytest.mark.parametrize("tokenizer", ["", "0" * 64])
def test_a_lexicon_of_another_tokenizer_is_refused(tokenizer: str, tmp_path: Path) -> None:
    artifact = lexical_artifact([2, 3, 5])
    save(
        replace(artifact, manifest=replace(artifact.manifest, tokenizer=tokenizer)), tmp_path / "r"
    )
    with pytest.raises(ArtifactError, match="another tokenizer"):
        Router.load(tmp_path / "r", encoder=LetterEncoder())


def test_load_takes_a_directory(router: Router, router_dir: Path) -> None:
    loaded = Router.load(router_dir, encoder=LetterEncoder())
    assert loaded.route("a").to_json() == router.route("a").to_json()
    assert loaded.manifest == router.manifest
    with pytest.raises(ArtifactError, match="does not exist"):
        Router.load(router_dir / "nowhere")


def test_a_smaller_pool_keeps_the_other_models_estimates(
    artifact: Artifact, router: Router, tmp_path: Path
) -> None:
    save(artifact.only(["model-00", "model-03"]), tmp_path / "small")
    small = Router.load(tmp_path / "small", encoder=LetterEncoder())
    assert small.pool.ids == ("model-00", "model-03")
    before, after = router.estimate(PROMPTS).only([0, 3]), small.estimate(PROMPTS)
    np.testing.assert_allclose(after.quality, before.quality, atol=2e-6)
    np.testing.assert_allclose(after.cost_usd, before.cost_usd, rtol=2e-5)


def test_threads_share_a_router(router: Router) -> None:
    prompts = [f"prompt {'abcxyz'[i % 6] * i}" for i in range(200)]
    expected = [router.route(prompt).to_json() for prompt in prompts]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda p: router.route(p).to_json(), prompts)) == expected


@pytest.mark.parametrize("how", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_decides_the_same(router: Router, how: Callable[[Router], Router]) -> None:
    other = how(router)
    assert other is not router
    assert [d.to_json() for d in other.route_many(PROMPTS)] == [
        d.to_json() for d in router.route_many(PROMPTS)
    ]


def test_a_router_goes_to_other_processes(router_dir: Path) -> None:
    router = Router.load(router_dir, encoder=LetterEncoder())
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        there = processes.submit(router.route, "Name a prime.").result(timeout=60)
    assert there.to_json() == router.route("Name a prime.").to_json()


def test_a_router_says_what_it_is(router: Router) -> None:
    assert repr(router) == "<Router attention, letters, 4 models>"


def test_presets_cannot_be_changed(router: Router) -> None:
    with pytest.raises(TypeError):
        router.presets["cheap"] = 1.0  # type: ignore[index]


def test_public_names() -> None:
    import onehead

    assert onehead.Router is Router
    assert onehead.Decision is Decision
    with pytest.raises(AttributeError, match="no attribute 'Rooter'"):
        onehead.Rooter  # noqa: B018


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"models": [1]}, r"models is \[1\]; give a list"),
        ({"models": 5}, "models is 5; give a list"),
        ({"max_cost_usd": "a"}, "max cost is 'a'"),
        ({"reward": 3}, "reward 3 is unknown"),
    ],
)
def test_options_of_the_wrong_type_are_refused_in_words(options, match):
    with pytest.raises(UsageError, match=match):
        Router.load().route("Hello!", **options)


def test_an_allow_list_may_be_anything_that_names_models():
    router = Router.load()
    wanted = list(router.pool.ids[:2])
    assert router.route("Hello!", models=iter(wanted)).model in wanted
    assert router.route("Hello!", models=wanted[0]).model == wanted[0]
