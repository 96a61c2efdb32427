"""Work on requests as they arrive: all that wait in one turn of the event loop are done together.

Alone a request is worked on at once; under load a batch costs far less for each, and nobody waits
for a batch to fill. Work that takes milliseconds runs in a thread, and what arrives meanwhile is
the next batch. Results must be the same alone and in a batch.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BATCH = 64

Case = TypeVar("Case")
Result = TypeVar("Result")


class Together(Generic[Case, Result]):
    """Does `work` on the cases of the requests of one event loop."""

    def __init__(
        self,
        work: Callable[[Sequence[Case]], list[Result]],
        *,
        quick: bool,
        alone: Callable[[], bool] = lambda: False,
        tell_size: Callable[[float], None] | None = None,
    ) -> None:
        """Take the work, which gives one result for each case.

        quick: whether it takes microseconds, so that a thread is not worth its switch
        alone: whether no other request runs, so that waiting for a turn of the loop gains nothing
        tell_size: is told how many cases each batch has
        """
        self._work = work
        self._tell_size = tell_size
        self._alone = alone
        self._waiting: list[_Waiting[Case, Result]] = []
        self._busy = False
        self._thread = None if quick else ThreadPoolExecutor(1, "onehead-encoder")

    async def __call__(self, cases: Sequence[Case]) -> list[Result]:
        """The results of some cases; what the work raises is raised to everyone of the batch."""
        if self._thread is None and not self._busy and self._alone():
            self._told(len(cases))
            return self._work(cases)
        loop = asyncio.get_running_loop()
        waiting = _Waiting[Case, Result](cases, loop.create_future())
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
        """Work on the next batch, here or in the thread."""
        batch = self._next_batch()
        cases = [case for waiting in batch for case in waiting.cases]
        if self._thread is None:
            self._finish(loop, batch, self._attempt(cases))
            return
        running = loop.run_in_executor(self._thread, self._attempt, cases)
        running.add_done_callback(lambda done: self._finish(loop, batch, _outcome(done)))

    def _attempt(self, cases: Sequence[Case]) -> list[Result] | Exception:
        """Results, or why there are none: every request of the batch is told."""
        try:
            return self._work(cases)
        except Exception as error:  # noqa: BLE001  (a router that fails must not break a request)
            return error

    def _next_batch(self) -> list[_Waiting[Case, Result]]:
        """Some of those who wait, at least one."""
        batch: list[_Waiting[Case, Result]] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].cases) <= _BATCH):
            waiting = self._waiting.pop(0)
            batch.append(waiting)
            size += len(waiting.cases)
        self._told(size)
        return batch

    def _told(self, size: int) -> None:
        if self._tell_size is not None:
            self._tell_size(size)

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[_Waiting[Case, Result]],
        results: list[Result] | Exception,
    ) -> None:
        """Hand out a batch, and begin the next where someone waits."""
        start = 0
        for waiting in batch:
            end = start + len(waiting.cases)
            if not waiting.result.done():  # its client may have gone
                if isinstance(results, Exception):
                    waiting.result.set_exception(results)
                else:
                    waiting.result.set_result(results[start:end])
            start = end
        self._busy = bool(self._waiting)
        if self._busy:
            loop.call_soon(self._begin, loop)


class _Waiting(Generic[Case, Result]):
    """Cases of one request, and where their results go."""

    __slots__ = ("cases", "result")

    def __init__(self, cases: Sequence[Case], result: asyncio.Future[list[Result]]) -> None:
        self.cases = cases
        self.result = result


def _outcome(done: asyncio.Future[list[Result] | Exception]) -> list[Result] | Exception:
    return RuntimeError("the gateway is closing") if done.cancelled() else done.result()
