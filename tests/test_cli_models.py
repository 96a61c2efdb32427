"""`onehead models`: the pool of a router, and a smaller one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from onehead.artifact import load
from onehead.cli.run import run

if TYPE_CHECKING:
    from pathlib import Path


def test_list_as_json_has_every_model(router_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--router", str(router_dir), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    pool = load(router_dir).manifest.pool
    assert [row["id"] for row in document["models"]] == list(pool.ids)
    assert [row["input_usd_per_million"] for row in document["models"]] == [
        card.input_usd_per_million for card in pool
    ]
    assert set(document["presets"]) == {"cheap", "balanced", "best"}


def test_list_reads_well_in_80_columns(
    router_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["models", "list", "--router", str(router_dir)]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in load(router_dir).manifest.pool.ids)
    assert "8,192" in out
    assert max(map(len, out.splitlines())) <= 80


def test_show_has_one_model(router_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "show", "model-01", "--router", str(router_dir), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["id"], row["cost_basis"], row["capabilities"]) == ("model-01", "tokens", ["tools"])
    assert run(["models", "show", "model-01", "--router", str(router_dir)]) == 0
    assert "input usd per million" in capsys.readouterr().out
    assert run(["models", "show", "gpt-9", "--router", str(router_dir)]) == 2
    assert "It holds: model-00, model-01" in capsys.readouterr().err


def test_remove_in_place_and_elsewhere(
    router_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = tmp_path / "small"
    place = ["--router", str(router_dir)]
    assert run(["models", "remove", "model-02", *place, "--out", str(small), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"] == ["model-00", "model-01", "model-03"]
    assert len(load(router_dir).manifest.pool) == 4
    assert len(load(small).manifest.pool) == 3
    assert run(["models", "remove", "model-02", "model-00", *place]) == 0
    assert load(router_dir).manifest.pool.ids == ("model-01", "model-03")


@pytest.mark.parametrize(
    ("names", "place", "says"),
    [
        (["gpt-9"], None, "'gpt-9' is not in the pool"),
        (["model-00", "model-01", "model-02", "model-03"], None, "at least one model"),
        (["model-00"], "bundled", "bundled router stays"),
    ],
)
def test_remove_refuses(
    names: list[str],
    place: str | None,
    says: str,
    router_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = (router_dir / "manifest.json").read_bytes()
    assert run(["models", "remove", *names, "--router", place or str(router_dir)]) == 2
    assert says in capsys.readouterr().err
    assert (router_dir / "manifest.json").read_bytes() == before
