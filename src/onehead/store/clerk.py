"""The process behind `apart`: it writes what the writer hands it, and ends when the writer's pipe does."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import msgspec

from onehead.collector import spare_the_collector
from onehead.errors import OneheadError
from onehead.store.apart import (
    AskSpend,
    Enter,
    Failed,
    Open,
    Purge,
    Reply,
    Request,
    Rows,
    encode,
    receive,
    send,
)
from onehead.store.database import Database
from onehead.store.desk import Desk
from onehead.store.segment import PartLost

if TYPE_CHECKING:
    from collections.abc import Callable

_NICE: Final = 5
"""Requests come first where processors are scarce; records wait in the journal."""
_request: Final[Callable[[bytes], Request]] = msgspec.msgpack.Decoder(Request).decode


def _answer(desk: Desk, request: Request) -> Reply:
    try:
        if isinstance(request, Enter):
            return desk.enter(request.payloads if request.part is None else request.part)
        if isinstance(request, AskSpend):
            return Rows(desk.spend_rows(request.since_day))
        if isinstance(request, Purge):
            desk.purge(request.before)
    except OneheadError as error:
        return Failed(str(error), isinstance(error, PartLost))
    return Rows([])


def main() -> None:
    """Answer the writer until it goes. Signals meant for the whole group are the worker's to obey."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICE)
    spare_the_collector()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints must not end up among the replies
    desk: Desk | None = None
    with contextlib.suppress(BrokenPipeError):
        while (data := receive(sys.stdin.buffer)) is not None:
            request = _request(data)
            if isinstance(request, Open):
                desk = Desk(Database(request.url), polite=False)
            assert desk is not None  # noqa: S101  (`Open` comes first)
            send(replies, encode(_answer(desk, request)))
    if desk is not None:
        desk.close()
    os._exit(0)  # the pipe of replies may be broken; nothing is left to be flushed
