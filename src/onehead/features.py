"""What a predictor sees of a prompt: the encoder's vector, its surface, and a router's own words.

Three views side by side, float32 [n, d + 9 + r]:

- the encoder's vector [d];
- `SURFACE` [9]: cheap numbers about length, layout and script;
- the lexicon [r], where the router has one: tf-idf weights of the prompt's word pieces times a
  table learned in training. A mean of pre-trained token vectors hardly tells neighbouring fields
  apart; weights learned for the words of the routed prompts do (`benchmarks/LOG.md`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from onehead.cache import EmbeddingCache
    from onehead.encoders import Encoder
    from onehead.encoders.wordpiece import WordPiece

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

_CODE_MARKS = "{}()=;"
_DIGITS = "0123456789"


def surface(text: str) -> tuple[float, ...]:
    """The surface features of one text, in the order of `SURFACE`."""
    size = len(text) + 1
    count = text.count
    last_part = len(text) - text.rfind("\n\n")
    return (
        math.log(size),
        math.log(last_part + 1),
        50 * count("\n") / size,
        10 * sum(map(count, _DIGITS)) / size,
        20 * sum(map(count, _CODE_MARKS)) / size,
        5 * count(" ") / size,
        100 * count("?") / size,
        50 * (count("\\") + count("$")) / size,
        len(text.encode("utf-8", "surrogatepass")) / size,
    )


class Lexicon:
    """A router's table over word pieces, learned from its training prompts.

    tokens: ids of the pieces it knows, int [k]
    idf: inverse document frequency of each, float32 [k]
    table: what each says, float32 [k, r]

    Its input is sublinear tf-idf of length 1 (Manning, Raghavan and Schütze 2008, 6.4):
    (1 + log tf) · idf.
    """

    def __init__(
        self, tokens: NDArray[Any], idf: NDArray[np.floating[Any]], table: NDArray[Any]
    ) -> None:
        """Take the three columns of the pieces it knows."""
        self.tokens = tokens.astype(np.int32)
        # Half precision is enough for a sum over many words, and what a router stores.
        self.table = table.astype(np.float16)
        self.idf = idf.astype(np.float32)
        unknown = len(tokens)
        self._slots = np.full(vocabulary_size(), unknown, dtype=np.intp)
        self._slots[self.tokens] = np.arange(unknown)
        self._weights = np.append(self.idf, np.float32(0))
        zero = np.zeros((1, table.shape[1]), np.float32)
        self._rows = np.concatenate([self.table.astype(np.float32), zero])

    @property
    def dimension(self) -> int:
        """Number of columns r."""
        return int(self.table.shape[1])

    def project(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """The lexicon's view [r] of one prompt's token ids; zero where it knows none of them."""
        if not ids:
            return np.zeros(self.dimension, np.float32)
        counts = Counter(ids)
        slots = self._slots.take(list(counts))
        frequencies = np.fromiter(counts.values(), np.float32, len(counts))
        weights = self._weights.take(slots) * (1 + np.log(frequencies))
        length = math.sqrt(weights @ weights)
        if length == 0:
            return np.zeros(self.dimension, np.float32)
        rows = self._rows.take(slots, axis=0)
        projected: NDArray[np.float32] = (weights / np.float32(length)) @ rows
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


@dataclass(frozen=True)
class Featurizer:
    """Turns texts into the features that one router was trained on."""

    encoder: Encoder
    lexicon: Lexicon | None = None

    @property
    def dimension(self) -> int:
        """Width of the features."""
        lexical = self.lexicon.dimension if self.lexicon else 0
        return self.encoder.dimension + len(SURFACE) + lexical

    def __call__(
        self,
        texts: Sequence[str],
        cache: EmbeddingCache | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Features [n, dimension]. A text has bit for bit the same row alone and in a batch."""
        if cache is None:
            vectors = self.encoder.encode(texts)
        else:
            vectors = cache.encode(self.encoder, texts, progress)
        d = vectors.shape[1]
        width = d + len(SURFACE)
        lexicon = self.lexicon
        features = np.empty((len(texts), width + (lexicon.dimension if lexicon else 0)), np.float32)
        features[:, :d] = vectors
        for row, text in enumerate(texts):
            features[row, d:width] = surface(text)
        if lexicon is not None:
            ids_of = tokenizer().ids
            for row, text in enumerate(texts):
                features[row, width:] = lexicon.project(ids_of(text))
        return features


@cache
def tokenizer() -> WordPiece:
    """The bundled word pieces, which lexicons are indexed by whatever the encoder is."""
    from onehead.encoders.static import load_static

    return load_static().tokenizer


@cache
def vocabulary_size() -> int:
    """Number of token ids of `tokenizer`."""
    return max(tokenizer().vocabulary.values()) + 1
