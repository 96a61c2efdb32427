"""What an upstream's `/v1/models` says of its models, in the words of whoever wrote the upstream.

The list has a common shape and no common fields. Known here: onehead itself, OpenRouter, Together,
Groq, Mistral, vLLM and llama.cpp; a field that is absent or odd counts as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from onehead.config.values import lone_surrogate
from onehead.errors import DataError
from onehead.pool import CONTROL

_WINDOWS: Final = ("context_window", "context_length", "max_context_length", "max_model_len")
_ANSWERS: Final = ("max_output_tokens", "max_completion_tokens")
_MODALITIES: Final = {"image": "vision", "audio": "audio", "file": "files"}
_PARAMETERS: Final = {"tools": "tools", "structured_outputs": "json_schema"}
_CHATTING: Final = frozenset({"chat", "language", "code", "text", "model", "base"})
_LONGEST_ID: Final = 256
_MOST_TOKENS: Final = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A model that an upstream offers; what it does not say is None.

    free: whether it says that calls cost nothing
    source: where the prices come from, in words
    """

    id: str
    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None
    cached_input_usd_per_million: float | None = None
    request_usd: float | None = None
    free: bool = False
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    source: str | None = None

    @property
    def priced(self) -> bool:
        """Whether nothing is missing that a configuration needs."""
        known = self.input_usd_per_million is not None and self.output_usd_per_million is not None
        return self.free or known


@dataclass
class Listing:
    """The models of an upstream, and what of its list could not be taken, in words."""

    offers: list[Offer] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def read_listing(document: Any) -> Listing:
    """The models in an upstream's answer; DataError where it is no list of models."""
    rows = document.get("data") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise DataError(
            "the answer is not a list of models: there is no list under 'data'. Check the base URL; "
            "it usually ends in /v1."
        )
    listing = Listing()
    seen: set[str] = set()
    for place, row in enumerate(rows):
        name = row.get("id") if isinstance(row, dict) else None
        if not isinstance(name, str) or not _usable(name):
            listing.skipped.append(f"entry {place} has no id that can be used")
        elif name in ("auto", "caller") or name.startswith(("auto:", "auto@")):
            listing.skipped.append(f"{name} is a name that asks a router to choose")
        elif not _chats(row):
            listing.skipped.append(f"{name} does not write text")
        elif name not in seen:
            seen.add(name)
            listing.offers.append(_offer(name, row))
    return listing


def _usable(name: str) -> bool:
    """Whether a configuration can hold this id."""
    odd = CONTROL.search(name) or lone_surrogate(name) or "," in name
    return bool(name) and name == name.strip() and not odd and len(name) <= _LONGEST_ID


def _chats(row: dict[str, Any]) -> bool:
    """Whether the model writes text, as far as the list says; who says nothing counts as yes."""
    kind = row.get("type")
    if isinstance(kind, str) and kind.lower() not in _CHATTING:
        return False
    written = _part(row, "architecture").get("output_modalities")
    if isinstance(written, list) and "text" not in written:
        return False
    return _part(row, "capabilities").get("completion_chat") is not False


def _offer(name: str, row: dict[str, Any]) -> Offer:
    windows = [*(row.get(key) for key in _WINDOWS), _part(row, "meta").get("n_ctx")]
    answers = [*(row.get(key) for key in _ANSWERS)]
    answers.append(_part(row, "top_provider").get("max_completion_tokens"))
    return Offer(
        id=name,
        context_window=_first_tokens(windows),
        max_output_tokens=_first_tokens(answers),
        capabilities=_capabilities(row),
        **_prices(row),
    )


def _prices(row: dict[str, Any]) -> dict[str, Any]:
    """Prices where they are stated: by the token (OpenRouter) or by the million."""
    pricing = {**row, **_part(row, "pricing")}
    if "prompt" in pricing or "completion" in pricing:
        read, cached, written = (
            _usd(pricing.get(key), 1_000_000)
            for key in ("prompt", "input_cache_read", "completion")
        )
    elif "input_usd_per_million" in pricing:
        read, cached, written = (
            _usd(pricing.get(f"{key}_usd_per_million"), 1)
            for key in ("input", "cached_input", "output")
        )
    else:
        # Together states 0 for what it bills by the hour: that is no price.
        read, cached, written = (
            _usd(pricing.get(key), 1) or None for key in ("input", "", "output")
        )
    if read is None or written is None:
        return {}
    call = _usd(pricing.get("request", pricing.get("request_usd")), 1) or None
    if read == written == 0 and not call:
        return {"free": True, "source": "the upstream's list"}
    return {
        "input_usd_per_million": read,
        "output_usd_per_million": written,
        "cached_input_usd_per_million": cached if cached != read else None,
        "request_usd": call,
        "source": "the upstream's list",
    }


def _capabilities(row: dict[str, Any]) -> tuple[str, ...]:
    """What it says it can do, in our words; () where it does not say."""
    from onehead.config.model import CAPABILITIES

    said = row.get("capabilities")
    if isinstance(said, list):  # onehead
        return tuple(one for one in CAPABILITIES if one in said)
    if isinstance(said, dict) and "function_calling" in said:  # Mistral
        able = {"tools": said.get("function_calling"), "vision": said.get("vision")}
        return (*(one for one in ("tools", "vision") if able[one]), "json_schema", "streaming")
    parameters, read = (
        row.get("supported_parameters"),
        _part(row, "architecture").get("input_modalities"),
    )
    if not isinstance(parameters, list) or not isinstance(read, list):
        return ()
    found = {ours for theirs, ours in _PARAMETERS.items() if theirs in parameters}
    found |= {ours for theirs, ours in _MODALITIES.items() if theirs in read}
    return tuple(one for one in CAPABILITIES if one in found | {"streaming"})


def _part(row: dict[str, Any], key: str) -> dict[str, Any]:
    """A table inside a row; {} where there is none."""
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _first_tokens(values: list[Any]) -> int | None:
    """The first that is a number of tokens."""
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_TOKENS:
            return value
    return None


def _usd(value: Any, tokens: int) -> float | None:
    """A price for a million tokens from a number or its text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        price = Decimal(str(value)) * tokens  # 0.00000015 · 10⁶ is 0.15 exactly only in decimals
    except (InvalidOperation, ValueError):
        return None
    return float(price) if price.is_finite() and 0 <= price <= 1_000_000 else None
