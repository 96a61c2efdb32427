"""`onehead bench`: what is held out is unseen, rows resume and rerun, the page follows the JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from training_tables import make_table

from onehead.bench import Job, Plan, Source, document, pooled, run_bench
from onehead.bench.blocks import load_estimates, load_table, save_estimates, save_table
from onehead.bench.cells import Split, cell, split, split_rows
from onehead.bench.conditions import conditions
from onehead.bench.contenders import CONTENDERS, UpstreamMLP, contenders_named
from onehead.bench.differences import with_kept
from onehead.bench.markdown import mean, signed
from onehead.bench.page import page
from onehead.bench.pictures import pictures
from onehead.encoders.static import load_static
from onehead.errors import DataError, OneheadError, UsageError
from onehead.evaluation import compare, evaluate
from onehead.predictors import Estimates
from onehead.training.pipeline import examples_of

if TYPE_CHECKING:
    from pathlib import Path

    from onehead.outcomes import OutcomeTable
    from onehead.training.examples import Examples

REWARDS = ("exponential", "linear")


def outcomes(n: int = 80) -> OutcomeTable:
    table = make_table(n)
    prompts = (table.prompts[0], *table.prompts[:-1])  # two rows share a text
    return replace(table, prompts=prompts)


@pytest.fixture(scope="module")
def whole() -> Examples:
    return examples_of(outcomes(), load_static(), lambda *_: None)


def halves(whole: Examples, seed: int, fraction: float = 1.0) -> Split:
    return split(whole, *split_rows(whole.table, seed, fraction), seed)


def write_csv(path: Path, table: OutcomeTable) -> None:
    lines = ["prompt_id,prompt,task,model,quality,cost_usd"]
    for i, name in enumerate(table.prompt_ids):
        for j, model in enumerate(table.models):
            head = f"{name},{table.prompts[i]},{table.tasks[i]},{model}"
            lines.append(f"{head},{table.quality[i, j]:g},{table.cost_usd[i, j]:.17g}")
    path.write_text("\n".join(lines) + "\n", "utf-8")


def plan_of(path: Path, **changes: object) -> Plan:
    values = {
        "tables": {"t": Source((str(path),), "A table")},
        "recipes": ("ridge", "constant"),
        "encoders": {"static": "static"},
        "seeds": (0,),
    }
    return Plan(**(values | changes))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "table.csv"
    write_csv(path, outcomes())
    return path


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a comparison with two recipes, with two sizes of one of them."""
    out = tmp_path_factory.mktemp("bench")
    run_bench(plan_of(data), out, note=lambda _: None, command=["onehead", "bench"])
    more = plan_of(data, recipes=("constant",), fractions=(0.2,))
    run_bench(more, out, note=lambda _: None, command=["onehead", "bench"])
    return out


def test_what_is_held_out_is_seen_by_nothing(whole: Examples) -> None:
    rest, held = split_rows(whole.table, 0)
    assert not {whole.table.prompts[i] for i in rest} & {whole.table.prompts[i] for i in held}
    quality, cost = whole.table.quality.copy(), whole.table.cost_usd.copy()
    quality[held], cost[held] = 1 - quality[held], cost[held] * 7
    other = replace(whole, table=replace(whole.table, quality=quality, cost_usd=cost))
    one, two = (halves(examples, 0) for examples in (whole, other))
    for name in ("attention", "ridge", "constant"):
        first, second = (cell(CONTENDERS[name], part, REWARDS).estimates for part in (one, two))
        np.testing.assert_array_equal(first.quality, second.quality)
        np.testing.assert_array_equal(first.cost_usd, second.cost_usd)
    np.testing.assert_array_equal(one.task_means.quality, two.task_means.quality)


def test_without_names_of_tasks_others_change_nothing(whole: Examples) -> None:
    names = tuple("odd" if i % 2 else "even" for i in range(len(whole)))
    part = halves(whole, 0)
    known = part.known.table
    other = replace(part.known, table=replace(known, tasks=names[: known.n_prompts]))
    for name, same in (("attention-no-names", True), ("attention", False)):
        first, second = (
            CONTENDERS[name].answer(each).estimates.quality
            for each in (part, replace(part, known=other))
        )
        assert np.array_equal(first, second) == same


def test_a_smaller_share_is_part_of_a_larger_one_and_held_out_prompts_stay() -> None:
    table = outcomes()
    small, large, every = (split_rows(table, 3, share) for share in (0.1, 0.5, 1.0))
    assert set(small[0]) < set(large[0]) < set(every[0])
    for _, held in (small, large):
        np.testing.assert_array_equal(held, every[1])
    assert len(split_rows(table, 3, 1e-6)[0]) >= 2


def test_a_cell_holds_the_figures_of_its_evaluation(whole: Examples) -> None:
    part = halves(whole, 1)
    found = cell(CONTENDERS["constant"], part, REWARDS)
    main = found.figures["rewards"]["exponential"]
    control = found.controls["true_task_label"]["aiq"]
    assert main["aiq"] - main["aiq_minus_true_task_label"] == pytest.approx(control)
    assert found.figures["n_train"] + found.figures["n_test"] == whole.table.n_prompts
    cost, quality = np.array(found.figures["hull"]).T
    assert (np.diff(cost) > 0).all()
    assert (np.diff(quality) > 0).all()
    assert quality[-1] == pytest.approx(main["max_quality"])


def test_upstreams_mlp_costs_the_mean_of_what_is_known(whole: Examples) -> None:
    part = halves(whole, 0)
    answer = UpstreamMLP(hidden=(4,), iterations=2).answer(part)
    assert answer.estimates.quality.shape == part.unseen.table.quality.shape
    average = part.known.table.cost_usd.mean(axis=0)
    np.testing.assert_allclose(answer.estimates.cost_usd[0], average, rtol=1e-5)
    assert np.ptp(answer.estimates.cost_usd, axis=0).max() == 0


def test_tables_and_estimates_come_back_as_they_went(tmp_path: Path) -> None:
    table = make_table(30, missing=0.1)
    save_table(tmp_path / "t.npz", table)
    assert load_table(tmp_path / "t.npz").content_hash() == table.content_hash()
    rng, rows = np.random.default_rng(0), np.arange(0, 30, 2)
    estimates = Estimates(rng.random((15, 3)), rng.random((15, 3)), np.ones(15))
    save_estimates(tmp_path / "e.npz", estimates, rows, "mark")
    found = load_estimates(tmp_path / "e.npz", rows, "mark")
    assert found is not None
    np.testing.assert_array_equal(found[0], estimates.quality)
    assert load_estimates(tmp_path / "e.npz", rows, "other") is None
    assert load_estimates(tmp_path / "e.npz", rows + 1, "mark") is None
    assert load_estimates(tmp_path / "none.npz", rows, "mark") is None


@pytest.mark.parametrize(
    "row", ["t/ridge/static/0", "t/ridge/e/7/0.1", "t/a/e/1/tight", "t/a/e/1/0.5/tight"]
)
def test_a_rows_name_is_its_job(row: str) -> None:
    assert Job.named(row).row == row


@pytest.mark.parametrize(
    "row", ["t", "t/ridge/static/x", "t/ridge/static/0/2", "t/r/s/-1", "t/r/s/0/1/2"]
)
def test_what_is_no_row_is_said(row: str) -> None:
    with pytest.raises(UsageError):
        Job.named(row)


def test_patterns_choose_rows(data: Path) -> None:
    plan = plan_of(data, seeds=(0, 1), only=("t/ridge/*",))
    assert [job.row for job in plan.jobs()] == ["t/ridge/static/0", "t/ridge/static/1"]
    with pytest.raises(UsageError, match="fits no row, such as t/ridge/static/0"):
        plan_of(data, only=("x/*",)).jobs()
    with pytest.raises(UsageError, match="'u' is not among: t"):
        plan_of(data, only=("u/ridge/static/0",)).jobs()
    with pytest.raises(UsageError, match="Did you mean 'ridge'"):
        contenders_named(["rigde"])


def test_a_second_run_does_nothing_and_one_row_can_be_run_again(data: Path, done: Path) -> None:
    before = json.loads((done / "bench.json").read_text("utf-8"))
    rows = {row["id"]: row for row in before["tables"]["t"]["rows"]}
    assert set(rows) == {"t/ridge/static/0", "t/constant/static/0", "t/constant/static/0/0.2"}
    assert rows["t/constant/static/0/0.2"]["n_train"] < rows["t/constant/static/0"]["n_train"]
    assert all(row["peak_memory_mb"] > 50 and row["seconds"] > 0 for row in rows.values())
    said: list[str] = []
    run_bench(plan_of(data), done, note=said.append, command=[])
    assert said == ["1/2 t/ridge/static/0: known", "2/2 t/constant/static/0: known"]
    assert json.loads((done / "bench.json").read_text("utf-8")) == before
    again = run_bench(
        plan_of(data, only=("t/ridge/static/0",)), done, note=lambda _: None, command=[]
    )
    changed = {row["id"]: row for row in again["tables"]["t"]["rows"]}
    assert changed["t/constant/static/0"] == rows["t/constant/static/0"]
    new, old = changed["t/ridge/static/0"], rows["t/ridge/static/0"]
    assert new["rewards"]["linear"]["aiq"] == pytest.approx(
        old["rewards"]["linear"]["aiq"], rel=1e-5
    )
    assert len(again["runs"]) >= 1


def test_a_recipe_without_every_seed_has_no_differences_yet(data: Path, tmp_path: Path) -> None:
    both = plan_of(data, recipes=("constant", "random"))
    run_bench(both, tmp_path, note=lambda _: None, command=[])
    found = run_bench(
        replace(both, recipes=("random",), seeds=(1,)), tmp_path, note=lambda _: None, command=[]
    )
    differences = found["tables"]["t"]["differences"]["static"]
    assert differences["seeds"] == [0, 1]
    assert set(differences["minus_zero_router"]) == {"random"}
    assert "constant" in page(found, lambda _: None)


def test_differences_of_rows_whose_estimates_are_gone_are_kept_while_they_hold() -> None:
    old = {"ours": "a", "minus_zero_router": {"a": 1, "b": 2}, "ours_minus": {"b": 3, "c": 4}}
    zero = "minus_zero_router"
    found = {"ours": "a", zero: {"a": 5}, "ours_minus": {}}
    assert with_kept(found, old, {"a"}) == {"ours": "a", zero: {"a": 5, "b": 2}, "ours_minus": {}}
    found = {"ours": "a", zero: {"a": 1, "b": 6}, "ours_minus": {"b": 7}}
    assert with_kept(found, old, {"b"})["ours_minus"] == {"b": 7, "c": 4}
    assert with_kept({}, old, {"b"}) == {"ours": "a", zero: {"a": 1}, "ours_minus": {"c": 4}}
    assert with_kept({"ours": "b", zero: {"b": 1}}, old, {"b"}) == {"ours": "b", zero: {"b": 1}}


def test_other_outcomes_or_settings_are_run_anew(data: Path, done: Path) -> None:
    entry = document.read(done / "bench.json")["tables"]["t"]
    job = Job("t", "ridge", "static", 0)
    row = next(row for row in entry["rows"] if row["id"] == job.row)
    assert document.known(entry, job, row["fingerprint"])
    assert not document.known(entry, job, document.fingerprint("other settings"))
    row["failed"] = "out of memory"
    assert not document.known(entry, job, row["fingerprint"])
    other = replace(outcomes(), quality=1 - outcomes().quality)
    found = {"tables": {"t": entry}}
    assert document.entry_of(found, "t", "A table", other)["rows"] == []


def test_the_page_says_what_the_json_says(done: Path) -> None:
    found = document.read(done / "bench.json")
    names = {name for name, _ in pictures(found)}
    assert names == {"curve-t-static", "learning-t-static"}
    text = page(found, lambda name: f"pictures/{name}.svg" if name in names else None)
    ridge = found["tables"]["t"]["rows"][0]["rewards"]["exponential"]
    assert f"| ridge | {ridge['aiq']:.4f} |" in text
    assert "pictures/curve-t-static.svg" in text
    assert "**Learning curves.**" in text
    assert "| true task label |" in text
    assert "`ridge` minus it" in text


def test_a_row_that_fails_is_named_and_the_others_stay(data: Path, tmp_path: Path) -> None:
    plan = plan_of(data, recipes=("constant",), encoders={"static": "static"})
    broken = replace(plan, rewards=("exponential", "no such reward"))
    with pytest.raises(OneheadError, match="1 of 1 rows failed, first t/constant/static/0"):
        run_bench(broken, tmp_path, note=lambda _: None, command=[])
    run_bench(plan, tmp_path, note=lambda _: None, command=[])
    rows = document.read(tmp_path / "bench.json")["tables"]["t"]["rows"]
    assert ["failed" in row for row in rows] == [False]


def test_tight_rows_run_on_one_core_and_end_where_memory_does(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(data, recipes=("constant",), tight=True)
    run_bench(plan, tmp_path, note=lambda _: None, command=[])
    row = document.read(tmp_path / "bench.json")["tables"]["t"]["rows"][0]
    assert row["tight"]
    assert 0 < row["peak_private_mb"] <= 512
    assert "out of memory" not in page(document.read(tmp_path / "bench.json"), lambda _: None)
    monkeypatch.setattr("onehead.bench.limits.TIGHT_MB", 20)
    found = run_bench(
        replace(plan, only=("t/constant/static/0/tight",)),
        tmp_path,
        note=lambda _: None,
        command=[],
    )
    assert found["tables"]["t"]["rows"][0]["failed"] == "out of memory"
    assert "| constant, `static` | out of memory |" in page(found, lambda _: None)


def test_a_table_that_is_too_small_and_a_foreign_file_are_said(tmp_path: Path) -> None:
    write_csv(tmp_path / "small.csv", make_table(6))
    write_csv(tmp_path / "free.csv", make_table(20, cost_usd=np.full((20, 3), np.nan)))
    with pytest.raises(DataError, match="A table: no outcome is complete: cost_usd is unknown"):
        run_bench(plan_of(tmp_path / "free.csv"), tmp_path, note=lambda _: None, command=[])
    with pytest.raises(DataError, match="a comparison needs 10 or more"):
        run_bench(plan_of(tmp_path / "small.csv"), tmp_path, note=lambda _: None, command=[])
    (tmp_path / "bench.json").write_text("[]")
    with pytest.raises(DataError, match="is no result of onehead bench"):
        run_bench(plan_of(tmp_path / "small.csv"), tmp_path, note=lambda _: None, command=[])


def test_commands_are_kept_without_folders() -> None:
    words = ["onehead", "bench", "--data", "a=/home/me/t.csv", "--encoders", "m=onnx:/models/x"]
    assert conditions(words)["command"] == "onehead bench --data a=t.csv --encoders m=onnx:x"


def part_of(seed: int, n: int = 60) -> pooled.Part:
    """Two routers on a table: one that looks at the outcome, one that does not."""
    rng = np.random.default_rng(seed)
    table = outcomes(n)
    knowing = np.tile(table.quality.argmax(axis=1), (3, 1))
    return pooled.Part(table, {"knowing": knowing, "blind": rng.integers(0, 3, (3, n))})


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


@pytest.mark.parametrize(
    ("value", "shown"), [(0.01, "+0.0100"), (-0.01, "−0.0100"), (-1e-6, "0.0000"), (0.0, "0.0000")]
)
def test_signs(value: float, shown: str) -> None:
    assert signed(value) == shown


def test_a_mean_says_how_many_seeds_it_is_of() -> None:
    assert mean([0.5, 0.7], 1) == "0.6"
    assert mean([0.5, None, None], 1) == "0.5 (1 of 3)"
    assert mean([None], none="never") == "never"
