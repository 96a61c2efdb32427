"""Texts for timing, made up: real words in no order, so that no table of prompts is needed.

Words are whole pieces of the bundled vocabulary, frequent ones more often (Zipf's law), and one in
eight is a compound that the tokenizer has to cut, as names and technical terms are.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from onehead.encoders.static import load_static

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from onehead.encoders.wordpiece import WordPiece

MMLU_PRO = (5.0, 0.6, 16, 1200)
"""Token counts of MMLU-Pro's prompts: mean and standard deviation of their logarithm, and ends."""
_COMPOUNDS = 20_000
_ONE_IN = 8
_SENTENCE = 12


def of_length(tokens: int, count: int, seed: int) -> list[str]:
    """Texts of exactly so many tokens."""
    return of_lengths([tokens] * count, seed)


def like_mmlu_pro(count: int, seed: int) -> list[str]:
    """Texts whose lengths are spread as MMLU-Pro's are."""
    mean, spread, low, high = MMLU_PRO
    drawn = np.random.default_rng([seed, 1]).lognormal(mean, spread, count)
    return of_lengths(np.clip(drawn, low, high).astype(int).tolist(), seed)


def of_lengths(lengths: Sequence[int], seed: int) -> list[str]:
    """One text for each token count."""
    words = _words(seed)
    return [_text(length, words) for length in lengths]


def mean_tokens(texts: Sequence[str]) -> float:
    """Mean token count."""
    return float(np.mean([len(_tokenizer().ids(text)) for text in texts]))


def _text(tokens: int, words: Iterator[str]) -> str:
    """Words, a line break after every sentence, until the tokens are used up; then filled by `a`."""
    ids = _tokenizer().ids
    parts: list[str] = []
    used = 0
    while True:
        word = next(words)
        size = len(ids(word))
        if used + size > tokens:
            break
        parts.append(word)
        used += size
    parts += ["a"] * (tokens - used)
    lines = [" ".join(parts[i : i + _SENTENCE]) for i in range(0, len(parts), _SENTENCE)]
    return "\n".join(lines)


def _words(seed: int) -> Iterator[str]:
    """Endless words by Zipf's law; the vocabulary's own order is by frequency."""
    rng = np.random.default_rng(seed)
    whole = [word for word in _tokenizer().vocabulary if word.isascii() and word.isalpha()]
    halves = np.random.default_rng(0).choice(len(whole), (_COMPOUNDS, 2))
    compounds = [whole[first] + whole[second] for first, second in halves]
    while True:
        cut = rng.integers(_ONE_IN, size=4096) == 0
        pairs = zip(cut, _zipf(len(compounds), rng), _zipf(len(whole), rng), strict=True)
        yield from (compounds[i] if is_cut else whole[j] for is_cut, i, j in pairs)


def _zipf(size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Ranks below `size`, each drawn in inverse proportion to it."""
    chance = 1.0 / np.arange(10, 10 + size)
    return rng.choice(size, size=4096, p=chance / chance.sum())


@cache
def _tokenizer() -> WordPiece:
    """One of our own: a router's remembers words, and must not know these already."""
    return load_static().tokenizer
