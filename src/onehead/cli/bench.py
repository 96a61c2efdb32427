"""`onehead bench`: recipes, encoders and rewards compared on tables of outcomes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from onehead.cli.options import Names, Place, json_option
from onehead.errors import OneheadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from onehead.bench import Source
    from onehead.policy import RewardKind

T = TypeVar("T")


@click.command(
    epilog="\b\nExample:\n  onehead bench --data examples/outcomes.csv --recipes ridge,constant --seeds 0 --out my-bench"
)
@click.option(
    "--data",
    required=True,
    multiple=True,
    type=Place(),
    metavar="[NAME=]PATH",
    help="Outcomes. Each one is a table of its own; several under one NAME are one table.",
)
@click.option(
    "--recipes",
    type=Names(),
    metavar="a,b",
    help="Recipes, knn-upstream, mlp-upstream (RouterBench's settings), attention-no-… (ours less "
    "one part), or the groups all and ablations.  [default: all but mlp-upstream]",
)
@click.option(
    "--encoders",
    type=Names(),
    default="static",
    show_default=True,
    metavar="a,b",
    help="As in train; NAME=onnx:DIR gives one a name.",
)
@click.option(
    "--rewards",
    type=Names(),
    default="exponential,linear",
    show_default=True,
    metavar="a,b",
    help="The first one is that of the curves and the intervals.",
)
@click.option(
    "--seeds",
    type=Names(),
    default="0,1,2",
    show_default=True,
    metavar="a,b",
    help="Each holds out another fifth of the prompts.",
)
@click.option(
    "--fractions",
    type=Names(),
    default="1",
    show_default=True,
    metavar="a,b",
    help="Shares of the other prompts to learn from, for learning curves: 0.01,0.1,1.",
)
@click.option("--tight", is_flag=True, help="Run every row on one core with 512 MB (Linux).")
@click.option(
    "--only",
    multiple=True,
    metavar="ROW",
    help="Run this row (TABLE/RECIPE/ENCODER/SEED) or a pattern of rows again; may be repeated.",
)
@click.option(
    "--out",
    required=True,
    type=Place(),
    metavar="DIR",
    help="Where bench.json and the page go; what is there already is kept and not run again.",
)
@json_option
def bench(
    *, data: tuple[str, ...], recipes: tuple[str, ...] | None, out: str, as_json: bool, **given: Any
) -> None:
    """Compare recipes on outcomes: every recipe × encoder × table × seed, and a page of it all.

    Each row is learned in a process of its own on four fifths of the prompts and scored on the
    rest, beside every control. The result is written after every row, so that a run that was
    stopped goes on where it was.
    """
    from pathlib import Path

    import onehead.training
    from onehead.artifact import check_writable, nearest_folder
    from onehead.bench import Plan, run_bench
    from onehead.bench.contenders import CONTENDERS, USUAL, contenders_named
    from onehead.bench.write import write_page
    from onehead.cli.output import note, print_json

    _ = onehead.training.train  # says what is missing before any work
    check_writable(nearest_folder(Path(out)), f"cannot write to {out}")
    every = tuple(CONTENDERS) if given["only"] else USUAL
    plan = Plan(
        tables=_tables(data),
        recipes=contenders_named(recipes) if recipes else every,
        encoders=_encoders(given["encoders"]),
        rewards=_rewards(given["rewards"]),
        seeds=_numbers("--seeds", given["seeds"], int),
        fractions=_numbers("--fractions", given["fractions"], float),
        tight=given["tight"],
        only=given["only"],
    )
    try:
        document = run_bench(plan, Path(out), note=note, command=["onehead", *sys.argv[1:]])
        note(f"page: {write_page(Path(out), document)}")
    except OSError as error:
        raise OneheadError(
            f"cannot write to {out} or to the folder for temporary files: "
            f"{error.strerror or error}. Rows that were done are kept: make room, and run the "
            "same command again."
        ) from error
    if as_json:
        print_json(document)
    else:
        _show(document)


def _tables(data: tuple[str, ...]) -> dict[str, Source]:
    """The tables by name; a name that is not given is the file's or folder's."""
    from pathlib import Path

    from onehead.bench import Source
    from onehead.bench.plan import plain_name

    found: dict[str, Source] = {}
    for word in data:
        name, path, given = _named(word)
        name = name if given else plain_name(Path(path).stem)
        if name in found and not given:
            raise UsageError(
                f"--data {word}: two tables are called {name!r}. Give one a name: NAME={word}."
            )
        paths = (*found[name].paths, path) if name in found else (path,)
        found[name] = Source(paths, name)
    return found


def _encoders(words: tuple[str, ...]) -> dict[str, str]:
    """Specifications of encoders by name."""
    from onehead.bench.plan import plain_name

    found: dict[str, str] = {}
    for word in words:
        name, spec, given = _named(word)
        kind, _, argument = spec.partition(":")
        short = plain_name("-".join([kind, argument.rstrip("/").rpartition("/")[2]]))
        found[name if given else short] = spec
    return found


def _named(word: str) -> tuple[str, str, bool]:
    """(name, rest, whether there is a name) of ``NAME=rest``; a path may hold a = further on."""
    from pathlib import Path

    from onehead.bench.plan import plain_name

    name, sign, rest = word.partition("=")
    given = bool(sign) and bool(rest) and name == plain_name(name) and not Path(word).exists()
    return (name, rest, True) if given else ("", word, False)


def _rewards(names: tuple[str, ...]) -> tuple[RewardKind, ...]:
    from onehead.policy.rewards import check_kind

    for name in names:
        check_kind(name)
    return names  # type: ignore[return-value]  # each was checked


def _numbers(option: str, words: tuple[str, ...], kind: Callable[[str], T]) -> tuple[T, ...]:
    try:
        return tuple(kind(word) for word in words)
    except ValueError:
        raise UsageError(
            f"{option} {','.join(words)}: give numbers, separated by commas."
        ) from None


def _show(document: dict[str, Any]) -> None:
    """AIQ above the zero router of every recipe and table."""
    from onehead.bench.document import main_rows
    from onehead.bench.rows import by_recipe, main, name_of
    from onehead.cli.output import show, table

    for name, entry in document["tables"].items():
        for encoder in entry["encoders"]:
            shown = table((f"{name}, {encoder}", "AIQ", "minus zero router", "seeds"))
            for recipe, rows in by_recipe(main_rows(entry, encoder)):
                each = [main(row) for row in rows]
                means = [
                    sum(one[key] for one in each) / len(each)
                    for key in ("aiq", "aiq_minus_zero_router")
                ]
                shown.add_row(
                    name_of(recipe), f"{means[0]:.4f}", f"{means[1]:+.4f}", str(len(rows))
                )
            show(shown)
