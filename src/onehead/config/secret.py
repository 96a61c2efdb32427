"""A string that shows itself to nobody who does not ask for it."""

from __future__ import annotations

import hmac


class Secret:
    """A key or password; only `reveal` gives it out, every other way of printing it gives ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep `value`."""
        self._value = value

    def reveal(self) -> str:
        """The secret itself, to be sent where it belongs and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_octets(self._value), _octets(other.reveal()))

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


def _octets(text: str) -> bytes:
    """`text` as bytes, whatever it holds."""
    return text.encode("utf-8", "surrogatepass")
