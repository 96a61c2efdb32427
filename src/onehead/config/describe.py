"""What a configuration means, as plain values and in words. Nothing secret is in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from onehead.config.checks import CALLER
from onehead.config.model import CAPABILITIES
from onehead.config.urls import is_loopback, shown
from onehead.config.warnings import warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onehead.config.model import ModelConfig
    from onehead.config.types import Config, KeyConfig

_TIMEOUTS = ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "total_timeout_s")
_PROMPTS = {
    "none": "nothing of a prompt is kept",
    "hash": "prompts are kept as hashes",
    "full": "prompts are kept in full",
}


def describe(config: Config) -> dict[str, Any]:
    """What `config` means, as JSON values."""
    gateway = config.gateway
    host = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
    return {
        "file": None if config.path is None else str(config.path),
        "gateway": {
            "address": f"http://{host}:{gateway.port}",
            "loopback": is_loopback(gateway.host),
            "open": not config.keys,
            **{k: v for k, v in asdict(gateway).items() if k not in ("host", "port")},
        },
        "keys": [_key(key) for key in config.keys],
        "routing": asdict(config.routing),
        "models": [_model(model, config) for model in config.models],
        "upstreams": asdict(config.upstreams),
        "store": {
            **asdict(config.store),
            "url": shown(config.store.url.reveal()),
        },
        "warnings": warnings(config),
    }


def lines(config: Config) -> Iterator[str]:
    """What `config` means, for people, a line for each thing."""
    told = describe(config)
    gateway, routing, store = told["gateway"], told["routing"], told["store"]
    yield f"Listens on {gateway['address']} with {_count(gateway['workers'], 'worker')}."
    if gateway["open"]:
        yield "Open: no key is asked for; only this machine reaches it."
    else:
        yield f"Asks for one of {_count(len(told['keys']), 'key')}:"
        yield from (f"  {_key_line(key)}" for key in told["keys"])
    yield f"Router: {routing['router']}; willingness to pay {_amount(routing['willingness_to_pay'])}, {routing['reward']} reward."
    yield from _routing_lines(routing)
    if told["models"]:
        yield f"{_count(len(told['models']), 'model')}:"
        yield from (f"  {_model_line(model)}" for model in told["models"])
    else:
        yield "No models: the router's own pool, for decisions only."
    upstreams = told["upstreams"]
    yield (
        f"Upstreams: {upstreams['connect_timeout_s']:g} s to connect, {upstreams['first_byte_timeout_s']:g} s "
        f"to the first byte, {upstreams['idle_timeout_s']:g} s between bytes, {upstreams['total_timeout_s']:g} s "
        f"in all; {_count(upstreams['max_attempts'], 'call')} for one request at most."
    )
    kept = store["retention_days"]
    until = "for ever" if kept is None else f"for {_count(kept, 'day')}"
    yield f"Store: {store['url']}; {_PROMPTS[store['prompts']]}, records {until}."
    yield from (f"Warning: {warning}" for warning in told["warnings"])


def _routing_lines(routing: dict[str, Any]) -> Iterator[str]:
    """What holds for every request, and what happens when routing fails."""
    if routing["max_cost_usd"] is not None:
        yield f"No request may be expected to cost more than ${routing['max_cost_usd']:g}."
    if routing["min_quality"] is not None:
        yield f"The expected quality is at least {routing['min_quality']:g}."
    if routing["shadow"] == CALLER:
        yield "Shadow: the model that the caller names answers; choices are only logged."
    elif routing["shadow"] is not None:
        yield f"Shadow: {routing['shadow']} answers everything; choices are only logged."
    if routing["fallback"] is not None:
        yield f"When routing itself fails, {routing['fallback']} answers."


def _key(key: KeyConfig) -> dict[str, Any]:
    """A key without its digest."""
    return {name: value for name, value in asdict(key).items() if name != "sha256"}


def _key_line(key: dict[str, Any]) -> str:
    parts = []
    if key["budget_usd"] is not None:
        each = "in all" if key["period"] == "total" else f"a {key['period']}"
        parts.append(f"${key['budget_usd']:g} {each}")
    parts += [
        f"{key[f'{name}_per_minute']:,} {name} a minute"
        for name in ("requests", "tokens")
        if key[f"{name}_per_minute"] is not None
    ]
    if key["models"] is not None:
        parts.append(f"only {', '.join(key['models'])}")
    if key["deny"]:
        parts.append(f"not {', '.join(key['deny'])}")
    if key["max_cost_usd"] is not None:
        parts.append(f"at most ${key['max_cost_usd']:g} a request")
    if key["willingness_to_pay"] is not None:
        parts.append(f"willingness to pay {_amount(key['willingness_to_pay'])}")
    if not key["dashboard"]:
        parts.append("no dashboard")
    return f"{key['name']}: {', '.join(parts) or 'no budget, no limits'}"


def _model(model: ModelConfig, config: Config) -> dict[str, Any]:
    """A model: where it is, what it costs, what it can do; of its secrets only whether they are set."""
    return {
        "id": model.id,
        "upstream": _host(model.base_url),
        "via": model.via,
        "upstream_model": model.upstream_model,
        "api_key_set": bool(model.api_key),
        "headers": sorted(model.headers),
        "query": sorted(model.query),
        "body": sorted(model.body),
        "free": model.free,
        "input_usd_per_million": model.input_usd_per_million,
        "cached_input_usd_per_million": model.cached_input_usd_per_million,
        "output_usd_per_million": model.output_usd_per_million,
        "request_usd": model.request_usd,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "capabilities": [one for one in CAPABILITIES if one in model.capabilities],
        "like": model.like,
        "auto": model.auto,
        "stream_usage": model.stream_usage,
        **{name: getattr(model, name) or getattr(config.upstreams, name) for name in _TIMEOUTS},
    }


def _model_line(model: dict[str, Any]) -> str:
    price = (
        "free"
        if model["free"]
        else f"${model['input_usd_per_million']:g} in, ${model['output_usd_per_million']:g} out per million tokens"
    )
    if model["request_usd"]:
        price += f", ${model['request_usd']:g} a call"
    parts = [
        _place(model),
        "key set" if model["api_key_set"] else "no key",
        price,
    ]
    if model["context_window"] is not None:
        parts.append(f"{model['context_window']:,} tokens of context")
    if len(model["capabilities"]) < len(CAPABILITIES):
        parts.append(f"can do {', '.join(model['capabilities'])}")
    if model["like"] is not None:
        parts.append(f"like {model['like']}")
    if not model["auto"]:
        parts.append("by name only")
    return f"{model['id']}: {'; '.join(parts)}"


def _place(model: dict[str, Any]) -> str:
    """Where calls for a model go."""
    if not (model["upstream"] or model["via"]):
        return "no upstream"
    at = f" at {model['upstream']}" if model["upstream"] else ""
    through = f" through {model['via']}" if model["via"] else ""
    return f"{model['upstream_model']}{at}{through}"


def _host(base_url: str | None) -> str | None:
    """Scheme, host and port of an upstream; its path may hold what others should not see."""
    if base_url is None:
        return None
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}"


def _amount(value: str | float) -> str:
    return value if isinstance(value, str) else f"${value:g}"


def _count(number: float, what: str) -> str:
    return f"{number:,g} {what}{'' if number == 1 else 's'}"
