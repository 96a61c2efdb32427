"""The outer edge of the command line: help, one-line errors, exit codes, start-up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from onehead.cli.run import cli, run
from onehead.errors import DataError, OneheadError

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = {**os.environ, "COLUMNS": "80", "OMP_NUM_THREADS": "1"}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = [(), *commands(cli)]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_one_example(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.count("Example:\n") == 1
    assert f"onehead {' '.join(path)}".strip() in out.partition("Example:")[2]
    assert not err
    if not path or path == ("models",):
        assert run(list(path)) == 0
        assert capsys.readouterr().out == out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rout"], "no command 'rout'. Choose one of: route, train, predict, evaluate, models"),
        (["models", "lst"], "no command 'lst'. Choose one of: list, show, add"),
        (["route"], "Missing argument 'PROMPT'"),
        (["route", "a", "--wpt", "1"], "No such option"),
        (["--frob"], "No such option"),
        (["route", "a", "--max-cost", "much"], "is not a number"),
        (["route", "a", "--reward", "cubic"], "'cubic' is not one of"),
        (["route", "a", "--models", "a,,b"], "empty name"),
        (["route", "a", "--models", "a,a"], "twice"),
        (["train", "--out", "x"], "Missing option '--data'"),
        (["train", "--data", "x", "--out", "y", "--seed", "-1"], "-1"),
        (["train", "--data", "x", "--out", "y", "--cost", "gpt-4"], "such as gpt-4=0.002"),
        (["train", "--data", "x", "--out", "y", "--cost", "a=-1"], "such as gpt-4=0.002"),
        (["route", "a", "--router", "/no/such/router"], "no router at /no/such/router"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (DataError("bad\ntable"), 2, "error: bad table\n"),
        (OneheadError("full"), 1, "error: full\n"),
        (KeyboardInterrupt(), 130, "error: interrupted; nothing was left half-written.\n"),
        (
            PermissionError(13, "Permission denied", "/x"),
            2,
            "error: /x: Permission denied. Check the path and its permissions.\n",
        ),
        (OSError(28, "No space left on device"), 1, "error: No space left on device\n"),
        (
            ZeroDivisionError("by zero"),
            1,
            "unexpected error, ZeroDivisionError: by zero (please report",
        ),
    ],
)
def test_every_failure_has_its_line_and_code(
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    assert run([]) == code
    out, err = capsys.readouterr()
    assert says in err
    assert err.count("\n") == 1
    assert not out


def test_a_traceback_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "main", fail)
    monkeypatch.setenv("ONEHEAD_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        run([])


def python(code: str) -> str:
    run = [sys.executable, "-c", code]
    return subprocess.run(run, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout


def test_help_and_import_load_nothing_heavy() -> None:
    heavy = "{'torch', 'pandas', 'onnxruntime', 'numpy', 'rich', 'pyarrow'} & set(sys.modules)"
    assert python(f"import sys, onehead; print({heavy})") == "set()\n"
    code = f"import sys; from onehead.cli.run import run; run(['--help']); print({heavy})"
    assert python(code).endswith("set()\n")


def test_start_up_is_quick() -> None:
    """Best of three against a bare interpreter, so that a busy machine does not decide."""

    def best(code: str) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            python(code)
            times.append(time.perf_counter() - start)
        return min(times)

    bare = best("pass")
    assert best("import onehead") - bare < 0.2
    assert best("from onehead.cli.run import run; run(['--help'])") - bare < 0.4


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "onehead", "--version"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("onehead ")


def shell(script: str) -> subprocess.CompletedProcess[str]:
    command = f'onehead() {{ "{sys.executable}" -m onehead "$@"; }}; {script}'
    return subprocess.run(
        ["bash", "-c", command], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = shell("onehead route --help | { sleep 0.1; head -c 1; }; onehead --help | true")
    assert done.stdout == "U"
    assert not done.stderr


def test_output_that_is_full_or_closed() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    done = shell("onehead --help > /dev/full")
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")
    assert shell("onehead --help >&-").returncode == 0
    done = shell("onehead route - <&-")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "standard input is empty" in done.stderr
