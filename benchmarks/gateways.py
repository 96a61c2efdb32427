"""Starts what gateway.py and soak.py measure: an upstream, `onehead serve`, and its peers."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent
PATH = "/v1/chat/completions"
START_S = 90.0
MODELS = {"cheap": "gpt-3.5-turbo-1106", "strong": "gpt-4o-2024-05"}
"""Two models of the upstream, and whose profile each has."""


@dataclass(frozen=True)
class Target:
    """Something that answers chat completions.

    headers: what a request needs beside its body
    """

    name: str
    port: int
    pid: int
    model: str = "auto"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of completions."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def memory_mb(self) -> float:
        """Resident memory of its process and of those that it has started."""
        return sum(map(_resident_mb, [self.pid, *_children(self.pid)]))

    def processor_us(self) -> dict[str, float]:
        """Processor time so far: of its first thread, of its other threads, of the processes it started."""
        threads = _thread_us(self.pid)
        first = threads.pop(self.pid)
        beside = sum(sum(_thread_us(child).values()) for child in _children(self.pid))
        return {"loop": first, "threads": sum(threads.values()), "beside": beside}


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _thread_us(pid: int) -> dict[int, float]:
    """Processor time of every thread of a process, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(one.name): int((one / "schedstat").read_text().split()[0]) / 1e3 for one in tasks}


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for one in threads for child in one.read_text("utf-8").split()]
    return found + [further for child in found for further in _children(child)]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def upstream() -> Iterator[Target]:
    """The upstream of all."""
    port = free_port()
    with _process([sys.executable, str(HERE / "upstream.py"), str(port)], port) as pid:
        yield Target("upstream", port, pid, model="stub")


@contextlib.contextmanager
def onehead(
    behind: Target, folder: Path, extra: str = "", *, program: Sequence[str] = ("-m", "onehead")
) -> Iterator[Target]:
    """`onehead serve` with one worker and its log in SQLite, as it comes: every request is routed and logged.

    program: what Python runs in its stead
    """
    port = free_port()
    lines = [
        f"[gateway]\nport = {port}\n{extra}", f'[store]\nurl = "sqlite:///{folder}/log.db"',
    ]  # fmt: skip
    for name, like in MODELS.items():
        lines.append(
            f'[[models]]\nid = "{name}"\nlike = "{like}"\n'
            f'base_url = "http://127.0.0.1:{behind.port}/v1"\n'
            "input_usd_per_million = 1.0\noutput_usd_per_million = 2.0"
        )
    config = folder / "onehead.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, *program, "serve", "--config", str(config)]
    with _process(command, port) as pid:
        yield Target("onehead", port, pid)


@contextlib.contextmanager
def litellm(behind: Target, environment: Path, folder: Path) -> Iterator[Target]:
    """LiteLLM's proxy with one model, from a virtual environment that has `litellm[proxy]`."""
    port = free_port()
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n - model_name: stub\n   litellm_params: {model: openai/stub, "
        f"api_base: 'http://127.0.0.1:{behind.port}/v1', api_key: x}}\n",
        encoding="utf-8",
    )
    command = [str(environment / "bin" / "litellm"), "--config", str(config),
               "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    settings = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    }
    with _process(command, port, settings) as pid:
        yield Target("litellm", port, pid, model="stub")


@contextlib.contextmanager
def portkey(behind: Target, folder: Path) -> Iterator[Target]:
    """Portkey's gateway, from a folder where npm has installed `@portkey-ai/gateway`."""
    port = free_port()
    script = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    headers = {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{behind.port}/v1",
    }
    settings = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    with _process(["node", str(script), f"--port={port}", "--headless"], port, settings) as pid:
        yield Target("portkey", port, pid, model="stub", headers=headers)


def ask(target: Target, body: bytes) -> int:
    """The status of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=START_S)
    headers = {"content-type": "application/json", "authorization": "Bearer x", **target.headers}
    with contextlib.closing(connection):
        connection.request("POST", PATH, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status


@contextlib.contextmanager
def _process(
    command: list[str], port: int, settings: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A process that listens on `port`; stopped at the end."""
    environment: dict[str, Any] = {**os.environ, **(settings or {})}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{command[0]} did not start: {' '.join(command)}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
