"""What the gateway says of itself when it is ready."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from onehead import __version__
from onehead.config.urls import is_loopback, shown
from onehead.serve.logs import logger
from onehead.serve.sockets import address

if TYPE_CHECKING:
    from onehead.config import Config, ModelConfig

_SHOWN: Final = 8
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  (shown, not bound)


def announce(config: Config, port: int) -> None:
    """Tell where the gateway listens and what it serves: to people, or as one line of JSON."""
    if config.gateway.log_format == "json":
        fields = {
            "address": url(config, port),
            "workers": config.gateway.workers,
            "models": len(config.models),
            "router": config.routing.router,
            "store": shown(config.store.url.reveal()),
            "version": __version__,
        }
        logger.info("listening", extra={"fields": fields})
    elif logger.isEnabledFor(logging.INFO):
        sys.stderr.write(banner(config, port))
        sys.stderr.flush()


def url(config: Config, port: int) -> str:
    """The address for a client on this machine."""
    host = config.gateway.host
    return f"http://{address(_EVERYWHERE.get(host, host), port)}"


def banner(config: Config, port: int) -> str:
    """The lines for people."""
    base = url(config, port)
    workers = config.gateway.workers
    rows = [
        ("OpenAI base URL", f"{base}/v1"),
        ("dashboard", f"{base}/ui/"),
        ("access", _access(config)),
        ("models", _models(config)),
        ("router", config.routing.router),
        ("store", shown(config.store.url.reveal())),
    ]
    if config.path is not None:
        rows.append(("configuration", str(config.path)))
    head = f"onehead {__version__} is listening on {base}"
    head += f" with {workers} workers" if workers > 1 else ""
    lines = [head, *(f"  {name:<16} {value}" for name, value in rows)]
    return "\n".join(_printable(line) for line in lines) + "\n"


def _access(config: Config) -> str:
    if config.keys:
        return "1 key" if len(config.keys) == 1 else f"{len(config.keys)} keys"
    near = is_loopback(config.gateway.host)
    return "open to everyone on this machine (no keys)" if near else "open"


def _models(config: Config) -> str:
    if config.demo:
        return "demonstration: every answer is made up here and says what would have been sent"
    if not config.models:
        return "none has an upstream yet: decisions and the dashboard work, answers need [[models]]"
    names = [_model(one) for one in config.models[:_SHOWN]]
    more = len(config.models) - _SHOWN
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _model(model: ModelConfig) -> str:
    if not model.has_upstream:
        return f"{model.id} (decisions)"
    return f"{model.id} → {urlsplit(model.base_url).hostname if model.base_url else model.via}"


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
