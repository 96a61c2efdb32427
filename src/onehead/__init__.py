"""onehead: choose the right language model for every prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onehead.errors import OneheadError
    from onehead.router import Decision, Router

__version__ = "0.1.0"
__all__ = ["Decision", "OneheadError", "Router", "__version__"]

_HOMES = {
    "Decision": "onehead.router",
    "OneheadError": "onehead.errors",
    "Router": "onehead.router",
}


def __getattr__(name: str) -> object:
    """Import public names on first use, so that `import onehead` costs nothing."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'onehead' has no attribute {name!r}")
