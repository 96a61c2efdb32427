"""What commands print: one JSON document or tables on stdout, progress on stderr."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.table import Table


def print_json(document: Any) -> None:
    """The one document of a command with `--json`; ASCII, so that every terminal can take it."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def note(message: str) -> None:
    """A remark on stderr."""
    click.echo(message, err=True)


def table(header: Sequence[str], *, left: int = 1) -> Table:
    """An empty table: the first `left` columns to the left, the others (figures) to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=any(header))
    for place, name in enumerate(header):
        made.add_column(name, justify="left" if place < left else "right", overflow="fold")
    return made


def show(*parts: Any) -> None:
    """Print parts with a blank line between them; names as they are, without markup or emoji codes."""
    from rich.console import Console

    screen = Console(markup=False, emoji=False, highlight=False)
    for place, part in enumerate(parts):
        if place:
            screen.print()
        screen.print(part)


def preset_line(presets: Mapping[str, float]) -> str:
    """The named amounts in a sentence."""
    from onehead.policy.words import usd

    named = ", ".join(f"{name} {usd(amount)}" for name, amount in presets.items())
    return f"Willingness to pay by name: {named}."


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr for each stage of some work; told (stage, done, in all) as it goes on."""
    from rich import progress as bars
    from rich.console import Console

    screen = Console(stderr=True)
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
    )
    silent = not screen.is_terminal
    with bars.Progress(*columns, console=screen, transient=True, disable=silent) as bar:
        tasks: dict[str, bars.TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage)
            bar.update(tasks[stage], completed=done, total=total)

        yield tell


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on stderr, where that is a terminal, for work whose length is unknown."""
    from rich.console import Console

    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status(what):
        yield
