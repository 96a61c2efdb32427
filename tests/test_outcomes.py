"""OutcomeTable: validation, merging, complete blocks and the content hash."""

from __future__ import annotations

import numpy as np
import pytest

from onehead.errors import DataError, UsageError
from onehead.outcomes import OutcomeTable, PromptTable

NAN = np.nan


def table(
    quality,
    *,
    cost=None,
    ids=None,
    prompts=None,
    tasks=None,
    models=None,
    tokens=None,
) -> OutcomeTable:
    quality = np.asarray(quality, dtype=np.float64)
    n, m = quality.shape
    ids = tuple(ids or (f"p{i}" for i in range(n)))
    return OutcomeTable(
        prompt_ids=ids,
        prompts=tuple(prompts or (f"text of {i}" for i in ids)),
        tasks=tuple(tasks or ("",) * n),
        models=tuple(models or "abcdefgh"[:m]),
        quality=quality,
        cost_usd=np.full((n, m), 0.01) if cost is None else np.asarray(cost, dtype=np.float64),
        input_tokens=np.full((n, m), NAN) if tokens is None else np.asarray(tokens, dtype=float),
        output_tokens=np.full((n, m), NAN),
    )


def test_shape_and_mask():
    outcomes = table([[1, NAN], [0, 0.5], [NAN, NAN]])
    assert (outcomes.n_prompts, outcomes.n_models) == (3, 2)
    assert outcomes.observed.tolist() == [[True, False], [True, True], [False, False]]


@pytest.mark.parametrize(
    ("quality", "cost", "says"),
    [
        ([[1.5]], None, "quality of model 'a' on prompt 'p0' is 1.5; it must be between 0 and 1"),
        ([[-0.1]], None, "must be between 0 and 1"),
        ([[np.inf]], None, "must be between 0 and 1"),
        ([[1]], [[-0.01]], "cost_usd of model 'a' on prompt 'p0' is -0.01"),
        ([[1]], [[np.inf]], "a number from 0 to 1e12"),
        ([[1]], [[0.1, 0.2]], r"cost_usd has shape \(1, 2\)"),
        (np.empty((0, 2)), None, "holds no prompts"),
        (np.empty((2, 0)), None, "holds no models"),
    ],
)
def test_impossible_values_are_refused(quality, cost, says):
    with pytest.raises(DataError, match=says):
        table(quality, cost=cost)


def test_ids_and_models_are_unique():
    with pytest.raises(DataError, match="'p' occurs twice"):
        table([[1], [1]], ids=["p", "p"])
    with pytest.raises(DataError, match="model 'a' occurs twice"):
        table([[1, 1]], models=["a", "a"])
    with pytest.raises(DataError, match="ids must be unique"):
        PromptTable(("p", "p"), ("x", "y"), ("", ""))


def test_take_by_number_and_by_mask():
    outcomes = table([[0.1], [0.2], [0.3]], tasks=["x", "y", "z"])
    taken = outcomes.take(np.array([2, 0]))
    assert taken.prompt_ids == ("p2", "p0")
    assert taken.tasks == ("z", "x")
    assert taken.quality.tolist() == [[0.3], [0.1]]
    assert outcomes.take(np.array([False, True, False])).prompt_ids == ("p1",)


def test_only_keeps_the_order_given_and_names_the_unknown():
    outcomes = table([[0.1, 0.2, 0.3]])
    assert outcomes.only(["c", "a"]).quality.tolist() == [[0.3, 0.1]]
    assert outcomes.without(["b"]).models == ("a", "c")
    assert outcomes.without([]).models == outcomes.models
    with pytest.raises(UsageError, match=r"'z'.*a, b, c"):
        outcomes.only(["a", "z"])
    with pytest.raises(UsageError, match="'z'"):
        outcomes.without(["z"])
    with pytest.raises(UsageError, match="at least one"):
        outcomes.without(["a", "b", "c"])


def test_merge_of_tables_without_overlap_keeps_the_mask():
    merged = OutcomeTable.merge(
        [table([[1]], ids=["x"], models=["a"]), table([[0]], ids=["y"], models=["b"])]
    )
    assert merged.models == ("a", "b")
    np.testing.assert_array_equal(merged.quality, [[1, NAN], [NAN, 0]])
    np.testing.assert_array_equal(merged.cost_usd, [[0.01, NAN], [NAN, 0.01]])


def test_merge_completes_cells_of_the_same_prompt():
    left = table([[1, NAN], [NAN, 0]], cost=[[0.1, NAN], [NAN, NAN]], tasks=["", "t"])
    right = table([[NAN, 0.5], [1, NAN]], cost=[[NAN, 0.2], [0.3, 0.4]], tasks=["s", "other"])
    merged = OutcomeTable.merge([left, right])
    assert merged.quality.tolist() == [[1, 0.5], [1, 0]]
    assert merged.cost_usd.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert merged.tasks == ("s", "t")


def test_merge_refuses_contradictions_and_names_both_sources():
    with pytest.raises(
        DataError, match=r"two: quality of model 'a' on prompt 'p0' is 0.*1.*\(one\)"
    ):
        OutcomeTable.merge([table([[1]]), table([[0]])], ["one", "two"])
    with pytest.raises(DataError, match="cost_usd of model 'a'"):
        OutcomeTable.merge([table([[1]], cost=[[1]]), table([[1]], cost=[[2]])])


def test_merge_tolerates_what_float32_loses():
    exact, rounded = 0.1, float(np.float32(0.1))
    assert OutcomeTable.merge([table([[exact]]), table([[rounded]])]).n_prompts == 1


def test_merge_gives_another_text_under_the_same_id_an_id_of_its_own():
    first = table([[1], [1]], ids=["1", "1#2"], prompts=["one", "taken"])
    second = table([[0]], ids=["1"], prompts=["other"])
    third = table([[0], [0.5]], ids=["1", "2"], prompts=["other", "new"])
    merged = OutcomeTable.merge([first, second, third])
    assert merged.prompt_ids == ("1", "1#2", "1#3", "2")
    assert merged.prompts == ("one", "taken", "other", "new")
    prompts = PromptTable.merge([t.prompt_table for t in (first, second, third)])
    assert prompts.prompt_ids == merged.prompt_ids


def test_merging_nothing_is_an_error_and_one_table_is_itself():
    outcomes = table([[1]])
    assert OutcomeTable.merge([outcomes]) is outcomes
    with pytest.raises(UsageError):
        OutcomeTable.merge([])
    with pytest.raises(UsageError):
        PromptTable.merge([])


def test_complete_block_drops_the_model_that_costs_most_prompts():
    quality = np.ones((10, 3))
    quality[1:, 2] = NAN
    quality[0, 0] = NAN
    block, left_out, prompts_left_out = table(quality).complete_block()
    assert block.models == ("a", "b")
    assert left_out == ("c",)
    assert prompts_left_out == 1
    assert block.observed.all()


def test_complete_block_needs_costs_too():
    cost = [[0.1, NAN], [0.1, 0.2]]
    block, left_out, prompts_left_out = table([[1, 1], [0, 0]], cost=cost).complete_block()
    assert (block.models, left_out, prompts_left_out) == (("a", "b"), (), 1) or (
        block.models,
        left_out,
        prompts_left_out,
    ) == (("a",), ("b",), 0)
    assert not np.isnan(block.cost_usd).any()
    with pytest.raises(DataError, match="cost_usd is unknown for a"):
        table([[1]], cost=[[NAN]]).complete_block()
    with pytest.raises(DataError, match="no quality is known"):
        table([[NAN]]).complete_block()


def test_complete_block_of_two_pools_without_overlap_is_the_larger():
    small = table(np.ones((7, 1)), ids=[f"x{i}" for i in range(7)], models=["x"])
    large = table(np.ones((5, 4)), ids=[f"y{i}" for i in range(5)], models=list("abcd"))
    block, left_out, prompts_left_out = OutcomeTable.merge([small, large]).complete_block()
    assert block.quality.shape == (5, 4)
    assert (left_out, prompts_left_out) == (("x",), 7)


def test_complete_block_comes_close_to_the_best_by_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(30):
        quality = np.where(rng.random((12, 5)) < rng.random(5), 1.0, NAN)
        quality[0, 0] = 1.0
        best = max(
            (~np.isnan(quality[:, columns])).all(axis=1).sum() * len(columns)
            for subset in range(1, 32)
            if (columns := [j for j in range(5) if subset >> j & 1])
        )
        block = table(quality).complete_block()[0]
        assert block.quality.size >= 0.8 * best


def test_content_hash_ignores_order_and_sees_every_part():
    quality, cost = [[1, 0], [NAN, 0.5]], [[0.1, 0.2], [0.3, NAN]]
    outcomes = table(quality, cost=cost, tasks=["s", "t"])
    shuffled = outcomes.take(np.array([1, 0])).only(["b", "a"])
    assert shuffled.content_hash() == outcomes.content_hash()
    assert len(outcomes.content_hash()) == 64
    others = [
        table(quality, cost=cost, tasks=["s", "u"]),
        table(quality, cost=cost, tasks=["s", "t"], ids=["p0", "q"]),
        table(quality, cost=cost, tasks=["s", "t"], models=["a", "c"]),
        table([[1, 0], [0, 0.5]], cost=cost, tasks=["s", "t"]),
        table(quality, cost=cost, tasks=["s", "t"], tokens=[[1, 2], [3, 4]]),
        table(quality, cost=cost, tasks=["s", "t"], prompts=["text of p0", "changed"]),
    ]
    assert len({outcomes.content_hash(), *(other.content_hash() for other in others)}) == 7


def test_split_and_folds_are_those_of_the_prompts():
    outcomes = table(np.ones((20, 1)), prompts=[f"t{i // 2}" for i in range(20)])
    rest, held = outcomes.split(0.3, seed=1)
    assert sorted([*rest, *held]) == list(range(20))
    assert not {outcomes.prompts[i] for i in rest} & {outcomes.prompts[i] for i in held}
    folds = outcomes.folds(5, seed=1)
    assert all(folds[2 * i] == folds[2 * i + 1] for i in range(10))
