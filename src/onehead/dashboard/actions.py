"""What a reader of the pages can do: say how good an answer was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from onehead.gateway.errors import GatewayError
from onehead.gateway.web import json_body

if TYPE_CHECKING:
    from onehead.dashboard.visit import Visit


class Judgement(msgspec.Struct, forbid_unknown_fields=True):
    """What a reader says of a decision; the store checks the values."""

    decision_id: str
    quality: float
    comment: str | None = None


async def feedback(visit: Visit) -> dict[str, Any]:
    """`POST /ui/api/feedback`, as `POST /v1/feedback`; a key judges its own decisions."""
    try:
        said = msgspec.json.decode(await json_body(visit.request), type=Judgement)
    except msgspec.MsgspecError as error:
        raise GatewayError(f"give decision_id, quality and comment as JSON: {error}.") from None
    writer = visit.context.state.parts.writer
    await asyncio.to_thread(
        writer.add_feedback, said.decision_id, said.quality, said.comment,
        source=visit.key.name if visit.key else "dashboard",
        key=visit.key.name if visit.key else None,
    )  # fmt: skip
    return {"decision_id": said.decision_id, "quality": said.quality}
