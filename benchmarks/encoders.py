"""How fast the encoders are: the static table, and MiniLM by ONNX beside sentence-transformers.

    python benchmarks/encoders.py --model MODEL_DIRECTORY [--data DATA_DIRECTORY]

MODEL_DIRECTORY holds sentence-transformers/all-MiniLM-L6-v2, DATA_DIRECTORY the MMLU-Pro outcomes
(`mmlu_pro`, whose prompts are the texts). Writes benchmarks/results/encoders.json. Times are wall
clock; throughputs are the best of REPEATS runs, taken in turns so that all see the same machine.
Processor time per prompt, all threads together, is what a busy machine distorts least.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.encoders import load_encoder
from onehead.encoders.onnx import OnnxEncoder
from onehead.sources import read_prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "encoders.json"
DATA = os.environ.get("ONEHEAD_DATA", str(ROOT.parent / "shared" / "data"))
REPEATS = 5
SINGLE_CALLS = 5000
THREADS = 2
TRANSFORMER_TEXTS = 200
SEED = 0


def static_figures(prompts: Sequence[str]) -> dict[str, float]:
    """Loading, one prompt of about 100 tokens at a time, and everything in one batch."""
    start = time.perf_counter()
    encoder = load_encoder("static")
    load_s = time.perf_counter() - start
    ids = encoder.tokenizer.ids  # type: ignore[attr-defined]
    hundred = [text for text in prompts if 95 <= len(ids(text)) <= 105]
    singles = []
    for call in range(SINGLE_CALLS):
        text = [hundred[call % len(hundred)]]
        start = time.perf_counter()
        encoder.encode(text)
        singles.append((time.perf_counter() - start) * 1e6)
    fresh = load_encoder("static")
    first_s = seconds(lambda: fresh.encode(prompts))
    best_s = min(seconds(lambda: encoder.encode(prompts)) for _ in range(REPEATS))
    return {
        "dimension": encoder.dimension,
        "load_ms": load_s * 1e3,
        "single_100_tokens_us_p50": float(np.percentile(singles, 50)),
        "single_100_tokens_us_p99": float(np.percentile(singles, 99)),
        "tokens_per_prompt": float(np.mean([len(ids(text)) for text in prompts])),
        "prompts_per_s_first_pass": len(prompts) / first_s,
        "prompts_per_s": len(prompts) / best_s,
    }


def transformer_figures(model: Path, prompts: Sequence[str]) -> dict[str, Any]:
    """The same texts, window and threads by sentence-transformers and by ONNX, taken in turns."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(THREADS)
    rng = np.random.default_rng(SEED)
    texts = [prompts[row] for row in rng.choice(len(prompts), TRANSFORMER_TEXTS, replace=False)]
    reference = SentenceTransformer(str(model), device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        whole = OnnxEncoder(exported(model, Path(folder) / "fp32"), "fp32", THREADS)
        small = OnnxEncoder(exported(model, Path(folder) / "int8", "--int8"), "int8", THREADS)
        ways: dict[str, Callable[[], Any]] = {
            "sentence_transformers": lambda: reference.encode(texts, batch_size=32),
            "onnx_fp32": lambda: whole.encode(texts),
            "onnx_int8": lambda: small.encode(texts),
        }
        vectors = {name: way() for name, way in ways.items()}
        times: dict[str, list[float]] = {name: [] for name in ways}
        work: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(REPEATS):
            for name, way in ways.items():
                before = time.process_time()
                times[name].append(seconds(way))
                work[name].append(time.process_time() - before)
        one_by_one = {
            "sentence_transformers": latencies(lambda t: reference.encode([t]), texts[:100]),
            "onnx_fp32": latencies(lambda t: whole.encode([t]), texts[:100]),
            "onnx_int8": latencies(lambda t: small.encode([t]), texts[:100]),
        }
    short = np.array([len(reference.tokenizer(text)["input_ids"]) <= 256 for text in texts])
    gap = np.abs(vectors["onnx_fp32"] - vectors["sentence_transformers"])[short].max()
    cosine = (vectors["onnx_int8"] * vectors["onnx_fp32"]).sum(axis=1)
    rates = {name: len(texts) / min(values) for name, values in times.items()}
    base = rates["sentence_transformers"]
    return {
        "texts": len(texts),
        "threads": THREADS,
        "max_tokens": 256,
        "prompts_per_s": rates,
        "times_sentence_transformers": {name: rate / base for name, rate in rates.items()},
        "processor_ms_per_prompt": {
            name: 1e3 * min(values) / len(texts) for name, values in work.items()
        },
        "single_ms_p50": one_by_one,
        "fp32_largest_difference_to_sentence_transformers": float(gap),
        "int8_cosine_to_fp32": {"mean": float(cosine.mean()), "min": float(cosine.min())},
    }


def exported(model: Path, out: Path, *options: str) -> Path:
    script = ROOT / "scripts" / "export_onnx_encoder.py"
    command = [sys.executable, str(script), str(model), "--out", str(out), *options]
    subprocess.run(command, check=True, capture_output=True)
    return out


def seconds(way: Callable[[], Any]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def latencies(way: Callable[[str], Any], texts: Sequence[str]) -> float:
    """Median milliseconds of one text alone."""
    return float(np.median([seconds(lambda text=text: way(text)) for text in texts]) * 1e3)


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    packages = ("numpy", "onnxruntime", "tokenizers", "torch", "sentence-transformers")
    return {
        "processor": names[0] if names else platform.processor(),
        "processors": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", default=DATA)
    arguments = parser.parse_args()
    conditions = machine()
    prompts = list(read_prompts(f"{arguments.data}/mmlu_pro").prompts)
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": SEED,
        "texts": f"{len(prompts)} prompts of MMLU-Pro",
        "machine": conditions,
        "static": static_figures(prompts),
        "transformer": transformer_figures(arguments.model, prompts),
    }
    text = json.dumps(rounded(document), indent=2)
    RESULT.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
