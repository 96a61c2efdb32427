"""What one worker has from its start to its end, whatever is reloaded meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onehead.gateway.metrics import Metrics
from onehead.gateway.reading import Reading
from onehead.gateway.tracing import Tracing, tracing_from_environment
from onehead.store import Writer

if TYPE_CHECKING:
    from onehead.config import Config

_SPEND_S = 2.0
"""A store that does not say what was spent so far within this time is taken to be away."""


@dataclass(frozen=True)
class Parts:
    """The log, written and read, the metrics and, where asked for, the traces of one worker."""

    writer: Writer
    reading: Reading
    metrics: Metrics
    tracing: Tracing | None

    @classmethod
    async def open(cls, config: Config) -> Parts:
        """Start them; a store that is away does not hinder it. MissingExtraError without `otel`."""
        tracing = tracing_from_environment()
        writer = Writer(config.store, apart=True)
        writer.start()
        if any(key.budget_usd is not None for key in config.keys):
            await asyncio.to_thread(writer.wait_for_spend, _SPEND_S)
        return cls(writer, Reading(config.store), Metrics(()), tracing)

    async def close(self, within_s: float) -> None:
        """Write out what is left."""
        await asyncio.to_thread(self.writer.close, within_s)
        self.reading.close()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)
