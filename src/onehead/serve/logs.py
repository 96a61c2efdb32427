"""What is happening, as lines on stderr: for people (text) or for machines (one JSON document each).

A line carries a message of ours and, by ``extra={"fields": {...}}``, fields of a fixed list. No field
holds a prompt, an answer or a key, an exception is shown by its place and kind only, and nothing that
a client sent can break a line or steer a terminal.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onehead.errors import OneheadError

if TYPE_CHECKING:
    from collections.abc import Mapping

logger: Final = logging.getLogger("onehead")

FIELDS: Final = frozenset(
    {
        "address",
        "attempts",
        "cost_usd",
        "decision_id",
        "error",
        "first_byte_ms",
        "input_tokens",
        "key",
        "method",
        "mode",
        "model",
        "models",
        "outcome",
        "output_tokens",
        "overhead_ms",
        "path",
        "pid",
        "request_id",
        "router",
        "status",
        "store",
        "stream",
        "total_ms",
        "version",
        "worker",
        "workers",
    }
)
"""Fields that a line may have; others are left out, so that none is logged by accident."""

_MAX_CHARS: Final = 300
_FRAMES: Final = 6


def configure_logs(form: str, level: str) -> None:
    """Send our lines and uvicorn's warnings to stderr, from `level` up; `form`: text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter())
    for name, least in (("onehead", level.upper()), ("uvicorn.error", "WARNING")):
        one = logging.getLogger(name)
        one.handlers[:] = [handler]
        one.setLevel(least)
        one.propagate = False


class _TextFormatter(logging.Formatter):
    """``2026-01-31T09:15:00.250Z INFO message key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [_time(record.created), record.levelname, _plain(record.getMessage())]
        parts += [f"{name}={_plain(value)}" for name, value in _fields(record).items()]
        if record.exc_info:
            parts.append(_plain(" ".join(_exception(record.exc_info[1]))))
        return " ".join(parts)


class _JsonFormatter(logging.Formatter):
    """One document: time, level, logger, message, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _whole(record.getMessage()),
            **_fields(record),
        }
        if record.exc_info:
            document["exception"] = _exception(record.exc_info[1])
        return msgspec.json.encode(document, enc_hook=str).decode()


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    given = getattr(record, "fields", None) or {}
    return {
        name: _whole(value) if isinstance(value, str) else value
        for name, value in given.items()
        if name in FIELDS and value is not None
    }


def _whole(text: str) -> str:
    """The beginning of a text, in whole characters: half of one cannot be written."""
    return text[:_MAX_CHARS].encode("utf-8", "replace").decode("utf-8")


def _exception(error: BaseException | None) -> list[str]:
    """Where and what kind; its words only where they are our own, for others may quote a prompt."""
    if error is None:
        return []
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    words = f": {_whole(str(error))}" if isinstance(error, OneheadError) else ""
    return [
        f"{type(error).__name__}{words}",
        *(f"{one.filename}:{one.lineno} in {one.name}" for one in reversed(frames)),
    ]


def _time(seconds: float) -> str:
    stamp = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


def _plain(value: object) -> str:
    """`value` on one line, without characters that steer a terminal."""
    text = str(value)[:_MAX_CHARS]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
