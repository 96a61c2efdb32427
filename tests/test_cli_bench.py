"""`onehead bench` on the command line: names, mistakes, one JSON document."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from onehead.cli.bench import _encoders, _tables
from onehead.cli.run import run
from onehead.errors import UsageError

EXAMPLE = str(Path(__file__).parents[1] / "examples" / "outcomes.csv")


def test_tables_are_called_by_name_or_by_file(tmp_path: Path) -> None:
    odd = tmp_path / "a=b c.csv"
    odd.write_text("x")
    found = _tables((EXAMPLE, "two=x.csv", "two=y.csv", str(odd)))
    assert {name: source.paths for name, source in found.items()} == {
        "outcomes": (EXAMPLE,),
        "two": ("x.csv", "y.csv"),
        "a-b-c": (str(odd),),
    }
    with pytest.raises(UsageError, match="Give one a name: NAME="):
        _tables((EXAMPLE, EXAMPLE))


def test_encoders_are_called_without_folders() -> None:
    found = _encoders(("static", "onnx:/models/mini lm/", "small=onnx:x/y"))
    assert found == {
        "static": "static",
        "onnx-mini-lm": "onnx:/models/mini lm/",
        "small": "onnx:x/y",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--recipes", "rigde"], "Did you mean 'ridge'?"),
        (["--rewards", "cubic"], "cubic"),
        (["--seeds", "x"], "--seeds x: give numbers"),
        (["--seeds", "-1"], "seed -1: give a whole number"),
        (["--fractions", "0"], "fraction 0: give a share"),
        (["--encoders", "nothing"], "encoder 'nothing' is unknown"),
        (["--only", "x"], "--only 'x' is no row"),
    ],
)
def test_mistakes_are_one_line_before_any_work(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "--data", EXAMPLE, "--out", str(tmp_path / "out"), *words]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert says in err
    assert not (tmp_path / "out").exists()


def test_json_is_one_document_and_the_page_lies_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["--recipes", "constant", "--rewards", "linear", "--seeds", "3", "--json"]
    assert run(["bench", "--data", f"mine={EXAMPLE}", "--out", str(out), *words]) == 0
    printed, said = capsys.readouterr()
    document = json.loads(printed)
    row = document["tables"]["mine"]["rows"][0]
    assert row["id"] == "mine/constant/static/3"
    assert list(row["rewards"]) == ["linear"]
    assert said.startswith("1/1 mine/constant/static/3: AIQ ")
    assert json.loads((out / "bench.json").read_text("utf-8"))["tables"].keys() == {"mine"}
    assert "| constant |" in (out / "index.md").read_text("utf-8")
    assert str(tmp_path) not in (out / "bench.json").read_text("utf-8")


def test_a_full_disk_is_said_with_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("onehead.bench.run_bench", full)
    assert run(["bench", "--data", EXAMPLE, "--out", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert f"cannot write to {tmp_path / 'out'}" in err
    assert "No space left on device. Rows that were done are kept" in err
