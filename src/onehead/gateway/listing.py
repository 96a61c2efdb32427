"""The list of models, as OpenAI's clients read it, with what a caller needs to choose one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.policy import PRESET_NAMES

if TYPE_CHECKING:
    from onehead.config import KeyConfig, ModelConfig
    from onehead.gateway.state import State


def models_document(state: State, key: KeyConfig | None) -> dict[str, Any]:
    """All models that a key may name, and the names that ask the router."""
    pool = [one for name, one in state.fleet.models.items() if state.allowed(name, key)]
    return {"object": "list", "data": [*_autos(state, pool), *map(_model, pool)]}


def model_document(state: State, name: str, key: KeyConfig | None) -> dict[str, Any]:
    """One entry of the list; GatewayError where there is none of this name."""
    for entry in models_document(state, key)["data"]:
        if entry["id"] == name:
            found: dict[str, Any] = entry
            return found
    state.allow(name, key)
    raise AssertionError(name)


def _autos(state: State, pool: list[ModelConfig]) -> list[dict[str, Any]]:
    """`auto` and its presets: as capable as the most capable model, since that one can be chosen."""
    windows = [one.context_window for one in pool if one.auto]
    known = [window for window in windows if window is not None]
    capabilities = frozenset[str]().union(*(one.capabilities for one in pool if one.auto))
    shared = {
        "object": "model",
        "created": 0,
        "owned_by": "onehead",
        "context_window": max(known) if known and len(known) == len(windows) else None,
        "capabilities": sorted(capabilities),
        "pricing": None,
    }
    default = state.config.routing.willingness_to_pay
    named = {"auto": default, **{f"auto:{name}": name for name in PRESET_NAMES}}
    return [
        {"id": name, **shared, "willingness_to_pay": _usd(state, value)}
        for name, value in named.items()
    ]


def _usd(state: State, value: str | float) -> float:
    return state.fleet.presets[value] if isinstance(value, str) else value


def _model(model: ModelConfig) -> dict[str, Any]:
    prices = {
        "input_usd_per_million": model.input_usd_per_million,
        "cached_input_usd_per_million": model.cached_input_usd_per_million,
        "output_usd_per_million": model.output_usd_per_million,
        "request_usd": model.request_usd,
    }
    free = dict.fromkeys(prices, 0.0)
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": "upstream" if model.has_upstream else "none",
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "capabilities": sorted(model.capabilities),
        "pricing": free if model.free else prices,
        "auto": model.auto,
    }
