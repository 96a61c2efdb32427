"""How long each page's data takes, over a log of a million decisions in SQLite.

    python benchmarks/dashboard.py [--rows 1000000] [--folder DIR] [--log FILE]

Writes benchmarks/results/dashboard.json: the median, the longest and the processor time of REPEATS
requests for every page and its JSON, over every range, through the real application without a socket.
The log is that of benchmarks/store.py, moved to end now; each request is made with an empty cache.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import store as logs
from common import RESULTS, conditions, write

from onehead.artifact import load
from onehead.config import parse_config
from onehead.dashboard import log as reading
from onehead.dashboard import routes
from onehead.gateway.app import create_app
from onehead.router import bundled_path
from onehead.store import Store

REPEATS = 5
RANGES = ("1h", "24h", "7d", "30d", "all")
DOCUMENTS = ("overview", "frontier", "models", "router", "shadow")
OTHERS = (
    "/ui/decisions",
    "/ui/decisions?model=model-09",
    "/ui/decisions?outcome=error",
    "/ui/decisions?text=nothing+like+it",
    "/ui/playground",
)


def config_text(path: Path) -> str:
    """A configuration whose models are those of the log, each with a profile of the bundled router."""
    known = load(bundled_path()).manifest.pool.ids
    lines = ["[store]", f'url = "sqlite:///{path}"']
    for name, like in zip(logs.MODELS, known, strict=False):
        lines += [
            "[[models]]", f'id = "{name}"', f'like = "{like}"', "free = true",
            'base_url = "http://127.0.0.1:9/v1"',
        ]  # fmt: skip
    return "\n".join(lines)


def addresses() -> list[str]:
    """Everything that is asked for."""
    found = [f"/ui/api/{name}?range={chosen}" for name in DOCUMENTS for chosen in RANGES]
    return [*found, *OTHERS]


async def timed(path: Path) -> dict[str, dict[str, float]]:
    """Milliseconds of every request."""
    reading.KEEP_S = 0.0
    app = create_app(parse_config(config_text(path), environment={}, where="benchmark"), routes())
    await app.startup()
    found = {}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.get("/ui/router")  # the router's arrays are read once
        for address in addresses():
            times, busy = [], []
            for _ in range(REPEATS):
                began, processor = time.perf_counter(), time.process_time()
                answer = await client.get(address, timeout=60)
                times.append((time.perf_counter() - began) * 1e3)
                busy.append((time.process_time() - processor) * 1e3)
                assert answer.status_code == 200, answer.text
            found[address] = {
                "median_ms": statistics.median(times),
                "longest_ms": max(times),
                "processor_ms": statistics.median(busy),
                "bytes": len(answer.content),
            }
            print(f"{address:40s} {statistics.median(times):8.1f} ms, longest {max(times):8.1f}")
    await app.shutdown(1.0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the log is made; removed afterwards")
    parser.add_argument("--log", type=Path, help="a log that is there already; it stays")
    parser.add_argument("--out", type=Path, default=RESULTS / "dashboard.json")
    wanted = parser.parse_args()
    run = conditions(["msgspec", "numpy", "starlette"])
    folder = Path(tempfile.mkdtemp(prefix="onehead-dashboard-", dir=wanted.folder))
    try:
        path = wanted.log or folder / "log.db"
        if wanted.log is None:
            logs.END = time.time()
            with Store.open(f"sqlite:///{path}") as store:
                logs.fill(store, wanted.rows)
        with Store.open(f"sqlite:///{path}") as store:
            rows = store.count()
        found = asyncio.run(timed(path))
    finally:
        shutil.rmtree(folder)
    slowest = max(found, key=lambda address: found[address]["median_ms"])
    write(
        wanted.out,
        {
            "conditions": run,
            "rows": rows,
            "repeats": REPEATS,
            "slowest": slowest,
            "requests": found,
        },
    )


if __name__ == "__main__":
    main()
