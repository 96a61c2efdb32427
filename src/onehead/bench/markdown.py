"""Words and Markdown tables from figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOTHING = "–"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = [header, ["---"] + ["--:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: float | None, digits: int = 4) -> str:
    """A number with a fixed count of decimals, and no sign on what rounds to zero."""
    if value is None:
        return NOTHING
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def signed(value: float, digits: int = 4) -> str:
    """A difference: with its sign, and none on what rounds to zero."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text.lstrip("+−") if float(f"{value:.{digits}f}") == 0 else text


def mean(values: Sequence[float | None], digits: int = 4, none: str = NOTHING) -> str:
    """Mean over seeds; where some seeds have no value, of the others, and how many they are."""
    known = [value for value in values if value is not None]
    if not known:
        return none
    text = number(float(np.mean(known)), digits)
    return text if len(known) == len(values) else f"{text} ({len(known)} of {len(values)})"


def with_interval(gap: dict[str, Any], digits: int = 4) -> str:
    """A difference and its 95 % interval."""
    low, high = gap["interval"]
    return f"{signed(gap['mean'], digits)} [{signed(low, digits)}, {signed(high, digits)}]"


def rate_of(value: float) -> str:
    """Three significant digits, thousands separated."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def counted(count: int, thing: str) -> str:
    """A count and its noun."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def taken(run: dict[str, Any]) -> str:
    """On what, when and by which command figures were taken, as one sentence."""
    machine, packages = run["machine"], run["packages"]
    versions = ", ".join(f"{name} {at}" for name, at in packages.items() if at)
    threads, memory, load = (machine[key] for key in ("threads", "memory_gb", "load_before"))
    where = [machine["processor"], counted(machine["cores"], "core")]
    where += [f"{counted(int(threads), 'thread')} for arithmetic"] if threads else []
    where += [f"{memory:.0f} GB"] if memory else []
    where += [machine["system"]]
    where += [f"load {load:.1f} when it began"] if load is not None else []
    commit = f" at commit {run['commit']}" if run["commit"] else ""
    return (
        f"{run['when'][:10]}, `{run['command']}`{commit}: {', '.join(where)}; "
        f"Python {run['python']}, {versions}."
    )
