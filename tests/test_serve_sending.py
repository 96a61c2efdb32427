"""Answers put together at once say byte for byte what uvicorn would have said."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from onehead.serve.sending import Gentle, Sender

HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"2"), (b"x-a", b"b c")]


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        raise AssertionError

    resume_reading = pause_reading

    def close(self) -> None:
        self.closed = True


def said(
    messages: list[dict[str, Any]], *, quick: bool, method: str = "POST", keep_alive: bool = True
) -> tuple[list[bytes], bool, str | None]:
    """What goes over the wire, whether it is closed then, and the error that sending raised."""
    transport = Transport()

    async def run() -> str | None:
        gentle = Gentle(transport, transport.close)  # type: ignore[arg-type]
        log = logging.getLogger("test")
        cycle = RequestResponseCycle(
            scope={"method": method},  # type: ignore[typeddict-item]
            transport=gentle,  # type: ignore[arg-type]
            flow=SimpleNamespace(write_paused=False),  # type: ignore[arg-type]
            logger=log,
            access_logger=log,
            access_log=False,
            default_headers=[(b"date", b"today")],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=gentle.end,
        )
        send: Any = Sender(cycle, gentle) if quick else cycle.send
        try:
            for message in messages:
                await send(message)
        except RuntimeError as error:
            return str(error)
        return None

    failed = asyncio.run(run())
    return transport.written, transport.closed, failed


def start(headers: list[tuple[bytes, bytes]] = HEADERS, status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


CASES: dict[str, list[dict[str, Any]]] = {
    "whole": [start(), part(b"{}")],
    "empty": [start([(b"content-length", b"0")]), part(b"")],
    "an error": [start(status=429), part(b"{}")],
    "streamed": [start([]), part(b"one", more=True), part(b"two", more=True), part(b"")],
    "streamed at once": [start([]), part(b"one")],
    "too long": [start(), part(b"{}}")],
    "too short": [start(), part(b"{")],
    "two lengths": [start([*HEADERS, (b"content-length", b"3")]), part(b"{}")],
    "closing": [start([*HEADERS, (b"connection", b"close")]), part(b"{}")],
    "in capitals": [start([(b"Content-Length", b"2")]), part(b"{}")],
    "a forged value": [start([*HEADERS, (b"x-b", b"c\r\nx-d: e")]), part(b"{}")],
    "a forged name": [start([*HEADERS, (b"x-b: c\r\nx-d", b"e")]), part(b"{}")],
    "after its end": [start(), part(b"{}"), part(b"{}")],
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_the_same_bytes_leave(name: str, keep_alive: bool, method: str) -> None:
    quick, slow = (
        said(CASES[name], quick=quick, method=method, keep_alive=keep_alive)
        for quick in (True, False)
    )
    assert b"".join(quick[0]) == b"".join(slow[0])
    assert quick[1:] == slow[1:]


def test_a_whole_answer_leaves_in_one_packet() -> None:
    assert len(said(CASES["whole"], quick=True)[0]) == 1


def test_a_head_that_nothing_followed_makes_room_for_an_error() -> None:
    failed = [start(), start([(b"content-length", b"5")], 500), part(b"error")]
    written, _, problem = said(failed, quick=True)
    assert problem is None
    assert b"".join(written).startswith(b"HTTP/1.1 500")
