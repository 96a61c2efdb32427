"""What is logged of a request, and how it is written to a journal.

A record crosses from the event loop to the writer as MessagePack: arrays in the order of the fields.
New fields go to the end and have defaults, so that a journal of an older version is still read.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence  # noqa: TC003  (msgspec reads the types of fields)
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import msgspec

from onehead.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

Policy = Literal["none", "hash", "full"]
POLICIES: Final = ("none", "hash", "full")
Estimate = tuple[str, float | None, float | None, float | None, str | None]
"""Model, quality, cost in USD, reward, and why it may not be chosen (None where it may)."""
MAX_COMMENT: Final = 4000


class DecisionRecord(
    msgspec.Struct, kw_only=True, array_like=True, tag="decision", gc=False, omit_defaults=False
):
    """Everything that is kept of one request; times in unix seconds, durations in seconds.

    mode: "auto" routed, "named" by the caller, "shadow" routed elsewhere and only logged, "decision"
        without a call, "fallback" when routing failed
    outcome: "ok", "error", "cancelled", "broken" (a stream that ended early) or "refused"
    estimates: one row for each model of the pool
    """

    decision_id: str
    at: float
    request_id: str = ""
    key: str | None = None
    path: str = ""
    asked_model: str = ""
    stream: bool = False
    mode: str = "auto"
    willingness_to_pay: float | None = None
    reward: str | None = None
    constraints: dict[str, Any] = {}
    session: str | None = None
    router: str = ""
    chosen: str | None = None
    model: str | None = None
    confidence: float | None = None
    probability: float = 1.0
    estimates: Sequence[Estimate] = ()
    predicted_quality: float | None = None
    predicted_cost_usd: float | None = None
    attempts: Sequence[dict[str, Any]] = ()
    outcome: str = "ok"
    status: int = 200
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_estimated: bool = False
    cost_usd: float | None = None
    overhead_s: float | None = None
    first_byte_s: float | None = None
    total_s: float | None = None
    prompt_hash: str | None = None
    prompt: str | None = None
    embedding: bytes | None = None
    answer_id: str | None = None


class FeedbackRecord(msgspec.Struct, kw_only=True, array_like=True, tag="feedback", gc=False):
    """How good an answer was: 0 to 1, by whom, and when. The last word of a source counts."""

    decision_id: str
    source: str
    quality: float
    comment: str | None
    at: float


Record = DecisionRecord | FeedbackRecord


class Vector(Protocol):
    """A vector in half precision, as numpy's are."""

    def tobytes(self) -> bytes:
        """Its numbers, little-endian."""


def prompt_fields(policy: str, text: str, embedding: Vector | None) -> dict[str, Any]:
    """What `policy` lets a record keep of a prompt, as keywords of `DecisionRecord`.

    none: nothing. hash: the SHA-256 of the text and its vector in half precision. full: both, and
    the text itself.
    """
    if policy == "none":
        return {}
    if policy not in POLICIES:
        raise UsageError(f"no policy {policy!r} for prompts. Choose one of: {', '.join(POLICIES)}.")
    data = text.encode("utf-8", "surrogatepass")
    kept: dict[str, Any] = {"prompt_hash": hashlib.sha256(data).hexdigest()}
    if embedding is not None:
        kept["embedding"] = embedding.tobytes()
    if policy == "full":
        kept["prompt"] = text
    return kept


def checked_feedback(
    decision_id: str, quality: float, comment: str | None, at: float, source: str
) -> FeedbackRecord:
    """A FeedbackRecord; UsageError where the quality or the comment cannot be taken."""
    number = isinstance(quality, int | float) and not isinstance(quality, bool)
    if not number or not math.isfinite(quality) or not 0 <= quality <= 1:
        raise UsageError(f"a quality of {quality!r} is not from 0 (useless) to 1 (perfect).")
    if comment is not None and len(comment) > MAX_COMMENT:
        raise UsageError(f"a comment has at most {MAX_COMMENT:,} characters, not {len(comment):,}.")
    return FeedbackRecord(
        decision_id=decision_id,
        source=source,
        quality=float(quality),
        comment=comment or None,
        at=at,
    )


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's own."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be logged")


_encode: Final[Callable[[Record], bytes]] = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_decode: Final[Callable[[bytes], Record]] = msgspec.msgpack.Decoder(Record).decode


def encoded(record: Record) -> bytes:
    """A record as bytes; half a character, which UTF-8 cannot hold, becomes a question mark."""
    try:
        return _encode(record)
    except UnicodeEncodeError:
        return _encode(_whole(record))


def decoded(data: bytes) -> Record:
    """The record in `data`.

    Raises:
        msgspec.MsgspecError: it is none, or of an unknown version.
    """
    return _decode(data)


def _whole(value: Any) -> Any:
    """A copy of a value whose texts hold whole characters only."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, msgspec.Struct):
        fields = {name: _whole(getattr(value, name)) for name in value.__struct_fields__}
        return type(value)(**fields)
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_whole(item) for item in value]
    return value
