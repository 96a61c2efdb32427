"""`[[models]]` blocks as text, ready for a configuration file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onehead.config.offers import Offer

_PRICES = (
    "input_usd_per_million",
    "cached_input_usd_per_million",
    "output_usd_per_million",
    "request_usd",
)


def fields_of(offer: Offer, base_url: str, key: str | None, like: str | None) -> dict[str, Any]:
    """The keys of a model's table, in the order in which people read them."""
    made: dict[str, Any] = {"id": offer.id, "base_url": base_url}
    if key is not None:
        made["api_key"] = f"${{{key}}}"
    made.update({"free": True} if offer.free else {name: getattr(offer, name) for name in _PRICES})
    made["context_window"] = offer.context_window
    made["max_output_tokens"] = offer.max_output_tokens
    made["capabilities"] = list(offer.capabilities) or None
    made["like"] = like
    return {name: value for name, value in made.items() if value is not None}


def block(offer: Offer, base_url: str, key: str | None, like: str | None) -> str:
    """One model as TOML; prices that nobody knows stand there as comments."""
    return "\n".join(_lines(offer, fields_of(offer, base_url, key, like))) + "\n"


def _lines(offer: Offer, values: dict[str, Any]) -> Iterator[str]:
    yield "[[models]]"
    for name, value in values.items():
        if name in _PRICES and offer.source and name == "input_usd_per_million":
            yield f"# Prices: {offer.source}. Check them."
        yield f"{name} = {_toml(value, name)}"
    if not offer.priced:
        yield "# Price unknown: fill it in, or write free = true. Without one the file is refused."
        yield "# input_usd_per_million ="
        yield "# output_usd_per_million ="


def _toml(value: Any, name: str) -> str:
    """A value as TOML; `${` from an upstream stays what it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value if name == "api_key" else value.replace("${", "$${")
        quoted = json.dumps(text, ensure_ascii=False)
        return re.sub(r"[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", quoted)
    if isinstance(value, list):
        return f"[{', '.join(_toml(one, name) for one in value)}]"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
