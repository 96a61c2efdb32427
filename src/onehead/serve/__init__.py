"""The gateway as a process: sockets, workers, signals, logs.

`run` starts it. The application itself is `onehead.gateway`; here it is any ASGI callable that can be
started, stopped and reloaded.
"""

from __future__ import annotations

from onehead.serve.start import Overrides, read, run

__all__ = ["Overrides", "read", "run"]
