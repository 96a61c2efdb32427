"""Odd environments, and Ctrl-C at odd moments, on the command as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from onehead.router import bundled_path

ONEHEAD = [sys.executable, "-m", "onehead"]


def shell(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(
        [*ONEHEAD, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONWARNINGS": "error"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"COLUMNS": "1", "NO_COLOR": "1"},
        {"HOME": "", "XDG_CACHE_HOME": "/proc/nowhere", "TERM": "dumb"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_a_strange_environment(variables: dict[str, str]) -> None:
    if not bundled_path().is_dir():
        pytest.skip("this checkout holds no bundled router")
    done = shell("models", "list", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    done = shell("route", "été 🎉", "--json", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) >= {"model", "reason", "estimates"}


@pytest.mark.parametrize("seconds", [0.08, 0.2, 0.35])
def test_ctrl_c_at_any_moment(seconds: float) -> None:
    """Done, stopped with one line, or gone before Python could listen; never a traceback."""
    with subprocess.Popen(
        [*ONEHEAD, "route", "a", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode in (0, 2, 130, -signal.SIGINT)
    assert err.count("\n") <= 1
    assert "Traceback" not in err
