"""How long pages wait for a log of a million decisions in SQLite, and what logging costs a request.

    python benchmarks/store.py [--rows 1000000] [--folder DIR]

Writes benchmarks/results/store.json: seconds to fill the log, the median, the longest and the
processor time of REPEATS for each query that the dashboard and the gateway ask, and microseconds that `put` takes in the caller's
thread. The decisions are made up: thirty days, eleven models, prompts kept in full.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from common import RESULTS, conditions, write

from onehead.store import DecisionRecord, Filter, Store, Writer, new_decision_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPEATS = 7
DAYS = 30
BATCH = 2000
SEED = 0
END = 1_790_000_000.0
MODELS = [f"model-{j:02d}" for j in range(11)]
KEYS = [f"team-{j}" for j in range(5)]
WORDS = ("river", "matrix", "verse", "court", "enzyme", "market", "orbit", "tax", "proof", "island")
DAY = 86_400.0


def made(rng: random.Random, at: float, place: int) -> DecisionRecord:
    """One decision as a gateway logs it."""
    j = min(int(rng.expovariate(0.4)), len(MODELS) - 1)
    failed, cost = rng.random() < 0.02, rng.lognormvariate(-7, 1.5)
    estimates = [
        (name, rng.random(), rng.random() / 100, rng.random(), None if k else "too dear")
        for k, name in enumerate(MODELS)
    ]
    return DecisionRecord(
        decision_id=new_decision_id(at),
        at=at,
        request_id=f"req-{place}",
        key=KEYS[place % 5],
        path="/v1/chat/completions",
        asked_model="auto",
        mode="shadow" if rng.random() < 0.01 else "auto",
        willingness_to_pay=0.002,
        reward="exponential",
        session=f"session-{place // 8}",
        router="0123456789ab",
        chosen=MODELS[j],
        model=None if failed else MODELS[j],
        confidence=rng.random(),
        estimates=estimates,
        predicted_quality=estimates[j][1],
        predicted_cost_usd=estimates[j][2],
        attempts=[{"model": MODELS[j], "outcome": "ok", "status": 200, "seconds": 0.7}],
        outcome="error" if failed else "ok",
        status=502 if failed else 200,
        input_tokens=int(cost * 4e5),
        output_tokens=int(cost * 1e5),
        cost_usd=None if failed else cost,
        overhead_s=rng.lognormvariate(-8, 0.5),
        first_byte_s=0.2,
        total_s=rng.lognormvariate(0, 0.8),
        prompt_hash="0" * 64,
        prompt=" ".join(rng.choices(WORDS, k=30)),
        embedding=bytes(512),
        answer_id=f"resp_{place}" if place % 4 == 0 else None,
    )


def fill(store: Store, rows: int) -> float:
    """Write `rows` decisions over the days before `END`; the seconds that writing took."""
    rng = random.Random(SEED)
    start, spent = END - DAYS * DAY, 0.0
    for first in range(0, rows, BATCH):
        places = range(first, min(first + BATCH, rows))
        batch = [made(rng, start + place * DAYS * DAY / rows, place) for place in places]
        began = time.perf_counter()
        store.write(batch)
        for one in batch[::200]:
            store.add_feedback(one.decision_id, rng.random(), at=one.at)
        spent += time.perf_counter() - began
        print(f"\r{places[-1] + 1:,} rows", end="", flush=True)
    print()
    return spent


def queries(store: Store, rows: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What pages and requests ask, by name."""
    middle = new_decision_id(END - DAYS * DAY / 2)
    last = store.decisions(limit=1).decisions[0]
    filters = {
        "newest": Filter(),
        "of a frequent model": Filter(model=MODELS[0]),
        "of a rare model": Filter(model=MODELS[9]),
        "of an unknown model": Filter(model="none"),
        "of a key": Filter(key=KEYS[1]),
        "that failed": Filter(failed=True),
        "with one outcome": Filter(outcome="error"),
        "with an outcome that none has": Filter(outcome="broken"),
        "in shadow mode": Filter(mode="shadow"),
        "in a mode that none has": Filter(mode="named"),
        "of a session": Filter(session=last.session),
        "above a cost that few have": Filter(min_cost_usd=0.3),
        "above a cost that none has": Filter(min_cost_usd=1e6),
        "of a model and key without any": Filter(model=MODELS[1], key="none"),
        "of a model and key that failed": Filter(model=MODELS[2], key=KEYS[3], failed=True),
        "of a model above a cost that none has": Filter(model=MODELS[0], min_cost_usd=1e6),
        "of a model in a mode that none has": Filter(model=MODELS[0], mode="named"),
        "with a text that many have": Filter(text="enzyme market"),
        "with a text that none has": Filter(text="nothing like it"),
        "of one hour": Filter(since=END - DAY, until=END - DAY + 3600),
    }
    for name, wanted in filters.items():
        yield f"decisions {name}", lambda wanted=wanted: store.decisions(wanted)
    yield "decisions from the middle", lambda: store.decisions(before=middle)
    yield "one decision", lambda: store.decision(last.decision_id)
    for name, days in (("hour", 1 / 24), ("day", 1.0), ("week", 7.0), ("month", 30.0)):
        since = END - days * DAY
        yield f"totals of a {name}", lambda since=since: store.totals(since, END)
        yield f"totals of a {name}, 200 spans", lambda since=since: store.totals(since, END, 200)
        yield f"expected over a {name}", lambda since=since: store.expected(since, END)
    yield "spend of a key", lambda: store.spend(KEYS[0], "2026-09-01")
    yield "spend by day", lambda: store.spend_by_day("")
    yield "model of a session", lambda: store.session_model(str(last.session))
    yield "model of an answer", lambda: store.answer_model(f"resp_{rows // 8 * 4}")
    yield "newest feedback", store.feedback


def timed(store: Store, rows: int) -> dict[str, dict[str, float]]:
    """Milliseconds of every query."""
    found = {}
    for name, ask in queries(store, rows):
        times, processor = [], []
        for _ in range(REPEATS):
            began, busy = time.perf_counter(), time.thread_time()
            ask()
            times.append((time.perf_counter() - began) * 1e3)
            processor.append((time.thread_time() - busy) * 1e3)
        found[name] = {
            "median_ms": statistics.median(times),
            "longest_ms": max(times),
            "processor_ms": statistics.median(processor),
        }
        print(f"{name:46s} {found[name]['median_ms']:8.2f} ms, longest {max(times):8.2f}")
    return found


def logging_cost(folder: Path, records: int) -> dict[str, float]:
    """Microseconds of a record in the caller's thread, at about a thousand a second, as in a gateway."""
    url = f"sqlite:///{folder / 'puts.db'}"
    settings = SimpleNamespace(url=url, queue=20_000, spill=None, retention_days=None)
    writer = Writer(settings, apart=True)
    writer.start()
    rng = random.Random(SEED)
    batch = [made(rng, END, place) for place in range(records)]
    times = []
    for one in batch:
        began = time.perf_counter()
        writer.put(one)
        times.append((time.perf_counter() - began) * 1e6)
        time.sleep(0.0008)
    writer.close(60)
    times.sort()
    return {
        "records": records,
        "put_median_us": statistics.median(times),
        "put_p99_us": times[int(0.99 * records)],
        "written": writer.stats().written,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the log is made; removed afterwards")
    parser.add_argument("--out", type=Path, default=RESULTS / "store.json")
    wanted = parser.parse_args()
    run = conditions(["msgspec"])
    folder = Path(tempfile.mkdtemp(prefix="onehead-store-", dir=wanted.folder))
    try:
        path = folder / "log.db"
        with Store.open(f"sqlite:///{path}") as store:
            seconds = fill(store, wanted.rows)
            size = sum(part.stat().st_size for part in folder.glob("log.db*"))
            asked = timed(store, wanted.rows)
        logging = logging_cost(folder, min(5000, wanted.rows))
    finally:
        shutil.rmtree(folder)
    document = {
        "rows": wanted.rows,
        "seed": SEED,
        "fill_s": seconds,
        "bytes_per_row": size / wanted.rows,
        "queries": asked,
        "slowest_ms": max(one["median_ms"] for one in asked.values()),
        "most_processor_ms": max(one["processor_ms"] for one in asked.values()),
        "logging": logging,
        "run": run,
    }
    write(wanted.out, document)


if __name__ == "__main__":
    main()
