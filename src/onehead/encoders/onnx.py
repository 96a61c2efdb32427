"""The ONNX encoder: a sentence transformer on onnxruntime, a few milliseconds a prompt."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from onehead.encoders.hub import fetch
from onehead.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MODEL_FILES: Final = ("model.onnx", "onnx/model.onnx")
FILES: Final = (
    *MODEL_FILES,
    "model.onnx_data",
    "tokenizer.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config.json",
)
"""Everything that determines the vectors; only a model and tokenizer.json must be there."""
_DEFAULT_WINDOW: Final = 512

Pooling = Literal["mean", "cls"]


class OnnxEncoder:
    """Token embeddings of a transformer, pooled and scaled to length 1.

    A text with more tokens than the model's window keeps the first and the last half of it. Texts
    run one by one, on one thread each, several at once: no padding is computed, and a prompt has
    bit for bit the same vector alone and in a batch, also where activations are quantised by the
    range of what runs together. The empty text gets the vector of the special tokens alone.
    """

    def __init__(self, directory: Path, name: str, threads: int | None = None) -> None:
        """Read model.onnx, tokenizer.json and the optional settings beside them.

        threads: texts encoded at once; by default the processors this process may use.
        """
        self.name = name
        self.threads = threads or _processors()
        model = next((directory / f for f in MODEL_FILES if (directory / f).is_file()), None)
        if model is None:
            raise EncoderError(
                f"{directory}: holds no model.onnx. Export a sentence-transformers directory with "
                "scripts/export_onnx_encoder.py, or give a hub id that has one."
            )
        self.hash = _hash(directory)
        self._tokenizer = _tokenizer(directory / "tokenizer.json")
        self._window = _window(directory, self._tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._pooling = _pooling(directory / "1_Pooling" / "config.json")
        self._session = _session(model)
        self._inputs = _inputs(self._session, model)
        self.dimension = len(self._vector(self._ids([""])[0]))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, dimension] of length 1."""
        ids = self._ids(texts)
        if len(ids) < 2 or self.threads == 1:
            vectors = [self._vector(one) for one in ids]
        else:
            # The longest first, so that no thread is left alone with one at the end.
            order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
            with ThreadPoolExecutor(self.threads) as pool:
                done = dict(
                    zip(order, pool.map(self._vector, (ids[i] for i in order)), strict=True)
                )
            vectors = [done[row] for row in range(len(ids))]
        return np.array(vectors, dtype=np.float32).reshape(len(ids), self.dimension)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, within the window."""
        clean = [text.encode("utf-8", "ignore").decode() for text in texts]  # lone surrogates go
        encodings = self._tokenizer.encode_batch(clean)
        return [head_and_tail(encoding.ids, self._window) for encoding in encodings]

    def _vector(self, ids: list[int]) -> NDArray[np.float32]:
        if not ids:  # a tokenizer without special tokens, a text without tokens
            return np.zeros(self.dimension, dtype=np.float32)
        tokens = np.array([ids], dtype=np.int64)
        feeds = {name: np.full_like(tokens, fill) for name, fill in self._inputs.items()}
        feeds["input_ids"] = tokens
        try:
            output: NDArray[np.float32] = self._session.run(None, feeds)[0][0]
        except _failures() as error:
            raise EncoderError(
                f"encoder {self.name}: the model failed on {len(ids)} tokens ({error}). "
                "Are model.onnx and tokenizer.json of one export, and max_seq_length its own?"
            ) from error
        if output.ndim == 2:
            output = output.mean(axis=0) if self._pooling == "mean" else output[0]
        vector = output.astype(np.float32)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length):
            raise EncoderError(f"encoder {self.name}: gave a vector that is not finite.")
        return vector / length if length else vector


def load_onnx(argument: str) -> OnnxEncoder:
    """The encoder in a directory, or under a hub id ``owner/name`` or ``owner/name@revision``."""
    directory = Path(argument)
    if not directory.is_dir():
        directory = fetch(argument, FILES)
    return OnnxEncoder(directory, f"onnx:{argument}")


def head_and_tail(ids: list[int], window: int) -> list[int]:
    """`ids`, or their first and last half of the window: the end of a prompt asks the question."""
    if len(ids) <= window:
        return ids
    tail = window // 2
    return ids[: window - tail] + ids[len(ids) - tail :]


def _processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _hash(directory: Path) -> str:
    digest = hashlib.sha256(b"head and tail, normalised\n")
    for name in FILES:
        path = directory / name
        if path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def _tokenizer(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise MissingExtraError("the encoder onnx:", "onnx") from error
    if not path.is_file():
        raise EncoderError(
            f"{path}: missing. An ONNX encoder needs the tokenizer beside the model."
        )
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the class that tokenizers raises, no narrower one
        raise EncoderError(
            f"{path}: not a tokenizer ({error}). Fetch or export it again."
        ) from error


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise EncoderError(
            f"{path}: cannot be loaded ({error}). Fetch or export it again."
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    """What onnxruntime raises: classes of its own without a common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type)]
    return tuple(kind for kind in own if issubclass(kind, Exception))


def _inputs(session: Any, path: Path) -> dict[str, int]:
    """The model's inputs and what fills them: ones for the mask, zeros for the segments."""
    known = {"input_ids": 0, "attention_mask": 1, "token_type_ids": 0}
    names = [item.name for item in session.get_inputs()]
    odd = sorted(set(names) - set(known))
    if odd or "input_ids" not in names:
        raise EncoderError(
            f"{path}: takes {', '.join(names)}; a text encoder takes input_ids, attention_mask and "
            "perhaps token_type_ids. Export it with scripts/export_onnx_encoder.py."
        )
    return {name: known[name] for name in names}


def _pooling(path: Path) -> Pooling:
    """How token vectors become one, as sentence-transformers wrote it; the mean where it did not."""
    settings = _settings(path)
    modes = [key for key, on in settings.items() if key.startswith("pooling_mode_") and on is True]
    mode = settings.get("pooling_mode") or (modes or ["pooling_mode_mean_tokens"])[0]
    if len(modes) < 2 and mode in {"mean", "pooling_mode_mean_tokens"}:
        return "mean"
    if len(modes) < 2 and mode in {"cls", "pooling_mode_cls_token"}:
        return "cls"
    raise EncoderError(f"{path}: pools by {modes or mode}; only mean and cls are understood.")


def _window(directory: Path, tokenizer: Any) -> int:
    """Tokens that the model may see at once, special ones included."""
    window = (
        _settings(directory / "sentence_bert_config.json").get("max_seq_length")
        or (tokenizer.truncation or {}).get("max_length")
        or _settings(directory / "config.json").get("max_position_embeddings")
        or _DEFAULT_WINDOW
    )
    if not isinstance(window, int) or window < 4:
        raise EncoderError(f"{directory}: a window of {window!r} tokens; give max_seq_length ≥ 4.")
    return window


def _settings(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_bytes())
    except ValueError as error:
        raise EncoderError(f"{path}: not JSON ({error}). Fetch or export it again.") from error
    if not isinstance(settings, dict):
        raise EncoderError(f"{path}: must hold a JSON object. Fetch or export it again.")
    return settings
