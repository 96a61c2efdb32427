"""The static encoder: a prompt's vector is the mean of its tokens' vectors. Microseconds, no extra."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from onehead.encoders.wordpiece import WordPiece
from onehead.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

BUNDLED: Final = Path(__file__).parent.parent / "data" / "static"
FILES: Final = ("config.json", "tokenizer.json", "model.safetensors")
_SHORT: Final = 256
"""So many whole numbers in −128..127 have a sum that fits into 16 bits."""
_TINY: Final = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class StaticEncoder:
    """A token table in model2vec's on-disk format, looked up with numpy alone.

    table: int8 or float32 [v, d]. The whole numbers of an int8 table stay as they are (their scale
        would cancel when a vector is normalised): a quarter of the memory, and exact sums.

    A prompt has bit for bit the same vector alone and in a batch, since texts are summed one by one.

    A text without any known token (the empty text, for instance) gets the zero vector.
    """

    name: str
    hash: str
    tokenizer: WordPiece
    table: NDArray[np.int8] | NDArray[np.float32]
    normalize: bool
    tokenizer_hash: str = ""
    """SHA-256 of tokenizer.json: what an id means."""

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return int(self.table.shape[1])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, dimension]: means of token vectors, of length 1 where the table says so."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            self.write(self.tokenizer.bag(text), vector)
        return vectors

    def write(self, bag: NDArray[np.intp], vector: NDArray[np.float32]) -> None:
        """Write into `vector` [dimension], which is zero, that of one text's token ids."""
        if not len(bag):
            return
        exact: Any = np.float32
        if self.table.itemsize == 1:
            exact = np.int16 if len(bag) <= _SHORT else np.int32
        vector[:] = np.add.reduce(self.table.take(bag, 0, mode="clip"), axis=0, dtype=exact)
        if self.normalize:
            vector /= max(math.sqrt(vector.dot(vector)), _TINY)
        else:
            vector /= len(bag)


def load_static(directory: Path | None = None) -> StaticEncoder:
    """The bundled table, or one in model2vec's format; EncoderError names the file in the way."""
    folder = BUNDLED if directory is None else directory
    contents = {name: _read(folder / name) for name in FILES}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    tokenizer = WordPiece.from_bytes(contents["tokenizer.json"], str(folder / "tokenizer.json"))
    table = _table(contents["model.safetensors"], folder / "model.safetensors")
    if not tokenizer.fits(len(table)):
        raise EncoderError(
            f"{folder}: tokenizer.json names tokens beyond the {len(table)} rows of "
            "model.safetensors. The files are from different tables; fetch both again."
        )
    return StaticEncoder(
        name="static" if directory is None else f"static:{directory}",
        hash=digest.hexdigest(),
        tokenizer=tokenizer,
        table=table,
        normalize=bool(_config(contents["config.json"], folder / "config.json").get("normalize")),
        tokenizer_hash=hashlib.sha256(contents["tokenizer.json"]).hexdigest(),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EncoderError(
            f"{path}: cannot be read ({error.strerror}). A static table is a directory with "
            f"{', '.join(FILES)}, as model2vec saves it."
        ) from error


def _config(content: bytes, path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(content)
    except ValueError as error:
        raise EncoderError(f"{path}: not JSON ({error}). Fetch the table again.") from error
    if not isinstance(config, dict):
        raise EncoderError(f"{path}: must hold a JSON object. Fetch the table again.")
    return config


def _table(content: bytes, path: Path) -> NDArray[np.int8] | NDArray[np.float32]:
    """The table [v, d]; model2vec's optional weights and token mapping are folded in."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise EncoderError(f"{path}: damaged ({error}). Fetch the table again.") from error
    table = tensors.get("embeddings")
    if table is None or table.ndim != 2 or table.shape[1] == 0:
        raise EncoderError(f"{path}: holds no matrix named 'embeddings', as model2vec saves it.")
    if table.dtype != np.int8:
        table = table.astype(np.float32)
    mapping, weights = tensors.get("mapping"), tensors.get("weights")
    try:
        table = table if mapping is None else table[mapping]
        table = table if weights is None else (table * weights[:, None]).astype(np.float32)
    except (IndexError, ValueError) as error:
        raise EncoderError(
            f"{path}: 'mapping' or 'weights' do not fit 'embeddings' ({error}). Fetch it again."
        ) from error
    if not np.isfinite(table).all():
        raise EncoderError(f"{path}: holds numbers that are not finite. Fetch the table again.")
    return table
