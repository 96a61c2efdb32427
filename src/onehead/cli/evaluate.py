"""`onehead evaluate`: how a router does on known outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from onehead.cli.options import (
    Place,
    cost_option,
    json_option,
    models_option,
    reward_option,
    router_option,
)
from onehead.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from onehead.evaluation import Evaluation
    from onehead.outcomes import OutcomeTable
    from onehead.report.tables import Table
    from onehead.router import Router


_NAMES_WIDTH = {True: 26, False: 41}
"""Characters that the first column takes at most, beside more than three figures and beside less."""
_TOO_WIDE = "best single"
"""A column that 80 characters have no room for; the report shows it."""


@click.command(
    epilog="\b\nExample:\n  onehead evaluate --router my-router --data examples/outcomes.csv --report my-report"
)
@router_option()
@click.option(
    "--data",
    required=True,
    multiple=True,
    type=Place(),
    metavar="PATH",
    help="Outcomes; may be given several times.",
)
@reward_option
@models_option("Score these models only.")
@cost_option
@click.option(
    "--report", type=Place(), metavar="DIR", help="Write the tables and the pictures there."
)
@json_option
def evaluate(
    *,
    router_path: str | None,
    data: tuple[str, ...],
    reward: Literal["exponential", "linear"],
    models: tuple[str, ...] | None,
    costs: tuple[tuple[str, float], ...],
    report: str | None,
    as_json: bool,
) -> None:
    """Score a router on outcomes, beside every control.

    Scored are the models that both the router and the data know, on the prompts where quality and
    cost of all of them are known; what is left out is said.
    """
    from onehead.amounts import with_costs
    from onehead.cli.estimating import estimate_all
    from onehead.cli.output import note, print_json, working
    from onehead.evaluation import evaluate_block
    from onehead.router import Router
    from onehead.sources import read_outcomes

    if report is not None:
        from onehead.report import check_report_target

        check_report_target(report)
    router = Router.load(router_path)
    with working("reading outcomes"):
        table = with_costs(read_outcomes(data), dict(costs))
    if table.content_hash() == router.manifest.data_hash:
        note("note: the router was trained on these very outcomes, so the figures flatter it.")
    shared = _shared(router, table, models)
    scored = _with_some_cost(table.only(shared))
    columns = router.pool.indices(shared)
    estimates = estimate_all(router, table.prompts).only(columns)
    with working("scoring"):
        evaluation = evaluate_block(estimates, scored, reward=reward, presets=router.presets)
    if report is not None:
        from onehead.report import write_report

        with working("drawing"):
            page = write_report(report, evaluation)
        note(f"report: {page}")
    if as_json:
        print_json(evaluation.to_json())
    else:
        _show(evaluation)


def _shared(router: Router, table: OutcomeTable, wanted: tuple[str, ...] | None) -> list[str]:
    """The models to score, in the router's order; says on stderr which are left out."""
    from onehead.cli.output import note

    both = [name for name in router.pool.ids if name in table.models]
    if not both:
        raise DataError(
            f"the router and the data share no model. The router's: {_few(router.pool.ids)}. "
            f"The data's: {_few(table.models)}. Give outcomes of the router's models."
        )
    if wanted is not None:
        unknown = [name for name in wanted if name not in both]
        if unknown:
            raise UsageError(
                f"--models: {_few(unknown)} not in both router and data."
                f"{did_you_mean(unknown[0], both)} There are: {_few(both)}."
            )
        return [name for name in both if name in wanted]
    for place, names in (("data", router.pool.ids), ("router", table.models)):
        missing = [name for name in names if name not in both]
        if missing:
            note(f"note: not in the {place}, so left out: {_few(missing)}")
    return both


def _with_some_cost(table: OutcomeTable) -> OutcomeTable:
    """The table itself; DataError where it knows no cost at all, which an option mends."""
    from numpy import isnan

    if isnan(table.cost_usd).all():
        raise DataError(
            f"cost_usd is unknown for {_few(table.models)}. Add the costs to the data, or give what "
            "a call costs (--cost MODEL=USD)."
        )
    return table


def _few(names: tuple[str, ...] | list[str], most: int = 12) -> str:
    """Names in a row; beyond `most` the rest is counted."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _show(evaluation: Evaluation) -> None:
    """The figures, the controls and the tasks as tables."""
    from onehead.cli.output import note, show
    from onehead.report import tables

    left_out = evaluation.left_out
    if left_out.models:
        note(f"note: outcomes missing, so left out: {_few(left_out.models)}")
    if left_out.n_prompts:
        note(f"note: prompts that lack an outcome or a cost, so left out: {left_out.n_prompts:,}")
    for remark in evaluation.notes:
        note(f"note: {remark}")
    found = [tables.summary(evaluation), tables.controls(evaluation)]
    if len(evaluation.by_task) > 1:
        found.append(tables.tasks(evaluation))
    show(tables.size(evaluation), *map(_table, found))


def _table(words: Table) -> object:
    """A table of the report, for the terminal."""
    from onehead.cli.output import table

    shown = [place for place, name in enumerate(words.header) if name != _TOO_WIDE]
    made = table([words.header[place] for place in shown])
    longest = max(len(row[0]) for row in words.rows)
    made.columns[0].width = min(_NAMES_WIDTH[len(shown) > 4], longest)
    for row in words.rows:
        made.add_row(*(row[place] for place in shown))
    return made
