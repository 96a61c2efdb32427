"""What the scripts here share: where tables lie, what a figure was taken on, how it is written."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from onehead.bench import Source
from onehead.bench.conditions import conditions as conditions_of
from onehead.bench.document import write

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BENCH",
    "DATA",
    "RESULTS",
    "ROOT",
    "TABLES",
    "command",
    "conditions",
    "table_path",
    "write",
]

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BENCH = ROOT / "benchmarks" / ".bench"
"""Estimates of every row and the cache of vectors; not in git."""
DATA = Path(os.environ.get("ONEHEAD_DATA") or ROOT.parent / "shared" / "data")


def _below(path: str, title: str) -> Source:
    return Source((str(DATA / path),), title)


TABLES: Final[dict[str, Source]] = {
    "routerbench": _below("routerbench/routerbench_5shot_slice.csv", "RouterBench slice"),
    "mmlu_pro": _below("mmlu_pro", "MMLU-Pro"),
    "two_models": _below("mmlu_gsm8k_two_models", "MMLU and GSM8K, two models"),
}


def table_path(name: str) -> Path:
    """Where a table lies; exits with the reason where it does not."""
    path = Path(TABLES[name].paths[0])
    if not path.exists():
        sys.exit(f"{path} is missing: name the folder of the outcome tables in ONEHEAD_DATA.")
    return path


def conditions(packages: Sequence[str]) -> dict[str, Any]:
    """When, by which script and on what machine figures are taken."""
    return conditions_of(command(), packages)


def command() -> list[str]:
    """The words of this command."""
    return ["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]
