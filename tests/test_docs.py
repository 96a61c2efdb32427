"""README, docs and docstrings are run as they stand.

A ``python`` block is executed (as a doctest where it begins with ``>>>``), a ``console`` block runs
each line behind ``$ `` and compares what is shown below it. The blocks of one page share a folder
and a namespace, in order. An HTML comment right above a block changes how it is taken:
``skip: reason``, ``exit: code`` (of the commands in it), ``file: name`` (the block is written there),
``serve: port`` (its command runs to the end of the page, at a free port in place of that one).
"""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
DOCUMENTED = [path for path in sorted(SOURCE.rglob("*.py")) if ">>> " in path.read_text("utf-8")]
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>skip|exit|file|serve): (?P<value>.+?) -->\n+)?"
    r"^```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SHOWN = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """One fenced block of a page, with the comment above it."""

    language: str
    body: str
    mark: str
    value: str
    line: int

    @property
    def commands(self) -> list[tuple[str, str]]:
        """(command, output shown below it) of a console block; a trailing backslash continues."""
        parts = re.split(r"^\$ ", self.body.replace("\\\n", " "), flags=re.MULTILINE)[1:]
        return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(
            match["language"],
            match["body"],
            match["mark"] or "",
            match["value"] or "",
            text.count("\n", 0, match.start("language")) + 1,
        )
        for match in BLOCK.finditer(text)
    ]


def loosely(text: str) -> list[str]:
    """Lines without spacing, and with every number replaced: figures differ between machines."""
    lines = (
        " ".join(re.sub(r"\d[\d.,]*(e-?\d+)?", "#", line).split()) for line in text.splitlines()
    )
    return [line for line in lines if line]


def assert_shown(expected: str, actual: str, where: str) -> None:
    """Every line shown must be printed, in that order; ``...`` stands for any lines."""
    printed = iter(loosely(actual))
    for line in loosely(expected):
        if line != "...":
            assert line in printed, f"{where}: {line!r} is shown, but not printed:\n{actual}"


def run_console(block: Block, where: str) -> None:
    wanted = int(block.value) if block.mark == "exit" else 0
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "HF_HUB_OFFLINE": "1",
    }
    assert block.commands, f"{where}: a console block needs a line that begins with '$ '"
    for command, expected in block.commands:
        done = subprocess.run(
            ["bash", "-c", command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == wanted, f"{where}: {command}: exit {done.returncode}\n{output}"
        assert_shown(expected, output, f"{where}: {command}")


@contextmanager
def served(block: Block, port: int, where: str) -> Iterator[None]:
    """The server that a block starts, at another port, until the page ends."""
    (command, _), *others = block.commands
    assert not others, f"{where}: start one server in a block of its own"
    command = command.partition("#")[0].strip()
    if block.value not in command:
        command += f" --port {block.value}"
    words = command.replace(block.value, str(port)).split()
    program = str(Path(sys.executable).parent / words[0])
    with Path("served.log").open("wb") as log:
        process = subprocess.Popen([program, *words[1:]], stdout=log, stderr=log)
        try:
            end = time.monotonic() + 60
            while not answers(f"http://127.0.0.1:{port}/ready"):
                running = process.poll() is None and time.monotonic() < end
                assert running, f"{where}: {Path('served.log').read_text('utf-8')}"
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def close_all(names: Mapping[str, object]) -> None:
    """End what a page leaves open, as a script's end does: a client's connections are met by the
    collector else, in whatever test runs then."""
    for value in names.values():
        close = getattr(type(value), "close", None)
        if close is not None:
            close(value)


def run_python(block: Block, names: dict[str, object], where: str) -> None:
    if not block.body.startswith(">>>"):
        exec(compile(block.body, where, "exec"), names)
        return
    example = doctest.DocTestParser().get_doctest(block.body, names, where, where, block.line)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=SHOWN).run(example, out=report.append, clear_globs=False)
    names.update(example.globs)
    assert not report, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_runs_as_it_stands(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    with ExitStack() as servers:
        servers.callback(close_all, names)
        moved: dict[str, str] = {}
        for block in blocks(page):
            where = f"{page.name}:{block.line}"
            assert block.language not in {"bash", "sh", "shell"}, f"{where}: write it as console"
            if block.mark == "serve":
                port = free_port()
                servers.enter_context(served(block, port, where))
                moved[block.value] = str(port)
                continue
            body = block.body
            for shown, real in moved.items():
                body = body.replace(f":{shown}", f":{real}")
            run_block(replace(block, body=body), names, tmp_path, where)


def run_block(block: Block, names: dict[str, object], folder: Path, where: str) -> None:
    if block.mark == "file":
        (folder / block.value).write_text(block.body, "utf-8")
    elif block.mark == "skip":
        return
    elif block.language == "console":
        run_console(block, where)
    elif block.language == "python":
        run_python(block, names, where)


def test_docstring_examples() -> None:
    for path in DOCUMENTED:
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        failed, tried = doctest.testmod(importlib.import_module(name), optionflags=SHOWN)
        assert tried, f"{path} shows an example that is not run"
        assert not failed


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_loose_comparison_sees_a_missing_line() -> None:
    assert_shown("model  0.5\n...\nend", "model 0.7\nmore\nend\n", "here")
    with pytest.raises(AssertionError, match="is shown, but not printed"):
        assert_shown("gone", "model\n", "here")
