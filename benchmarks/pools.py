"""How the time of one decision grows with the pool.

    python benchmarks/pools.py [--models 2 11 32 100 1000] [--decisions 500]

Pools are cut from the bundled router, or filled up with copies of its models whose columns are
disturbed a little, so that no two are equal. Times are processor time of one thread, which others on
the machine disturb least; the median of several rounds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from common import RESULTS, conditions, write
from texts import of_length

from onehead.artifact import load
from onehead.router import Router, bundled_path

if TYPE_CHECKING:
    from onehead.artifact import Artifact

RESULT = RESULTS / "pools.json"
ROUNDS = 5
TOKENS = 100
PACKAGES = ("onehead", "numpy", "onnxruntime")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", type=int, default=[2, 11, 32, 100, 1000])
    parser.add_argument("--decisions", type=int, default=500)
    arguments = parser.parse_args()
    taken = conditions(PACKAGES)
    artifact = load(bundled_path())
    texts = of_length(TOKENS, ROUNDS * arguments.decisions, 0)
    rows = [timed(pool_of(artifact, m), texts) for m in arguments.models]
    write(RESULT, {"run": taken, "tokens": TOKENS, "decisions": arguments.decisions, "rows": rows})


def pool_of(artifact: Artifact, m: int) -> Artifact:
    """The first `m` models of a router, and disturbed copies where there are too few."""
    known = artifact.manifest.pool
    if m <= len(known):
        return artifact.only(known.ids[:m])
    source = np.arange(m) % len(known)
    rng = np.random.default_rng(m)
    arrays = {}
    for name, array in artifact.arrays.items():
        axis = artifact.manifest.model_axes[name]
        if axis is None:
            arrays[name] = array
            continue
        taken = np.take(array, source, axis)
        noise = rng.normal(0, 0.02 * float(array.std()), taken.shape)
        arrays[name] = (taken + noise).astype(array.dtype)
    cards = [replace(known.models[j], id=f"{known.ids[j]} {i}") for i, j in enumerate(source)]
    pool = replace(known, models=tuple(cards))
    manifest = replace(artifact.manifest, pool=pool, profiles={})
    return replace(artifact, manifest=manifest, arrays=arrays)


def timed(artifact: Artifact, texts: list[str]) -> dict[str, Any]:
    """Processor time of one decision in µs, median and range over rounds of new prompts."""
    router = Router(artifact)
    for text in texts[:20]:
        router.route(text)
    each = []
    for number in range(ROUNDS):
        some = texts[number::ROUNDS]
        start = time.thread_time()
        for text in some:
            router.route(text)
        each.append((time.thread_time() - start) / len(some) * 1e6)
    row = {
        "models": len(router.pool),
        "us": float(np.median(each)),
        "range_us": [min(each), max(each)],
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
