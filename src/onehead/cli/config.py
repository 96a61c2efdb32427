"""`onehead config`: look at a configuration file before it is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from onehead.cli.group import lazy_group
from onehead.cli.options import Place, json_option

if TYPE_CHECKING:
    from onehead.config import Config


@lazy_group(
    {"check": "onehead.cli.config:check"},
    epilog="\b\nExample:\n  onehead config check examples/onehead.toml",
)
def config() -> None:
    """See what a configuration file means."""


@click.command(epilog="\b\nExample:\n  onehead config check examples/onehead.toml --json")
@click.argument("file", type=Place())
@json_option
def check(file: str, as_json: bool) -> None:
    """Check FILE and print what it means.

    Who may call, what is chosen, where calls go. Nothing is called and no secret is shown. The
    variables that FILE names have to be set.
    """
    from onehead.cli.output import note, print_json
    from onehead.config import load_config
    from onehead.config.describe import describe, lines

    loaded = load_config(file)
    notes = _fit(loaded)
    if as_json:
        print_json({**describe(loaded), "notes": notes})
        return
    for line in lines(loaded):
        click.echo(_printable(line))
    for one in notes:
        click.echo(_printable(f"Note: {one}"))
    note(f"{file} can be served.")


def _fit(loaded: Config) -> list[str]:
    """Notes on how the models fit the router that the file names; ConfigError where they do not."""
    from onehead.artifact import load
    from onehead.errors import ConfigError
    from onehead.gateway.fleet import check as check_fleet
    from onehead.router import BUNDLED, bundled_path

    router = loaded.routing.router
    artifact = load(bundled_path() if router == BUNDLED else router)
    try:
        return check_fleet(loaded, artifact.manifest)
    except ConfigError as error:
        raise ConfigError(f"{loaded.path}: {error}") from error


def _printable(line: str) -> str:
    """Names come from files: they must not steer the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
