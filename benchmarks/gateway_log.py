"""What the log costs a gateway under load: with it and without it, in turns.

    python benchmarks/gateway_log.py [--rounds 60] [--seconds 1]

Needs wrk. Writes benchmarks/results/gateway_log.json. Two gateways as in gateway.py stand before one
upstream, one of which throws its records away. At 64 connections each is loaded for a second or two,
then the other, so that a machine whose speed changes slows both; what is kept are ratios of neighbours,
their median, and an interval that resamples the rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gateways
from common import RESULTS, conditions, write
from gateway import loaded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateways import Target

CONNECTIONS = 64
SAMPLES = 2000
SETTLE_S = 0.4
"""In which the log's process takes what is left of a round."""


def ratio(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """The median of ratios, and its 95 % interval over resampled rounds."""
    rng = random.Random(0)
    ratios = [one / other for one, other in pairs]
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(SAMPLES))
    return {
        "median": statistics.median(ratios),
        "interval": [medians[int(SAMPLES * 0.025)], medians[int(SAMPLES * 0.975)]],
    }


def one_round(target: Target, seconds: float, folder: Path) -> dict[str, float]:
    """Requests per second, and microseconds of processor time for each of them."""
    before = target.processor_us()
    found = loaded(target, CONNECTIONS, seconds, folder)
    time.sleep(SETTLE_S)
    after = target.processor_us()
    if found["failed"] or found["broken"]:
        sys.exit(f"{target.name}: {found}")
    spent = {f"{name}_us": (after[name] - before[name]) / found["requests"] for name in after}
    return {"requests_per_s": found["requests_per_s"], **spent}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: install it (Debian: apt install wrk).")
    run = conditions(["uvicorn", "uvloop", "msgspec"])
    with contextlib.ExitStack() as stack:
        behind = stack.enter_context(gateways.upstream())
        rounds: dict[str, list[dict[str, float]]] = {"logged": [], "unlogged": []}
        ready = {}
        for name in rounds:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            logged = name == "logged"
            target = stack.enter_context(gateways.onehead(behind, folder, logged=logged))
            loaded(target, CONNECTIONS, 3, folder)  # warm
            ready[name] = (target, folder)
        for number in range(arguments.rounds):
            for name in sorted(rounds, reverse=number % 2 == 1):
                target, folder = ready[name]
                rounds[name].append(one_round(target, arguments.seconds, folder))
    both = list(zip(rounds["logged"], rounds["unlogged"], strict=True))
    medians = {
        name: {key: statistics.median(one[key] for one in every) for key in every[0]}
        for name, every in rounds.items()
    }
    document = {
        "run": run,
        "connections": CONNECTIONS,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        **medians,
        "throughput": ratio([(a["requests_per_s"], b["requests_per_s"]) for a, b in both]),
        "loop": ratio([(a["loop_us"], b["loop_us"]) for a, b in both]),
        "every_round_requests_per_s": {
            name: [one["requests_per_s"] for one in every] for name, every in rounds.items()
        },
    }
    write(RESULTS / "gateway_log.json", document)
    print({key: document[key] for key in ("logged", "unlogged", "throughput", "loop")})


if __name__ == "__main__":
    main()
