"""The scripts in benchmarks/: pages say what results say, studies are plans that can run."""

from __future__ import annotations

import sys
from pathlib import Path

from onehead.bench.contenders import contenders_named
from onehead.encoders.static import load_static

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import common  # noqa: E402
import page  # noqa: E402
import recipes  # noqa: E402
import texts  # noqa: E402


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
