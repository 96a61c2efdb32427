"""The scripts in benchmarks/: pages say what results say, studies are plans that can run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from training_tables import make_table

from onehead.bench.contenders import contenders_named
from onehead.encoders.static import load_static

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import common  # noqa: E402
import page  # noqa: E402
import preferences  # noqa: E402
import recipes  # noqa: E402
import texts  # noqa: E402
import users  # noqa: E402


def part(n: int = 60, m: int = 6) -> preferences.Part:
    """A table with exact estimates of cost, and of quality but for some noise."""
    table = make_table(n, m)
    rng = np.random.default_rng(0)
    return table, table.quality * 0.6 + rng.random((n, m)) * 0.3 + 0.05, table.cost_usd


def test_pages_say_what_the_results_say() -> None:
    found = page.results()
    message = "run: python benchmarks/page.py"
    assert page.PAGE.read_text("utf-8") == page.page(found), message
    text = page.README.read_text("utf-8")
    assert text == page.readme(text, found), message


def test_every_picture_of_the_page_is_there() -> None:
    text = page.PAGE.read_text("utf-8")
    linked = {part.partition(")")[0] for part in text.split("](pictures/")[1:]}
    assert linked
    assert linked == {path.name for path in page.PICTURES.glob("*.svg")}


def test_results_name_no_folder_of_the_machine_they_come_from() -> None:
    for path in common.RESULTS.glob("*.json"):
        assert "/tmp" not in path.read_text("utf-8"), path.name


def test_studies_name_what_there_is() -> None:
    for study in recipes.STUDIES.values():
        assert contenders_named(study.recipes)
        assert set(study.tables) <= set(common.TABLES)


def test_texts_have_the_length_asked_for() -> None:
    ids = load_static().tokenizer.ids
    made = texts.of_length(100, 20, 0)
    assert {len(ids(text)) for text in made} == {100}
    assert len(set(made)) == 20
    assert made == texts.of_length(100, 20, 0)


def test_pools_differ_and_hold_models_of_the_table() -> None:
    table = part()[0]
    found = preferences.pools(table)
    assert len({tuple(models) for models in found.values()}) == len(found) > 2
    assert all(set(models) <= set(table.models) and len(models) > 1 for models in found.values())
    assert list(preferences.pools(table.only(table.models[:2]))) == ["all models"]


def test_a_move_under_the_exponential_reward_is_the_linear_one_times_a_mean_quality() -> None:
    table = part()[0]
    low = np.full((table.n_prompts, 2), 0.4)
    low[:, 1] = 0.8
    two = table.only(table.models[:2])
    two = type(two)(
        *(two.prompt_ids, two.prompts, two.tasks, two.models),
        *(
            low > 0.5,
            np.tile([1e-4, 1e-2], (two.n_prompts, 1)),
            two.input_tokens,
            two.output_tokens,
        ),
    )
    found = preferences.switches((two, low, two.cost_usd))
    assert found["shift"] == pytest.approx(np.log10(0.4 / np.log(2)))
    assert found["share"] == 1
    assert found["linear_sd"] == pytest.approx(0, abs=1e-6)


def test_users_of_every_kind_get_what_lies_between_the_ends() -> None:
    table, *_ = one = part()
    kinds = users.means_by_users(one, "exponential")
    best = table.quality.max(axis=1).mean()
    for found in kinds.values():
        assert table.cost_usd.min() <= found["spend_usd"] <= table.cost_usd.max()
        assert 0 < found["quality"] <= best
        assert found["regret"] >= 0
    assert kinds["mostly thrifty"]["spend_usd"] < kinds["mostly demanding"]["spend_usd"]
    assert kinds["drifting from thrifty to demanding"]["spend_step"] >= 1
    for weight in users.kinds_of_users(np.linspace(-5, 0, 61), [-4, -1]).values():
        assert weight.sum() == pytest.approx(1)


def test_figures_of_preferences_hold_both_rewards() -> None:
    found = preferences.figures([part(), part()])
    assert found["seeds"] == 2
    for reward in preferences.REWARDS:
        assert 0 <= found[reward]["quality_mean"] <= found[reward]["quality_max"] <= 1
        assert set(found[reward]["presets"]) == {"cheap", "balanced", "best"}
    for name in preferences.GAPS:
        assert found[f"{name}_gap"] == sorted(found[f"{name}_gap"])
