"""Tiny routers for tests: a network made by hand, an encoder without tables."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onehead.artifact import Artifact, EncoderRecord, Manifest
from onehead.features import SURFACE
from onehead.policy import presets
from onehead.pool import ModelCard, Pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass
class LetterEncoder:
    """Counts letters: fast, deterministic, without files. `hash` may be set to another value."""

    dimension: int = 26
    name: str = "letters"
    hash: str = field(default=hashlib.sha256(b"letters").hexdigest())

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Relative letter counts [n, 26]."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            codes = np.frombuffer(text.lower().encode("ascii", "ignore"), np.uint8) - ord("a")
            np.add.at(row, codes[codes < self.dimension], 1.0)
        return rows / np.maximum(rows.sum(axis=1, keepdims=True), 1.0)


def attention_network(width: int) -> bytes:
    """One head over anchors: ONNX with the arrays keys [a, width], quality_at, input_at, output_at [a, m]."""

    def info(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("Gemm", ["features", "keys"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "quality_at"], ["quality"]),
        helper.make_node("MatMul", ["weights", "input_at"], ["log_input"]),
        helper.make_node("MatMul", ["weights", "output_at"], ["log_output"]),
        helper.make_node("ReduceMax", ["weights", "last"], ["confidence"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "attention",
        [
            info("features", "n", width),
            info("keys", "a", width),
            *(info(name, "a", "m") for name in ("quality_at", "input_at", "output_at")),
        ],
        [
            *(info(name, "n", "m") for name in ("quality", "log_input", "log_output")),
            info("confidence", "n"),
        ],
        initializer=[numpy_helper.from_array(np.array([-1]), "last")],
    )
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    return model.SerializeToString()


def make_pool(m: int) -> Pool:
    """m models of rising price; every third has its cost in USD."""
    return Pool(
        tuple(
            ModelCard(f"model-{j:02d}", "usd")
            if j % 3 == 2
            else ModelCard(
                f"model-{j:02d}", "tokens", 0.1 * (j + 1), 0.4 * (j + 1), 8192, ("tools",)
            )
            for j in range(m)
        )
    )


def make_artifact(m: int = 4, anchors: int = 12, seed: int = 0) -> Artifact:
    """A router over `m` models that attends over random anchors."""
    rng = np.random.default_rng(seed)
    encoder = LetterEncoder()
    width = encoder.dimension + len(SURFACE)
    pool = make_pool(m)
    in_usd = np.array([card.cost_basis == "usd" for card in pool])
    output_at = np.where(in_usd, np.log(1e-4 * (1 + np.arange(m))), np.log(300.0))
    arrays = {
        "keys": rng.normal(size=(anchors, width)),
        "quality_at": rng.beta(2 + np.arange(m), 3, size=(anchors, m)),
        "input_at": np.full((anchors, m), np.log(100.0)),
        "output_at": output_at + 0.3 * rng.normal(size=(anchors, m)),
    }
    quality, cost = arrays["quality_at"].mean(axis=0), 1e-4 * (1.0 + np.arange(m))
    manifest = Manifest(
        recipe="attention",
        encoder=EncoderRecord(encoder.name, encoder.hash, encoder.dimension),
        pool=pool,
        model_axes={"keys": None, "quality_at": 1, "input_at": 1, "output_at": 1},
        presets=presets(quality, cost),
        data_hash="0" * 64,
        seed=seed,
        validation={"aiq": 0.5, "brier": None},
        hyperparameters={"anchors": anchors},
        profiles={
            name: {"quality": float(q), "cost_usd": float(c)}
            for name, q, c in zip(pool.ids, quality, cost, strict=True)
        },
        created="2026-01-01T00:00:00+00:00",
    )
    kept = {name: array.astype(np.float32) for name, array in arrays.items()}
    return Artifact(manifest, kept, attention_network(width))
