"""Importing onehead stays light: what is heavy is loaded by what needs it."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import onehead

ROOT = Path(__file__).parents[1]
TRAINING = {"torch", "sklearn", "scipy", "onnx", "onnxscript"}
HEAVY = TRAINING | {"pandas", "pyarrow", "onnxruntime", "altair", "vl_convert", "tokenizers"}
NETWORK = {"httpx", "huggingface_hub"}
MODULES = [
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "src" / "onehead").rglob("*.py"))
]


def imported_after(code: str) -> set[str]:
    """Top-level packages in sys.modules after a fresh interpreter ran `code`."""
    report = "import sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_onehead_does_no_work() -> None:
    assert imported_after("import onehead").isdisjoint(HEAVY | NETWORK | {"numpy", "click", "rich"})


def test_help_does_no_work() -> None:
    code = (
        "from onehead.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert not stop.code, stop.code"
    )
    assert imported_after(code).isdisjoint(HEAVY | NETWORK | {"numpy"})


def test_importing_any_module_outside_training_is_light() -> None:
    serving = [
        name for name in MODULES if not name.startswith(("onehead.training", "onehead.__main"))
    ]
    assert imported_after("\n".join(f"import {name}" for name in serving)).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", onehead.__all__)
def test_public_names_resolve(name: str) -> None:
    assert getattr(onehead, name) is not None


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = onehead.no_such_name


def test_version_is_the_installed_one_and_has_a_changelog_entry() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert onehead.__version__ == project["version"] == importlib.metadata.version("onehead")
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## [{project['version']}]" in changelog or "## [Unreleased]" in changelog
