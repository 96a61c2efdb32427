"""What a predictor sees of a prompt: the encoder's vector, its surface, and a router's own words.

Three views side by side, float32 [n, d + 9 + r]:

- the encoder's vector [d];
- `SURFACE` [9]: cheap numbers about length, layout and script;
- the lexicon [r], where the router has one: tf-idf weights of the prompt's word pieces times a
  table learned in training. A mean of pre-trained token vectors hardly tells neighbouring fields
  apart; weights learned for the words of the routed prompts do (`benchmarks/LOG.md`).
"""

from __future__ import annotations

import hashlib
import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.encoders.static import BUNDLED, StaticEncoder
from onehead.encoders.wordpiece import WordPiece

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from onehead.cache import EmbeddingCache
    from onehead.encoders import Encoder

    Progress = Callable[[int, int], None]

SURFACE = (
    "log_length",
    "log_last_part",
    "lines",
    "digits",
    "code_marks",
    "spaces",
    "questions",
    "formulas",
    "non_ascii",
)
"""Names of the surface features; shares are per character, scaled to about 1 for usual prompts."""

LEXICON_ARRAYS = ("lexicon.tokens", "lexicon.idf", "lexicon.table")
"""Arrays of a router that belong to its features, not to its network."""

_CODE_MARKS = b"{}()=;"
_DIGITS = b"0123456789"
_UNCOUNTED = bytes(set(range(256)) - set(_CODE_MARKS + _DIGITS + b"\n ?\\$"))
_TOKENIZER = BUNDLED / "tokenizer.json"
_MOST_TOKENS = 1 << 17
"""Ids in a lexicon are below this: more than any vocabulary of word pieces, and little memory."""
_EMPHASIS = 1 + np.log(np.maximum(np.arange(1024), 1))


def surface(text: str) -> tuple[float, ...]:
    """The surface features of one text, in the order of `SURFACE`."""
    size = len(text) + 1
    encoded = text.encode("utf-8", "surrogatepass")
    last_part = len(text) - text.rfind("\n\n")
    # Most of a text is letters; all else is counted in what remains without them.
    rest = encoded.translate(None, _UNCOUNTED)
    count, remain = rest.count, rest.translate
    return (
        math.log(size),
        math.log(last_part + 1),
        50 * count(b"\n") / size,
        10 * (len(rest) - len(remain(None, _DIGITS))) / size,
        20 * (len(rest) - len(remain(None, _CODE_MARKS))) / size,
        5 * count(b" ") / size,
        100 * count(b"?") / size,
        50 * (count(b"\\") + count(b"$")) / size,
        len(encoded) / size,
    )


class Lexicon:
    """A router's table over word pieces, learned from its training prompts.

    tokens: ids of the pieces it knows, of `tokenizer`, int [k]
    idf: inverse document frequency of each, float32 [k]
    table: what each says, float32 [k, r]

    Its input is sublinear tf-idf of length 1 (Manning, Raghavan and Schütze 2008, 6.4):
    (1 + log tf) · idf.
    """

    def __init__(
        self, tokens: NDArray[Any], idf: NDArray[np.floating[Any]], table: NDArray[Any]
    ) -> None:
        """Take the three columns of the pieces it knows; ValueError where an id is none."""
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < _MOST_TOKENS:
            raise ValueError(f"token ids must be in 0..{_MOST_TOKENS - 1}")
        self.tokens = tokens.astype(np.int32)
        # Half precision is enough for a sum over many words, and what a router stores.
        self.table = np.ascontiguousarray(table, np.float16)
        self.idf = idf.astype(np.float32)
        # By id, up to the greatest known; the row after it stands for all beyond.
        size = int(tokens.max(initial=-1)) + 2
        self._weights = np.zeros(size)
        self._weights[self.tokens] = self.idf
        self._rows = np.zeros((size, self.table.shape[1]), np.float32)
        self._rows[self.tokens] = self.table

    @property
    def dimension(self) -> int:
        """Number of columns r."""
        return int(self.table.shape[1])

    def project(self, bag: NDArray[np.intp]) -> NDArray[np.float32]:
        """The lexicon's view [r] of one prompt's token ids in ascending order.

        It is zero where the lexicon knows none of them.
        """
        if not len(bag):
            return np.zeros(self.dimension, np.float32)
        pieces, counts = _counted(bag)
        weights = self._weights.take(pieces, mode="clip") * _emphasis(counts, len(bag))
        length = math.sqrt(weights.dot(weights))
        if length == 0:
            return np.zeros(self.dimension, np.float32)
        rows = self._rows.take(pieces, axis=0, mode="clip")
        projected: NDArray[np.float32] = (weights / length).astype(np.float32).dot(rows)
        return projected

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As stored in a router."""
        return dict(zip(LEXICON_ARRAYS, (self.tokens, self.idf, self.table), strict=True))

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Lexicon | None:
        """The lexicon among a router's arrays, if it has one."""
        if LEXICON_ARRAYS[0] not in arrays:
            return None
        return cls(*(arrays[name] for name in LEXICON_ARRAYS))


class Featurizer:
    """Turns texts into the features that one router was trained on.

    dimension: width of the features
    """

    def __init__(self, encoder: Encoder, lexicon: Lexicon | None = None) -> None:
        """Take the views beside the surface."""
        self.encoder, self.lexicon = encoder, lexicon
        self.dimension = encoder.dimension + len(SURFACE) + (lexicon.dimension if lexicon else 0)
        self._sharing = _sharing(encoder)
        self._vector = encoder.dimension
        self._width = self._vector + len(SURFACE)

    def __call__(
        self,
        texts: Sequence[str],
        cache: EmbeddingCache | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Features [n, dimension]. A text has bit for bit the same row alone and in a batch."""
        features = np.zeros((len(texts), self.dimension), np.float32)
        d, width = self._vector, self._width
        sharing = self._sharing if cache is None else None
        if sharing is None:
            features[:, :d] = self._vectors(texts, cache, progress)
        for row, text in zip(features, texts, strict=True):
            row[d:width] = surface(text)
            if sharing is not None:
                bag = sharing.tokenizer.bag(text)
                sharing.write(bag, row[:d])
            elif self.lexicon is not None:
                bag = tokenizer().bag(text)
            if self.lexicon is not None:
                row[width:] = self.lexicon.project(bag)
        return features

    def _vectors(
        self, texts: Sequence[str], cache: EmbeddingCache | None, progress: Progress | None
    ) -> NDArray[np.float32]:
        """The encoder's vectors [n, d]."""
        if cache is None:
            return self.encoder.encode(texts)
        return cache.encode(self.encoder, texts, progress)


def _counted(bag: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The different ids of a bag in ascending order, and how often each comes."""
    changes = np.empty(len(bag) + 1, bool)
    changes[0] = changes[-1] = True
    np.not_equal(bag[1:], bag[:-1], out=changes[1:-1])
    bounds = changes.nonzero()[0]
    starts = bounds[:-1]
    return bag.take(starts, mode="clip"), bounds[1:] - starts


def _emphasis(counts: NDArray[np.intp], most: int) -> NDArray[np.float64]:
    """1 + log(count) of counts up to `most`: read from a table in prompts of usual length."""
    if most < len(_EMPHASIS):
        return _EMPHASIS.take(counts, mode="clip")
    emphasis: NDArray[np.float64] = 1 + np.log(counts)
    return emphasis


def _sharing(encoder: Encoder) -> StaticEncoder | None:
    """The encoder, where its token ids are those of lexicons: then a text is cut up once."""
    if isinstance(encoder, StaticEncoder) and encoder.tokenizer_hash == tokenizer_hash():
        return encoder
    return None


@cache
def tokenizer() -> WordPiece:
    """The bundled word pieces, which lexicons are indexed by whatever the encoder is."""
    return WordPiece.from_bytes(_TOKENIZER.read_bytes(), str(_TOKENIZER))


@cache
def tokenizer_hash() -> str:
    """SHA-256 of `tokenizer`'s file: a lexicon means something to this one only."""
    return hashlib.sha256(_TOKENIZER.read_bytes()).hexdigest()


@cache
def vocabulary_size() -> int:
    """Number of token ids of `tokenizer`."""
    return max(tokenizer().vocabulary.values()) + 1
