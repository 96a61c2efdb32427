"""`onehead route`: prompts from anywhere, tables and JSON, and what cannot be taken."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from routers import LetterEncoder, make_artifact

from onehead.artifact import save
from onehead.cli.run import run

if TYPE_CHECKING:
    from pathlib import Path

    from onehead.router import Router


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onehead.router.router.load_encoder", lambda spec: LetterEncoder())
    monkeypatch.setenv("COLUMNS", "80")


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_json_is_the_decision(
    router: Router, router_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--wtp", "0.0002", "--reward", "linear", "--models", "model-01, model-02"]
    assert run(["route", "Name a prime.", "--router", str(router_dir), *options, "--json"]) == 0
    out, err = capsys.readouterr()
    decision = router.route(
        "Name a prime.",
        willingness_to_pay=0.0002,
        reward="linear",
        models=["model-01", "model-02"],
    )
    assert json.loads(out) == decision.to_json()
    assert not err


@pytest.mark.parametrize(
    "option",
    [["--max-cost", "0.0002"], ["--min-quality", "0.4"], ["--wtp", "$0.01"], ["--wtp", "best"]],
)
def test_options_reach_the_router(
    option: list[str], router: Router, router_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["route", "Name a prime.", "--router", str(router_dir), *option, "--json"]) == 0
    names = {"--max-cost": "max_cost_usd", "--min-quality": "min_quality"}
    value = option[1] if option[0] == "--wtp" else float(option[1])
    expected = router.route("Name a prime.", **{names.get(option[0], "willingness_to_pay"): value})
    assert json.loads(capsys.readouterr().out) == expected.to_json()


def test_the_table_shows_the_choice_the_reason_and_every_model(
    router: Router, router_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["route", "Name a prime.", "--router", str(router_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    decision = router.route("Name a prime.")
    assert lines[0] == decision.model
    assert decision.reason.split()[-1] in " ".join(lines)
    assert all(any(name in line for line in lines[2:]) for name in router.pool.ids)
    assert max(map(len, lines)) <= 80
    assert "(balanced)" in lines[-1]


def test_excluded_models_come_last_with_their_reason(
    router_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["route", "a", "--router", str(router_dir), "--models", "model-02"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines[lines.index("") :] if line.startswith("model-")]
    assert len(rows) == 4
    assert rows[0].startswith("model-02")
    assert all("not among the models allowed" in line for line in rows[1:])


def test_a_large_pool_is_cut_on_a_terminal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(make_artifact(m=44), tmp_path / "r")
    arguments = ["route", "a", "--router", str(tmp_path / "r")]

    def rows() -> int:
        assert run(arguments) == 0
        out = capsys.readouterr().out
        assert ("and 36 more models; --all shows them" in out) == (terminal and not everything)
        table = out.split("\n\n")[1]
        return sum("model-" in line for line in table.splitlines())

    terminal = everything = False
    assert rows() == 44
    terminal = True
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True)
    assert rows() == 8
    everything = True
    arguments.append("--all")
    assert rows() == 44


def test_stdin_is_the_prompt_without_its_last_line_end(
    router: Router,
    router_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prompt = "Écris un poème 🙂\nsur les nombres"
    stdin(monkeypatch, b"\xef\xbb\xbf" + prompt.encode() + b"\r\n")
    assert run(["route", "-", "--router", str(router_dir), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == router.route(prompt).to_json()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"caf\xe9", "standard input is not UTF-8: byte 0xe9 at 3"),
        (b"", "standard input is empty"),
        (b" \n\n", "standard input is empty"),
    ],
)
def test_stdin_that_cannot_be_taken(
    data: bytes,
    says: str,
    router_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stdin(monkeypatch, data)
    assert run(["route", "-", "--router", str(router_dir), "--json"]) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert not out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["route", ""], "the prompt is empty"),
        (["route", "caf\udce9"], "the prompt is not UTF-8: byte 0xe9 at 3"),
        (["route", "a", "--wtp", "dear"], "cheap, balanced, best"),
        (["route", "a", "--wtp", "0"], "positive"),
        (["route", "a", "--wtp", "nan"], "positive"),
        (["route", "a", "--wtp=-1"], "positive"),
        (["route", "a", "--max-cost", "nan"], "max cost"),
        (["route", "a", "--min-quality", "2"], "min quality"),
        (["route", "a", "--models", "gpt-9"], "'gpt-9' is not in the pool"),
        (["route", "a", "--max-cost", "1e-12"], "no model can be chosen"),
    ],
)
def test_what_cannot_be_taken_is_one_line(
    arguments: list[str], says: str, router_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--router", str(router_dir)]) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert err.count("\n") == 1
    assert not out


def test_a_damaged_router_is_named(router_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(router_dir.glob("*.onnx"))
    data = path.read_bytes()
    path.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])
    assert run(["route", "a", "--router", str(router_dir)]) == 2
    assert f"{path} is damaged" in capsys.readouterr().err
