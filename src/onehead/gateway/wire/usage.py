"""Tokens that an answer used, as upstreams report them, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from onehead.config import ModelConfig

_MILLIONTH = 1e-6


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer.

    input: all tokens read, `cached` among them; output: all written, `reasoning` among them.
    """

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False

    def cost_usd(self, model: ModelConfig) -> float:
        """USD at the prices of `model`; reasoning is billed as output, as all providers do."""
        if model.free:
            return 0.0
        price = model.input_usd_per_million or 0.0
        reduced = model.cached_input_usd_per_million
        cached = min(self.cached, self.input)
        millions = (
            (self.input - cached) * price
            + cached * (price if reduced is None else reduced)
            + self.output * (model.output_usd_per_million or 0.0)
        )
        return millions * _MILLIONTH + model.request_usd


def document_of(body: bytes) -> Any:
    """What an answer says; None where it cannot be read, as with bytes that are no UTF-8."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def usage_of(document: Any) -> Usage | None:
    """The usage stated in an answer, in the words of any of the APIs; None where it states none.

    Reads OpenAI's chat (``prompt_tokens``), its Responses (``input_tokens``) and Anthropic's shape,
    whose input leaves out what its cache held.
    """
    stated = document.get("usage") if isinstance(document, dict) else None
    if not isinstance(stated, dict):
        return None
    read = _count(stated, "prompt_tokens", "input_tokens")
    written = _count(stated, "completion_tokens", "output_tokens")
    if read is None and written is None:
        return None
    inside = _part(stated, "prompt_tokens_details", "input_tokens_details")
    outside = _part(stated, "completion_tokens_details", "output_tokens_details")
    cached = _count(inside, "cached_tokens") or _count(stated, "prompt_cache_hit_tokens") or 0
    extra = _count(stated, "cache_read_input_tokens") or 0
    created = _count(stated, "cache_creation_input_tokens") or 0
    return Usage(
        input=(read or 0) + extra + created,
        output=written or 0,
        cached=cached + extra,
        reasoning=_count(outside, "reasoning_tokens") or 0,
    )


def _count(record: dict[str, Any], *names: str) -> int | None:
    """The first of some fields that holds a number of tokens."""
    for name in names:
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return int(value)
    return None


def _part(record: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        value = record.get(name)
        if isinstance(value, dict):
            return value
    return {}
