"""What can be taken, but is seldom meant."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from onehead.config.model import MODULES
from onehead.config.secrets import opens_something
from onehead.config.urls import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onehead.config.model import ModelConfig
    from onehead.config.types import Config


def warnings(config: Config) -> list[str]:
    """Sentences about a configuration, each with the key to change."""
    found = [*_routing(config), *_store(config)]
    for model in config.models:
        found += [f"model {model.id!r} {what}" for what in _model(model)]
    return found


def _routing(config: Config) -> Iterator[str]:
    models = {model.id: model for model in config.models}
    fallback = config.routing.fallback
    if not models:
        yield "no [[models]]: requests are decided, but no model answers them."
        return
    if fallback is None:
        yield "no routing.fallback: a request gets an error when routing itself fails."
    elif fallback in models and not models[fallback].has_upstream:
        yield f"routing.fallback {fallback!r} has no base_url, so it cannot answer."
    if not any(model.auto for model in config.models):
        yield "every model has auto = false: 'auto' finds none to choose from."


def _store(config: Config) -> Iterator[str]:
    if config.store.prompts == "full":
        yield 'store.prompts = "full": whoever reads the store reads what people asked.'
    if config.store.in_memory:
        yield "store.url is memory: records and spend are lost at the end; serve refuses it."
    elif config.store.retention_days is None:
        yield "no store.retention_days: records are kept for ever."


def _model(model: ModelConfig) -> Iterator[str]:
    if not model.has_upstream:
        yield "has no base_url: it can be chosen, but nobody answers."
        return
    if model.via is not None and find_spec(MODULES[model.via]) is None:
        yield f"is called via {model.via!r}, which is not installed here: pip install 'onehead[translate]'."
    parts = urlsplit(model.base_url or "")
    local = is_loopback(parts.hostname or "")
    keyed = bool(model.api_key) or any(map(opens_something, [*model.headers, *model.query]))
    if keyed and parts.scheme == "http" and not local:
        yield "sends its key over http:// without encryption; use https:// beyond a private network."
    if not keyed and parts.scheme == "https" and not local:
        yield "has no api_key: most hosted upstreams refuse calls without one."
    if model.auto and model.context_window is None:
        yield "has no context_window: prompts that are too long for it are not kept away."
