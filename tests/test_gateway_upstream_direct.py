"""Calls without aiohttp's session say the same, and keep its connections in order."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from upstream_calls import KEY, QUICK, ask, model

from onehead.config import Secret, UpstreamConfig
from onehead.gateway.upstream import Upstreams
from onehead.gateway.upstream.direct import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

Heads = list[tuple[str, list[tuple[str, str]]]]
ANSWER = b'{"id": "x"}'
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n" + ANSWER


class Server:
    """An upstream that answers with the bytes it is given, and keeps what it was asked."""

    def __init__(self, reply: bytes, *, body: bool = True) -> None:
        self.reply, self.body = reply, body
        self.heads: Heads = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.tasks: set[asyncio.Task[Any] | None] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
                pairs = [(n.lower(), v) for n, _, v in (line.partition(": ") for line in lines[1:])]
                self.heads.append((lines[0], pairs))
                if self.body:
                    self.bodies.append(await reader.readexactly(int(dict(pairs)["content-length"])))
                writer.write(self.reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def served(server: Server, **fields: Any) -> AsyncIterator[Upstreams]:
    async with await asyncio.start_server(server, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        config = UpstreamConfig(**{**QUICK, "retries": 0})
        async with Upstreams(config, [model("m", url, **fields)]) as upstreams:
            yield upstreams
        await asyncio.gather(*filter(None, server.tasks))


def sent(
    server: Server, extra: Mapping[str, str] | None = None, *, times: int = 1, **fields: Any
) -> list[bytes | None]:
    async def run() -> list[bytes | None]:
        async with served(server, **fields) as upstreams:
            return [(await ask(upstreams, ["m"], headers=extra or {})).body for _ in range(times)]

    return asyncio.run(run())


@pytest.fixture
def session_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on aiohttp's session makes every call."""
    return lambda: monkeypatch.setattr(
        "onehead.gateway.upstream.target.Target.head", lambda *_: None
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": "00-1-2-03", "openai-beta": "assistants=v2"},
        {"Authorization": "Bearer of-the-caller", "HOST": "elsewhere", "x-b": "a\r\nc: d"},
        {"content-type": "multipart/form-data; boundary=x", "Content-Length": "1"},
        {"x-own": "of the caller"},
    ],
)
def test_the_same_goes_upstream_as_by_aiohttps_session(
    headers: dict[str, str], session_only: Callable[[], None]
) -> None:
    own = {"x-own": Secret("ours"), "User-Agent": Secret("me/1")}
    direct, whole = Server(WHOLE), Server(WHOLE)
    assert sent(direct, headers, headers=own) == [ANSWER]
    session_only()
    assert sent(whole, headers, headers=own) == [ANSWER]
    assert direct.bodies == whole.bodies
    (line, pairs), (other_line, others) = direct.heads[0], whole.heads[0]
    assert line == other_line == "POST /v1/chat/completions HTTP/1.1"
    ports = {value for name, value in [*pairs, *others] if name == "host"}
    assert len(ports) == 2  # one of each server, nobody's else
    assert Counter(one for one in pairs if one[0] != "host") == Counter(
        one for one in others if one[0] != "host"
    )
    assert ("authorization", f"Bearer {KEY}") in pairs
    assert ("x-own", "ours") in pairs


def test_a_kept_connection_is_used_again_and_one_that_closes_is_not() -> None:
    kept = Server(WHOLE)
    assert sent(kept, times=5) == [ANSWER] * 5
    assert kept.connections == 1
    closing = Server(WHOLE.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
    assert sent(closing, times=5) == [ANSWER] * 5
    assert closing.connections == 5


def test_heads_that_only_say_wait_are_no_answer() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    server = Server(early + WHOLE)
    assert sent(server, times=2) == [ANSWER] * 2
    assert server.connections == 1


def test_an_answer_of_unknown_length_ends_with_its_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + ANSWER)
        writer.close()

    async def run() -> bytes | None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
            url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
            async with Upstreams(UpstreamConfig(), [model("m", url)]) as upstreams:
                return (await ask(upstreams, ["m"])).body

    assert asyncio.run(run()) == ANSWER


class Kept:
    """Stands for a connection of aiohttp's pool, with so many bytes of the request unsent."""

    def __init__(self, unsent: int) -> None:
        self.unsent = unsent
        self.done: list[str] = []
        self.transport = self

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.done.append("abort")

    def close(self) -> None:
        self.done.append("close")

    def release(self) -> None:
        self.done.append("release")


@pytest.mark.parametrize(
    ("unsent", "complete", "done"),
    [
        (0, True, ["release"]),
        (9, True, ["abort", "close"]),  # answered before the body was read: it may never be
        (0, False, ["close"]),
        (9, False, ["abort", "close"]),
    ],
)
def test_a_connection_that_still_sends_is_not_used_again(
    unsent: int, complete: bool, done: list[str]
) -> None:
    connection = Kept(unsent)
    response = Response(connection)  # type: ignore[arg-type]
    if complete:
        response._complete()
    response.close()
    response.close()
    assert connection.done == done


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_spoken_and_certificates_are_checked(trusted: bool, tmp_path: Path) -> None:
    made = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost",
    ]  # fmt: skip
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    code = f"""
import asyncio, json, ssl, sys
sys.path.insert(0, {str(__file__.rpartition("/")[0])!r})
from test_gateway_upstream_direct import ANSWER, WHOLE, Server
from upstream_calls import QUICK, ask, model
from onehead.config import UpstreamConfig
from onehead.gateway.upstream import AllFailed, Upstreams
async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("cert.pem", "key.pem")
    listening = await asyncio.start_server(Server(WHOLE), "localhost", 0, ssl=context)
    url = f"https://localhost:{{listening.sockets[0].getsockname()[1]}}/v1"
    async with Upstreams(UpstreamConfig(**{{**QUICK, "connect_timeout_s": 10}}), [model("m", url)]) as upstreams:
        try:
            print((await ask(upstreams, ["m"])).body == ANSWER)
        except AllFailed as failure:
            print([one.outcome for one in failure.attempts], failure.attempts[0].reason)
asyncio.run(main())
"""
    environment = {"SSL_CERT_FILE": str(tmp_path / "cert.pem")} if trusted else {}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, **environment}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip()
    assert said == "True" if trusted else "connect" in said, said
