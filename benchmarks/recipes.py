"""Every recipe on every table, over several seeds: how well they route prompts that none has seen.

    python benchmarks/recipes.py [--study NAME …] [--table NAME …] [--only ROW …] [--minilm DIR]

The studies are runs of `onehead bench` on the tables of this project, into one JSON:
benchmarks/results/recipes.json. Rows that are there already, of the same data and settings, are
kept; --only runs rows again. The estimates of every row are kept under benchmarks/.bench (not in
git), because differences between recipes are taken prompt by prompt.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from common import BENCH, RESULTS, TABLES, command, table_path

from onehead.bench import Plan, run_bench
from onehead.bench.contenders import CONTENDERS, GROUPS, USUAL
from onehead.errors import OneheadError

RESULT = RESULTS / "recipes.json"


@dataclass(frozen=True)
class Study:
    """A part of the comparison: some recipes on some tables."""

    recipes: tuple[str, ...]
    tables: tuple[str, ...] = tuple(TABLES)
    seeds: tuple[int, ...] = (0, 1, 2)
    fractions: tuple[float, ...] = (1.0,)
    tight: bool = False
    minilm: bool = False


STUDIES = {
    "recipes": Study(USUAL),
    "upstream": Study(("mlp-upstream",), ("routerbench",)),
    "ablations": Study(GROUPS["ablations"]),
    "learning": Study(("attention", "paper", "knn", "ridge"), fractions=(0.01, 0.03, 0.1, 0.3)),
    "tight": Study(("attention", "paper", "knn", "ridge", "mlp"), seeds=(0,), tight=True),
    "minilm": Study(("attention", "knn", "ridge"), minilm=True),
    "minilm-tight": Study(("attention", "ridge"), seeds=(0,), tight=True, minilm=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--table", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--only", nargs="+", default=[], help="rows, or patterns of rows")
    parser.add_argument(
        "--minilm", default=os.environ.get("MINILM"), help="encoder directory (ONNX)"
    )
    arguments = parser.parse_args()
    if arguments.only:
        encoders = {"static": "static"} | _minilm(arguments.minilm)
        run(Study(tuple(CONTENDERS), tuple(arguments.table)), encoders, tuple(arguments.only))
        return
    for name in arguments.study:
        study = STUDIES[name]
        tables = tuple(table for table in study.tables if table in arguments.table)
        if study.minilm and not arguments.minilm:
            print(f"{name}: left out, it needs --minilm")
            continue
        encoders = _minilm(arguments.minilm) if study.minilm else {"static": "static"}
        run(Study(**(vars(study) | {"tables": tables})), encoders)


def run(study: Study, encoders: dict[str, str], only: tuple[str, ...] = ()) -> None:
    """Run what is not known of a study; a failure of a row stops no other study."""
    plan = Plan(
        tables={name: TABLES[name] for name in study.tables if table_path(name)},
        recipes=study.recipes,
        encoders=encoders,
        seeds=study.seeds,
        fractions=study.fractions,
        tight=study.tight,
        only=only,
    )
    try:
        run_bench(plan, BENCH, file=RESULT, note=_say, command=command())
    except OneheadError as error:
        _say(str(error))


def _minilm(folder: str | None) -> dict[str, str]:
    return {"minilm": f"onnx:{folder}"} if folder else {}


def _say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    main()
