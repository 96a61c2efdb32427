"""How fast decisions are, and what training takes.

    python benchmarks/speed.py [--only decision throughput training] [--router DIR] [--minilm DIR]

decision: one decision in process with the bundled router, prompts of 100 tokens, by part; with
    --minilm (a folder that holds sentence-transformers/all-MiniLM-L6-v2, or MINILM in the
    environment) one embedding of the same prompts by sentence-transformers, in turns with it
throughput: `route_many` over prompts as long as MMLU-Pro's, by one process and by one per core
training: `onehead train` with the default recipe on MMLU-Pro as a process of its own, from reading
    the table to the router on disk

Texts are made up (benchmarks/texts.py). Parts that are run replace theirs in
benchmarks/results/speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import RESULTS, conditions, table_path, write
from texts import like_mmlu_pro, mean_tokens, of_length

from onehead import Router

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

RESULT = RESULTS / "speed.json"
PACKAGES = ("onehead", "numpy", "onnxruntime", "torch", "sentence-transformers", "scikit-learn")
SEED = 0
TOKENS = 100
DECISIONS = 5_000
PART_CALLS = 2_000
EMBEDDINGS = 200
TURNS = 10
PROMPTS = 10_000
REPEATS = 5


def main() -> None:
    measures: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
        "decision": decision,
        "throughput": throughput,
        "training": training,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=measures, default=list(measures))
    parser.add_argument("--router", help="instead of the bundled one")
    parser.add_argument("--minilm", default=os.environ.get("MINILM"))
    arguments = parser.parse_args()
    document = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    for name in arguments.only:
        taken = conditions(PACKAGES)
        document[name] = {"seed": SEED, **measures[name](arguments), "run": taken}
        print(name, json.dumps(document[name], indent=1))
        write(RESULT, document)


def decision(arguments: argparse.Namespace) -> dict[str, Any]:
    """One prompt at a time, every one a new text; embeddings by MiniLM in turns with them."""
    router = Router.load(arguments.router)
    fresh = of_length(TOKENS, DECISIONS, SEED)
    warm_up(router)
    embed = minilm(arguments.minilm)
    routed: list[float] = []
    embedded: list[float] = []
    worked = 0.0
    for turn in range(TURNS):
        before = time.thread_time()
        routed += latencies(router.route, fresh[turn::TURNS])
        worked += time.thread_time() - before
        if embed:
            embedded += latencies(embed, fresh[turn : turn + EMBEDDINGS // TURNS])
    figures: dict[str, Any] = {
        "tokens": TOKENS,
        "models": len(router.pool),
        "recipe": router.manifest.recipe,
        "decisions": DECISIONS,
        "us": spread(routed),
        "processor_us_mean": worked / DECISIONS * 1e6,
        "parts_us": parts(router),
    }
    if embedded:
        figures["minilm_us"] = spread(embedded)
        figures["share_of_minilm"] = float(np.median(routed) / np.median(embedded))
    return figures


def parts(router: Router) -> dict[str, float]:
    """Median microseconds of each step of a decision, one after the other as in a decision.

    What a decision consists of is no interface, so this looks inside the router.
    """
    featurize, predictor = router._featurize, router._predictor  # noqa: SLF001
    steps: dict[str, list[float]] = {"features": [], "network": [], "choice": [], "reason": []}
    for prompt in of_length(TOKENS, PART_CALLS, SEED + 4):
        marks = [time.perf_counter()]
        features = featurize([prompt])
        marks.append(time.perf_counter())
        estimates = predictor.predict(features)
        marks.append(time.perf_counter())
        chosen = router.decide(estimates)[0]
        marks.append(time.perf_counter())
        _ = chosen.reason
        marks.append(time.perf_counter())
        for name, took in zip(steps, np.diff(marks), strict=True):
            steps[name].append(took)
    steps["vector_alone"] = latencies(
        lambda text: router.encoder.encode([text]), of_length(TOKENS, PART_CALLS, SEED + 5)
    )
    return {name: float(np.median(took) * 1e6) for name, took in steps.items()}


def minilm(folder: str | None) -> Callable[[str], object] | None:
    """One embedding by sentence-transformers on all cores; None without the model."""
    if not folder:
        print("no --minilm: decisions are not compared with an embedding")
        return None
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu")
    for text in of_length(TOKENS, 5, SEED + 2):
        model.encode([text])
    return lambda text: model.encode([text])


def throughput(arguments: argparse.Namespace) -> dict[str, Any]:
    """`route_many`: new texts in every repeat, the best of them."""
    cores = os.cpu_count() or 1
    one = max(together(1, arguments.router))
    every = max(together(cores, arguments.router))
    return {
        "prompts": PROMPTS,
        "repeats": REPEATS,
        "mean_tokens": mean_tokens(like_mmlu_pro(1000, SEED)),
        "processes": cores,
        "prompts_per_s_one_process": one,
        "prompts_per_s_all_cores": every,
    }


def together(processes: int, router: str | None) -> list[float]:
    """Prompts per second in each repeat by so many processes that share the prompts."""
    share = PROMPTS // processes
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool, context.Manager() as manager:
        start = manager.Barrier(processes)
        jobs = [pool.submit(spans, router, share, start, SEED + i) for i in range(processes)]
        each = np.array([job.result() for job in jobs])
    walls: NDArray[np.float64] = each[:, :, 1].max(axis=0) - each[:, :, 0].min(axis=0)
    return [float(rate) for rate in processes * share / walls]


def spans(
    router_path: str | None, prompts: int, start: Any, seed: int
) -> list[tuple[float, float]]:
    """When `route_many` began and ended in each repeat."""
    router = Router.load(router_path)
    warm_up(router)
    found = []
    for repeat in range(REPEATS):
        texts = like_mmlu_pro(prompts, seed + 100 * (repeat + 1))
        start.wait()
        began = time.monotonic()
        router.route_many(texts)
        found.append((began, time.monotonic()))
    return found


def training(arguments: argparse.Namespace) -> dict[str, Any]:
    """Wall clock, processor time and peak memory of one command."""
    del arguments
    source = table_path("mmlu_pro")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "router"
        command = ["train", "--data", str(source), "--out", str(out), "--seed", str(SEED)]
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "onehead", *command])
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"onehead train ended with {process.returncode}")
        router = Router.load(out)
        size = sum(path.stat().st_size for path in out.iterdir())
    return {
        "table": "mmlu_pro",
        "models": len(router.pool),
        "recipe": router.manifest.recipe,
        "seconds": wall,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_mb": usage.ru_maxrss / 1024,
        "router_mb": size / 1e6,
    }


def warm_up(router: Router) -> None:
    """As a service is after some minutes: the code is warm, and most words have been seen."""
    router.route_many(of_length(TOKENS, 2_000, SEED + 1))
    for text in of_length(TOKENS, 300, SEED + 3):
        router.route(text)


def latencies(call: Callable[[str], object], texts: Sequence[str]) -> list[float]:
    """Seconds of each call."""
    times = []
    for text in texts:
        start = time.perf_counter()
        call(text)
        times.append(time.perf_counter() - start)
    return times


def spread(times: Sequence[float]) -> dict[str, float]:
    """Median and tail in microseconds."""
    micro = np.array(times) * 1e6
    return {
        "median": float(np.median(micro)),
        "p90": float(np.quantile(micro, 0.9)),
        "p99": float(np.quantile(micro, 0.99)),
    }


if __name__ == "__main__":
    main()
