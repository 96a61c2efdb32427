"""docs/configuration.md says every key, as the code has it, and its files are real ones."""

from __future__ import annotations

import os
import re
import runpy
from dataclasses import fields
from pathlib import Path

from config_files import read

from onehead.config.parse import LISTS, SECTIONS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "configuration.md").read_text("utf-8")


def test_tables_are_what_the_code_says() -> None:
    script = runpy.run_path(os.fspath(ROOT / "scripts" / "config_reference.py"))
    assert script["written"](PAGE) == PAGE, "run python scripts/config_reference.py"


def test_every_key_is_documented() -> None:
    for section, kind in {**SECTIONS, **LISTS}.items():
        part = PAGE.partition(f"<!-- keys of {section} -->")[2].partition("<!-- end -->")[0]
        for one in fields(kind):
            assert f"| `{one.name}` |" in part, f"{section}.{one.name}"


def test_the_example_of_the_page_is_the_one_in_the_folder() -> None:
    assert f"```toml\n{(ROOT / 'examples' / 'onehead.toml').read_text('utf-8')}```" in PAGE


def test_every_block_of_models_is_one_that_can_be_taken() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    models = [block for block in blocks if "[[models]]" in block and "milion" not in block]
    assert len(models) >= 3
    environment = {"AZURE_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}
    for block in models:
        assert read(block, environment).models
