"""The playground's estimates: once for a prompt; the trade-off is the browser's from then on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from onehead.gateway.errors import GatewayError
from onehead.gateway.web import json_body
from onehead.gateway.wire import Body, asked_of
from onehead.gateway.wire.options import NONE

if TYPE_CHECKING:
    from onehead.dashboard.context import Context
    from onehead.dashboard.visit import Visit
    from onehead.gateway.plan import Plan

_KINDS = 5


class Asking(msgspec.Struct, forbid_unknown_fields=True):
    """What the page sends."""

    prompt: str


async def estimate(visit: Visit) -> dict[str, Any]:
    """`POST /ui/api/estimate`: every model's estimates for a prompt. Nothing is called or logged."""
    try:
        asking = msgspec.json.decode(await json_body(visit.request), type=Asking)
    except msgspec.MsgspecError as error:
        raise GatewayError(f"give the prompt as JSON: {error}.") from None
    message = {"role": "user", "content": asking.prompt}
    body = Body(msgspec.json.encode({"model": "auto", "messages": [message]}))
    state = visit.context.state
    plan = await state.planner.plan(asked_of(body, "chat"), NONE, visit.key, calls=False)
    return {
        "models": _models(plan),
        "confidence": plan.confidence,
        **await asyncio.to_thread(_evidence, visit.context, plan),
    }


def _models(plan: Plan) -> list[dict[str, Any]]:
    """Estimates of each model before any trade-off, and what forbids it whatever the trade-off."""
    assert plan.quality is not None  # noqa: S101  (a plan of one turn is always estimated)
    assert plan.cost_usd is not None  # noqa: S101
    reasons = plan.obstacles.reasons if plan.obstacles else (None,) * len(plan.ids)
    rows = zip(plan.ids, plan.quality[0].tolist(), plan.cost_usd[0].tolist(), reasons, strict=True)
    return [
        {"model": name, "quality": quality, "cost_usd": cost, "why_not": why_not}
        for name, quality, cost, why_not in rows
    ]


def _evidence(context: Context, plan: Plan) -> dict[str, Any]:
    """What speaks for each model, where the router can tell; reads the router's arrays at first."""
    insight = context.insight
    found = None if plan.features is None else insight.evidence(plan.features.reshape(-1))
    if found is None:
        return {"kinds": [], "prior": None, "anchors": None, "near": None}
    columns = context.fleet.columns
    order = np.argsort(-found.kinds)[:_KINDS]
    kinds = [
        {"kind": insight.kinds[place], "share": float(found.kinds[place])}
        for place in order.tolist()
    ]
    return {
        "kinds": kinds,
        "prior": found.prior[columns].tolist(),
        "anchors": found.anchors[columns].tolist(),
        "near": {
            "anchors": insight.n_anchors,
            "effective": float(1 / np.square(found.weights).sum()),
        },
    }
