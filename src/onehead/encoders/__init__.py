"""Encoders: texts to vectors. `load_encoder` turns a specification into one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from onehead.encoders.protocol import Encoder
from onehead.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Encoder", "load_encoder"]


def load_encoder(spec: str = "static") -> Encoder:
    """The encoder of a specification; UsageError lists the kinds when it is unknown."""
    kind, colon, argument = spec.partition(":")
    lacking = not argument and (colon or kind != "static")
    if kind not in _KINDS or lacking:
        raise UsageError(
            f"encoder {kind!r} is unknown or lacks its argument. Give one of: static, static:DIR, "
            f"onnx:DIR_OR_HUB_ID, http:MODEL@URL.{did_you_mean(kind, set(_KINDS) - {kind})}"
        )
    return _KINDS[kind](argument)


def _static(argument: str) -> Encoder:
    from onehead.encoders.static import load_static

    return load_static(Path(argument) if argument else None)


def _onnx(argument: str) -> Encoder:
    from onehead.encoders.onnx import load_onnx

    return load_onnx(argument)


def _http(argument: str) -> Encoder:
    from onehead.encoders.remote import load_http

    return load_http(argument)


_KINDS: Final[dict[str, Callable[[str], Encoder]]] = {
    "static": _static,
    "onnx": _onnx,
    "http": _http,
}
