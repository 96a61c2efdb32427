"""Hedging: a second model is asked when the first one is slow, and the quicker answer wins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onehead.gateway.upstream.answer import Answer
    from onehead.gateway.upstream.attempts import Walk


async def hedged(walk: Walk, after_s: float) -> Answer | None:
    """Run `walk`, twice at once from `after_s` on; both take their models from the same plan."""
    tasks = {asyncio.create_task(walk.run())}
    answer: Answer | None = None
    try:
        done, running = await asyncio.wait(tasks, timeout=after_s)
        if not done and walk.more:
            second = asyncio.create_task(walk.run())
            tasks.add(second)
            running.add(second)
        while answer is None:
            answers = (task.result() for task in done)
            answer = next((one for one in answers if one is not None), None)
            if answer is not None or not running:
                break
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        return answer
    finally:
        await _give_up(tasks, answer)


async def _give_up(tasks: set[asyncio.Task[Answer | None]], winner: Answer | None) -> None:
    """Cancel what still runs; where both answered, close the second."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(result, BaseException) and result is not None and result is not winner:
            await result.close()
