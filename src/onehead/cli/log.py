"""`onehead log`: take decisions out of the log, or away."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onehead.cli.group import lazy_group
from onehead.cli.options import Place, json_option
from onehead.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from onehead.store import Store


@lazy_group(
    {"export": "onehead.cli.log:export", "delete": "onehead.cli.log:delete"},
    epilog="\b\nExample:\n  onehead log export --store sqlite:///onehead.db --out decisions.jsonl",
)
def log() -> None:
    """Export decisions from the log, or delete them."""


class When(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A day or a moment, UTC unless it says otherwise: 2026-11-23, 2026-11-23T12:00+01:00."""

    name = "DATE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Unix seconds."""
        if isinstance(value, float):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date, such as 2026-11-23 or 2026-11-23T12:00.", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def store_options(function: Callable[..., None]) -> Callable[..., None]:
    """`--store URL` and `--config FILE`: where the log is."""
    for option in (
        click.option(
            "--config",
            "config_path",
            type=Place(),
            metavar="FILE",
            help="The gateway's configuration file, which names the store.",
        ),
        click.option(
            "--store",
            "url",
            type=Place(),
            metavar="URL",
            help="The store: sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
        ),
    ):
        function = option(function)
    return function


def open_store(url: str | None, config_path: str | None) -> Store:
    """The log that the options name; it has to be there already."""
    from onehead.store import Store

    if (url is None) == (config_path is None):
        raise UsageError("name the log by one of --store URL and --config FILE.")
    if config_path is not None:
        from onehead.config import load_config

        url = load_config(config_path).store.url.reveal()
    return Store.open(str(url), create=False)


@click.command(
    epilog="\b\nExample:\n  onehead log export --store sqlite:///onehead.db --out decisions.jsonl"
)
@store_options
@click.option(
    "--out",
    required=True,
    type=Place(),
    metavar="FILE",
    help="The file to write: .jsonl, .csv or .parquet.",
)
@click.option("--since", type=When(), help="Only decisions from then on.")
@click.option("--until", type=When(), help="Only decisions before then.")
@click.option(
    "--trainable",
    is_flag=True,
    help="Only decisions that train can learn from: with their prompt, an answer and feedback.",
)
@json_option
def export(
    *,
    url: str | None,
    config_path: str | None,
    out: str,
    since: float | None,
    until: float | None,
    trainable: bool,
    as_json: bool,
) -> None:
    """Write decisions to FILE, oldest first.

    The first columns are those of outcomes (prompt_id, prompt, model, quality, cost_usd, tokens);
    quality is the mean of the feedback. A file that is there is replaced.
    """
    from onehead.artifact import replacing
    from onehead.cli.output import note, print_json, working
    from onehead.store.export import export as write
    from onehead.store.search import Filter

    target, form = _target(out)
    with open_store(url, config_path) as store, working("exporting"), replacing(target) as part:
        wanted = Filter(since=since, until=until)
        count = write(store, part, form, wanted, trainable=trainable)
    if as_json:
        print_json({"out": out, "n_decisions": count})
    else:
        note(f"wrote {count:,} decisions to {out}")


@click.command(
    epilog="\b\nExample:\n  onehead log delete --store sqlite:///onehead.db --before 2026-01-01 --yes"
)
@store_options
@click.option("--before", type=When(), help="Those made before then.")
@click.option("--session", metavar="S", help="Those of a session.")
@click.option("--decision", metavar="ID", help="One decision.")
@click.option("--all", "everything", is_flag=True, help="All, and the sums over them.")
@click.option("--yes", is_flag=True, help="Do it; without this nothing is deleted.")
@json_option
def delete(
    *,
    url: str | None,
    config_path: str | None,
    before: float | None,
    session: str | None,
    decision: str | None,
    everything: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete decisions and the feedback on them.

    Sums over minutes, hours and days stay unless all is deleted. What keys have spent always stays:
    budgets depend on it.
    """
    from onehead.cli.output import note, print_json
    from onehead.store import Which

    which = Which(before=before, session=session, decision_id=decision, everything=everything)
    which.condition()
    if not yes:
        raise UsageError("nothing was deleted; what is deleted cannot be had back. Add --yes.")
    with open_store(url, config_path) as store:
        gone = store.delete(which)
    if as_json:
        print_json({"deleted": gone})
    else:
        note(f"deleted {gone:,} decisions")


def _target(out: str) -> tuple[Path, str]:
    """The file to write and its format, checked before any work is done."""
    from onehead.artifact import check_writable
    from onehead.store.export import FORMS

    target = Path(out)
    form = target.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise UsageError(f"--out {out}: give a name that ends in .{', .'.join(FORMS)}.")
    if target.is_dir():
        raise UsageError(f"--out {out} is a directory; give the name of a file.")
    check_writable(target.absolute().parent, f"--out {out}")
    return target, form
