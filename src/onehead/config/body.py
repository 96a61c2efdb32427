"""Defaults for the body of a request: any JSON value, with variables in its strings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from onehead.config.values import written, wrong_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onehead.config.place import Place

_GATEWAYS: Final = frozenset({"model", "messages", "input", "stream", "onehead"})
"""Keys that are the client's or the gateway's alone."""
_DEEPEST: Final = 32
_INTEGERS: Final = 1 << 63


class Body:
    """A table of JSON values."""

    kind = "table"

    def __call__(self, value: Any, at: Place) -> Mapping[str, Any]:
        """The values by key."""
        if not isinstance(value, dict):
            wrong_type(value, "a table such as { temperature = 0 }", at)
        for key in value:
            if key in _GATEWAYS:
                (at / key).fail("this key is the client's or the gateway's; remove it here.")
        return {key: _json(one, at / key, _DEEPEST) for key, one in value.items()}


def _json(value: Any, at: Place, depth: int) -> Any:
    """`value` as JSON can carry it."""
    if depth == 0:
        at.fail(f"nested deeper than {_DEEPEST} levels; make it flatter.")
    if isinstance(value, str):
        return written(value, at).expand(at)
    if isinstance(value, list):
        return [_json(one, at / place, depth - 1) for place, one in enumerate(value)]
    if isinstance(value, dict):
        return {key: _json(one, at / key, depth - 1) for key, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        at.fail("the number is not finite, which JSON cannot carry; give another.")
    if isinstance(value, int) and abs(value) >= _INTEGERS:
        at.fail("the number does not fit in 64 bits, which few JSON readers take; give another.")
    if not isinstance(value, bool | int | float):
        wrong_type(value, "a string, number, true, false, list or table", at)
    return value
