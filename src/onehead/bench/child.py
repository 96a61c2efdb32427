"""One row in a process of its own, so that its memory, threads and time are its own.

    python -m onehead.bench.child TASK.json RESULT.json

A failure that the row itself is to blame for is a result: ``{"failed": "why"}``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.bench.limits import keep_to_one_core, peak_memory_mb
from onehead.errors import OneheadError

if TYPE_CHECKING:
    from onehead.cache import EmbeddingCache

OUT_OF_MEMORY = "out of memory"
_SAMPLE = 500
"""Prompts that an encoder's speed is measured on."""


def main(task_path: str, result_path: str) -> None:
    """Do what the task says and write its figures."""
    task = json.loads(Path(task_path).read_text("utf-8"))
    if task["tight"]:
        keep_to_one_core()
    began = time.perf_counter()
    try:
        result = _encode(task) if task["kind"] == "encode" else _learn(task)
    except MemoryError:
        result = {"failed": OUT_OF_MEMORY}
    except RuntimeError as error:  # torch has no type of its own for this
        if "alloc" not in str(error).lower():
            raise
        result = {"failed": OUT_OF_MEMORY}
    except OneheadError as error:
        result = {"failed": str(error)}
    result |= {
        "seconds": time.perf_counter() - began,
        "processor_s": sum(os.times()[:2]),
        "peak_memory_mb": peak_memory_mb(),
    }
    Path(result_path).write_text(json.dumps(result), encoding="utf-8")


def _learn(task: dict[str, Any]) -> dict[str, Any]:
    """Learn from one side of a split of the table, score the other, keep the estimates."""
    from onehead.bench.blocks import load_table, save_estimates
    from onehead.bench.cells import cell, split, split_rows
    from onehead.bench.contenders import CONTENDERS
    from onehead.encoders import load_encoder
    from onehead.training.pipeline import examples_of

    table = load_table(Path(task["data"]))
    rest, held = split_rows(table, task["seed"], task["fraction"])
    used = np.sort(np.concatenate([rest, held]))
    encoder = load_encoder(task["encoder"])
    examples = examples_of(table.take(used), encoder, lambda *_: None, _cache(task))
    sides = np.searchsorted(used, rest), np.searchsorted(used, held)
    part = split(examples, *sides, task["seed"])
    done = cell(CONTENDERS[task["recipe"]], part, task["rewards"])
    if task["estimates"] is not None:
        save_estimates(Path(task["estimates"]), done.estimates, held, task["fingerprint"])
    return {**done.figures, "controls": done.controls}


def _encode(task: dict[str, Any]) -> dict[str, Any]:
    """How fast an encoder is on some of the table's prompts, from a cold start."""
    from onehead.bench.blocks import load_table
    from onehead.encoders import load_encoder

    prompts = load_table(Path(task["data"])).prompts
    order = np.random.default_rng(0).permutation(len(prompts))
    texts = [prompts[i] for i in order[:_SAMPLE]]
    encoder = load_encoder(task["encoder"])
    encoder.encode(texts[:1])
    start = time.perf_counter()
    encoder.encode(texts)
    took = time.perf_counter() - start
    return {"dimension": encoder.dimension, "prompts_per_s": len(texts) / took}


def _cache(task: dict[str, Any]) -> EmbeddingCache | None:
    """The cache for encoders that take long."""
    from onehead.cache import EmbeddingCache

    return None if task["cache"] is None else EmbeddingCache(task["cache"])


if __name__ == "__main__":
    main(*sys.argv[1:])
