"""One line of the log on stderr for a request that has ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from onehead.store import DecisionRecord

log: Final = logging.getLogger("onehead.requests")
_LEVELS: Final = {
    "ok": logging.DEBUG,
    "cancelled": logging.DEBUG,
    "refused": logging.INFO,
    "error": logging.WARNING,
    "broken": logging.WARNING,
}
"""What went well is told at level debug: the decision log has it all, and a line costs time."""


def tell(record: DecisionRecord) -> None:
    """Log how a request ended: ids, models, amounts; nothing of what was asked or answered."""
    level = _LEVELS.get(record.outcome, logging.WARNING)
    if log.isEnabledFor(level):
        log.log(level, record.outcome, extra={"fields": _fields(record)})


def _fields(record: DecisionRecord) -> dict[str, Any]:
    return {
        "request_id": record.request_id,
        "decision_id": record.decision_id,
        "key": record.key,
        "path": record.path,
        "status": record.status,
        "error": record.error,
        "mode": record.mode,
        "model": record.model,
        "attempts": len(record.attempts) or None,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "cost_usd": record.cost_usd,
        "overhead_ms": _milliseconds(record.overhead_s),
        "first_byte_ms": _milliseconds(record.first_byte_s),
        "total_ms": _milliseconds(record.total_s),
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 2)
