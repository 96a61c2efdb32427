"""The scripts in benchmarks/: what they compare is unseen, what they claim is in their JSON."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onehead.encoders.static import load_static
from onehead.evaluation import compare, evaluate
from onehead.outcomes import OutcomeTable
from onehead.predictors import Estimates

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import cells  # noqa: E402
import common  # noqa: E402
import contenders  # noqa: E402
import page  # noqa: E402
import pooled  # noqa: E402
import recipes  # noqa: E402
import tables  # noqa: E402
import texts  # noqa: E402

WORDS = ("river", "matrix", "verse", "court", "enzyme", "market", "orbit", "tax")


def outcomes(n: int = 80, m: int = 3) -> OutcomeTable:
    """Prompts of two tasks, models that are good at one of them each, dear ones better."""
    rng = np.random.default_rng(0)
    task = rng.integers(0, 2, n)
    prompts = [
        f"{WORDS[t]} {rng.choice(WORDS)} {rng.choice(WORDS)} {i}" for i, t in enumerate(task)
    ]
    prompts[1] = prompts[0]
    chance = 0.3 + 0.5 * (task[:, None] == np.arange(m) % 2)
    quality = (rng.random((n, m)) < chance).astype(float)
    cost = np.tile(10.0 ** np.arange(m) * 1e-5, (n, 1)) * rng.uniform(0.5, 1.5, (n, 1))
    nan = np.full((n, m), np.nan)
    return OutcomeTable(
        tuple(map(str, range(n))),
        tuple(prompts),
        tuple(f"task{t}" for t in task),
        tuple(f"model{j}" for j in range(m)),
        quality,
        cost,
        nan,
        nan,
    )


@pytest.fixture(scope="module")
def whole() -> cells.Examples:
    return cells.examples_of(outcomes(), load_static(), lambda *_: None)


def part_of(seed: int, n: int = 60) -> pooled.Part:
    """Two routers on a table: one that looks at the outcome, one that does not."""
    rng = np.random.default_rng(seed)
    table = outcomes(n)
    knowing = np.tile(table.quality.argmax(axis=1), (3, 1))
    return pooled.Part(table, {"knowing": knowing, "blind": rng.integers(0, 3, (3, n))})


def test_pages_say_what_the_results_say() -> None:
    found = page.results()
    message = "run: python benchmarks/page.py"
    assert page.PAGE.read_text("utf-8") == page.page(found), message
    text = page.README.read_text("utf-8")
    assert text == page.readme(text, found), message


def test_results_name_no_folder_of_the_machine_they_come_from() -> None:
    for path in common.RESULTS.glob("*.json"):
        assert "/tmp" not in path.read_text("utf-8"), path.name


def test_what_is_held_out_is_seen_by_nothing(whole: cells.Examples) -> None:
    rest, held = whole.table.split(cells.HELD_OUT, 0)
    assert not {whole.table.prompts[i] for i in rest} & {whole.table.prompts[i] for i in held}
    quality, cost = whole.table.quality.copy(), whole.table.cost_usd.copy()
    quality[held], cost[held] = 1 - quality[held], cost[held] * 7
    other = replace(whole, table=replace(whole.table, quality=quality, cost_usd=cost))
    one, two = (cells.split(examples, 0) for examples in (whole, other))
    for name in ("attention", "ridge", "constant"):
        contender = contenders.CONTENDERS[name]
        np.testing.assert_array_equal(
            cells.cell(contender, one).picks, cells.cell(contender, two).picks
        )
    np.testing.assert_array_equal(one.task_label_picks(), two.task_label_picks())


def test_a_cell_holds_the_figures_of_its_evaluation(whole: cells.Examples) -> None:
    part = cells.split(whole, 1)
    done = cells.cell(contenders.CONTENDERS["constant"], part)
    main = done.figures["rewards"]["exponential"]
    control = done.controls["true_task_label"]["aiq"]
    assert main["aiq"] - main["aiq_minus_true_task_label"] == pytest.approx(control)
    assert done.figures["n_train"] + done.figures["n_test"] == whole.table.n_prompts
    assert done.figures["fit_s"] > 0


def test_upstreams_mlp_costs_the_mean_of_what_is_known(whole: cells.Examples) -> None:
    part = cells.split(whole, 0)
    answer = contenders.UpstreamMLP(hidden=(4,), iterations=2).answer(part)
    assert answer.estimates.quality.shape == part.table.quality.shape
    mean = part.known.table.cost_usd.mean(axis=0)
    np.testing.assert_allclose(answer.estimates.cost_usd[0], mean, rtol=1e-5)
    assert np.ptp(answer.estimates.cost_usd, axis=0).max() == 0


def test_pooled_figures_are_those_of_the_library() -> None:
    part = part_of(0)
    rng = np.random.default_rng(1)
    estimates = Estimates(rng.random((60, 3)), part.table.cost_usd, np.ones(60))
    scored = evaluate(estimates, part.table, bootstrap=0)
    part.picks["router"] = scored.sweep.picks
    assert pooled.aiq_of(part, "router") == pytest.approx(scored.aiq)
    zero = scored.controls["zero_router"].score.aiq
    assert pooled.aiq_of(part, pooled.ZERO_ROUTER) == pytest.approx(zero)
    better = evaluate(
        replace(estimates, quality=part.table.quality * 0.5 + 0.25), part.table, bootstrap=0
    )
    part.picks["better"] = better.sweep.picks
    wanted = compare(part.table, {"router": scored, "better": better}, samples=400)[0].gaps["aiq"]
    found = pooled.gap([part], pooled.resampled_aiq([part], 400), "better", "router")
    assert found["mean"] == pytest.approx(wanted.difference)
    assert found["interval"] == pytest.approx(wanted.interval, abs=0.05)


def test_a_prompt_that_every_seed_holds_out_is_still_one_prompt() -> None:
    part = part_of(0)
    once, thrice = (pooled.resampled_aiq([part] * count, 50) for count in (1, 3))
    for name, draws in once.items():
        np.testing.assert_allclose(thrice[name], draws)


def test_a_router_that_knows_beats_one_that_does_not() -> None:
    parts = [part_of(0), part_of(1)]
    draws = pooled.resampled_aiq(parts, 200)
    gap = pooled.gap(parts, draws, "knowing", "blind")
    assert 0 < gap["interval"][0] < gap["mean"] < gap["interval"][1]
    same = pooled.gap(parts, draws, "blind", "blind")
    assert (same["mean"], same["interval"]) == (0, [0, 0])


def test_a_rerun_replaces_its_row_and_drops_runs_that_nothing_comes_from() -> None:
    entry = {"rows": [], "controls": {}}
    document = {"tables": {"t": entry}, "runs": {"old": {}, "new": {}}}
    done = [
        cells.Cell({"seed": seed, "aiq": aiq}, {"oracle": aiq}, np.zeros((1, 1), np.intp))
        for seed, aiq in ((0, 0.1), (0, 0.2))
    ]
    recipes.merge(entry, "ridge", done[0], "old")
    recipes.merge(entry, "attention", done[0], "old")
    recipes.merge(entry, "ridge", done[1], "new")
    assert [(row["recipe"], row["aiq"]) for row in entry["rows"]] == [
        ("attention", 0.1),
        ("ridge", 0.2),
    ]
    recipes.forget_unused_runs(document)
    assert set(document["runs"]) == {"old", "new"}
    recipes.merge(entry, "attention", done[1], "new")
    recipes.forget_unused_runs(document)
    assert set(document["runs"]) == {"new"}


def test_kept_picks_of_other_outcomes_are_not_taken(tmp_path: Path, whole: cells.Examples) -> None:
    part = cells.split(whole, 0)
    done = cells.cell(contenders.CONTENDERS["constant"], part)
    recipes.keep_picks(tmp_path, "t", "constant", part, done)
    np.testing.assert_array_equal(recipes.kept_picks(tmp_path, "t", "constant", part), done.picks)
    assert recipes.kept_picks(tmp_path, "t", "ridge", part) is None
    other = replace(part, unseen=cells.split(whole, 1).unseen)
    assert recipes.kept_picks(tmp_path, "t", "constant", other) is None


def test_texts_have_the_length_asked_for() -> None:
    ids = load_static().tokenizer.ids
    made = texts.of_length(100, 20, 0)
    assert {len(ids(text)) for text in made} == {100}
    assert len(set(made)) == 20
    assert made == texts.of_length(100, 20, 0)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.01, "+0.0100"), (-0.01, "−0.0100"), (-1e-6, "0.0000"), (0.0, "0.0000")]
)
def test_signs(value: float, shown: str) -> None:
    assert tables.signed(value) == shown


def test_a_mean_says_how_many_seeds_it_is_of() -> None:
    assert tables.mean([0.5, 0.7], 1) == "0.6"
    assert tables.mean([0.5, None, None], 1) == "0.5 (1 of 3)"
    assert tables.mean([None], none="never") == "never"
