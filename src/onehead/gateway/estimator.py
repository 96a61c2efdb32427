"""Estimates for prompts as they arrive: all that wait in one turn of the event loop go together.

Alone a prompt is estimated at once; under load a batch costs far less per prompt, and nobody waits
for a batch to fill. An encoder that takes milliseconds runs in a thread, and what arrives meanwhile
is its next batch. A prompt has the same estimates alone and in a batch.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from onehead.encoders.static import StaticEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from onehead.predictors import Estimates
    from onehead.router import Router

_BATCH = 64


class Estimator:
    """Estimates of one router for the requests of one event loop."""

    def __init__(self, router: Router, *, alone: Callable[[], bool] = lambda: False) -> None:
        """Take the router; its encoder says whether a thread is worth its switch.

        alone: whether no other request runs, so that waiting for a turn of the loop gains nothing
        """
        self.router = router
        self._alone = alone
        self._waiting: list[_Waiting] = []
        self._busy = False
        quick = isinstance(router.encoder, StaticEncoder)
        self._thread = None if quick else ThreadPoolExecutor(1, "onehead-encoder")
        self.batches = 0
        self.prompts = 0

    async def __call__(self, texts: list[str]) -> tuple[Estimates, NDArray[np.float32]]:
        """Estimates [n] and features [n, d] of some routing texts.

        Raises:
            OneheadError: the encoder or the network failed.
        """
        if self._thread is None and not self._busy and self._alone():
            self.batches, self.prompts = self.batches + 1, self.prompts + len(texts)
            features = self.router.represent(texts)
            return self.router.estimate_features(features), features
        loop = asyncio.get_running_loop()
        waiting = _Waiting(texts, loop.create_future())
        self._waiting.append(waiting)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin, loop)
        return await waiting.result

    def close(self) -> None:
        """End the thread, where there is one."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Estimate the next batch, here or in the thread."""
        batch = self._next_batch()
        texts = [text for waiting in batch for text in waiting.texts]
        if self._thread is None:
            self._finish(loop, batch, _attempt(self.router, texts))
            return
        running = loop.run_in_executor(self._thread, _attempt, self.router, texts)
        running.add_done_callback(lambda done: self._finish(loop, batch, _outcome(done)))

    def _next_batch(self) -> list[_Waiting]:
        """Some of those who wait, at least one."""
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].texts) <= _BATCH):
            waiting = self._waiting.pop(0)
            batch.append(waiting)
            size += len(waiting.texts)
        self.batches += 1
        self.prompts += size
        return batch

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[_Waiting],
        result: tuple[Estimates, NDArray[np.float32]] | Exception,
    ) -> None:
        """Hand out a batch, and begin the next where someone waits."""
        start = 0
        for waiting in batch:
            end = start + len(waiting.texts)
            if not waiting.result.done():  # its client may have gone
                if isinstance(result, Exception):
                    waiting.result.set_exception(result)
                else:
                    rows = slice(start, end)
                    waiting.result.set_result((result[0].take(rows), result[1][rows]))
            start = end
        self._busy = bool(self._waiting)
        if self._busy:
            loop.call_soon(self._begin, loop)


class _Waiting:
    """Texts of one request, and where its estimates go."""

    __slots__ = ("result", "texts")

    def __init__(
        self, texts: list[str], result: asyncio.Future[tuple[Estimates, NDArray[np.float32]]]
    ) -> None:
        self.texts = texts
        self.result = result


def _attempt(router: Router, texts: list[str]) -> tuple[Estimates, NDArray[np.float32]] | Exception:
    """Estimates, or why there are none: every request of the batch is told."""
    try:
        features = router.represent(texts)
        return router.estimate_features(features), features
    except Exception as error:  # noqa: BLE001  (a router that fails must not break a request)
        return error


def _outcome(
    done: asyncio.Future[tuple[Estimates, NDArray[np.float32]] | Exception],
) -> tuple[Estimates, NDArray[np.float32]] | Exception:
    return RuntimeError("the gateway is closing") if done.cancelled() else done.result()
