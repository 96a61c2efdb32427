"""Encoders: texts to vectors. `load_encoder` turns a specification into one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from onehead.encoders.protocol import Encoder
from onehead.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Encoder", "load_encoder"]


def load_encoder(spec: str = "static") -> Encoder:
    """The encoder of a specification; UsageError lists the kinds when it is unknown."""
    kind, colon, argument = spec.partition(":")
    if kind not in _KINDS or (colon and not argument):
        raise UsageError(
            f"encoder {spec!r} is unknown. Give one of: static, static:DIR, "
            "onnx:DIR_OR_HUB_ID, http:MODEL@URL."
        )
    return _KINDS[kind](argument)


def _static(argument: str) -> Encoder:
    from onehead.encoders.static import load_static

    return load_static(Path(argument) if argument else None)


_KINDS: Final[dict[str, Callable[[str], Encoder]]] = {"static": _static}
