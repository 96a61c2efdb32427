"""Our WordPiece against the `tokenizers` package: the same ids, whatever the text."""

from __future__ import annotations

import json
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehead.encoders import wordpiece
from onehead.encoders.bert_chars import normalised
from onehead.encoders.static import BUNDLED
from onehead.encoders.whole_words import WholeWords
from onehead.encoders.wordpiece import WordPiece
from onehead.errors import EncoderError

tokenizers = pytest.importorskip("tokenizers")

CONTENT = (BUNDLED / "tokenizer.json").read_bytes()
REFERENCE = tokenizers.Tokenizer.from_str(CONTENT.decode())
UNKNOWN = REFERENCE.token_to_id("[UNK]")
OURS = WordPiece.from_bytes(CONTENT, "tokenizer.json")


def reference_ids(text):
    ids = REFERENCE.encode(text, add_special_tokens=False).ids
    return [token for token in ids if token != UNKNOWN]


def check(ours, text):
    """Both ways of ours against the reference."""
    expected = reference_ids(text)
    assert ours.ids(text) == expected
    assert ours.bag(text).tolist() == sorted(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "What is the derivative of x^2?",
        "Don't  split\tthis\r\nline-break, or_that.",
        "naïve café Ångström ﬁne Ĳ İstanbul ΑΣ ß ẞ",
        "a\x00b\x0bc\x0cd\x1ce\x1ff\x85g\ufffdh\u200bi\xadj",
        "漢字とかな 한국어 中文。",
        "🎉👩‍🔬🏽 emoji🇩🇪",
        "مرحبا بالعالم שלום नमस्ते สวัสดี",
        "[PAD] in [UNK] text [CLS] [pad] x[PAD]y",
        "x" * 101 + " " + "y" * 100,
        "https://example.org/a_b?c=d&e=%20",
        "\\frac{1}{2}\\mathrm{Sn}(s$",
        "##ing and [unused1] ##s a##b [pad] are no pieces here",
        "e\u0301 o\u0308 \u0301",
        "\u2028line\u2029paragraph\u3000wide\xa0space",
    ],
)
def test_examples(text):
    check(OURS, text)


@settings(max_examples=400, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text(text):
    check(OURS, text)


WORDS = st.sampled_from(
    [
        "the",
        "Router",
        "co-st",
        "ﬁ",
        "é",
        "中",
        "🎉",
        "[PAD]",
        "don't",
        "\x1c",
        "٣",
        "##ing",
        "[unused1]",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(WORDS, st.sampled_from(["", " ", "\n", "\u2009", "."])), max_size=20))
def test_any_mixture_of_words(pairs):
    text = "".join(word + gap for word, gap in pairs)
    check(OURS, text)


def test_every_character_of_unicode():
    """Controls, accents, punctuation, ideographs: each code point does what BERT does with it.

    Of the planes that hold only unassigned and private characters, every 101st.
    """
    assigned = [*range(0xD800), *range(0xE000, 0x33480), *range(0xE0000, 0xE0200)]
    points = [*assigned, *range(0x33480, sys.maxunicode + 1, 101)]
    texts = [
        " ".join(f"a{chr(point)}b" for point in points[start : start + 512])
        for start in range(0, len(points), 512)
    ]
    encodings = REFERENCE.encode_batch_fast(texts, add_special_tokens=False)
    for text, encoding in zip(texts, encodings, strict=True):
        expected = [token for token in encoding.ids if token != UNKNOWN]
        assert OURS.ids(text) == expected, hex(ord(text[1]))


def test_lone_surrogates_vanish():
    assert OURS.ids("rou\ud800ter \udfff") == OURS.ids("router")


def test_normalised_says_what_is_left():
    assert normalised(ord("É")) == "e"
    assert normalised(ord("!")) == " ! "
    assert normalised(ord("中")) == " 中 "
    assert normalised(0x200B) == ""
    assert normalised(0xA0) == " "


def test_a_place_holds_one_word_with_its_own_id():
    words = [word.encode() for word in OURS.vocabulary if word.isascii()]
    table = WholeWords(OURS.vocabulary)
    ids, others = table.split(words)
    rest = set(others)
    assert ids.tolist() == [OURS.vocabulary[word.decode()] for word in words if word not in rest]
    assert len(rest) < len(words) / 4
    assert table.split([b"no such word", *words[:2]])[1][0] == b"no such word"
    assert WholeWords({}).split([b"a"])[1] == [b"a"]


def test_wide_characters_are_not_taken_for_narrow_ones_of_the_same_bytes():
    for text in ("武", "fk", "fk 武", "ck 正 bk 止"):
        check(OURS, text)


def test_every_word_of_the_vocabulary_is_itself():
    text = " ".join(word for word in OURS.vocabulary if word.isalnum())
    check(OURS, text)


def test_a_word_is_cut_at_its_longest_pieces_whatever_their_lengths():
    first, others = set(OURS.vocabulary), {k[2:] for k in OURS.vocabulary if k.startswith("##")}
    words = [word for word in OURS.vocabulary if word.isascii() and word.isalnum()]
    for left, right in zip(words[:3000:7], reversed(words[3000::7]), strict=False):
        word, known, pieces = left + right, first, []
        while word:
            longest = max((n for n in range(1, len(word) + 1) if word[:n] in known), default=0)
            if not longest:
                pieces = []
                break
            pieces.append(word[:longest] if known is first else f"##{word[:longest]}")
            word, known = word[longest:], others
        assert [OURS.vocabulary[piece] for piece in pieces] == OURS.ids(left + right)


def test_the_memory_of_words_is_bounded(monkeypatch):
    monkeypatch.setattr(wordpiece, "_MAX_REMEMBERED", 50)
    ours = WordPiece.from_bytes(CONTENT, "tokenizer.json")
    for number in range(1000):
        text = f"word{number} (word{number}) " + "z" * 60
        check(ours, text)
    for remembered in (ours._words, ours._chunks):
        assert 0 < len(remembered) <= 50
        assert max(map(len, remembered)) < 60


def test_threads_share_one_tokenizer(monkeypatch):
    monkeypatch.setattr(wordpiece, "_MAX_REMEMBERED", 20)
    ours = WordPiece.from_bytes(CONTENT, "tokenizer.json")
    texts = [f"number {i} of the café №{i}" for i in range(200)]
    expected = [reference_ids(text) for text in texts]
    found = []

    def work():
        found.append([ours.ids(text) for text in texts * 5] == expected * 5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


def changed(**parts):
    document = json.loads(CONTENT)
    for path, value in parts.items():
        *folders, last = path.split("__")
        place = document
        for folder in folders:
            place = place[folder]
        place[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "tokenizer.json: not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "JSON object"),
        (b"{}", r"normalizer\.type is None"),
        (changed(normalizer__lowercase=False), r"normalizer\.lowercase is False"),
        (changed(normalizer=None), r"normalizer\.type is None"),
        (changed(pre_tokenizer={"type": "Whitespace"}), r"pre_tokenizer\.type is 'Whitespace'"),
        (changed(model__type="BPE"), r"model\.type is 'BPE'"),
        (changed(model=[1]), r"model\.type is \[1\]"),
        (changed(model__vocab=["a"]), r"model\.vocab must be a dict"),
        (changed(model__vocab={"a": "b"}), r"model\.vocab must map"),
        (changed(added_tokens=[{"content": "<x>", "id": 1, "lstrip": True}]), "added_tokens"),
        (changed(added_tokens=["x"]), "added_tokens"),
        (changed(added_tokens={"x": 1}), "added_tokens"),
    ],
)
def test_a_tokenizer_it_does_not_understand_is_refused(content, says):
    with pytest.raises(EncoderError, match=says):
        WordPiece.from_bytes(content, "tokenizer.json")
