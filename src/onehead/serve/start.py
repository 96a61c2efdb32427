"""Starting the gateway: one worker in this process, or several under a supervisor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from onehead.config import check_config, default_config, load_config
from onehead.errors import ConfigError
from onehead.serve.banner import announce
from onehead.serve.logs import configure_logs
from onehead.serve.server import Worker, event_loop
from onehead.serve.sockets import bind, raise_file_limit
from onehead.serve.supervisor import Supervisor

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from onehead.config import Config
    from onehead.serve.server import App


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What the command line says against the configuration, at the start and at every reload."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None
    router: str | None = None
    demo: bool = False

    def apply(self, config: Config) -> Config:
        """`config` as the command line wants it."""
        gateway, routing = config.gateway, config.routing
        if self.host is not None:
            gateway = replace(gateway, host=self.host)
        if self.port is not None:
            gateway = replace(gateway, port=self.port)
        if self.workers is not None:
            gateway = replace(gateway, workers=self.workers)
        if self.router is not None:
            routing = replace(routing, router=self.router)
        return replace(config, gateway=gateway, routing=routing, demo=config.demo or self.demo)


def read(path: Path | None, overrides: Overrides) -> Config:
    """The configuration in force: the file, or what holds without one, then the command line."""
    config = overrides.apply(default_config() if path is None else load_config(path))
    _check(config)
    return config


def run(
    config: Config,
    *,
    load: Callable[[], Config] | None = None,
    create_app: Callable[[Config], App] | None = None,
) -> None:
    """Serve `config` until SIGTERM or SIGINT.

    load: reads the configuration anew on SIGHUP; without it `config` stays
    create_app: what is served; without it the gateway

    Raises a OneheadError where the gateway cannot start.
    """
    _check(config)
    gateway = config.gateway
    configure_logs(gateway.log_format, gateway.log_level)
    raise_file_limit()
    listener = bind(gateway.host, gateway.port)
    ready = partial(announce, config, listener.getsockname()[1])
    read_anew = load or (lambda: config)
    create = create_app or _gateway
    if gateway.workers > 1:
        Supervisor(config, listener, create_app=create, load=read_anew, on_ready=ready).run()
        return
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(_serve(create, config, listener, read_anew, ready))


async def _serve(
    create_app: Callable[[Config], App],
    config: Config,
    listener: socket.socket,
    load: Callable[[], Config],
    ready: Callable[[], None],
) -> None:
    def report(word: str) -> None:
        if word == "ready":
            ready()

    await Worker(create_app(config), config, load=load, report=report).run(listener)


def _check(config: Config) -> None:
    """ConfigError where a gateway cannot be run by `config`, whatever the command line changed."""
    check_config(config)
    if config.store.in_memory:
        raise ConfigError(
            "store.url is a database in memory, which the parts of a gateway cannot share; name a "
            "file, such as sqlite:///onehead.db, or a PostgreSQL database."
        )


def _gateway(config: Config) -> App:
    from onehead.dashboard import routes
    from onehead.gateway.app import create_app

    return create_app(config, pages=routes())
