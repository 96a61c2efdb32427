"""What the log costs a gateway under load: with it and without it, in turns.

    python benchmarks/gateway_log.py [--starts 6] [--pairs 40]

Needs wrk. Writes benchmarks/results/gateway_log.json. A gateway as in gateway.py, whose log takes the
records of every other second (`turns.py`), is loaded without a pause by 64 connections; it is started anew
several times. What is kept are ratios of neighbouring seconds, for the machine's speed changes from one to
the next; their median, and an interval that resamples the pairs.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gateways
import msgspec
from common import RESULTS, conditions, write
from gateway import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateways import Target

    Pair = tuple[dict[str, float], dict[str, float]]

CONNECTIONS = 64
SPAN_S, SETTLE_S = 1.0, 0.5
"""Of a turn, and how much of its beginning does not count: records wait 0.2 s, and are written then."""
WARM = 4
"""Spans before the first that counts."""
SAMPLES = 2000


def median(values: Sequence[float]) -> dict[str, Any]:
    """The median, and its 95 % interval over resampled values."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(SAMPLES))
    return {
        "median": statistics.median(values),
        "interval": [medians[int(SAMPLES * 0.025)], medians[int(SAMPLES * 0.975)]],
    }


def one_start(behind: Target, pairs: int) -> tuple[list[Pair], float]:
    """Spans with the log and without it of one gateway; and what the log's process spends on a record, in µs."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        spans = folder / "spans.jsonl"
        turns = [str(gateways.HERE / "turns.py"), str(spans), str(SPAN_S), str(SETTLE_S)]
        target = stack.enter_context(gateways.onehead(behind, folder, program=turns))
        loaded(target, CONNECTIONS, WARM * SPAN_S, folder)
        before = target.processor_us()
        found = loaded(
            target, CONNECTIONS, (2 * pairs + 1) * SPAN_S, folder
        )  # one more ends the last
        if found["failed"] or found["broken"]:
            sys.exit(f"{target.name}: {found}")
        beside = (target.processor_us()["beside"] - before["beside"]) / (found["requests"] / 2)
        lines = spans.read_text("utf-8").splitlines()
    by_number = {line["span"]: line for line in map(msgspec.json.decode, lines)}
    both: list[Pair] = []
    for number in range(WARM, WARM + 2 * pairs, 2):
        ends = by_number.get(number), by_number.get(number + 1)
        if ends[0] is not None and ends[1] is not None:  # a stall may swallow a span
            logged, unlogged = sorted(map(_rates, ends), key=lambda one: -one["logged"])
            both.append((logged, unlogged))
    return both, beside


def _rates(span: dict[str, float]) -> dict[str, float]:
    return {
        "logged": span["logged"],
        "requests_per_s": span["requests"] / span["seconds"],
        "loop_us": 1e6 * span["loop_s"] / span["requests"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--starts", type=int, default=6)
    parser.add_argument("--pairs", type=int, default=40)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: install it (Debian: apt install wrk).")
    run = conditions(["uvicorn", "uvloop", "msgspec"])
    every: list[list[Pair]] = []
    beside: list[float] = []
    with gateways.upstream() as behind:
        for _ in range(arguments.starts):
            pairs, spent = one_start(behind, arguments.pairs)
            every.append(pairs)
            beside.append(spent)
            print(
                f"{statistics.median(a['requests_per_s'] / b['requests_per_s'] for a, b in pairs):.3f}"
            )
    both = [pair for pairs in every for pair in pairs]

    def ratios(name: str, pairs: Sequence[Pair]) -> list[float]:
        return [logged[name] / unlogged[name] for logged, unlogged in pairs]

    def middle(of: Callable[[Pair], float]) -> float:
        return statistics.median(map(of, both))

    document = {
        "run": run,
        "connections": CONNECTIONS,
        "starts": arguments.starts,
        "pairs": len(both),
        "logged": {
            name: middle(lambda pair, n=name: pair[0][n]) for name in ("requests_per_s", "loop_us")
        },
        "unlogged": {
            name: middle(lambda pair, n=name: pair[1][n]) for name in ("requests_per_s", "loop_us")
        },
        "beside_us": statistics.median(beside),
        "throughput": median(ratios("requests_per_s", both)),
        "loop": median(ratios("loop_us", both)),
        "more_loop_us": median(
            [logged["loop_us"] - unlogged["loop_us"] for logged, unlogged in both]
        ),
        "throughput_of_each_start": [
            statistics.median(ratios("requests_per_s", pairs)) for pairs in every
        ],
        "throughput_of_each_pair": ratios("requests_per_s", both),
    }
    write(RESULTS / "gateway_log.json", document)
    print({key: value for key, value in document.items() if key != "throughput_of_each_pair"})


if __name__ == "__main__":
    main()
