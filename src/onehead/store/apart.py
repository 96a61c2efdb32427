"""A desk in a process of its own, so that SQL never holds the interpreter that requests need.

The writer says down a pipe where in the journal records are, and waits for what became of them; the
process reads them itself, for whatever passes through the worker's interpreter holds up requests. It keeps
nothing that the journal does not have: killed, it is started again and told the same once more, and
records are recognised by their id. `clerk` is what runs there.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Final

import msgspec

from onehead.errors import StoreError
from onehead.store.desk import Entered, Spent
from onehead.store.segment import Part, PartLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from onehead.store.desk import Batch

_LENGTH: Final = struct.Struct("<I")
_END_S: Final = 5.0
_RUN: Final = "import sys; sys.path = {path!r}; from onehead.store.clerk import main; main()"
"""Modules come from where this process has them, not from whatever folder it was started in."""


class Open(msgspec.Struct, tag=True):
    """Where the store is; the first message. A URL may hold a password: no argument, no environment."""

    url: str


class Enter(msgspec.Struct, tag=True):
    """A batch to be written: a part of a journal, or, where there is none, the records."""

    part: Part | None = None
    payloads: list[bytes] = []


class AskSpend(msgspec.Struct, tag=True):
    """A day from which on the spend is asked for."""

    since_day: str


class Purge(msgspec.Struct, tag=True):
    """A time before which decisions are deleted."""

    before: float


class Rows(msgspec.Struct, tag=True):
    """Spend; empty where a request has no answer but that it was done."""

    rows: list[Spent]


class Failed(msgspec.Struct, tag=True):
    """Why the database did not do it.

    lost: whether the part is gone, so that asking again is no use
    """

    message: str
    lost: bool = False


Request = Open | Enter | AskSpend | Purge
Reply = Entered | Rows | Failed
encode: Final = msgspec.msgpack.Encoder().encode
_reply: Final[Callable[[bytes], Reply]] = msgspec.msgpack.Decoder(Reply).decode


class Apart:
    """The writer's end; starts the process when it is first needed, and again when it has ended."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; OSError where there cannot be one."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(  # noqa: S603  (this interpreter, this package)
            [sys.executable, "-P", "-c", _RUN.format(path=sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            self._exchange(Open(self._url))
        except OSError:
            self.close()
            raise

    def enter(self, batch: Batch) -> Entered:
        """Write records."""
        reply = self._ask(Enter(batch) if isinstance(batch, Part) else Enter(payloads=batch))
        assert isinstance(reply, Entered)  # noqa: S101  (this module answers itself)
        return reply

    def spend_rows(self, since_day: str) -> list[Spent]:
        """What was spent from a day on."""
        reply = self._ask(AskSpend(since_day))
        assert isinstance(reply, Rows)  # noqa: S101
        return reply.rows

    def purge(self, before: float) -> None:
        """Delete the decisions made before a time."""
        self._ask(Purge(before))

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _ask(self, request: Request) -> Entered | Rows:
        try:
            self.start()
            reply = self._exchange(request)
        except OSError as error:
            self.close()
            raise StoreError(
                f"the process that writes the log has ended ({error}); another one is started."
            ) from error
        if isinstance(reply, Failed):
            raise PartLost(reply.message) if reply.lost else StoreError(reply.message)
        return reply

    def _exchange(self, request: Request) -> Reply:
        """Send a request, and wait for its reply; OSError where the process has ended."""
        process = self._process
        assert process is not None  # noqa: S101
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        send(process.stdin, encode(request))
        data = receive(process.stdout)
        if data is None:
            raise BrokenPipeError(f"exit status {process.wait()}")
        return _reply(data)


def send(pipe: IO[bytes], data: bytes) -> None:
    """A message down a pipe."""
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; None where the other side has gone."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = _LENGTH.unpack(head)[0]
    data = pipe.read(length)
    return data if len(data) == length else None
