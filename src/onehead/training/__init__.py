"""Learning routers from outcomes. The only part of the package that needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.errors import MissingExtraError

if TYPE_CHECKING:
    from onehead.training.pipeline import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    """`train`, imported on first use; MissingExtraError without the training extra."""
    if name != "train":
        raise AttributeError(f"module 'onehead.training' has no attribute {name!r}")
    from importlib import import_module
    from importlib.util import find_spec

    for needed in ("torch", "sklearn", "onnx", "onnxscript"):
        if find_spec(needed) is None:
            raise MissingExtraError("training a router", "train")
    return import_module("onehead.training.pipeline").train
