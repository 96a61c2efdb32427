"""What an upstream's error means: whose fault it is, and whether another try may mend it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

REPEAT = frozenset({408, 409, 425, 500, 502, 503, 504, *range(520, 530)})
CALLERS = frozenset({400, 404, 413, 415, 422})
UNKNOWN_MODEL = frozenset({"model_not_found", "invalid_model", "DeploymentNotFound"})
NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "credit_balance_too_low"})
NAMES_A_MODEL = re.compile(r"\b(model|deployment)s?\b", re.IGNORECASE)


class Verdict(Enum):
    """What to do about an error status."""

    CALLER = "caller"  # the request is at fault: the caller gets the answer as it is
    REPEAT = "repeat"  # the same model may do better soon
    LIMITED = "limited"  # the same model does better only after a while
    OURS = "ours"  # our key, our money or our name for the model: not for the caller's eyes
    NEXT = "next"  # this model cannot, another may


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOTHING = msgspec.Raw(b"null")


class _Top(msgspec.Struct):
    error: Any = None
    choices: msgspec.Raw = _NOTHING
    output: msgspec.Raw = _NOTHING
    data: msgspec.Raw = _NOTHING


_DOCUMENT = msgspec.json.Decoder(_Top)
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An upstream's error document, as far as it can be read."""

    codes: frozenset[str]
    message: str
    number: int | None
    shaped: bool  # it has OpenAI's `error`, which clients understand


NO_BODY = ErrorBody(codes=frozenset(), message="", number=None, shaped=False)


def read_error(body: bytes) -> ErrorBody:
    """Codes and message of an error in OpenAI's shape or a near one."""
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE:
        return NO_BODY
    if not isinstance(document, dict):
        return NO_BODY
    shaped = bool(document.get("error"))
    error = document["error"] if shaped else document
    if not isinstance(error, dict):
        return ErrorBody(codes=frozenset(), message=str(error), number=None, shaped=shaped)
    code, kind = error.get("code"), error.get("type")
    return ErrorBody(
        codes=frozenset(one for one in (code, kind) if isinstance(one, str)),
        message=str(error.get("message", "")),
        number=code if isinstance(code, int) and 400 <= code <= 599 else None,
        shaped=shaped,
    )


def judge(status: int, error: ErrorBody) -> Verdict:
    """What an error `status` with this body calls for."""
    if status in REPEAT:
        return Verdict.REPEAT
    if status == 429:
        return Verdict.OURS if error.codes & NO_MONEY else Verdict.LIMITED
    if status in {401, 402, 403}:
        return Verdict.OURS
    if status in {400, 404} and error.codes & UNKNOWN_MODEL:
        return Verdict.OURS
    if status == 404 and (error is NO_BODY or NAMES_A_MODEL.search(error.message)):
        # No error document at all: the path is not one of an OpenAI-compatible server.
        return Verdict.OURS
    return Verdict.CALLER if status in CALLERS else Verdict.NEXT


def is_json(body: bytes) -> bool:
    """Whether a body is one JSON document."""
    try:
        _ANYTHING.decode(body)
    except UNREADABLE:
        return False
    return True


def hidden_error(body: bytes) -> tuple[bool, bool]:
    """Whether a successful answer is a JSON object, and whether it only carries an error.

    Some servers say 200 as soon as they start, and tell of a failure in the body.
    """
    try:
        top = _DOCUMENT.decode(body)
    except UNREADABLE:
        return False, False
    if not top.error:
        return True, False
    return True, all(bytes(one) == b"null" for one in (top.choices, top.output, top.data))


def first_event_error(first: bytes) -> ErrorBody | None:
    """The error that a stream opens with, where it does."""
    text = first.lstrip()
    if text.startswith(b"event: error"):
        text = text.partition(b"\n")[2]
    elif not text.startswith((b'data: {"error"', b'data:{"error"')):
        return None
    line = text.partition(b"\n")[0].strip()
    return read_error(line.removeprefix(b"data:"))


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """How long the upstream asks to wait, from retry-after-ms or retry-after (seconds or a date).

    now: unix seconds, for dates
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - now
            except (ValueError, OverflowError):
                continue
        if seconds == seconds and seconds != float("inf"):  # noqa: PLR0124  (not NaN)
            return max(0.0, seconds)
    return None
