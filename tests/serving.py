"""A server in a process of its own, and the application that it serves where the gateway is too much.

Run as a script it serves `StandIn` by a configuration that it reads from the file it is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onehead.config import Config

TIMEOUT_S = 30.0
LISTENING = re.compile(r"http://([^/\s\"]+):(\d+)")


class StandIn:
    """An application with the gateway's manners: it tells which configuration it serves by.

    /slow/N answers after N milliseconds, /stream/N sends N chunks, one each 50 ms; /pid says who
    answers; /echo sends the body's length back; /refuse answers without reading the body.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.ready = False

    async def startup(self) -> None:
        self._refuse_bad(self.config)
        self.ready = True

    async def shutdown(self, drain_s: float) -> None:
        if place := os.environ.get("STAND_IN_FLUSHED"):
            Path(place).write_text(f"{drain_s}", "utf-8")

    async def reload(self, config: Config) -> None:
        self._refuse_bad(config)
        self.config = config

    def tick(self) -> None:
        pass

    @staticmethod
    def _refuse_bad(config: Config) -> None:
        from onehead.errors import ArtifactError

        if config.routing.router == "damaged":
            raise ArtifactError("the router is damaged; train it again.")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: C901
        _, word, *rest = scope["path"].split("/")
        status, body = 200, b""
        if word == "ready":
            status = 200 if self.ready else 503
        elif word == "slow":
            await asyncio.sleep(int(rest[0]) / 1000)
        elif word == "pid":
            body = str(os.getpid()).encode()
        elif word == "wtp":
            body = str(self.config.routing.willingness_to_pay).encode()
        elif word == "echo":
            size, more = 0, True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                size, more = size + len(message["body"]), message["more_body"]
            body = str(size).encode()
        elif word == "refuse":
            status = 413
        elif word == "large":
            body = b"x" * int(rest[0])
        elif word == "stream":
            await self._stream(send, int(rest[0]))
            return
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, send: Any, chunks: int) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(chunks):
            await send({"type": "http.response.body", "body": b"%d;" % number, "more_body": True})
            await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"end"})


@dataclass
class Served:
    """A running server."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def wait_for(self, pattern: str, count: int = 1) -> None:
        """Wait until the log has `pattern` `count` times."""
        end = time.monotonic() + TIMEOUT_S
        while len(re.findall(pattern, self.said())) < count:
            assert time.monotonic() < end, f"{pattern!r} is not in:\n{self.said()}"
            assert self.process.poll() is None or re.search(pattern, self.said()), self.said()
            time.sleep(0.01)

    def stop(self) -> int:
        """Stop it gently; its exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_S)

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host.strip("[]"), self.port), TIMEOUT_S)

    def get(self, path: str) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        with self.connect() as one:
            one.sendall(
                f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
            )
            return response(one)


def response(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of the answer that ends a connection."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    assert head, "the connection was closed without an answer"
    if b"transfer-encoding: chunked" in head:
        body = unchunked(body)
    return int(head.split(b" ", 2)[1]), body


def unchunked(body: bytes) -> bytes:
    """A chunked body; fails where its end is missing."""
    parts = []
    while True:
        size, _, body = body.partition(b"\r\n")
        assert size, "the body was cut"
        if int(size, 16) == 0:
            return b"".join(parts)
        parts.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]


@contextlib.contextmanager
def served(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[Served]:
    """Run a server until the block ends."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=os.environ | {"PYTHONWARNINGS": "error"} | (environment or {}),
            start_new_session=True,
        )
    one = Served(process, log)
    try:
        one.wait_for('is listening on http|"message":"listening"')
        found = LISTENING.search(one.said())
        assert found, one.said()
        one.host, one.port = found[1], int(found[2])
        yield one
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT_S)


def stand_in(config: Path) -> list[str]:
    """The command that serves `StandIn` by a configuration file."""
    return [sys.executable, __file__, str(config)]


def main() -> None:
    from onehead.cli.run import _fail
    from onehead.errors import OneheadError
    from onehead.serve import Overrides, read, run, supervisor

    supervisor.SILENT_S = float(os.environ.get("STAND_IN_SILENT_S", supervisor.SILENT_S))
    path = Path(sys.argv[1])
    overrides = Overrides(**json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})
    try:
        run(
            read(path, overrides),
            load=lambda: read(path, overrides),
            create_app=StandIn,
        )
    except OneheadError as error:
        sys.exit(_fail(str(error), error.exit_code))


if __name__ == "__main__":
    main()
