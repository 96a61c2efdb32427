"""`onehead serve` that logs in turns: the requests of one span of time, and none of the next.

    python benchmarks/turns.py FILE SPAN_S SETTLE_S serve --config ...

For gateway_log.py. One process, so that both kinds of span have the same memory, hash seed and placing
on the machine, which move a gateway's speed by more than its log does. Writes a line of JSON to FILE for
each span: whether it was logged, requests, seconds, and processor seconds of the loop; without the
beginning of the span, in which the log's process takes what the span before has left. Which of two spans
is logged first changes from pair to pair.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from onehead.cli import main
from onehead.store import Writer

if TYPE_CHECKING:
    from collections.abc import Callable


class Turns:
    """Stands where `Writer.put` does."""

    def __init__(self, file: Path, span_s: float, settle_s: float) -> None:
        self._file = file.open("wb", buffering=0)
        self._span_s, self._settle_s = span_s, settle_s
        self._begin: float | None = None
        self._span = -1
        self._logged = False
        self._seen = 0
        self._from: tuple[int, float, float] | None = None
        self._log: Callable[[Writer, Any], None] = Writer.put

    def put(self, writer: Writer, record: Any) -> None:
        """Log a record where it is the log's turn."""
        now = time.monotonic()
        self._seen += 1
        if self._begin is None:
            self._begin = now
        span, since = divmod(now - self._begin, self._span_s)
        if span != self._span:
            self._turn(int(span), now)
        if self._from is None and since >= self._settle_s:
            self._from = self._seen, now, time.thread_time()
        if self._logged:
            self._log(writer, record)

    def _turn(self, span: int, now: float) -> None:
        if self._from is not None:
            seen, began, spent = self._from
            line = {
                "span": self._span,
                "logged": self._logged,
                "requests": self._seen - seen,
                "seconds": now - began,
                "loop_s": time.thread_time() - spent,
            }
            self._file.write(msgspec.json.encode(line) + b"\n")
        pair, second = divmod(span, 2)
        self._span, self._logged, self._from = span, (second == 1) != (pair % 2 == 1), None


if __name__ == "__main__":
    name, span_s, settle_s, *rest = sys.argv[1:]
    turns = Turns(Path(name), float(span_s), float(settle_s))

    def put(writer: Writer, record: Any) -> None:
        """A method, which `turns.put` is not."""
        turns.put(writer, record)

    Writer.put = put  # type: ignore[method-assign]
    sys.argv = ["onehead", *rest]
    sys.exit(main())
