"""Build the bundled static table: MiniLM's tokens, seen one at a time, as a small matrix.

    python scripts/distill_static.py MODEL_DIRECTORY --out src/onehead/data/static

MODEL_DIRECTORY holds sentence-transformers/all-MiniLM-L6-v2 (config.json, model.safetensors,
tokenizer.json). Needs model2vec[distill]. The defaults are the settings of the bundled table;
benchmarks/encoders_distillation.py measures the others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL_NAME = "sentence-transformers/all-MiniLM-L6-v2"
LICENSE = Path(__file__).parent.parent / "LICENSE"


@dataclass(frozen=True)
class Settings:
    """How token vectors become a table.

    dimensions: principal components kept; None keeps the model's own axes
    sif: coefficient of the smooth inverse frequency weight, from Zipf's law; None for no weight
    dtype: int8 (one scale for the table, which normalising cancels) or float16
    keep: the first tokens of the vocabulary kept, None for all; a dropped token is spelt by others
    normalize: whether a text's vector is scaled to length 1
    """

    dimensions: int | None = 256
    sif: float | None = None
    dtype: Literal["int8", "float16", "float32"] = "int8"
    keep: int | None = None
    normalize: bool = True


def token_vectors(model_directory: str, pooling: str = "mean") -> tuple[NDArray[np.float32], str]:
    """The model's vector of every token between [CLS] and [SEP] [v, d], and its tokenizer.json.

    pooling: ``mean`` over the three, ``first`` for [CLS] alone, as model2vec names them.
    """
    from model2vec.distill import distill

    model = distill(
        model_directory,
        device="cpu",
        pca_dims=None,
        sif_coefficient=None,
        quantize_to="float32",
        pooling=pooling,
    )
    tokenizer = json.loads(model.tokenizer.to_str())
    # A prompt is never cut to its first tokens, so the file must not ask readers to do so.
    tokenizer["truncation"] = tokenizer["padding"] = None
    return np.asarray(model.embedding, dtype=np.float32), json.dumps(tokenizer, ensure_ascii=False)


def shape(
    vectors: NDArray[np.float32], tokenizer: str, settings: Settings
) -> tuple[NDArray[np.generic], str]:
    """The table [v', dimensions] and its tokenizer.json, by model2vec's own steps."""
    from model2vec.distill.inference import apply_pca, compute_weights
    from model2vec.quantization import quantize_embeddings

    if settings.keep is not None:
        vectors, tokenizer = _prune(vectors, tokenizer, settings.keep)
    table = apply_pca(vectors, settings.dimensions)
    table = table * compute_weights(len(table), sif_coefficient=settings.sif)[:, None]
    return quantize_embeddings(table, settings.dtype), tokenizer


def _prune(
    vectors: NDArray[np.float32], tokenizer: str, keep: int
) -> tuple[NDArray[np.float32], str]:
    """Keep the most frequent tokens and every single character, so that any word can be spelt."""
    document = json.loads(tokenizer)
    ranked = sorted(document["model"]["vocab"].items(), key=lambda item: item[1])
    kept = [
        (token, row)
        for token, row in ranked
        if row < keep
        or len(token.removeprefix(document["model"]["continuing_subword_prefix"])) == 1
    ]
    document["model"]["vocab"] = {token: place for place, (token, _) in enumerate(kept)}
    return vectors[[row for _, row in kept]], json.dumps(document, ensure_ascii=False)


def save(table: NDArray[np.generic], tokenizer: str, settings: Settings, directory: Path) -> None:
    """Write model2vec's three files."""
    from safetensors.numpy import save_file

    directory.mkdir(parents=True, exist_ok=True)
    save_file({"embeddings": np.ascontiguousarray(table)}, directory / "model.safetensors")
    (directory / "model.safetensors").chmod(0o644)
    (directory / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "tokenizer_name": MODEL_NAME,
        "apply_pca": settings.dimensions,
        "sif_coefficient": settings.sif,
        "hidden_dim": table.shape[1],
        "seq_length": 1_000_000,
        "max_length": None,
        "normalize": settings.normalize,
        "pooling": "mean",
        "embedding_dtype": settings.dtype,
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def provenance(model_directory: Path, settings: Settings, table: NDArray[np.generic]) -> str:
    """PROVENANCE.md: what the table was made of, and how to make it again."""
    from importlib.metadata import version

    sources = "\n".join(
        f"| {name} | {hashlib.sha256((model_directory / name).read_bytes()).hexdigest()} |"
        for name in ("model.safetensors", "tokenizer.json", "config.json")
    )
    chosen = "\n".join(f"| {name} | {value} |" for name, value in asdict(settings).items())
    rows, dimensions = table.shape
    weighted = "" if settings.sif is None else ", weighted by frequency"
    return f"""# Where this table comes from

A token table of {rows:,} × {dimensions} ({table.dtype}), distilled from `{MODEL_NAME}`, which
its authors (the Sentence Transformers team) publish under Apache-2.0; so is this table, see LICENSE.
Changes: every token of the vocabulary was encoded on its own; the vectors were reduced to principal
components{weighted} and quantised, with model2vec {version("model2vec")} (MIT). No text, prompt or
outcome went into it.

The format is model2vec's: `StaticModel.from_pretrained(directory)` reads it.

| setting | value |
|---|---|
{chosen}

| source file | SHA-256 |
|---|---|
{sources}

Made by `python scripts/distill_static.py MODEL_DIRECTORY`; why these settings:
`benchmarks/LOG.md` and `benchmarks/results/encoders_distillation.json`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_directory", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dimensions", type=int, default=Settings.dimensions)
    parser.add_argument("--sif", type=float, default=Settings.sif, help="1e-4 is model2vec's")
    parser.add_argument("--dtype", choices=["int8", "float16"], default=Settings.dtype)
    arguments = parser.parse_args()
    settings = Settings(arguments.dimensions, arguments.sif, arguments.dtype)
    vectors, tokenizer = token_vectors(str(arguments.model_directory))
    table, tokenizer = shape(vectors, tokenizer, settings)
    save(table, tokenizer, settings, arguments.out)
    shutil.copy(LICENSE, arguments.out / "LICENSE")
    text = provenance(arguments.model_directory, settings, table)
    (arguments.out / "PROVENANCE.md").write_text(text, encoding="utf-8")
    print(f"{arguments.out}: {table.shape[0]:,} tokens × {table.shape[1]}, {table.dtype}")


if __name__ == "__main__":
    main()
