"""Clients that take their time, against a worker in this process whose patience is short."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from serving import TIMEOUT_S, StandIn

from onehead.config import default_config
from onehead.serve import protocol
from onehead.serve.protocol import until
from onehead.serve.server import Worker
from onehead.serve.sockets import bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Bench:
    """A worker, and connections to it."""

    def __init__(self, worker: Worker, port: int) -> None:
        self.worker = worker
        self.port = port

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1024)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def empty(self) -> bool:
        """Whether the worker has let go of every connection, in time."""
        end = asyncio.get_running_loop().time() + TIMEOUT_S
        return await until(lambda: not self.worker._state.connections, end)


@asynccontextmanager
async def worker(*, header_timeout_s: float = 15) -> AsyncIterator[Bench]:
    usual = default_config()
    gateway = replace(usual.gateway, drain_s=0.1, header_timeout_s=header_timeout_s)
    config = replace(usual, gateway=gateway)
    words: list[str] = []
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    one = Worker(StandIn(config), config, load=lambda: config, report=words.append)
    running = asyncio.create_task(one.run(listener))
    end = asyncio.get_running_loop().time() + TIMEOUT_S
    assert await until(lambda: "ready" in words, end)
    try:
        yield Bench(one, port)
    finally:
        one.stop()
        one.stop()
        await running


def test_a_client_that_stops_reading_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_STALLED_S", 0.2)

    async def run() -> None:
        async with worker() as bench, bench.connect() as (reader, writer):
            writer.write(b"GET /large/50000000 HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await reader.read(12)).startswith(b"HTTP/1.1 200")
            assert await bench.empty()

    asyncio.run(run())


def test_a_client_that_reads_slowly_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_STALLED_S", 5)
    size = 5_000_000

    async def run() -> None:
        async with worker() as bench, bench.connect() as (reader, writer):
            writer.write(f"GET /large/{size} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            read = 0
            while read < size:
                part = await reader.read(100_000)
                assert part, f"cut after {read} bytes"
                read += len(part)
                await asyncio.sleep(0)

    asyncio.run(run())


@pytest.mark.parametrize("ending", [b"", b"connection: close\r\n"])
def test_a_body_that_nobody_wants_is_not_read_for_ever(
    monkeypatch: pytest.MonkeyPatch, ending: bytes
) -> None:
    monkeypatch.setattr(protocol, "_LINGER_S", 0.2)

    async def run() -> None:
        async with worker() as bench, bench.connect() as (reader, writer):
            head = b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n"
            writer.write(head + ending + b"\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
            with suppress(ConnectionError):
                while bench.worker._state.connections:  # drips, and never ends
                    writer.write(b"z")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            assert await bench.empty()

    asyncio.run(run())


def test_an_upload_that_ends_in_time_keeps_its_connection() -> None:
    async def run() -> None:
        async with worker() as bench, bench.connect() as (reader, writer):
            writer.write(b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
            writer.write(b"bodyGET /ready HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")

    asyncio.run(run())


def test_pipelined_requests_are_answered_in_order_however_long_the_first_takes() -> None:
    async def run() -> None:
        async with worker(header_timeout_s=0.5) as bench, bench.connect() as (reader, writer):
            writer.write(b"GET /slow/1500 HTTP/1.1\r\nhost: x\r\n\r\n")
            writer.write(b"GET /large/3 HTTP/1.1\r\nhost: x\r\n\r\nGET /ready HTTP/1.1\r\nhos")
            for _ in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(3) == b"xxx"
            writer.write(b"t: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")

    asyncio.run(run())
