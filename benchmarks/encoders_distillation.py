"""What distillation settings do to routing, not only to similarity.

    python benchmarks/encoders_distillation.py --model MODEL_DIRECTORY [--data DATA_DIRECTORY]

Every variant of the static table, and the transformer itself, is judged by two simple predictors
(ridge regression and k nearest neighbours of the prompt's vector, both tuned within the training
rows) on held-out prompts of MMLU-Pro and RouterBench: mean AUC of predicted success over models, and
AIQ above the zero router's with each model's mean training cost. SEEDS grouped splits, a quarter
held out. Writes benchmarks/results/encoders_distillation.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.encoders.onnx import OnnxEncoder
from onehead.encoders.static import StaticEncoder
from onehead.encoders.wordpiece import WordPiece
from onehead.metrics import aiq, auc
from onehead.sources import read_outcomes

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from distill_static import Settings, shape, token_vectors  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.floating[Any]]
    Predictor = Callable[[Floats, Floats, Floats, float], Floats]

RESULT = ROOT / "benchmarks" / "results" / "encoders_distillation.json"
DATA = os.environ.get("ONEHEAD_DATA", str(ROOT.parent / "shared" / "data"))
TABLES = {"mmlu_pro": "mmlu_pro", "routerbench": "routerbench/routerbench_5shot_slice.csv"}
SEEDS = (0, 1, 2)
HELD_OUT = 0.25
VARIANTS: dict[str, tuple[str, Settings]] = {
    "bundled: 256 dimensions, no weighting, int8, normalised": ("mean", Settings()),
    "64 dimensions": ("mean", Settings(dimensions=64)),
    "128 dimensions": ("mean", Settings(dimensions=128)),
    "384 dimensions": ("mean", Settings(dimensions=384)),
    "float16": ("mean", Settings(dtype="float16")),
    "SIF 1e-4 (model2vec's default)": ("mean", Settings(sif=1e-4)),
    "SIF 1e-3": ("mean", Settings(sif=1e-3)),
    "SIF 1e-2": ("mean", Settings(sif=1e-2)),
    "float16, not normalised": ("mean", Settings(dtype="float16", normalize=False)),
    "SIF 1e-4, float16, not normalised": (
        "mean",
        Settings(sif=1e-4, dtype="float16", normalize=False),
    ),
    "vectors of [CLS] alone": ("first", Settings()),
    "no principal components (the model's 384 axes)": ("mean", Settings(dimensions=None)),
    "16,000 most frequent tokens": ("mean", Settings(keep=16_000)),
    "8,000 most frequent tokens": ("mean", Settings(keep=8_000)),
}


def ridge(x: Floats, y: Floats, new: Floats, strength: float) -> Floats:
    """Linear regression with a penalty on features centred and brought to one common scale."""
    mean, scale = x.mean(axis=0), x.std()
    a, b = (x - mean) / scale, (new - mean) / scale
    gram = a.T @ a + strength * np.eye(a.shape[1])
    return b @ np.linalg.solve(gram, a.T @ (y - y.mean(axis=0))) + y.mean(axis=0)


def nearest(x: Floats, y: Floats, new: Floats, k: float) -> Floats:
    """Mean outcome of the k training prompts of highest cosine."""

    def unit(rows: Floats) -> Floats:
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    near = np.argpartition(-(unit(new) @ unit(x).T), int(k), axis=1)[:, : int(k)]
    return y[near].mean(axis=1)


PREDICTORS: dict[str, tuple[Predictor, tuple[float, ...]]] = {
    "ridge": (ridge, (300, 1000, 3000, 10_000, 30_000)),
    "knn": (nearest, (20, 40, 80, 160)),
}


def judge(vectors: Floats, table: OutcomeTable) -> dict[str, dict[str, Any]]:
    """AUC and AIQ gain of both predictors: their mean over the seeds, and each."""
    found: dict[str, dict[str, list[float]]] = {
        name: {"auc": [], "aiq_gain": []} for name in PREDICTORS
    }
    for seed in SEEDS:
        rest, held = table.split(HELD_OUT, seed)
        for name in PREDICTORS:
            guess = tuned(name, vectors, table, rest, seed)(vectors[held])
            outcome, cost = table.quality[held], table.cost_usd[held]
            scores = [auc(guess[:, j], outcome[:, j]) for j in range(table.n_models)]
            found[name]["auc"].append(float(np.mean([s for s in scores if s is not None])))
            gain = aiq_gain(guess, table.cost_usd[rest].mean(axis=0), outcome, cost)
            found[name]["aiq_gain"].append(gain)
    return {
        name: {
            measure: {"mean": round(float(np.mean(v)), 4), "seeds": [round(x, 4) for x in v]}
            for measure, v in measures.items()
        }
        for name, measures in found.items()
    }


def tuned(
    name: str, vectors: Floats, table: OutcomeTable, rows: NDArray[np.intp], seed: int
) -> Callable[[Floats], Floats]:
    """A predictor of all `rows`, with the setting that did best on a fifth of them held back."""
    predict, grid = PREDICTORS[name]
    train, inner = (rows[part] for part in table.take(rows).split(0.2, seed))

    def error(setting: float) -> float:
        guess = predict(vectors[train], table.quality[train], vectors[inner], setting)
        return float(np.mean((guess - table.quality[inner]) ** 2))

    best = min(grid, key=error)
    return lambda new: predict(vectors[rows], table.quality[rows], new, best)


def aiq_gain(guess: Floats, mean_cost: Floats, quality: Floats, cost: Floats) -> float:
    """AIQ of choosing by guess · exp(−mean cost / λ) over a grid of λ, minus the zero router's."""
    rows, guess = np.arange(len(guess)), np.clip(guess, 0, 1)
    single = cost.mean(axis=0), quality.mean(axis=0)
    points = [(single[0].min(), single[1][single[0].argmin()])]
    for wtp in np.geomspace(mean_cost.min() / 10, mean_cost.max() * 1000, 60):
        column = np.argmax(guess * np.exp(-mean_cost / wtp), axis=1)
        points.append((cost[rows, column].mean(), quality[rows, column].mean()))
    ends = single[0].min(), single[0].max()
    router = np.array(points)
    return aiq(router[:, 0], router[:, 1], *ends) - aiq(*single, *ends)


def static_vectors(table: NDArray[Any], tokenizer: str, normalize: bool, texts: Any) -> Floats:
    pieces = WordPiece(json.loads(tokenizer), "variant")
    kept = table if table.dtype == np.int8 else table.astype(np.float32)
    return StaticEncoder("variant", "", pieces, kept, normalize).encode(texts)


def transformer_vectors(model: Path, texts: Any, *options: str) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        script = ROOT / "scripts" / "export_onnx_encoder.py"
        command = [sys.executable, str(script), str(model), "--out", folder, *options]
        subprocess.run(command, check=True, capture_output=True)
        return OnnxEncoder(Path(folder), "onnx").encode(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--transformer", action="store_true", help="judge MiniLM as well (minutes)")
    arguments = parser.parse_args()
    tables = {
        name: read_outcomes([f"{arguments.data}/{path}"]).complete_block()[0]
        for name, path in TABLES.items()
    }
    kinds = {pooling: token_vectors(str(arguments.model), pooling) for pooling in ("mean", "first")}
    results: dict[str, dict[str, Any]] = {}

    def record(variant: str, encode: Callable[[tuple[str, ...]], Floats], size: int | None) -> None:
        results[variant] = {"table_bytes": size}
        for name, table in tables.items():
            results[variant][name] = judge(encode(table.prompts), table)
        brief = [
            f"{name} {predictor} {results[variant][name][predictor]['auc']['mean']:.4f} "
            f"{results[variant][name][predictor]['aiq_gain']['mean']:+.4f}"
            for name in tables
            for predictor in PREDICTORS
        ]
        print(f"{variant:56s} {' | '.join(brief)}", flush=True)

    for variant, (pooling, settings) in VARIANTS.items():
        rows, tokenizer = shape(*kinds[pooling], settings)
        record(
            variant,
            lambda texts, s=settings, r=rows, t=tokenizer: static_vectors(r, t, s.normalize, texts),
            rows.nbytes,
        )
    if arguments.transformer:
        for variant, options in {"MiniLM, fp32": [], "MiniLM, int8": ["--int8"]}.items():
            record(variant, lambda t, o=options: transformer_vectors(arguments.model, t, *o), None)
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "seeds": SEEDS,
        "held_out": HELD_OUT,
        "prompts": {name: table.n_prompts for name, table in tables.items()},
        "models": {name: table.n_models for name, table in tables.items()},
        "machine": {"processors": os.cpu_count(), "python": platform.python_version()},
        "variants": results,
    }
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
