"""How one value of a configuration file is read: its type, its limits, and what to say otherwise.

A reader takes the value that TOML gave and its place. No message repeats a string of the file:
it may be a secret that was put in the wrong place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from onehead.config.variables import Template, template
from onehead.errors import did_you_mean
from onehead.pool import CONTROL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.config.place import Place

_LONGEST_NAME = 256
_LARGEST = 1e100
"""No amount, time or count comes near; a whole number beyond 1e308 could not even be compared."""
_SHOWN = 1e15
_SPOKEN = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a table",
}
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class Read(Protocol):
    """Takes a value out of a file; `kind` says in a word or two what it takes."""

    kind: str

    def __call__(self, value: Any, at: Place) -> Any:
        """The value as the program uses it; ConfigError where it cannot be taken."""


class Text:
    """A string that is not empty."""

    kind = "string"

    def __call__(self, value: Any, at: Place) -> str:
        """The string with its variables filled in."""
        return clean(written(value, at).expand(at), at)


class Name(Text):
    """The name of a model or key: what headers and lists can carry."""

    kind = "name"

    def __call__(self, value: Any, at: Place) -> str:
        """The name; blanks around it, commas and very long ones are mistakes."""
        name = super().__call__(value, at)
        if name != name.strip():
            at.fail("the name begins or ends with a blank; remove it.")
        if "," in name:
            at.fail("a name holds no comma, which separates names elsewhere; choose another.")
        if len(name) > _LONGEST_NAME:
            at.fail(f"the name is longer than {_LONGEST_NAME} characters; choose a shorter one.")
        return name


class Choice(Text):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.kind = " \\| ".join(f"`{word}`" for word in words)

    def __call__(self, value: Any, at: Place) -> str:
        """The word."""
        word = super().__call__(value, at)
        if word not in self.words:
            at.fail(f"not one of: {', '.join(self.words)}.{did_you_mean(word, self.words)}")
        return word


class Number:
    """A finite number between limits."""

    kind = "number"
    convert: type[int | float] = float

    def __init__(
        self, least: float = -math.inf, most: float = math.inf, *, above: float | None = None
    ) -> None:
        self.least, self.most, self.above = least, most, above

    def __call__(self, value: Any, at: Place) -> Any:
        """The number; a string counts where a variable gives it."""
        number = self._number(value, at)
        if isinstance(number, float) and not math.isfinite(number):
            at.fail(f"the number is not finite; give {self.allowed}.")
        if not self.least <= number <= self.most or (
            self.above is not None and number <= self.above
        ):
            shown = f"{number:g}" if abs(number) < _SHOWN else "the number"
            at.fail(f"{shown} is out of range; give {self.allowed}.")
        if abs(number) > _LARGEST:
            at.fail(f"the number is too large; give {self.allowed}.")
        return self.convert(number)

    def _number(self, value: Any, at: Place) -> Any:
        if isinstance(value, str):
            text = from_variable(value, at, _SPOKEN[self.convert])
            number = _converted(text, self.convert)
            if number is None:
                at.fail(f"what the variable holds is not {self.allowed}.")
            return number
        taken = int if self.convert is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, taken):
            wrong_type(value, _SPOKEN[self.convert], at)
        return value

    @property
    def allowed(self) -> str:
        """What can be given, in words."""
        what = _SPOKEN[self.convert]
        if self.above is not None:
            return f"{what} above {self.above:g}" + self._upto()
        if self.least == -math.inf:
            return what
        if self.most == math.inf:
            return f"{what} of {self.least:g} or more"
        return f"{what} from {self.least:g} to {self.most:g}"

    def _upto(self) -> str:
        return "" if self.most == math.inf else f" and up to {self.most:g}"


class Whole(Number):
    """A whole number between limits."""

    kind = "whole number"
    convert = int


class Flag:
    """True or false."""

    kind = "`true` \\| `false`"

    def __call__(self, value: Any, at: Place) -> bool:
        """The truth value; a string counts where a variable gives it."""
        if isinstance(value, str):
            word = from_variable(value, at, "true or false").lower()
            if word not in _TRUTH:
                at.fail("what the variable holds is not true or false.")
            return _TRUTH[word]
        if not isinstance(value, bool):
            wrong_type(value, "true or false", at)
        return value


class Names:
    """A list of names, none twice."""

    kind = "list of names"

    def __call__(self, value: Any, at: Place) -> tuple[str, ...]:
        """The names in order."""
        if not isinstance(value, list):
            wrong_type(value, "a list of strings", at)
        names = tuple(Name()(one, at / place) for place, one in enumerate(value))
        for place, name in enumerate(names):
            if name in names[:place]:
                (at / place).fail("the name stands in the list twice; remove one.")
        return names


class Words:
    """A list of some of a few words."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self.kind = "list"

    def __call__(self, value: Any, at: Place) -> frozenset[str]:
        """The words as a set."""
        names = Names()(value, at)
        for place, name in enumerate(names):
            if name not in self.words:
                near = did_you_mean(name, self.words)
                (at / place).fail(f"not one of: {', '.join(self.words)}.{near}")
        return frozenset(names)


class WillingnessToPay:
    """A preset by name, or an amount of USD."""

    kind = "preset \\| USD"

    def __init__(self, presets: Sequence[str]) -> None:
        self.presets = tuple(presets)

    def __call__(self, value: Any, at: Place) -> str | float:
        """The name of the preset, or the amount as a number."""
        amount: Any = value
        if isinstance(value, str):
            text = Text()(value, at).strip()
            if text in self.presets:
                return text
            amount = _converted(text.removeprefix("$"), float)
            if amount is None:
                at.fail(f"{self._wanted}.{did_you_mean(text, self.presets)}")
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            wrong_type(value, f"one of {', '.join(self.presets)}, or a number of USD", at)
        if not 0 < amount <= _LARGEST:
            at.fail(f"{self._wanted}: above 0 and finite.")
        return float(amount)

    @property
    def _wanted(self) -> str:
        return f"give one of {', '.join(self.presets)}, or an amount in USD such as 0.002"


def written(value: Any, at: Place) -> Template:
    """A string of the file, taken apart; ConfigError for any other type."""
    if not isinstance(value, str):
        wrong_type(value, "a string", at)
    return template(value, at)


def from_variable(value: str, at: Place, wanted: str) -> str:
    """What the variables in a string hold, where a number or the like is wanted."""
    text = written(value, at)
    if not text.variables:
        at.fail(f"a string where {wanted} is wanted; write it without quotes.")
    return text.expand(at).strip()


def clean(text: str, at: Place) -> str:
    """`text`, unless it is empty or holds control characters."""
    if not text.strip():
        at.fail("empty; give a value, or remove the line to take the default.")
    if CONTROL.search(text) or lone_surrogate(text):
        at.fail("holds a line break or another control character; remove it.")
    return text


def wrong_type(value: Any, wanted: str, at: Place) -> NoReturn:
    """Raise ConfigError that says which type was found and which is wanted."""
    at.fail(f"{_SPOKEN.get(type(value), 'a date or time')} where {wanted} is wanted.")


def _converted(text: str, convert: type[int | float]) -> int | float | None:
    """The number that `text` is. No error of Python's is left behind: it would repeat the text."""
    try:
        return convert(text)
    except ValueError:
        return None


def lone_surrogate(text: str) -> bool:
    """Whether half a character is left, as undecodable bytes of the environment are."""
    return any("\ud800" <= char <= "\udfff" for char in text)
