"""Features: three views of a prompt, the same alone and in a batch, cut into pieces once."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routers import LetterEncoder

from onehead.cache import EmbeddingCache
from onehead.encoders import load_encoder
from onehead.encoders.static import BUNDLED, FILES, StaticEncoder
from onehead.encoders.wordpiece import WordPiece
from onehead.features import (
    LEXICON_ARRAYS,
    SURFACE,
    Featurizer,
    Lexicon,
    surface,
    tokenizer,
    tokenizer_hash,
    vocabulary_size,
)

if TYPE_CHECKING:
    from pathlib import Path

STATIC = load_encoder("static")
TEXTS = [
    "",
    " \n\n ",
    "What is 17 × 23? " * 40,
    "def f(x):\n    return {x: x ** 2};",
    "Übersetze: die Katze schläft. 猫が寝ている 🐈",
    "a lone surrogate \ud800",
    "[PAD] and [UNK] are words here",
]


def make_lexicon(r: int = 5) -> Lexicon:
    """Half of the word pieces, with random weights."""
    rng = np.random.default_rng(0)
    tokens = np.arange(0, vocabulary_size(), 2)
    return Lexicon(tokens, rng.uniform(1, 9, len(tokens)), rng.normal(size=(len(tokens), r)))


LEXICON = make_lexicon()


def test_surface_counts_what_its_names_say() -> None:
    text = "Is 12 > 7?\n\nx = $1;"
    size = len(text) + 1
    expected = {
        "log_length": math.log(size),
        "log_last_part": math.log(len("\n\nx = $1;") + 1),
        "lines": 50 * 2 / size,
        "digits": 10 * 4 / size,
        "code_marks": 20 * 2 / size,
        "spaces": 5 * 5 / size,
        "questions": 100 / size,
        "formulas": 50 / size,
        "non_ascii": len(text) / size,
    }
    assert dict(zip(SURFACE, surface(text), strict=True)) == pytest.approx(expected)


def test_surface_counts_ascii_digits_only_among_other_scripts() -> None:
    shown = dict(zip(SURFACE, surface("٣ 3 ３ é"), strict=True))
    assert shown["digits"] == pytest.approx(10 * 1 / 8)
    assert shown["non_ascii"] == pytest.approx((2 + 1 + 1 + 1 + 3 + 1 + 2) / 8)


@pytest.mark.parametrize("encoder", [STATIC, LetterEncoder()], ids=["static", "other"])
@pytest.mark.parametrize("lexicon", [None, LEXICON], ids=["plain", "lexicon"])
def test_features_are_three_views_side_by_side(encoder, lexicon) -> None:
    featurizer = Featurizer(encoder, lexicon)
    features = featurizer(TEXTS)
    d = encoder.dimension
    assert features.dtype == np.float32
    assert features.shape == (len(TEXTS), featurizer.dimension)
    np.testing.assert_array_equal(features[:, :d], encoder.encode(TEXTS))
    shown = np.array([surface(text) for text in TEXTS], np.float32)
    np.testing.assert_array_equal(features[:, d : d + len(SURFACE)], shown)
    words = features[:, d + len(SURFACE) :]
    if lexicon is None:
        assert words.shape[1] == 0
    else:
        own = np.stack([lexicon.project(tokenizer().bag(text)) for text in TEXTS])
        np.testing.assert_array_equal(words, own)
    assert np.isfinite(features).all()
    assert featurizer([]).shape == (0, featurizer.dimension)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=300), min_size=1, max_size=5))
def test_a_text_has_the_same_row_alone_and_in_a_batch(texts: list[str]) -> None:
    featurizer = Featurizer(STATIC, LEXICON)
    alone = np.concatenate([featurizer([text]) for text in texts])
    np.testing.assert_array_equal(featurizer(texts), alone)


def test_cached_vectors_give_the_same_features(tmp_path: Path) -> None:
    featurizer, told = Featurizer(STATIC, LEXICON), []
    cache = EmbeddingCache(tmp_path)
    for _ in range(2):
        cached = featurizer(TEXTS, cache, lambda done, total: told.append((done, total)))
        np.testing.assert_array_equal(cached, featurizer(TEXTS))
    assert told[-1] == (len(TEXTS), len(TEXTS))


def test_a_text_is_cut_into_pieces_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    bag_of = WordPiece.bag

    def counted(self: WordPiece, text: str) -> np.ndarray:
        calls[text] += 1
        return bag_of(self, text)

    monkeypatch.setattr(WordPiece, "bag", counted)
    Featurizer(STATIC, LEXICON)(TEXTS)
    assert calls == Counter(TEXTS)


def test_a_table_with_another_tokenizer_does_not_lend_its_ids(tmp_path: Path) -> None:
    for name in FILES:
        shutil.copy(BUNDLED / name, tmp_path / name)
    path = tmp_path / "tokenizer.json"
    changed = json.loads(path.read_bytes())
    vocabulary = changed["model"]["vocab"]
    vocabulary["king"], vocabulary["queen"] = vocabulary["queen"], vocabulary["king"]
    path.write_text(json.dumps(changed), encoding="utf-8")
    other = load_encoder(f"static:{tmp_path}")
    assert isinstance(other, StaticEncoder)
    assert other.tokenizer_hash != tokenizer_hash()
    words = Featurizer(other, LEXICON)(["the king"])[:, -LEXICON.dimension :]
    np.testing.assert_array_equal(
        words, Featurizer(STATIC, LEXICON)(["the king"])[:, -LEXICON.dimension :]
    )


@pytest.mark.parametrize("count", [1, 256, 257, 1000])
@pytest.mark.parametrize("value", [-128, 127])
def test_sums_of_an_int8_table_are_exact(count: int, value: int) -> None:
    table = np.full((3, 2), value, np.int8)
    encoder = StaticEncoder("test", "", tokenizer(), table, normalize=False)
    vector = np.zeros(2, np.float32)
    encoder.write(np.ones(count, np.intp), vector)
    np.testing.assert_array_equal(vector, [value, value])


def test_the_lexicon_is_sublinear_tfidf_times_a_table() -> None:
    tokens = np.array([3, 7, 9])
    idf, table = np.array([1.0, 2.0, 4.0]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    lexicon = Lexicon(tokens, idf, table)
    weights = np.array([1 + math.log(3), 0, 4.0])  # 3 three times, 7 never, 9 once, 5 unknown
    expected = weights / np.linalg.norm(weights) @ table
    bag = np.array([3, 3, 3, 5, 9, 10**6])
    np.testing.assert_allclose(lexicon.project(bag), expected, rtol=1e-6)


@pytest.mark.parametrize("count", [2, 1022, 1023, 5000])
def test_a_piece_may_come_often(count: int) -> None:
    lexicon = Lexicon(np.array([3, 7]), np.array([1.0, 2.0]), np.eye(2))
    weights = np.array([1 + math.log(count), 2.0])
    bag = np.array([3] * count + [7])
    np.testing.assert_allclose(lexicon.project(bag), weights / np.linalg.norm(weights), rtol=1e-5)


@pytest.mark.parametrize("ids", [[], [4], [4, 4, 10**7]])
def test_a_prompt_of_unknown_words_says_nothing(ids: list[int]) -> None:
    lexicon = Lexicon(np.array([3]), np.ones(1), np.ones((1, 2)))
    np.testing.assert_array_equal(lexicon.project(np.array(ids, np.intp)), [0.0, 0.0])


def test_a_lexicon_without_words_says_nothing() -> None:
    empty = Lexicon(np.empty(0, np.int32), np.empty(0), np.empty((0, 3)))
    np.testing.assert_array_equal(empty.project(np.arange(3)), np.zeros(3))


def test_a_lexicon_comes_back_from_its_arrays() -> None:
    again = Lexicon.of(LEXICON.arrays())
    assert again is not None
    bag = tokenizer().bag("the roman empire and the prime numbers")
    np.testing.assert_array_equal(again.project(bag), LEXICON.project(bag))
    assert Lexicon.of({"keys": np.ones(3)}) is None


@pytest.mark.parametrize("bad", [-1, 1 << 17, 2**31 - 1])
def test_impossible_ids_are_refused(bad: int) -> None:
    with pytest.raises(ValueError, match="token ids"):
        Lexicon(np.array([2, bad]), np.ones(2), np.ones((2, 1)))


def test_a_lexicon_with_an_array_missing_is_refused() -> None:
    arrays = LEXICON.arrays()
    del arrays[LEXICON_ARRAYS[1]]
    with pytest.raises(KeyError):
        Lexicon.of(arrays)


def test_the_bundled_encoder_has_the_tokenizer_of_lexicons() -> None:
    assert isinstance(STATIC, StaticEncoder)
    assert STATIC.tokenizer_hash == tokenizer_hash()
