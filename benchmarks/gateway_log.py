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
    from collections.abc import Sequence

    from gateways import Target

    Pair = tuple[dict[str, float], dict[str, float]]

CONNECTIONS = 64
SPAN_S, SETTLE_S = 1.0, 0.5
"""Of a turn, and how much of its beginning does not count: records wait 0.2 s, and are written then."""
WARM = 4
"""Spans before the first that counts."""
SAMPLES = 2000


def resampled(values: Sequence[float]) -> dict[str, Any]:
    """The median, and its 95 % interval over resampled values."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(SAMPLES))
    return {
        "median": statistics.median(values),
        "interval": [medians[int(SAMPLES * 0.025)], medians[int(SAMPLES * 0.975)]],
    }


def one_start(behind: Target, pairs: int) -> tuple[list[Pair], float]:
    """Seconds with the log and without it of one gateway; and what its process spends on a record, in µs."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        spans = folder / "spans.jsonl"
        turns = [str(gateways.HERE / "turns.py"), str(spans), str(SPAN_S), str(SETTLE_S)]
        target = stack.enter_context(gateways.onehead(behind, folder, program=turns))
        loaded(target, CONNECTIONS, WARM * SPAN_S, folder)
        before = target.processor_us()
        # A span is written down when the next one begins.
        found = loaded(target, CONNECTIONS, (2 * pairs + 1) * SPAN_S, folder)
        if found["failed"] or found["broken"]:
            sys.exit(f"{target.name}: {found}")
        beside = (target.processor_us()["beside"] - before["beside"]) / (found["requests"] / 2)
        lines = list(map(msgspec.json.decode, spans.read_bytes().splitlines()))
    rates = {(line["span"] // 2, line["logged"]): _rates(line) for line in lines}
    numbers = range(WARM // 2, WARM // 2 + pairs)
    whole = [
        n for n in numbers if {(n, True), (n, False)} <= rates.keys()
    ]  # a stall may swallow a span
    return [(rates[n, True], rates[n, False]) for n in whole], beside


def _rates(span: dict[str, float]) -> dict[str, float]:
    return {
        "requests_per_s": span["requests"] / span["seconds"],
        "loop_us": 1e6 * span["loop_s"] / span["requests"],
    }


def medians(spans: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each rate."""
    return {name: statistics.median(span[name] for span in spans) for name in spans[0]}


def ratios(name: str, pairs: Sequence[Pair]) -> list[float]:
    """A rate with the log to the same without it."""
    return [logged[name] / unlogged[name] for logged, unlogged in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--starts", type=int, default=6)
    parser.add_argument("--pairs", type=int, default=40)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: install it (Debian: apt install wrk).")
    run = conditions(["uvicorn", "uvloop", "msgspec"])
    both: list[Pair] = []
    beside: list[float] = []
    of_starts: list[float] = []
    with gateways.upstream() as behind:
        for _ in range(arguments.starts):
            pairs, spent = one_start(behind, arguments.pairs)
            both += pairs
            beside.append(spent)
            of_starts.append(statistics.median(ratios("requests_per_s", pairs)))
            print(f"{of_starts[-1]:.3f}", flush=True)
    logged, unlogged = zip(*both, strict=True)
    more = [with_it["loop_us"] - without["loop_us"] for with_it, without in both]
    document = {
        "run": run,
        "connections": CONNECTIONS,
        "starts": arguments.starts,
        "pairs": len(both),
        "logged": medians(logged),
        "unlogged": medians(unlogged),
        "beside_us": statistics.median(beside),
        "throughput": resampled(ratios("requests_per_s", both)),
        "loop": resampled(ratios("loop_us", both)),
        "more_loop_us": resampled(more),
        "throughput_of_each_start": of_starts,
        "throughput_of_each_pair": ratios("requests_per_s", both),
    }
    write(RESULTS / "gateway_log.json", document)
    print({key: value for key, value in document.items() if key != "throughput_of_each_pair"})


if __name__ == "__main__":
    main()
