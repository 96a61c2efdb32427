"""`onehead serve`: the gateway."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from onehead.cli.options import Place, router_option


@click.command(epilog="\b\nExample:\n  onehead serve --config examples/onehead.toml")
@click.option(
    "--config",
    "config_path",
    type=Place(),
    metavar="FILE",
    help="Configuration (TOML). Without one: the bundled router on SQLite, no upstreams.",
)
@click.option("--host", metavar="HOST", help="Address to listen on, as gateway.host.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="N",
    help="Port, as gateway.port; 0 takes any free one.",
)
@router_option()
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes that answer, as gateway.workers.",
)
@click.option(
    "--demo",
    is_flag=True,
    help="Call nobody: answer with what would have been sent, and where.",
)
def serve(
    *,
    config_path: str | None,
    host: str | None,
    port: int | None,
    router_path: str | None,
    workers: int | None,
    demo: bool,
) -> None:
    """Serve an OpenAI-compatible API in front of every model.

    Options here win over the configuration. SIGHUP reads the configuration and the router anew without
    dropping a request; SIGTERM and Ctrl-C let running requests end first. Logs go to stderr.
    """
    from onehead.serve import Overrides, read, run

    overrides = Overrides(host=host, port=port, workers=workers, router=router_path, demo=demo)
    load = partial(read, None if config_path is None else Path(config_path), overrides)
    run(load(), load=load)
