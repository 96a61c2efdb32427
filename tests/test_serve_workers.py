"""Several workers: they share a port, are replaced when they die, reload and drain together."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from serving import TIMEOUT_S, Served, served, stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
[gateway]
port = 0
workers = 2
drain_s = 10
log_level = "debug"
[routing]
willingness_to_pay = {wtp}
router = "{router}"
"""


def write(place: Path, *, wtp: float = 0.001, router: str = "r") -> Path:
    path = place / "onehead.toml"
    path.write_text(CONFIG.format(wtp=wtp, router=router), "utf-8")
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(stand_in(write(tmp_path)), tmp_path / "log", {"TMPDIR": str(tmp_path)}) as one:
        yield one


def until(check: object, what: str) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not check():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.01)


def workers(server: Served) -> set[int]:
    """The workers that answer; many connections at once reach all of them."""
    with contextlib.ExitStack() as stack:
        connections = [
            stack.enter_context(
                contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port))
            )
            for _ in range(24)
        ]
        for connection in connections:
            connection.request("GET", "/pid")
        return {int(connection.getresponse().read()) for connection in connections}


def test_every_worker_answers_and_none_is_the_parent(server: Served) -> None:
    seen: set[int] = set()
    until(lambda: seen.update(workers(server)) or len(seen) == 2, "only one worker answers")
    assert server.process.pid not in seen
    assert server.said().count("listening on") == 1
    assert "with 2 workers" in server.said()


def test_a_killed_worker_is_replaced_while_the_other_answers(server: Served) -> None:
    seen: set[int] = set()
    until(lambda: seen.update(workers(server)) or len(seen) == 2, "only one worker answers")
    victim = min(seen)
    os.kill(victim, signal.SIGKILL)
    server.wait_for(r"worker \d died")
    for _ in range(20):
        status, body = server.get("/pid")
        assert (status, int(body) != victim) == (200, True)
    fresh: set[int] = set()
    until(lambda: fresh.update(workers(server)) or len(fresh) == 2, "no worker came instead")
    assert victim not in fresh
    assert len(fresh - seen) == 1


def test_a_worker_that_dies_at_once_again_and_again_is_given_a_pause(server: Served) -> None:
    for count in range(1, 4):
        seen: set[int] = set()
        until(lambda: seen.update(workers(server)) or len(seen) == 2, "a worker is missing")  # noqa: B023
        os.kill(max(seen), signal.SIGKILL)
        server.wait_for(r"worker \d died", count)
    assert "another one starts in" in server.said()


def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    patience = {"TMPDIR": str(tmp_path), "STAND_IN_SILENT_S": "4"}
    with served(stand_in(write(tmp_path)), tmp_path / "log", patience) as server:
        victim = min(workers(server))
        os.kill(victim, signal.SIGSTOP)
        server.wait_for(r"worker \d hangs")
        server.wait_for(r"worker \d started", 3)
        until(lambda: len(workers(server)) == 2, "no worker came instead")
        assert victim not in workers(server)
        assert server.said().count("died") == 1


def test_reload_reaches_every_worker_and_those_that_come_later(
    server: Served, tmp_path: Path
) -> None:
    write(tmp_path, wtp=7)
    server.signal(signal.SIGHUP)
    server.wait_for("configuration reloaded", 2)
    assert {server.get("/wtp")[1] for _ in range(20)} == {b"7.0"}
    os.kill(min(workers(server)), signal.SIGKILL)
    server.wait_for(r"worker \d died")
    server.wait_for(r"worker \d started", 3)
    until(lambda: len(workers(server)) == 2, "no worker came instead")
    assert {server.get("/wtp")[1] for _ in range(20)} == {b"7.0"}


def test_a_bad_configuration_reaches_no_worker(server: Served, tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text("nonsense", "utf-8")
    server.signal(signal.SIGHUP)
    server.wait_for("reload refused")
    write(tmp_path, wtp=7, router="damaged")
    server.signal(signal.SIGHUP)
    server.wait_for("reload refused.*damaged", 2)
    # A worker that comes later gets what the others serve by, not what they refused.
    os.kill(min(workers(server)), signal.SIGKILL)
    server.wait_for(r"worker \d started", 3)
    until(lambda: len(workers(server)) == 2, "no worker came instead")
    assert {server.get("/wtp")[1] for _ in range(20)} == {b"0.001"}


def test_sigterm_drains_every_worker_and_leaves_nothing_behind(
    server: Served, tmp_path: Path
) -> None:
    assert list(tmp_path.glob("onehead-*")), "no folder for metrics"
    streams = [server.connect() for _ in range(8)]
    with contextlib.ExitStack() as stack:
        for stream in streams:
            stack.enter_context(stream)
            stream.sendall(b"GET /stream/20 HTTP/1.1\r\nhost: x\r\n\r\n")
            stream.recv(10)
        server.signal(signal.SIGTERM)
        ends = [b"".join(iter(lambda s=s: s.recv(65536), b"")) for s in streams]
    assert all(end.endswith(b"3\r\nend\r\n0\r\n\r\n") for end in ends)
    assert server.process.wait(TIMEOUT_S) == 0
    assert not list(tmp_path.glob("onehead-*"))


def test_workers_end_when_the_supervisor_is_killed(server: Served) -> None:
    seen = workers(server)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(TIMEOUT_S)
    until(lambda: not any(alive(pid) for pid in seen), "workers stayed behind")
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return True


def test_workers_that_cannot_start_end_it_all_with_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        pytest.raises(AssertionError),
        served(stand_in(write(tmp_path, router="damaged")), log) as _,
    ):
        pass
    lines = Counter(log.read_text("utf-8").splitlines())
    assert lines["error: the router is damaged; train it again."] == 1
    assert "Traceback" not in log.read_text("utf-8")


def test_the_supervisor_imports_nothing_that_starts_threads() -> None:
    """It forks: a lock that another thread holds would stay locked. (BLAS's threads end before a fork.)"""
    code = (
        "import sys, threading, onehead.serve\n"
        "heavy = {'onnxruntime', 'aiohttp', 'prometheus_client', 'onehead.gateway.app'}\n"
        "print(sorted(heavy & set(sys.modules)), threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] 1\n"
