"""BERT's uncased WordPiece, as `tokenizers` computes it, without that package.

The base install reads a static table's tokenizer.json with this module: 42 MB less to install, and
faster on prompts, because the pieces of a word are remembered.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from onehead.encoders.bert_chars import CharacterMap, normalised
from onehead.encoders.whole_words import WholeWords
from onehead.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

# What tokenizer.json must say for this module to give the same ids as `tokenizers`.
_EXPECTED: Final[dict[str, dict[str, Any]]] = {
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "model": {"type": "WordPiece"},
}
_OPTIONS: Final = {"single_word", "lstrip", "rstrip", "normalized"}

# Plain ASCII takes a shorter way: bytes are lowered and stripped of controls in one pass of C.
_ASCII_LOWER: Final = bytes(range(256)).lower()
_ASCII_CONTROLS: Final = bytes(code for code in range(128) if normalised(code) == "")
_ASCII_WORDS: Final = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
_MAX_REMEMBERED: Final = 65_536
_MAX_LENGTH: Final = 48

_START: Final = 4
_SHORT: Final = (3, 2, 1)

Text = TypeVar("Text", bound=str | bytes)
Found = TypeVar("Found")
_Pieces = tuple[int, ...]
_Lengths = tuple[dict[str, int], dict[str, tuple[int, ...]]]
"""Pieces, and by their first characters how long they may be, the longest first."""


class _Memory(dict[Text, Found]):
    """The pieces of short texts, remembered; emptied when full, so that it is bounded.

    Looked up by `map(memory.__getitem__, …)`, a known word costs a dictionary's lookup.
    """

    def __init__(self, compute: Callable[[Text], Found]) -> None:
        super().__init__()
        self._compute: Callable[[Text], Found] = compute

    def __missing__(self, key: Text) -> Found:
        pieces = self._compute(key)
        if len(key) <= _MAX_LENGTH:
            if len(self) >= _MAX_REMEMBERED:
                self.clear()
            self[key] = pieces
        return pieces


class WordPiece:
    """Text to token ids, unknown words left out (as model2vec does). Safe under threads.

    The ids are exactly those of `tokenizers` reading the same file, without special tokens.
    """

    def __init__(self, specification: Mapping[str, Any], where: str) -> None:
        """Take the parsed tokenizer.json of `where`; EncoderError names a part not understood."""
        _check(specification, where)
        model = specification["model"]
        self.vocabulary: dict[str, int] = model["vocab"]
        prefix: str = model["continuing_subword_prefix"]
        self._longest_word: int = model["max_input_chars_per_word"]
        self._unknown = self.vocabulary.get(model["unk_token"])
        self._continuing = {
            piece.removeprefix(prefix): token
            for piece, token in self.vocabulary.items()
            if piece.startswith(prefix)
        }
        self._literals = _literals(specification.get("added_tokens") or [], where)
        self._splitter = _splitter(self._literals)
        self._characters = CharacterMap()
        self._words = _Memory(self._pieces)
        self._chunks = _Memory(self._pieces_between_blanks)

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> WordPiece:
        """Read the bytes of a tokenizer.json; `where` names it in errors."""
        try:
            specification = json.loads(content)
        except ValueError as error:
            raise EncoderError(
                f"{where}: not JSON ({error}). Build the table again, or fetch it again."
            ) from error
        if not isinstance(specification, dict):
            raise EncoderError(f"{where}: must hold a JSON object. Build the table again.")
        return cls(specification, where)

    def fits(self, rows: int) -> bool:
        """Whether every token has its row in a table of `rows`."""
        tokens = [*self.vocabulary.values(), *self._literals.values()]
        return all(0 <= token < rows for token in tokens)

    def ids(self, text: str) -> list[int]:
        """Token ids of `text`, in order."""
        if self._splitter is not None and self._splitter.search(text) is not None:
            return self._ids_around_literals(text, self._splitter)
        return self._ids_of_words(self._cut(text))

    def bag(self, text: str) -> NDArray[np.intp]:
        """Token ids of `text` in ascending order: what a sum over tokens needs, and quicker."""
        if not text.isascii() or (self._splitter is not None and self._splitter.search(text)):
            bag = np.array(self.ids(text), np.intp)
        else:
            # Most of what stands between blanks is a word that is one piece.
            bag, rest = self._whole_words.split(_lowered(text).split())
            if rest:
                others = b"".join(map(self._chunks.__getitem__, rest))
                bag = np.concatenate([bag, np.frombuffer(others, np.intp)])
        bag.sort()
        return bag

    @cached_property
    def _first(self) -> _Lengths:
        """What a word may begin with."""
        return self.vocabulary, _lengths(self.vocabulary)

    @cached_property
    def _others(self) -> _Lengths:
        """What may follow within a word."""
        return self._continuing, _lengths(self._continuing)

    @cached_property
    def _whole_words(self) -> WholeWords:
        """What may stand between blanks and is one word of one piece; ``##ing`` is three words."""
        longest, unknown = self._longest_word, self._unknown
        return WholeWords(
            {
                word: token
                for word, token in self.vocabulary.items()
                if len(word) <= longest and token != unknown and (word.isalnum() or len(word) == 1)
            }
        )

    def _ids_around_literals(self, text: str, splitter: re.Pattern[str]) -> list[int]:
        """A literal such as [PAD] in the text is that token, whatever surrounds it."""
        ids: list[int] = []
        for part in splitter.split(text):
            if part in self._literals:
                token = self._literals[part]
                ids += [token] if token != self._unknown else []
            else:
                ids += self._ids_of_words(self._cut(part))
        return ids

    def _cut(self, text: str) -> list[str]:
        """The normalised words of a text."""
        if text.isascii():
            return _words_of(_lowered(text).decode("ascii"))
        return text.translate(self._characters).split()

    def _ids_of_words(self, words: Sequence[str]) -> list[int]:
        return list(chain.from_iterable(map(self._words.__getitem__, words)))

    def _pieces_between_blanks(self, chunk: bytes) -> bytes:
        """The pieces of what stands between blanks: a word, or words and marks such as ``(it's``.

        As the bytes of numbers: those of a prompt are joined without looking at any.
        """
        text = chunk.decode("ascii")
        pieces = self._pieces(text) if text.isalnum() else self._ids_of_words(_words_of(text))
        return np.array(pieces, np.intp).tobytes()

    def _pieces(self, word: str) -> _Pieces:
        """Longest match first; one part without a match makes the whole word unknown."""
        size = len(word)
        if size > self._longest_word:
            return ()
        known, lengths = self._first
        start = 0
        pieces: list[int] = []
        while start < size:
            for length in lengths.get(word[start : start + _START], _SHORT):
                piece = known.get(word[start : start + length])
                if piece is not None:
                    break
            else:
                return ()
            pieces.append(piece)
            start += length
            known, lengths = self._others
        if self._unknown in pieces:
            return tuple(piece for piece in pieces if piece != self._unknown)
        return tuple(pieces)


def _lengths(pieces: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """How long pieces that begin with the same `_START` characters may be, shorter ones included.

    To try these alone takes two thirds of the time of trying all.
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    for piece in pieces:
        found[piece[:_START]].append(len(piece))
    return {
        start: (*sorted(set(some), reverse=True), *_SHORT)
        for start, some in found.items()
        if len(start) == _START
    }


def _lowered(text: str) -> bytes:
    """An ASCII text in lower case without controls."""
    return text.encode("ascii").translate(_ASCII_LOWER, _ASCII_CONTROLS)


def _words_of(text: str) -> list[str]:
    """The words and marks of an ASCII text in lower case without controls."""
    words: list[str] = _ASCII_WORDS.findall(text)
    return words


def _check(specification: Mapping[str, Any], where: str) -> None:
    """EncoderError unless every part of tokenizer.json is one that this module reproduces."""
    for part, expected in _EXPECTED.items():
        found = specification.get(part) or {}
        for key, value in expected.items():
            if not isinstance(found, dict) or found.get(key) != value:
                shown = found.get(key) if isinstance(found, dict) else found
                raise EncoderError(
                    f"{where}: {part}.{key} is {shown!r}, but only {value!r} is understood. "
                    "A static table needs BERT's uncased WordPiece; use the encoder onnx: instead."
                )
    model = specification["model"]
    wanted = {
        "vocab": dict,
        "unk_token": str,
        "continuing_subword_prefix": str,
        "max_input_chars_per_word": int,
    }
    for key, kind in wanted.items():
        if not isinstance(model.get(key), kind):
            raise EncoderError(f"{where}: model.{key} must be a {kind.__name__}; it is damaged.")
    if any(type(token) is not int for token in model["vocab"].values()):
        raise EncoderError(f"{where}: model.vocab must map tokens to integers; it is damaged.")


def _literals(added: object, where: str) -> dict[str, int]:
    """Added tokens that `tokenizers` finds verbatim in the raw text, by their content."""
    literals: dict[str, int] = {}
    for token in added if isinstance(added, list) else [added]:
        match token:
            case {"content": str(content), "id": int(number)} if not _OPTIONS & _switched_on(token):
                literals[content] = number
            case _:
                raise EncoderError(
                    f"{where}: added_tokens holds {token!r}; only plain ones are understood."
                )
    return literals


def _switched_on(token: Any) -> set[str]:
    return {key for key, value in token.items() if value is True}


def _splitter(literals: Mapping[str, int]) -> re.Pattern[str] | None:
    if not literals:
        return None
    longest_first = sorted(literals, key=len, reverse=True)
    return re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")
