"""Training: every recipe serves what it learned, copes with odd tables, and says what is wrong."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from training_tables import RECIPES, make_table

from onehead import training
from onehead.artifact import Artifact, load, save
from onehead.encoders import load_encoder
from onehead.errors import DataError, MissingExtraError, UsageError
from onehead.router import Router
from onehead.training.estimating import estimate
from onehead.training.pipeline import examples_of, learn, train
from onehead.training.recipes import recipe_named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from onehead.outcomes import OutcomeTable
    from onehead.predictors import Estimates
    from onehead.training.examples import Examples
    from onehead.training.recipes import Fitted

STATIC = load_encoder("static")
UNSEEN = [
    "",
    "solve the equation and prove the theorem",
    "the queen of the roman empire " * 60,
    "猫が寝ている 🐈 \ud800",
    "def loop(array): return array[0]",
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def examples(table: OutcomeTable, costs: dict[str, float] | None = None) -> Examples:
    return examples_of(table, STATIC, lambda *_: None, costs=costs)


def fit(recipe: str, table: OutcomeTable, seed: int = 0) -> tuple[Fitted, Examples]:
    chosen, shown = recipe_named(recipe), examples(table)
    return chosen.fit(shown, chosen.options, seed), shown


def check(estimates: Estimates, n: int, m: int) -> None:
    assert estimates.quality.shape == estimates.cost_usd.shape == (n, m)
    assert np.isfinite(estimates.cost_usd).all()
    assert ((estimates.quality >= 0) & (estimates.quality <= 1)).all()
    assert (estimates.cost_usd >= 0).all()
    assert ((estimates.confidence >= 0) & (estimates.confidence <= 1)).all()


def mixed_table() -> OutcomeTable:
    """Four models with gaps: three priced by tokens, the last by observed dollars alone."""
    table = make_table(18, 4, missing=0.3, tokens=True)
    input_tokens, output_tokens = table.input_tokens.copy(), table.output_tokens.copy()
    input_tokens[:, 3] = output_tokens[:, 3] = np.nan
    return make_table(18, 4, missing=0.3, input_tokens=input_tokens, output_tokens=output_tokens)


@dataclass(frozen=True)
class Trained:
    """A router that went to disk and back, and the network that it should be."""

    artifact: Artifact
    router: Router
    fitted: Fitted
    examples: Examples


@pytest.fixture(scope="module", params=RECIPES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    recipe, table = request.param, mixed_table()
    artifact = train(table, recipe=recipe, seed=3)
    directory = tmp_path_factory.mktemp(recipe) / "router"
    save(artifact, directory)
    fitted, shown = fit(recipe, table, seed=3)
    return Trained(load(directory), Router.load(directory), fitted, shown)


def test_training_and_serving_agree(trained: Trained) -> None:
    ours = estimate(trained.fitted, trained.examples)
    served = trained.router.estimate(trained.examples.table.prompts)
    np.testing.assert_allclose(served.quality, ours.quality, rtol=0, atol=1e-5)
    np.testing.assert_allclose(served.cost_usd, ours.cost_usd, rtol=1e-5)
    np.testing.assert_allclose(served.confidence, ours.confidence, rtol=0, atol=1e-5)
    np.testing.assert_allclose(served.input_tokens, ours.input_tokens, rtol=1e-5)
    np.testing.assert_allclose(served.output_tokens, ours.output_tokens, rtol=1e-5)


def test_a_prompt_alone_and_in_a_batch_decides_the_same(trained: Trained) -> None:
    prompts = [*UNSEEN, *trained.examples.table.prompts[:6]]
    check(trained.router.estimate(prompts), len(prompts), 4)
    for wtp in ("cheap", "balanced", "best"):
        together = trained.router.route_many(prompts, willingness_to_pay=wtp)
        alone = [trained.router.route(prompt, willingness_to_pay=wtp) for prompt in prompts]
        assert [one.to_json() for one in together] == [one.to_json() for one in alone]


def test_removing_models_leaves_the_others_as_they_were(trained: Trained) -> None:
    kept = [2, 0]
    smaller = Router(trained.artifact.only([trained.artifact.manifest.pool.ids[j] for j in kept]))
    whole, part = trained.router.estimate(UNSEEN), smaller.estimate(UNSEEN)
    np.testing.assert_allclose(part.quality, whole.quality[:, kept], rtol=0, atol=2e-6)
    np.testing.assert_allclose(part.cost_usd, whole.cost_usd[:, kept], rtol=1e-5)
    np.testing.assert_array_equal(part.confidence, whole.confidence)
    alone = Router(trained.artifact.only(["model-3"])).estimate(UNSEEN)
    np.testing.assert_allclose(alone.quality, whole.quality[:, 3:], rtol=0, atol=2e-6)


def test_a_router_says_how_it_was_made(trained: Trained) -> None:
    manifest = trained.artifact.manifest
    assert manifest.seed == 3
    assert manifest.encoder.hash == STATIC.hash
    assert manifest.data_hash == mixed_table().content_hash()
    assert set(manifest.profiles) == set(manifest.pool.ids)
    assert [card.cost_basis for card in manifest.pool] == ["tokens"] * 3 + ["usd"]
    amounts = [set(manifest.profiles[card.id]) - {"quality", "cost_usd"} for card in manifest.pool]
    assert amounts == [{"input_tokens", "output_tokens"}] * 3 + [set()]
    assert all(np.isfinite(list(profile.values())).all() for profile in manifest.profiles.values())
    assert manifest.validation == {}  # too few prompts to hold any out
    assert set(manifest.hyperparameters) == set(recipe_named(manifest.recipe).options)
    assert 0 < manifest.presets["cheap"] < manifest.presets["balanced"] < manifest.presets["best"]


def test_the_same_seed_gives_the_same_arrays(trained: Trained) -> None:
    again = {name: t.numpy() for name, t in trained.fitted.network.state_dict().items()}
    for name in set(trained.artifact.arrays) & set(again):
        np.testing.assert_array_equal(trained.artifact.arrays[name], again[name], err_msg=name)
    assert set(trained.artifact.arrays) & set(again)


@pytest.mark.parametrize("recipe", ["attention", "paper", "mlp", "random"])
def test_another_seed_gives_another_router(recipe: str) -> None:
    one, other = (estimate(*fit(recipe, make_table(), seed)).quality for seed in (0, 1))
    assert np.abs(one - other).max() > 1e-3


def test_training_leaves_the_generators_of_others_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for recipe in RECIPES:
        fit(recipe, make_table(), seed=5)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def one_task() -> OutcomeTable:
    return make_table(tasks=("only",) * 18)


def disjoint_tasks() -> OutcomeTable:
    """Models 0 and 1 ran on one task each, and nobody on the third."""
    table = make_table(24, 3)
    quality, tasks = table.quality.copy(), np.array(table.tasks)
    quality[tasks != "code", 0] = np.nan
    quality[tasks != "maths", 1] = np.nan
    quality[tasks == "history", 2] = np.nan
    return make_table(24, 3, quality=quality)


def hardly_run() -> OutcomeTable:
    """The last model was run, and paid for, on one prompt only."""
    table = make_table(40, 3)
    quality, cost = table.quality.copy(), table.cost_usd.copy()
    quality[1:, 2] = cost[1:, 2] = np.nan
    return make_table(40, 3, quality=quality, cost_usd=cost)


def rest_hardly_run() -> OutcomeTable:
    """As `hardly_run`, but the one prompt is held out for validation."""
    table = hardly_run()
    held = int(table.split(0.15, 0)[1][0])
    quality, cost = table.quality.copy(), table.cost_usd.copy()
    quality[:, 2] = cost[:, 2] = np.nan
    quality[held, 2], cost[held, 2] = 1.0, 0.01
    return make_table(40, 3, quality=quality, cost_usd=cost)


def duplicates() -> OutcomeTable:
    """Every text several times, with outcomes that contradict each other."""
    return make_table(
        18, 3, prompts=tuple(("one text", "another text", "a third")[i % 3] for i in range(18))
    )


ODD_TABLES = {
    "one model": lambda: make_table(m=1),
    "one prompt": lambda: make_table(n=1),
    "one prompt, one model": lambda: make_table(n=1, m=1),
    "two prompts": lambda: make_table(n=2),
    "the same text everywhere": lambda: make_table(prompts=("hello",) * 18),
    "empty texts": lambda: make_table(prompts=("",) * 18),
    "no word twice": lambda: make_table(n=3, prompts=("king", "loop", "sum")),
    "no words, many tasks": lambda: make_table(
        n=40, prompts=("",) * 40, tasks=tuple(f"t{i}" for i in range(40))
    ),
    "one task": one_task,
    "no tasks": lambda: make_table(tasks=("",) * 18),
    "few tasks": lambda: make_table(tasks=("maths", *[""] * 17)),
    "most tasks": lambda: make_table(tasks=("", *make_table().tasks[1:])),
    "a task for each prompt": lambda: make_table(tasks=tuple(f"t{i}" for i in range(18))),
    "fractional": lambda: make_table(quality=np.random.default_rng(0).random((18, 3))),
    "always right": lambda: make_table(quality=np.ones((18, 3))),
    "never right": lambda: make_table(quality=np.zeros((18, 3))),
    "always half": lambda: make_table(quality=np.full((18, 3), 0.5)),
    "free": lambda: make_table(cost_usd=np.zeros((18, 3))),
    "free with tokens": lambda: make_table(tokens=True, cost_usd=np.zeros((18, 3))),
    "disjoint tasks": disjoint_tasks,
    "hardly run": hardly_run,
    "duplicates": duplicates,
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ODD_TABLES)
def test_every_recipe_takes_odd_tables(recipe: str, name: str) -> None:
    table = ODD_TABLES[name]()
    check(estimate(*fit(recipe, table)), table.n_prompts, table.n_models)


def test_the_smallest_table_makes_a_router() -> None:
    router = Router(train(make_table(n=1, m=1)))
    assert router.route("anything").model == "model-0"
    check(router.estimate(UNSEEN), len(UNSEEN), 1)


def test_constant_quality_is_learned() -> None:
    for recipe in ("attention", "paper", "knn", "ridge", "constant"):
        half = estimate(*fit(recipe, ODD_TABLES["always half"]())).quality
        np.testing.assert_allclose(half, 0.5, atol=0.1, err_msg=recipe)


def test_a_model_never_run_on_a_task_is_not_taken_for_bad() -> None:
    """Where a model was not run, its estimate comes from how good it and the task are."""
    table = make_table(60, 3, quality=np.ones((60, 3)))
    quality = table.quality.copy()
    quality[np.array(table.tasks) == "history", 1] = np.nan
    fitted, shown = fit("attention", make_table(60, 3, quality=quality))
    assert estimate(fitted, shown).quality[:, 1].min() > 0.8


def margin_over_constant(recipe: str) -> float:
    """AIQ above that of the recipe constant on prompts not seen, where tasks decide everything."""
    from onehead.training.estimating import aiq_of

    table = make_table(240, 3, seed=1)
    rest, held = table.split(0.4, seed=0)
    known, unseen = examples(table).take(rest), examples(table).take(held)
    scores = []
    for name in (recipe, "constant"):
        chosen = recipe_named(name)
        scores.append(aiq_of(estimate(chosen.fit(known, chosen.options, 0), unseen), unseen))
    return scores[0] - scores[1]


@pytest.mark.parametrize("recipe", ["attention", "knn", "ridge", "paper"])
def test_a_recipe_learns_what_there_is_to_learn(recipe: str) -> None:
    assert margin_over_constant(recipe) > 0.1


def test_what_a_task_costs_is_learned_among_many_tasks() -> None:
    """One of thirty tasks is thirty times as dear: a penalty for unit features would shrink that."""
    rng, task = np.random.default_rng(0), np.arange(600) % 30
    words = ["".join(rng.choice(list(ascii_lowercase), 6)) for _ in range(240)]
    table = make_table(
        600,
        prompts=tuple(" ".join(rng.choice(words[8 * k : 8 * k + 8], 12)) for k in task),
        tasks=tuple(f"task {k}" for k in task),
        cost_usd=np.where(task == 0, 0.03, 0.001)[:, None] * rng.uniform(0.9, 1.1, (600, 3)),
    )
    rest, held = table.split(0.25, seed=0)
    fitted, _ = fit("attention", table.take(rest))
    dear = estimate(fitted, examples(table.take(held[task[held] == 0]))).cost_usd
    assert np.log(dear / 0.03).mean() == pytest.approx(0, abs=0.15)


def test_random_learns_nothing() -> None:
    assert margin_over_constant("random") < 0.03


def test_validation_tunes_on_prompts_held_out() -> None:
    told: list[tuple[str, int, int]] = []

    def tell(*report: object) -> None:
        told.append(report)

    recipe = recipe_named("ridge")
    learned = learn(recipe, examples_of(make_table(60, 3), STATIC, tell), 0, tell)
    assert learned.settings["penalty"] in [change["penalty"] for change in recipe.candidates]
    figures = learned.validation
    assert figures["n_models"] == 3
    assert 6 <= figures["n_prompts"] <= 12
    assert figures["aiq"] > figures["aiq_zero_router"]
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == [
        "embedding",
        "validating",
        "training",
    ]
    for stage in ("embedding", "validating", "training"):
        done = [(d, total) for name, d, total in told if name == stage]
        assert done == sorted(done)
        assert done[0][0] == 0
        assert done[-1][0] == done[-1][1]


@pytest.mark.parametrize("recipe", RECIPES)
def test_validation_copes_with_a_model_seen_on_held_out_prompts_only(recipe: str) -> None:
    learned = learn(recipe_named(recipe).fixed({}), examples(rest_hardly_run()))
    assert np.isfinite(learned.validation["brier"])


def test_given_options_are_kept_and_nothing_is_tuned() -> None:
    learned = learn(recipe_named("knn").fixed({"k": 3}), examples(make_table(40)))
    assert learned.settings == {"k": 3, "cost": "linear"}
    assert learned.validation["n_prompts"] > 0


def test_what_is_unknown_is_listed() -> None:
    table = make_table()
    with pytest.raises(UsageError, match="attention, paper, knn"):
        train(table, recipe="transformer")
    with pytest.raises(UsageError, match="static"):
        train(table, encoder="word2vec")
    with pytest.raises(UsageError, match="penalty, cost"):
        train(table, recipe="ridge", options={"alpha": 1})
    with pytest.raises(UsageError, match="none"):
        train(table, recipe="constant", options={"alpha": 1})


def test_a_model_without_outcomes_is_named() -> None:
    quality = make_table().quality.copy()
    quality[:, [0, 2]] = np.nan
    with pytest.raises(DataError, match="model-0, model-2"):
        train(make_table(quality=quality))


def test_ctrl_c_goes_through_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def interrupt(stage: str, *_: int) -> None:
        if stage == "training":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(make_table(), recipe="constant", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("absent", ["torch", "sklearn", "onnx", "onnxscript"])
def test_training_without_its_extra_says_what_to_install(
    absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == absent else find(name)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'onehead\[train\]'"):
        _ = training.train


def test_importing_training_does_not_import_torch() -> None:
    code = "import sys, onehead.training; assert not {'torch', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = training.no_such_name
