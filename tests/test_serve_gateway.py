"""`onehead serve` as users run it: the real gateway with its demonstration upstream."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from serving import TIMEOUT_S, Served, response, served

from onehead.cli.serve import serve

ROOT = Path(__file__).parents[1]
PROMPT = "Prove that 17 is prime, and do not tell anyone that I asked."
KEY = "sk-very-secret"
CONFIG = f"""
[gateway]
host = "127.0.0.1"
log_level = "debug"
log_format = "json"
[[keys]]
name = "team"
sha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"
requests_per_minute = 100000
[[models]]
id = "strong"
like = "gpt-4-1106-preview"
input_usd_per_million = 10
output_usd_per_million = 30
[[models]]
id = "small"
like = "Mistral-7B-Instruct-v0.2"
input_usd_per_million = 0.1
output_usd_per_million = 0.2
"""


def command(place: Path, *arguments: str, config: str | None = CONFIG) -> list[str]:
    start = [sys.executable, "-m", "onehead", "serve", "--demo", "--port", "0", *arguments]
    if config is None:
        return start
    path = place / "onehead.toml"
    path.write_text(f'{config}\n[store]\nurl = "sqlite:///{place}/onehead.db"\n', "utf-8")
    return [*start, "--config", str(path)]


def ask(
    server: Served, *, stream: bool = False, key: str | None = KEY, model: str = "auto"
) -> tuple[int, bytes]:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": PROMPT}]}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def logged(place: Path) -> list[Any]:
    with contextlib.closing(sqlite3.connect(place / "onehead.db")) as database:
        return database.execute("SELECT outcome FROM decisions").fetchall()


def test_without_a_file_it_serves_decisions_at_once(tmp_path: Path) -> None:
    with (
        contextlib.chdir(tmp_path),
        served(command(tmp_path, config=None), tmp_path / "log") as server,
    ):
        assert server.get("/ready")[0] == 200
        assert server.get("/health")[0] == 200
        status, body = ask(server, key=None)
        assert status == 200
        assert json.loads(body)["object"] == "chat.completion"
        assert "open to everyone on this machine" in server.said()
        shown = re.search(r"dashboard +http://[^/]+(/\S+)", server.said())
        assert shown
        assert server.get(shown[1])[0] == 200
        assert server.stop() == 0


def test_the_example_is_served_as_its_help_says(tmp_path: Path) -> None:
    example = (serve.epilog or "").partition("onehead ")[2].split()
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    with (
        contextlib.chdir(tmp_path),
        served([sys.executable, "-m", "onehead", *example, "--port", "0"], tmp_path / "log") as one,
    ):
        assert one.get("/ready")[0] == 200
        assert "gpt-4o → api.openai.com" in one.said()


def test_nothing_that_was_asked_is_in_the_log_and_everything_is_in_the_store(
    tmp_path: Path,
) -> None:
    with served(command(tmp_path), tmp_path / "log") as server:
        assert ask(server)[0] == 200
        assert ask(server, stream=True)[0] == 200
        assert ask(server, key="sk-wrong")[0] == 401
        assert ask(server, model="no-such-model")[0] == 404
        assert server.stop() == 0
        said = server.said()
    for secret in (PROMPT, "17 is prime", KEY, "sk-wrong", "Traceback"):
        assert secret not in said
    assert [json.loads(line) for line in said.splitlines()]
    assert logged(tmp_path).count(("ok",)) == 2


def test_reload_under_load_and_then_the_drain_lose_nothing(tmp_path: Path) -> None:
    stop = threading.Event()
    seen: list[tuple[int, bytes]] = []
    failures: list[Exception] = []

    def keep_asking(server: Served, stream: bool) -> None:
        while not stop.is_set():
            try:
                seen.append(ask(server, stream=stream))
            except (OSError, http.client.HTTPException) as error:
                failures.append(error)

    with served(command(tmp_path), tmp_path / "log") as server:
        askers = [
            threading.Thread(target=keep_asking, args=(server, stream)) for stream in (True, False)
        ]
        for asker in askers:
            asker.start()
        for number in range(1, 4):
            server.signal(signal.SIGHUP)
            server.wait_for("configuration reloaded", number)
        stop.set()
        for asker in askers:
            asker.join(TIMEOUT_S)
        assert not failures
        assert {status for status, _ in seen} == {200}
        assert server.stop() == 0
    assert logged(tmp_path) == [("ok",)] * len(seen)


def test_limits_and_spending_survive_a_reload(tmp_path: Path) -> None:
    limited = CONFIG.replace("requests_per_minute = 100000", "requests_per_minute = 2")
    with served(command(tmp_path, config=limited), tmp_path / "log") as server:
        assert ask(server)[0] == 200
        server.signal(signal.SIGHUP)
        server.wait_for("configuration reloaded")
        assert ask(server)[0] == 200
        status, body = ask(server)
        assert status == 429
        assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"


def test_sigterm_lets_a_running_stream_end(tmp_path: Path) -> None:
    with served(command(tmp_path), tmp_path / "log") as server, server.connect() as one:
        content = {"role": "user", "content": PROMPT}
        body = json.dumps({"model": "auto", "stream": True, "messages": [content]}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        one.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:-1])
        server.signal(signal.SIGTERM)
        server.wait_for("stopping")
        one.sendall(body[-1:])
        status, answer = response(one)
        assert status == 200
        assert answer.rstrip().endswith(b"data: [DONE]")
        assert server.process.wait(TIMEOUT_S) == 0
    assert logged(tmp_path) == [("ok",)]


@pytest.mark.slow
def test_two_workers_share_metrics_and_the_store_and_survive_a_kill(tmp_path: Path) -> None:
    with served(command(tmp_path, "--workers", "2"), tmp_path / "log") as server:
        for _ in range(40):
            assert ask(server)[0] == 200
        end = time.monotonic() + TIMEOUT_S
        while (counted := metric(server, "onehead_requests_total")) != 40:
            assert time.monotonic() < end, counted
            time.sleep(0.1)
        started = [
            json.loads(line)
            for line in server.said().splitlines()
            if '"message":"worker' in line and "started" in line
        ]
        os.kill(started[0]["pid"], signal.SIGKILL)
        server.wait_for("another one starts")
        server.wait_for(r"worker \d started", 3)
        for _ in range(20):
            assert ask(server)[0] == 200
        while (there := len(logged(tmp_path))) != 60:  # what the killed one left is written too
            assert time.monotonic() < end, there
            time.sleep(0.1)
        assert server.stop() == 0
        assert "Traceback" not in server.said()
    assert len(logged(tmp_path)) == 60


def test_two_workers_keep_one_limit(tmp_path: Path) -> None:
    limited = CONFIG.replace("requests_per_minute = 100000", "requests_per_minute = 7")
    with served(command(tmp_path, "--workers", "2", config=limited), tmp_path / "log") as server:
        statuses = [ask(server)[0] for _ in range(20)]
    assert statuses == [200] * 7 + [429] * 13


def metric(server: Served, name: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics", headers={"x-api-key": KEY})
        text = connection.getresponse().read().decode()
    return sum(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + "{")
    )
