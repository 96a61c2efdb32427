"""The choice against brute force; presets and words by their promises."""

from __future__ import annotations

import math
import timeit
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehead.errors import NoEligibleModel, UsageError
from onehead.policy import (
    PRESET_NAMES,
    Constraints,
    choose,
    explain,
    parse_willingness_to_pay,
    presets,
    reward,
    sweep,
    why_not,
)

QUALITIES = [0.0, 0.25, 0.5, 0.75, 1.0]
COSTS = [0.0, 0.001, 0.002, 0.004, 0.1]
WTP = [1e-6, 0.001, 0.01, 1.0, 1e6]


@st.composite
def pools(draw):
    """A pool of up to six models on one prompt, with many ties."""
    m = draw(st.integers(1, 6))
    quality = draw(st.lists(st.sampled_from(QUALITIES), min_size=m, max_size=m))
    cost = draw(st.lists(st.sampled_from(COSTS), min_size=m, max_size=m))
    ids = draw(st.permutations([f"m{j}" for j in range(m)]))
    return np.array([quality]), np.array([cost]), tuple(ids)


def exact_score(quality, cost, wtp, kind):
    """The order of rewards without floating-point reward: exact, or by logarithm."""
    if kind == "linear":
        return Fraction(quality) - Fraction(cost) / Fraction(wtp)
    return math.log(quality) - cost / wtp if quality else -math.inf


def same(a, b):
    if a == b:
        return True
    if math.inf in (abs(a), abs(b)):
        return False
    return abs(a - b) <= 1e-9 * max(1, abs(a), abs(b))


def brute_choice(quality, cost, ids, wtp, kind, allowed, ceiling=None, floor=None):
    columns = [j for j in allowed if ceiling is None or cost[j] <= ceiling]
    if not columns:
        return None
    if floor is not None:
        reaching = [j for j in columns if quality[j] >= floor]
        if reaching:
            return min(reaching, key=lambda j: (cost[j], -quality[j], ids[j]))
        return min(columns, key=lambda j: (-quality[j], cost[j], ids[j]))
    score = {j: exact_score(quality[j], cost[j], wtp, kind) for j in columns}
    best = max(score.values())
    tied = [j for j in columns if same(score[j], best)]
    return min(tied, key=lambda j: (cost[j], ids[j]))


@settings(deadline=None, max_examples=300)
@given(
    pools(),
    st.sampled_from(WTP),
    st.sampled_from(["linear", "exponential"]),
    st.sampled_from([None, 0.0, 0.0015, 1.0]),
    st.sampled_from([None, 0.0, 0.4, 0.75, 1.0]),
    st.booleans(),
)
def test_choice_is_brute_force(pool, wtp, kind, ceiling, floor, some):
    quality, cost, ids = pool
    allowed = list(range(0, len(ids), 2)) if some else list(range(len(ids)))
    constraints = Constraints(ceiling, floor, tuple(allowed) if some else None)
    expected = brute_choice(quality[0], cost[0], ids, wtp, kind, allowed, ceiling, floor)
    if expected is None:
        with pytest.raises(NoEligibleModel):
            choose(quality, cost, wtp, kind=kind, constraints=constraints, ids=ids)
        return
    choice = choose(quality, cost, wtp, kind=kind, constraints=constraints, ids=ids)
    assert choice.column[0] == expected
    assert choice.eligible[0, expected]
    unreachable = floor is not None and quality[0, expected] < floor
    assert choice.relaxed[0] == unreachable
    reasons = why_not(choice, 0, quality, cost, constraints)
    assert [reason is None for reason in reasons] == choice.eligible[0].tolist()
    words = explain(choice, 0, quality, cost, wtp, kind=kind, constraints=constraints, ids=ids)
    assert words.startswith(ids[expected])
    assert words.endswith(".")


@settings(deadline=None, max_examples=100)
@given(pools(), st.sampled_from(WTP), st.sampled_from(["linear", "exponential"]), st.randoms())
def test_order_of_models_does_not_matter(pool, wtp, kind, random):
    quality, cost, ids = pool
    order = list(range(len(ids)))
    random.shuffle(order)
    shuffled = tuple(ids[j] for j in order)
    here = choose(quality, cost, wtp, kind=kind, ids=ids).column[0]
    there = choose(quality[:, order], cost[:, order], wtp, kind=kind, ids=shuffled).column[0]
    assert ids[here] == shuffled[there]


@settings(deadline=None, max_examples=100)
@given(pools(), st.sampled_from(WTP), st.sampled_from(["linear", "exponential"]))
def test_a_dominated_model_is_never_chosen_instead(pool, wtp, kind):
    quality, cost, ids = pool
    chosen = choose(quality, cost, wtp, kind=kind, ids=ids).column[0]
    worse = np.append(quality, [[quality[0, chosen] / 2]], axis=1)
    dearer = np.append(cost, [[cost[0, chosen] + 1]], axis=1)
    assert choose(worse, dearer, wtp, kind=kind, ids=(*ids, "worse")).column[0] == chosen


@settings(deadline=None, max_examples=100)
@given(
    st.integers(0, 10_000),
    st.floats(1e-6, 1e6),
    st.sampled_from(WTP),
    st.sampled_from(["linear", "exponential"]),
)
def test_costs_and_willingness_to_pay_scale_together(seed, factor, wtp, kind):
    rng = np.random.default_rng(seed)
    quality, cost = rng.random((20, 5)), rng.random((20, 5)) * 0.01
    ids = tuple("abcde")
    plain = choose(quality, cost, wtp, kind=kind, ids=ids).column
    scaled = choose(quality, cost * factor, wtp * factor, kind=kind, ids=ids).column
    assert np.array_equal(plain, scaled)


@pytest.mark.parametrize("kind", ["linear", "exponential"])
@pytest.mark.parametrize(
    "constraints",
    [Constraints(), Constraints(0.005), Constraints(None, 0.6), Constraints(models=(1, 3, 4))],
)
def test_one_prompt_alone_and_in_a_batch_decide_the_same(kind, constraints):
    rng = np.random.default_rng(1)
    quality, cost = rng.random((300, 9)).round(1), rng.random((300, 9)).round(1) * 0.01
    ids = tuple("ihgfedcba")
    options = {"kind": kind, "constraints": constraints, "ids": ids}
    batch = choose(quality, cost, 0.01, **options)
    for row in range(300):
        alone = choose(quality[row : row + 1], cost[row : row + 1], 0.01, **options)
        assert alone.column[0] == batch.column[row]
        assert np.array_equal(alone.eligible[0], batch.eligible[row])
        assert np.array_equal(alone.rewards[0], batch.rewards[row])


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_a_sweep_chooses_as_choose_does(kind):
    rng = np.random.default_rng(2)
    quality, cost = rng.random((5000, 7)).round(2), rng.random((5000, 7)).round(2)
    ids = tuple("gfedcba")
    grid = [0.0, 0.01, 1.0, 50.0, math.inf]
    picks = sweep(quality, cost, grid, kind=kind, ids=ids)
    for row in (1, 2, 3):
        assert np.array_equal(
            picks[row], choose(quality, cost, grid[row], kind=kind, ids=ids).column
        )
    rows = range(len(quality))
    cheapest = [
        min(range(7), key=lambda j, i=i: (cost[i, j], -quality[i, j], ids[j])) for i in rows
    ]
    best = [min(range(7), key=lambda j, i=i: (-quality[i, j], cost[i, j], ids[j])) for i in rows]
    assert picks[0].tolist() == cheapest
    assert picks[-1].tolist() == best


def test_rewards_are_the_published_ones():
    quality, cost = np.array([0.8, 0.0]), np.array([0.002, 0.001])
    assert reward(quality, cost, 0.01, "linear") == pytest.approx([0.6, -0.1])
    assert reward(quality, cost, 0.01) == pytest.approx([0.8 * math.exp(-0.2), 0.0])
    choice = choose(quality[None], cost[None], 0.01, ids=("a", "b"))
    assert choice.rewards[0] == pytest.approx(reward(quality, cost, 0.01))


def test_a_tiny_willingness_to_pay_takes_the_cheapest_although_all_rewards_underflow():
    quality, cost = np.array([[0.5, 0.9, 0.9]]), np.array([[0.01, 0.03, 0.02]])
    for kind in ("linear", "exponential"):
        for wtp in (1e-6, 1e-300, 5e-324):
            assert choose(quality, cost, wtp, kind=kind, ids=("c", "b", "a")).column[0] == 0


def test_hopeless_models_do_not_let_a_forbidden_one_through():
    nothing, cost = np.zeros((1, 3)), np.array([[0.001, 0.0, 0.0]])
    only = Constraints(max_cost_usd=0.0, models=(0, 2))
    assert choose(nothing, cost, 1.0, constraints=only, ids=("a", "b", "c")).column[0] == 2


@pytest.mark.parametrize("wtp", [0, -1.0, math.nan, math.inf, -math.inf])
def test_a_willingness_to_pay_that_is_no_amount_is_refused(wtp):
    one = np.ones((1, 1))
    with pytest.raises(UsageError, match="willingness to pay"):
        choose(one, one, wtp, ids=("a",))
    with pytest.raises(UsageError, match="willingness to pay"):
        reward(one, one, wtp)
    with pytest.raises(UsageError, match="willingness to pay"):
        parse_willingness_to_pay(wtp, {"cheap": 1.0})
    with pytest.raises(UsageError):
        parse_willingness_to_pay(str(wtp), {"cheap": 1.0})


@pytest.mark.parametrize(
    ("limits", "match"),
    [
        ({"max_cost_usd": -1.0}, "max cost"),
        ({"max_cost_usd": math.nan}, "max cost"),
        ({"max_cost_usd": math.inf}, "max cost"),
        ({"min_quality": 1.01}, "min quality"),
        ({"min_quality": math.nan}, "min quality"),
        ({"max_cost_usd": "a"}, "max cost is 'a'"),
        ({"min_quality": [0.5]}, "min quality"),
    ],
)
def test_constraints_that_cannot_be_meant_are_refused(limits, match):
    with pytest.raises(UsageError, match=match):
        Constraints(**limits)


def test_misfits_are_refused():
    one = np.ones((1, 2))
    with pytest.raises(UsageError, match="shape"):
        choose(one, one, 1.0, ids=("a",))
    with pytest.raises(UsageError, match="reward 'cubic' is unknown"):
        choose(one, one, 1.0, kind="cubic", ids=("a", "b"))
    with pytest.raises(UsageError, match="NaN"):
        choose(np.array([[0.5, math.nan]]), one, 1.0, ids=("a", "b"))
    with pytest.raises(UsageError, match="columns \\[2\\]"):
        choose(one, one, 1.0, constraints=Constraints(models=(2,)), ids=("a", "b"))


def test_no_eligible_model_names_every_reason():
    cost = np.array([[0.03, 0.02, 0.01]])
    with pytest.raises(NoEligibleModel) as caught:
        choose(
            np.ones((1, 3)),
            cost,
            1.0,
            constraints=Constraints(max_cost_usd=0.005, models=(0, 1)),
            ids=("dear", "middle", "cheap"),
        )
    message = str(caught.value)
    assert "middle costs about $0.02, above the ceiling of $0.005; dear costs" in message
    assert "1 are not among the models allowed" in message
    assert "raise the ceiling" in message


def test_no_eligible_model_stays_short_for_a_thousand_models():
    cost = np.full((1, 1000), 2.0)
    ids = tuple(f"model-{j}" for j in range(1000))
    with pytest.raises(NoEligibleModel) as caught:
        choose(cost / 4, cost, 1.0, constraints=Constraints(max_cost_usd=1.0), ids=ids)
    assert "995 more cost at least as much" in str(caught.value)
    assert len(str(caught.value)) < 1500
    with pytest.raises(NoEligibleModel, match="the allow-list is empty"):
        choose(cost / 4, cost, 1.0, constraints=Constraints(models=()), ids=ids)


def test_a_model_that_is_not_allowed_is_told_so():
    one = np.ones((1, 2))
    only = Constraints(models=(1,))
    choice = choose(one, one, 1.0, constraints=only, ids=("a", "b"))
    assert why_not(choice, 0, one, one, only) == ("not among the models allowed", None)


class TestWords:
    quality = np.array([[0.6, 0.8, 0.9]])
    cost = np.array([[0.0001, 0.001, 0.01]])
    ids = ("small", "middle", "large")

    def words(self, wtp, **limits):
        constraints = Constraints(**limits)
        choice = choose(self.quality, self.cost, wtp, constraints=constraints, ids=self.ids)
        return explain(
            choice, 0, self.quality, self.cost, wtp, constraints=constraints, ids=self.ids
        )

    def test_the_best_trade_names_the_runner_up(self):
        assert self.words(0.01) == (
            "middle, quality 0.80 for about $0.001, is the best trade at a willingness to pay of "
            "$0.01. Next best is small: -0.20 quality for $0.0009 less."
        )

    def test_a_ceiling_that_bit_is_named(self):
        assert self.words(0.01, max_cost_usd=0.0005) == (
            "small, quality 0.60 for about $0.0001, is the only model that can be chosen. Without "
            "the ceiling of $0.0005, middle would be chosen: +0.20 quality for $0.0009 more."
        )

    def test_a_floor_reached_and_missed(self):
        assert "is the cheapest that reaches the floor of 0.85" in self.words(
            0.01, min_quality=0.85
        )
        missed = self.words(0.01, min_quality=0.95)
        assert missed.startswith("large, quality 0.90 for about $0.01, comes nearest to the floor")
        assert "Without the floor of 0.95, middle would be chosen" in missed

    def test_a_tie_is_called_one(self):
        quality, cost = np.array([[0.5, 0.5]]), np.array([[0.01, 0.01]])
        choice = choose(quality, cost, 1.0, ids=("b", "a"))
        words = explain(choice, 0, quality, cost, 1.0, ids=("b", "a"))
        assert "b is worth the same and costs the same; the name that sorts first wins." in words

    def test_one_model(self):
        one = np.array([[0.5]])
        assert explain(choose(one, one, 1.0, ids=("a",)), 0, one, one, 1.0, ids=("a",)) == (
            "a, quality 0.50 for about $0.5, is the only model that can be chosen."
        )


class TestPresets:
    quality = np.array([0.585, 0.739, 0.676, 0.546, 0.879])
    cost = np.array([0.00008, 0.00025, 0.00036, 0.0038, 0.005])

    def test_they_rise(self):
        found = presets(self.quality, self.cost)
        assert tuple(found) == PRESET_NAMES
        assert 0 < found["cheap"] < found["balanced"] < found["best"]

    def test_balanced_is_where_the_frontier_and_the_top_are_worth_the_same(self):
        found = presets(np.array([0.5, 0.8]), np.array([0.001, 0.01]))
        worth = reward(np.array([0.5, 0.8]), np.array([0.001, 0.01]), found["balanced"])
        assert worth[0] == pytest.approx(worth[1])

    @settings(deadline=None, max_examples=50)
    @given(st.floats(1e-6, 1e6), st.permutations(range(5)))
    def test_they_scale_with_the_costs_and_ignore_the_order(self, factor, order):
        plain = presets(self.quality, self.cost)
        other = presets(self.quality[order], self.cost[order] * factor)
        assert {name: other[name] / factor for name in plain} == pytest.approx(plain)

    @pytest.mark.parametrize("quality", [0.05, 0.5, 0.9, 0.99])
    @pytest.mark.parametrize("cost", [1.0, 50.0, 1e6])
    def test_an_absurdly_dear_model_moves_nothing(self, quality, cost):
        plain = presets(self.quality, self.cost)["balanced"]
        found = presets(np.append(self.quality, quality), np.append(self.cost, cost))["balanced"]
        assert found == pytest.approx(plain)

    @pytest.mark.parametrize("quality", [0.0, 0.3, 0.6])
    @pytest.mark.parametrize("cost", [0.0, 1e-12])
    def test_an_absurdly_cheap_model_moves_little(self, quality, cost):
        plain = presets(self.quality, self.cost)["balanced"]
        found = presets(np.append(self.quality, quality), np.append(self.cost, cost))["balanced"]
        assert plain / 3 < found <= plain * 1.5

    @pytest.mark.parametrize(
        ("quality", "cost"),
        [
            ([0.5], [0.01]),
            ([0.5], [0.0]),
            ([0.5, 0.7], [0.0, 0.0]),
            ([0.0, 0.0], [0.1, 0.2]),
            ([0.9, 0.5], [0.1, 0.2]),
            ([0.5, 0.5], [0.1, 0.1]),
            ([1.0, math.nan], [0.1, 0.2]),
        ],
    )
    def test_degenerate_pools_have_presets(self, quality, cost):
        found = presets(np.array(quality), np.array(cost))
        assert all(0 < wtp < math.inf for wtp in found.values())

    def test_unknown_means_are_an_error(self):
        with pytest.raises(UsageError, match="at least one model"):
            presets(np.array([math.nan]), np.array([1.0]))


def test_willingness_to_pay_is_a_number_its_text_or_a_name():
    known = {"cheap": 0.001, "best": 1.0}
    assert parse_willingness_to_pay(0.5, known) == 0.5
    assert parse_willingness_to_pay(" 0.002 ", known) == 0.002
    assert parse_willingness_to_pay("$2e-3", known) == 0.002
    assert parse_willingness_to_pay("best", known) == 1.0
    with pytest.raises(UsageError, match=r"'bets' is neither .* nor one of: cheap, best"):
        parse_willingness_to_pay("bets", known)
    with pytest.raises(UsageError):
        parse_willingness_to_pay(None, known)


def test_one_decision_takes_microseconds():
    rng = np.random.default_rng(3)
    quality, cost = rng.random((1, 44)), rng.random((1, 44))
    ids = tuple(f"model-{j}" for j in range(44))
    choose(quality, cost, 0.1, ids=ids)
    best = min(timeit.repeat(lambda: choose(quality, cost, 0.1, ids=ids), number=200, repeat=20))
    # 10 µs on the machine it was written on; the bound leaves room for a slow or busy one.
    assert best / 200 < 100e-6
