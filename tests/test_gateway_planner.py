"""Plans: terms, eligibility, conversations that keep their model, and those that leave it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from onehead.config import KeyConfig, ModelConfig, RoutingConfig
from onehead.errors import UsageError
from onehead.gateway.errors import GatewayError
from onehead.gateway.fleet import Fleet
from onehead.gateway.planner import Planner
from onehead.gateway.together import Together
from onehead.gateway.valuing import Case, Value, Valuer
from onehead.gateway.wire import Asked, Body, Options, asked_of
from onehead.pool import ModelCard, Pool
from onehead.predictors import Estimates
from onehead.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onehead.gateway.plan import Plan

CHEAP, STRONG = "cheap", "strong"


class Oracle:
    """Estimates by a rule of the text: quality of (cheap, strong); tokens 100 in, 1 out."""

    def __init__(self, rule: Callable[[str], tuple[float, float]]) -> None:
        self.rule = rule
        self.asked: list[str] = []

    def represent(self, texts: Sequence[str]) -> np.ndarray:
        """The place of each text among all that were asked for."""
        places = range(len(self.asked), len(self.asked) + len(texts))
        self.asked += texts
        return np.array([[place] for place in places], np.float32)

    def estimate_features(self, features: np.ndarray) -> Estimates:
        quality = np.array([self.rule(self.asked[int(place)]) for place in features[:, 0]])
        tokens = np.tile([[100.0], [1.0]], (len(features), 1, 2))
        return Estimates(quality, np.ones_like(quality), np.ones(len(features)), tokens)


def fleet(cached: float = 1.0, **limits: object) -> Fleet:
    """Cheap at 1 USD a million, strong at 10; `cached` is the share of the price for cached input."""
    models = {
        name: ModelConfig(
            id=name,
            base_url="http://127.0.0.1:1/v1",
            input_usd_per_million=price,
            output_usd_per_million=price,
            **limits,
        )
        for name, price in ((CHEAP, 1.0), (STRONG, 10.0))
    }
    prices = np.array([1e-6, 1e-5])
    return Fleet(
        models=models, ids=(CHEAP, STRONG), columns=np.array([0, 1]), input_price=prices,
        output_price=prices, cached_price=prices * cached, request_usd=np.zeros(2),
        fixed=np.zeros(2, bool), presets={"cheap": 1e-4, "balanced": 1e-2, "best": 1.0},
        spread=Spread(Pool((ModelCard(CHEAP), ModelCard(STRONG))), {}),
    )  # fmt: skip


def planner(
    rule: Callable[[str], tuple[float, float]] = lambda text: (0.5, 0.9),
    *,
    routing: RoutingConfig | None = None,
    pool: Fleet | None = None,
    is_open: Callable[[str], bool] | None = None,
) -> tuple[Planner, Oracle]:
    oracle, of = Oracle(rule), pool or fleet()
    made = Planner(valuing(oracle, of), of, routing or RoutingConfig(), is_open=is_open)
    return made, oracle


def valuing(oracle: Oracle, of: Fleet) -> Together[Case, Value]:
    return Together(Valuer(oracle, of), quick=True)


def asked(*turns: str, **fields: object) -> Asked:
    """A conversation: user and assistant by turns; a turn that begins with ``tool:`` is a tool's."""
    messages, role = [], "user"
    for turn in turns:
        if turn.startswith("tool:"):
            messages.append({"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]})
            messages.append({"role": "tool", "content": turn, "tool_call_id": "1"})
            role = "assistant"
        else:
            messages.append({"role": role, "content": turn})
            role = "assistant" if role == "user" else "user"
    body = {"model": "auto", "messages": messages, **fields}
    return asked_of(Body(json.dumps(body).encode()), "chat")


def plan(made: Planner, what: Asked, key: KeyConfig | None = None, **options: object) -> Plan:
    return asyncio.run(made.plan(what, Options(**options), key))


def by_difficulty(text: str) -> tuple[float, float]:
    """The strong model is worth it just where the last user turn says so."""
    return (0.1, 0.9) if text.rstrip().endswith("hard") else (0.9, 0.9)


# --- the choice


def test_the_best_reward_is_tried_first_and_the_rest_stand_in() -> None:
    made, _ = planner()
    assert plan(made, asked("hi"), willingness_to_pay="best").order == [STRONG, CHEAP]
    assert plan(made, asked("hi"), willingness_to_pay=1e-4).order == [CHEAP, STRONG]


def test_prices_in_force_make_the_cost() -> None:
    made, _ = planner()
    chosen = plan(made, asked("hi"))
    assert chosen.predicted_cost_usd == pytest.approx(101 * 1e-5)
    twice = plan(made, asked("hi", n=2))
    assert twice.predicted_cost_usd == pytest.approx(102 * 1e-5)


def test_ceilings_of_request_key_and_configuration_all_hold() -> None:
    made, _ = planner(routing=RoutingConfig(max_cost_usd=1.0))
    key = KeyConfig(name="k", sha256="0" * 64, max_cost_usd=1e-3)
    assert plan(made, asked("hi"), key, willingness_to_pay="best").order == [CHEAP]
    assert plan(made, asked("hi"), willingness_to_pay="best", max_cost_usd=1e-3).order == [CHEAP]
    assert plan(made, asked("hi"), willingness_to_pay="best").order[0] == STRONG


def test_a_floor_takes_the_cheapest_that_reaches_it() -> None:
    made, _ = planner()
    assert plan(made, asked("hi"), min_quality=0.4).order == [CHEAP, STRONG]
    assert plan(made, asked("hi"), min_quality=0.8).order == [STRONG, CHEAP]


def test_a_keys_own_willingness_counts_where_the_request_is_silent() -> None:
    made, _ = planner()
    key = KeyConfig(name="k", sha256="0" * 64, willingness_to_pay="cheap")
    assert plan(made, asked("hi"), key).order[0] == CHEAP
    assert plan(made, asked("hi"), key, willingness_to_pay="best").order[0] == STRONG


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"willingness_to_pay": "chep"}, "Did you mean 'cheap'"),
        ({"willingness_to_pay": 0.0}, "positive"),
        ({"willingness_to_pay": -1.0}, "positive"),
        ({"willingness_to_pay": float("inf")}, "positive"),
        ({"reward": "expo"}, "exponential"),
        ({"max_cost_usd": -1.0}, "0 or more"),
        ({"min_quality": 2.0}, "0 to 1"),
        ({"models": ("nobody",)}, "not among those"),
    ],
)
def test_bad_options_are_the_callers_fault(options: dict[str, object], words: str) -> None:
    made, _ = planner()
    with pytest.raises((UsageError, GatewayError), match=words) as caught:
        plan(made, asked("hi"), **options)
    assert caught.value.status == 400


def test_a_configuration_that_cannot_be_meant_fails_at_once() -> None:
    with pytest.raises(UsageError, match="chep"):
        planner(routing=RoutingConfig(willingness_to_pay="chep"))


# --- who may answer


def test_nobody_eligible_names_each_reason() -> None:
    made, _ = planner(pool=fleet(capabilities=frozenset({"chat"})))
    with pytest.raises(GatewayError) as caught:
        plan(made, asked("hi", tools=[{"type": "function"}]))
    assert caught.value.status == 422
    assert "cheap does not take tools; strong does not take tools" in str(caught.value)


def test_a_conversation_that_fits_no_window_says_so_as_openai_does() -> None:
    made, _ = planner(pool=fleet(context_window=100))
    with pytest.raises(GatewayError, match="reads at most 100 tokens") as caught:
        plan(made, asked("word " * 500))
    assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")
    assert plan(made, asked("word " * 40)).order
    with pytest.raises(GatewayError, match="80 asked for"):
        plan(made, asked("word " * 40, max_tokens=80))
    # So for the models that may be asked, whoever else is kept away by a list.
    with pytest.raises(GatewayError, match="strong is not among the models") as caught:
        plan(made, asked("word " * 500), models=(CHEAP,))
    assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")
    denied = KeyConfig(name="k", sha256="0" * 64, deny=(CHEAP, STRONG))
    with pytest.raises(GatewayError, match="not allowed for this key") as caught:
        plan(made, asked("word " * 500), denied)
    assert (caught.value.status, caught.value.code) == (422, "no_eligible_model")


def test_the_callers_list_the_keys_list_and_the_ceiling_all_count() -> None:
    made, _ = planner()
    assert plan(made, asked("hi"), models=(CHEAP,), willingness_to_pay="best").order == [CHEAP]
    key = KeyConfig(name="k", sha256="0" * 64, deny=(STRONG,))
    assert plan(made, asked("hi"), key, willingness_to_pay="best").order == [CHEAP]
    with pytest.raises(GatewayError, match="not allowed for this key"):
        plan(made, asked("hi"), key, models=(STRONG,))
    with pytest.raises(GatewayError, match="above the ceiling"):
        plan(made, asked("hi"), max_cost_usd=1e-9)


def test_a_model_that_rests_comes_last_unless_all_rest() -> None:
    resting = {STRONG}
    made, _ = planner(is_open=resting.__contains__)
    assert plan(made, asked("hi"), willingness_to_pay="best").order == [CHEAP, STRONG]
    key = KeyConfig(name="k", sha256="0" * 64, deny=(STRONG,))
    assert plan(made, asked("hi"), key, willingness_to_pay="best").order == [CHEAP]
    assert plan(made, asked("hi"), models=(STRONG,)).order == [STRONG]
    resting.add(CHEAP)
    assert plan(made, asked("hi"), willingness_to_pay="best").order == [STRONG, CHEAP]


def test_a_ceiling_that_only_a_resting_model_meets_rouses_it() -> None:
    made, _ = planner(is_open={CHEAP}.__contains__)
    free, _ = planner()
    costs = plan(free, asked("hi"))
    ceiling = (costs.expected_cost_usd(CHEAP) + costs.expected_cost_usd(STRONG)) / 2
    assert plan(made, asked("hi"), max_cost_usd=ceiling).order == [CHEAP]


# --- conversations


def test_a_tool_turn_is_held_without_another_estimate() -> None:
    made, oracle = planner(by_difficulty)
    first = plan(made, asked("this is hard"))
    made.remember(first, STRONG)
    oracle.asked.clear()
    turn = plan(made, asked("this is hard", "tool: found it"))
    assert (turn.chosen, turn.held, oracle.asked) == (STRONG, True, [])


def test_another_worker_holds_the_tool_turn_at_the_same_model() -> None:
    made, _ = planner(by_difficulty)
    assert plan(made, asked("this is hard", "tool: easy")).chosen == STRONG


def test_a_tool_turn_follows_who_really_answered() -> None:
    made, _ = planner(by_difficulty)
    made.remember(plan(made, asked("this is hard")), CHEAP)  # the strong one had failed
    assert plan(made, asked("this is hard", "tool: found")).chosen == CHEAP


def test_the_same_prompt_again_is_decided_again() -> None:
    made, _ = planner()
    made.remember(plan(made, asked("hi"), willingness_to_pay="best"), STRONG)
    assert plan(made, asked("hi"), willingness_to_pay=1e-4).chosen == CHEAP


LONG = "much context " * 400


def test_a_conversation_stays_while_its_cache_is_worth_more() -> None:
    # Without the cache the easy follow-up would go to the cheap model.
    talk = (f"{LONG}hard", "answer", "and this easy one")
    fresh, _ = planner(by_difficulty, pool=fleet(cached=1.0))
    fresh.remember(plan(fresh, asked(talk[0])), STRONG)
    assert plan(fresh, asked(*talk)).chosen == CHEAP
    cached, _ = planner(by_difficulty, pool=fleet(cached=0.01))
    cached.remember(plan(cached, asked(talk[0])), STRONG)
    stays = plan(cached, asked(*talk))
    assert stays.incumbent == STRONG
    # 0.9 for 0.9: only the price decides; the cached prefix is cheaper than a fresh cheap read.
    assert stays.chosen == STRONG
    assert "stays with strong" in stays.reason()


def test_a_conversation_leaves_where_the_gain_is_worth_the_cache() -> None:
    made, _ = planner(by_difficulty, pool=fleet(cached=0.01))
    made.remember(plan(made, asked(f"{LONG}easy")), CHEAP)
    leaves = plan(made, asked(f"{LONG}easy", "answer", "now it gets hard"))
    assert (leaves.incumbent, leaves.chosen) == (CHEAP, STRONG)
    assert "leaves cheap" in leaves.reason()


def test_replicas_agree_without_shared_memory() -> None:
    pool = fleet(cached=0.01)
    one, _ = planner(by_difficulty, pool=pool)
    talk: list[str] = []
    decisions = []
    for turn in (f"{LONG}hard", "easy", "easy again", "now hard"):
        talk.append(turn)
        here = plan(one, asked(*talk))
        one.remember(here, str(here.chosen))
        elsewhere, _ = planner(by_difficulty, pool=pool)
        assert plan(elsewhere, asked(*talk)).chosen == here.chosen
        decisions.append(here.chosen)
        talk.append("answer")
    assert decisions[0] == STRONG


def test_an_explicit_session_wins_over_the_text() -> None:
    made, _ = planner(by_difficulty, pool=fleet(cached=0.01))
    made.remember(plan(made, asked(f"{LONG}hard"), session="s1"), STRONG)
    other_text = asked(f"{LONG}hard", "edited", "easy")
    assert plan(made, other_text, session="s1").incumbent == STRONG


def test_a_session_unknown_here_is_looked_up() -> None:
    seen: list[str] = []

    async def look_up(session: str) -> str:
        seen.append(session)
        return STRONG

    oracle = Oracle(by_difficulty)
    of = fleet(cached=0.01)
    made = Planner(valuing(oracle, of), of, RoutingConfig(), session_model=look_up)
    assert plan(made, asked("easy"), session="s9").incumbent == STRONG
    assert seen == ["s9"]


def test_sessions_of_two_keys_do_not_meet() -> None:
    made, _ = planner(by_difficulty, pool=fleet(cached=0.01))
    mine, theirs = (KeyConfig(name=name, sha256="0" * 64) for name in ("a", "b"))
    made.remember(plan(made, asked("hard"), mine, session="s"), STRONG)
    assert plan(made, asked("easy"), theirs, session="s").incumbent is None


def test_conversations_are_decided_anew_when_told_so() -> None:
    made, _ = planner(by_difficulty, pool=fleet(cached=0.0), routing=RoutingConfig(sticky=False))
    made.remember(plan(made, asked(f"{LONG}hard")), STRONG)
    assert plan(made, asked(f"{LONG}hard", "answer", "easy")).incumbent is None


def test_the_fallback_is_the_one_named_or_whoever_can_answer() -> None:
    made, _ = planner(routing=RoutingConfig(fallback=CHEAP))
    assert made.fallback().order == [CHEAP]
    made, _ = planner()
    assert set(made.fallback().order) == {CHEAP, STRONG}


def test_estimates_tell_why_not() -> None:
    made, _ = planner()
    told = plan(made, asked("hi"), models=(CHEAP,)).estimates()
    whys: Sequence[str | None] = [row[4] for row in told]
    assert whys == [None, "is not among the models allowed"]
