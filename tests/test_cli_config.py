"""`onehead config check`: what it tells, what it refuses, what it never shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from config_files import EVERYTHING, MODEL, SECRETS

from onehead.cli.run import run
from onehead.router import bundled_path

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "onehead.toml"

needs_router = pytest.mark.skipif(not bundled_path().is_dir(), reason="no bundled router here")


@needs_router
def test_check_tells_what_the_example_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", str(EXAMPLE)]) == 0
    out, err = capsys.readouterr()
    assert "Listens on http://127.0.0.1:8080 with 1 worker." in out
    assert "When routing itself fails, gpt-4o answers." in out
    assert "can be served" in err


@needs_router
def test_check_as_json_is_one_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    assert run(["config", "check", str(EXAMPLE), "--json"]) == 0
    out, err = capsys.readouterr()
    assert "planted" not in out + err
    document = json.loads(out)
    assert set(document) == {
        *("file", "gateway", "keys", "routing", "models", "upstreams", "store", "warnings"),
        "notes",
    }
    assert [model["api_key_set"] for model in document["models"]] == [True, True, False]
    assert any("gpt-4o-2024-05" in one for one in document["notes"])


def test_check_shows_no_secret(
    router_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    text = EVERYTHING.replace("routers/mine", router_dir.as_posix())
    path = tmp_path / "a.toml"
    path.write_text(text.replace("gpt-4o-2024-05", "model-01"), "utf-8")
    for words in ([], ["--json"]):
        assert run(["config", "check", str(path), *words]) == 0
        out, err = capsys.readouterr()
        assert "planted" not in out + err
        assert "Warning" in out or "warnings" in out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[gateway]\nprot = 1", "a.toml:2: gateway.prot: unknown key. Did you mean 'port'?"),
        (MODEL, "strong"),
        ("routing.router = 'nowhere'", "nowhere"),
        ("gateway.keys = ['sk-planted']", "a secret is written in the file"),
    ],
)
def test_check_refuses_in_one_line(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, "utf-8")
    assert run(["config", "check", str(path), "--json"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
    assert "planted" not in err


def test_check_refuses_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", "nowhere.toml"]) == 2
    assert "nowhere.toml: No such file" in capsys.readouterr().err
