"""What no prompt looks like: how to tell noise from text by its word pieces.

Encoders give any text a vector, and the vector of noise may well lie between those of formulas. But
noise has other word pieces than prompts: single letters and odd pairs of them. Spoiled copies of the
training prompts are the examples of noise, so nothing is needed but the prompts themselves.
"""

from __future__ import annotations

import math
import string
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onehead.features import Lexicon
from onehead.training.examples import count_pieces
from onehead.training.gate import weigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.training.examples import Examples

    Floats = NDArray[np.float64]

_MOST = 2000
"""Spoiled copies at most: enough for some ten thousand word pieces, and quick."""
_STRENGTH = 10.0
_NOISE = 0.01
"""How many of the prompts that reach a router are noise, before anything of them is read."""
_CERTAIN = 20.0
"""Log-odds where there is no noise to tell from."""
_SCRIPTS = ((0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x6FF), (0x900, 0x97F), (0x4E00, 0x9FFF))
_PRINTABLE = string.ascii_letters + string.digits + string.punctuation


@dataclass(frozen=True, eq=False)
class Naturalness:
    """Log-odds that a text is no noise, linear in its word pieces.

    pieces: weights of the lexicon's word pieces [k]
    bias: of the log-odds, with what is known before a text is read
    """

    pieces: Floats
    bias: float

    def onto(self, lexicon: Lexicon) -> Lexicon:
        """The lexicon with one more column, which sums up the pieces."""
        table = np.concatenate([lexicon.table, self.pieces[:, None]], axis=1)
        return Lexicon(lexicon.tokens, lexicon.idf, table)


def fit_naturalness(examples: Examples, lexicon: Lexicon, seed: int) -> Naturalness:
    """Tell parts of the training prompts from spoiled copies of them, which are as many.

    Parts, because whole prompts of one table share words that no other text has. Where prompts
    share no word piece at all there is nothing to tell by, and every text counts as one.
    """
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    if len(lexicon.tokens) == 0:
        return Naturalness(np.zeros(0), _CERTAIN)
    rng = np.random.default_rng([seed, 7])
    prompts = examples.table.prompts
    rows = rng.permutation(len(prompts))[:_MOST]
    parts = [_part(prompts[i], rng) for i in rows]
    counts = [count_pieces(texts) for texts in (tuple(parts), spoil(parts, rng))]
    words = vstack([weigh(each, lexicon.tokens, lexicon.idf) for each in counts]).tocsr()
    model = LogisticRegression(C=_STRENGTH, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an early stop is regularisation here
        model.fit(words, np.arange(2 * len(rows)) < len(rows))
    bias = float(model.intercept_[0]) + math.log((1 - _NOISE) / _NOISE)
    return Naturalness(model.coef_[0], bias)


def _part(text: str, rng: np.random.Generator) -> str:
    """Some words in a row of a text."""
    words = text.split()
    count = min(int(np.exp(rng.uniform(np.log(3), np.log(100)))), len(words))
    start = int(rng.integers(0, len(words) - count + 1))
    return " ".join(words[start : start + count])


def spoil(prompts: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    """A text of noise for each prompt, of about its length, in one of several ways."""
    ways = (_shuffled_letters, _random_letters, _random_characters, _other_script, _repeated)
    choice = rng.integers(0, len(ways), len(prompts))
    return tuple(ways[way](text or "a", rng) for text, way in zip(prompts, choice, strict=True))


def _shuffled_letters(text: str, rng: np.random.Generator) -> str:
    """The words of a text with their letters in any order."""
    return " ".join("".join(rng.permutation(list(word))) for word in text.split())


def _random_letters(text: str, rng: np.random.Generator) -> str:
    """Words of the same lengths from random letters."""
    return " ".join(_drawn(string.ascii_lowercase, len(word), rng) for word in text.split())


def _random_characters(text: str, rng: np.random.Generator) -> str:
    """As many random characters, about one in twelve a blank or not a single one."""
    alphabet = _PRINTABLE + " " * (8 * int(rng.integers(0, 2)))
    return _drawn(alphabet, len(text), rng)


def _other_script(text: str, rng: np.random.Generator) -> str:
    """Words of the same lengths from random letters of another script."""
    first, last = _SCRIPTS[int(rng.integers(0, len(_SCRIPTS)))]
    alphabet = "".join(map(chr, range(first, last + 1)))
    return " ".join(_drawn(alphabet, len(word), rng) for word in text.split())


def _repeated(text: str, rng: np.random.Generator) -> str:
    """One to three characters over and over."""
    part = _drawn(_PRINTABLE + " ", int(rng.integers(1, 4)), rng)
    return (part * len(text))[: int(rng.integers(1, len(text) + 1))]


def _drawn(alphabet: str, count: int, rng: np.random.Generator) -> str:
    return "".join(alphabet[i] for i in rng.integers(0, len(alphabet), count))
