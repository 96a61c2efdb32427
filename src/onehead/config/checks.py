"""Checks that look at several fields, or at several entries, of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.config.model import provider_and_name
from onehead.config.place import Place, Source
from onehead.config.urls import is_loopback
from onehead.errors import did_you_mean

if TYPE_CHECKING:
    from onehead.config.model import ModelConfig
    from onehead.config.types import Config, KeyConfig

_PRICES = ("input_usd_per_million", "output_usd_per_million")
CALLER = "caller"
"""What `shadow` says for the model that the caller named."""


def check_config(config: Config, at: Place | None = None, *, listed: int = 0) -> None:
    """ConfigError where parts of a configuration contradict each other.

    `parse_config` calls it; so does whoever changes a configuration, as options of a command do.

    Args:
        config: what to check
        at: the file that it comes from
        listed: how many of its keys are those of ``[gateway]``
    """
    place = at or Place(Source(str(config.path or "configuration")))
    _check_exposure(config, place)
    _check_models(config.models, place / "models")
    _check_waits(config, place / "upstreams")
    _check_routing(config, place / "routing")
    _check_keys(config, place, listed)


def _check_exposure(config: Config, at: Place) -> None:
    """An open gateway is reached from this machine only."""
    host = config.gateway.host
    if "/" in host or "[" in host or host.count(":") == 1:
        (at / "gateway" / "host").fail(
            "give a host name or address alone; the port has its own key."
        )
    if not config.keys and not is_loopback(host):
        (at / "gateway" / "host").fail(
            "without a key the gateway would be open to everyone who reaches this address. "
            'Set gateway.keys = ["${ONEHEAD_KEY}"] and the variable, or listen on 127.0.0.1.'
        )


def _check_models(models: tuple[ModelConfig, ...], at: Place) -> None:
    seen: dict[str, int] = {}
    for place, model in enumerate(models):
        here = (at / place).of(f"model {model.id!r}")
        if model.id in seen:
            (here / "id").fail(f"models[{seen[model.id]}] has the same id; rename one of them.")
        if model.id in ("auto", CALLER) or model.id.startswith(("auto:", "auto@")):
            (here / "id").fail(
                "this name asks the router to choose; give the model another id and set "
                "upstream_model to its name."
            )
        seen[model.id] = place
        _check_prices(model, here)
        if model.via is not None:
            _check_via(model, here)
        if model.api_key and "authorization" in model.headers:
            (here / "headers" / "authorization").fail("api_key sets this header too; keep one.")
        if model.context_window and (model.max_output_tokens or 0) > model.context_window:
            (here / "max_output_tokens").fail("larger than context_window; correct one of them.")


def _check_via(model: ModelConfig, at: Place) -> None:
    """What a library is told of a model: its own name for it, a key and an address."""
    provider, name = provider_and_name(model.upstream_model)
    if not provider or not name:
        (at / "upstream_model").fail(
            f"with via = {model.via!r} it names the provider too: provider/model, "
            "as in anthropic/claude-sonnet-4-5."
        )
    for key in ("headers", "query"):
        if getattr(model, key):
            (at / key).fail(
                f"not sent with via = {model.via!r}; remove it, or via for an upstream that speaks "
                "OpenAI's HTTP."
            )
    if "chat" not in model.capabilities:
        (at / "capabilities").fail(
            f"via = {model.via!r} takes chat completions only; name chat among them."
        )


def _check_prices(model: ModelConfig, at: Place) -> None:
    """An unknown price is an error, never zero; a free model has none."""
    cached = model.cached_input_usd_per_million
    given = [name for name in _PRICES if getattr(model, name) is not None]
    if model.free:
        extra = [*given, *(["cached_input_usd_per_million"] if cached is not None else [])]
        extra += ["request_usd"] if model.request_usd else []
        if extra:
            (at / extra[0]).fail("a price, and free = true; remove one of them.")
        return
    for name in _PRICES:
        if name not in given:
            (at / name).fail(
                f"missing, and an unknown price is never taken for zero. Write {name} = …, "
                "or free = true where calls cost nothing."
            )


def _check_waits(config: Config, at: Place) -> None:
    upstreams = config.upstreams
    for least, most in (("retry_base_s", "retry_max_s"), ("breaker_open_s", "breaker_max_s")):
        if getattr(upstreams, least) > getattr(upstreams, most):
            (at / least).fail(f"longer than {most}; correct one of them.")


def _check_routing(config: Config, at: Place) -> None:
    ids = [model.id for model in config.models]
    routing = config.routing
    if routing.fallback is not None:
        _known(routing.fallback, ids, at / "fallback")
    if routing.shadow not in (None, CALLER):
        _known(str(routing.shadow), ids, at / "shadow", or_else=f", or {CALLER!r}")


def _check_keys(config: Config, at: Place, listed: int) -> None:
    """Names and keys are there once; models that they name exist."""
    names: set[str] = set()
    digests: dict[str, str] = {}
    ids = [model.id for model in config.models]
    for place, key in enumerate(config.keys):
        own = place < listed
        here = (at / "gateway" / "keys" / place) if own else (at / "keys" / (place - listed))
        here = here.of(f"key {key.name!r}")
        if key.name in names:
            (here / "name").fail("another key has the same name; rename one of them.")
        if key.sha256 in digests:
            here.fail(f"the same key as {digests[key.sha256]!r}; give each its own.")
        names.add(key.name)
        digests[key.sha256] = key.name
        if key.models is not None and not set(key.models) - set(key.deny):
            (here / "models").fail("the key may use no model; name one, or remove the line.")
        if ids:
            _check_lists(key, ids, here)


def _check_lists(key: KeyConfig, ids: list[str], at: Place) -> None:
    """The models that a key names are models of the file."""
    for name, models in (("models", key.models or ()), ("deny", key.deny)):
        for place, model in enumerate(models):
            _known(model, ids, at / name / place)


def _known(name: str, ids: list[str], at: Place, or_else: str = "") -> None:
    """ConfigError unless `name` is one of the models."""
    if name not in ids:
        if not ids:
            at.fail("names a model, and the file has none; add one under [[models]].")
        at.fail(f"no model has this id{or_else}.{did_you_mean(name, ids)} Known: {', '.join(ids)}.")
