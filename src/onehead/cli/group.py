"""Groups of commands that are imported only when they are named."""

from __future__ import annotations

from functools import update_wrapper
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from onehead.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable


class LazyGroup(click.Group):
    """A group whose commands are known by name and place: ``{"route": "onehead.cli.route:route"}``.

    Their files import little at their top, so that the help of a group stays quick.
    """

    def __init__(self, *args: Any, places: dict[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order in which they were given."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command `cmd_name`; None where there is none."""
        if cmd_name not in self.places:
            return None
        module, _, name = self.places[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101  (a wrong place is our own mistake)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an interrupt passes click by, which would print an empty line first."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the commands there are when an unknown one is called."""
        if args and not args[0].startswith("-") and args[0] not in self.places:
            ctx.fail(
                f"no command {args[0]!r}. Choose one of: {', '.join(self.places)}."
                f"{did_you_mean(args[0], self.places)}"
            )
        return super().resolve_command(ctx, args)


def lazy_group(
    places: dict[str, str], **options: Any
) -> Callable[[Callable[..., None]], LazyGroup]:
    """Make a group of lazy commands that shows its help when none is named."""

    def decorate(function: Callable[..., None]) -> LazyGroup:
        group = click.group(cls=LazyGroup, places=places, invoke_without_command=True, **options)
        made: LazyGroup = group(_with_help(function))
        return made

    return decorate


def _with_help(function: Callable[..., None]) -> Callable[..., None]:
    """`function`, printing the group's help where no command follows."""

    def called(**values: Any) -> None:
        context = click.get_current_context()
        if context.invoked_subcommand is None:
            click.echo(context.get_help())
        else:
            function(**values)

    return update_wrapper(called, function)
