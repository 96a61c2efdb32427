"""The decision alone, and what its caller says of the answer afterwards."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from onehead.errors import did_you_mean
from onehead.gateway.errors import GatewayError
from onehead.gateway.http import headers_of, request_id
from onehead.gateway.plan import decision_document
from onehead.gateway.record import decision_record
from onehead.gateway.web import gateway, identify, json_body, json_response
from onehead.gateway.wire import Body, asked_of, options_of
from onehead.gateway.wire.options import is_auto
from onehead.store import new_decision_id

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_FEEDBACK = ("decision_id", "quality", "comment")


async def decision_endpoint(request: Request) -> Response:
    """`POST /v1/decision`: what would be chosen, and why; nobody is called.

    Takes what a chat completion or a response takes, or ``prompt``, a text.
    """
    began, at = time.perf_counter(), time.time()
    key = identify(request)
    state = gateway(request).state
    body = Body(_as_request(await json_body(request)))
    headers = headers_of(request.scope)
    if not is_auto(body.model):
        raise GatewayError(
            f"a decision is for 'auto'; {body.model!r} is decided already.", param="model"
        )
    options = options_of(body, headers)
    api: Literal["chat", "responses"] = "responses" if "input" in body else "chat"
    plan = await state.planner.plan(asked_of(body, api), options, key, calls=False)
    decision_id = new_decision_id(at)
    state.write(
        decision_record(
            plan, decision_id=decision_id, at=at, key=key, asked_model=body.model,
            request=request_id(headers), version=state.version,
            prompts=state.config.store.prompts, seconds=time.perf_counter() - began,
        )
    )  # fmt: skip
    document = {"decision_id": decision_id, **decision_document(plan)}
    return json_response({**document, "order": plan.order, "router": state.version})


def _as_request(data: bytes) -> bytes:
    """A body that gives ``prompt`` in the shape of a chat completion; ``model`` may be left out."""
    fields: Any = msgspec.json.decode(data) if _is_object(data) else None
    if not isinstance(fields, dict):
        return data  # the reader of bodies says what is wrong with it
    fields.setdefault("model", "auto")
    prompt = fields.get("prompt")
    if "messages" not in fields and "input" not in fields:
        if not isinstance(prompt, str):
            raise GatewayError("give 'messages', 'input' or 'prompt', a text.", param="messages")
        fields["messages"] = [{"role": "user", "content": fields.pop("prompt")}]
    return msgspec.json.encode(fields)


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(data), dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


async def feedback_endpoint(request: Request) -> Response:
    """`POST /v1/feedback`: how good the answer to a decision was, 0 to 1."""
    key = identify(request)
    app = gateway(request)
    fields = _feedback(await json_body(request))
    name = key.name if key is not None else None
    await asyncio.to_thread(
        app.state.parts.writer.add_feedback,
        fields["decision_id"],
        fields["quality"],
        fields.get("comment"),
        source=name or "api",
        key=name,
    )
    return json_response({"decision_id": fields["decision_id"], "quality": fields["quality"]})


def _feedback(data: bytes) -> dict[str, Any]:
    """The checked fields of a feedback."""
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise GatewayError("the body is not JSON; give decision_id and quality.") from None
    if not isinstance(fields, dict):
        raise GatewayError("the body is JSON but not an object; give {…}.")
    for name in fields:
        if name not in _FEEDBACK:
            raise GatewayError(
                f"unknown field {name!r}.{did_you_mean(name, _FEEDBACK)} Feedback takes: "
                f"{', '.join(_FEEDBACK)}.",
                param=name,
            )
    identity, quality, comment = (fields.get(name) for name in _FEEDBACK)
    if not isinstance(identity, str) or not identity:
        raise GatewayError("'decision_id' must be the id of a decision.", param="decision_id")
    if isinstance(quality, bool) or not isinstance(quality, int | float) or not 0 <= quality <= 1:
        raise GatewayError("'quality' must be a number from 0 to 1.", param="quality")
    if comment is not None and not isinstance(comment, str):
        raise GatewayError("'comment' must be a text.", param="comment")
    return fields
