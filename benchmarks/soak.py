"""Whether the gateway stays what it was over many requests.

    python benchmarks/soak.py [--requests 200000]

Needs wrk. Writes benchmarks/results/soak.json: the resident memory of the worker and of its log's process
after every few seconds, what wrk saw, and what the log holds in the end: every answer that was given, and
its cost.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import gateways
from common import RESULTS, conditions, write
from gateway import body, loaded

CONNECTIONS = 16
ROUND_S = 5.0
COST_USD = (12 * 1.0 + 8 * 2.0) / 1e6


def logged(folder: Path) -> dict[str, float]:
    """What the log holds: decisions that were answered, those whose client left, and what was paid."""
    with contextlib.closing(sqlite3.connect(folder / "log.db")) as log:
        answered, others, usd = log.execute(
            "SELECT SUM(outcome = 'ok'), SUM(outcome != 'ok'), "
            "SUM(CASE WHEN outcome = 'ok' THEN cost_usd END) FROM decisions"
        ).fetchone()
        ledger = log.execute("SELECT SUM(usd) FROM spend").fetchone()[0]
    return {"answered": answered, "others": others, "usd": usd, "ledger_usd": ledger}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=200_000)
    wanted = parser.parse_args().requests
    document: dict[str, Any] = {"run": conditions(["aiohttp", "uvicorn", "uvloop", "onnxruntime"])}
    with tempfile.TemporaryDirectory() as name, gateways.upstream() as behind:
        folder = Path(name)
        answered, steps = 0, []
        with gateways.onehead(behind, folder) as ours:
            gateways.ask(ours, body(ours.model).encode())  # its port is open before it is ready
            while answered < wanted:
                seen = loaded(ours, CONNECTIONS, ROUND_S, folder)
                answered += int(seen["requests"])
                steps.append({"answered": answered, "memory_mb": ours.memory_mb(), **seen})
                print(steps[-1], file=sys.stderr)
        found = logged(folder)
    document |= {
        "connections": CONNECTIONS,
        "answered": answered,
        "steps": steps,
        "log": found,
        "usd_recomputed": found["answered"] * COST_USD,
    }
    write(RESULTS / "soak.json", document)


if __name__ == "__main__":
    main()
