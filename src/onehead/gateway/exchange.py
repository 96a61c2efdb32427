"""One request from its arrival to its record: read, planned, admitted, answered, settled, logged."""

from __future__ import annotations

import asyncio
import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from onehead.errors import OneheadError, UsageError
from onehead.gateway.answer_headers import (
    attempts_header,
    call_headers,
    cost_header,
    predicted_headers,
    request_headers,
)
from onehead.gateway.errors import GatewayError, as_gateway_error, error_document, unexpected
from onehead.gateway.http import (
    CLIENT_GONE,
    ClientGone,
    Watch,
    ascii_value,
    headers_of,
    read_body,
    request_id,
    send_bytes,
    send_error,
    send_part,
    start_stream,
)
from onehead.gateway.plan import Plan, decision_document
from onehead.gateway.upstream import AllFailed, StreamBroken
from onehead.gateway.wire import Asked, Body, Options, Usage, asked_of, options_of, usage_of
from onehead.gateway.wire.events import EventRelay, error_event
from onehead.gateway.wire.options import NONE, is_auto
from onehead.gateway.wire.prompt import likely_tokens
from onehead.gateway.wire.usage import document_of
from onehead.store import new_decision_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from onehead.config import KeyConfig
    from onehead.gateway.accounts import Reservation
    from onehead.gateway.state import State
    from onehead.gateway.upstream import Answer, Attempt
    from onehead.gateway.wire.prompt import Api

PATHS: dict[Api, str] = {"chat": "/chat/completions", "responses": "/responses"}
_CHARS_PER_TOKEN = 4
_PASSED_ON = ("traceparent", "tracestate", "openai-beta", "idempotency-key")
"""Headers of a client that go upstream; all others stay here."""


class Exchange:
    """One chat completion or response. `run` answers it whatever happens, and has it recorded.

    The end of an answer goes out once it is recorded: what a client has seen the end of survives
    the process, and is paid for.
    """

    def __init__(self, state: State, scope: Scope, receive: Receive, send: Send, api: Api) -> None:
        """Take the request; `state` stays the same to its end, whatever is reloaded meanwhile."""
        self.arrived = time.perf_counter()
        self.at = time.time()
        self.state = state
        self.api = api
        self.path = scope["path"]
        self.headers = headers_of(scope)
        self.decision_id = new_decision_id(self.at)
        self.request_id = request_id(self.headers, self.decision_id.replace("dec", "req"))
        self.trace = state.begin_trace(self.headers, self.path)
        self._receive, self._send = receive, send
        self.key: KeyConfig | None = None
        self.body: Body | None = None
        self.options: Options = NONE
        self.asked: Asked | None = None
        self.plan: Plan | None = None
        self.mode = "auto"
        self.attempts: list[Attempt] = []
        self.model: str | None = None
        self.usage: Usage | None = None
        self.cost_usd: float | None = None
        self.answer_id: str | None = None
        self.outcome = "ok"
        self.status = 0
        self.error: str | None = None
        self.overhead_s: float | None = None
        self.first_byte_s: float | None = None
        self.total_s = 0.0
        self._reservation: Reservation | None = None
        self._answer: Answer | None = None
        self._started = False
        self._end: Callable[[], Awaitable[None]] | None = None

    async def run(self) -> None:
        """Answer the request and record it."""
        watch: Watch | None = None
        try:
            await self._read()
            await self._decide()
            self._admit()
            watch = Watch(self._receive)
            await self._call()
        except ClientGone:
            self._ended("cancelled", CLIENT_GONE, "client_gone")
        except asyncio.CancelledError:
            self._ended("cancelled", CLIENT_GONE, "client_gone")
            task = asyncio.current_task()
            if watch is None or not watch.gone or task is None:
                raise
            task.uncancel()
        except AllFailed as failure:
            self._all_failed(failure)
        except OneheadError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001  (the outer edge: no request goes unanswered)
            self.state.complain("unexpected error", error, self.request_id)
            self._refuse(unexpected())
        finally:
            if watch is not None:
                watch.end()
            await self._finish()

    async def _read(self) -> None:
        """Who asks, and what."""
        state = self.state
        self.key = state.identify(self.headers)
        limits = state.config.gateway
        data = await read_body(
            self._receive, self.headers,
            most_bytes=int(limits.max_body_mb * 1048576), within_s=limits.body_timeout_s,
        )  # fmt: skip
        self.body = Body(data)
        self.options = options_of(self.body, self.headers)

    async def _decide(self) -> None:
        """Who is to answer."""
        assert self.body is not None  # noqa: S101
        routing = self.state.config.routing
        if not is_auto(self.body.model):
            self._named(self.body.model)
            if routing.shadow == "caller":
                await self._shadow(self.body.model)
            return
        self.asked = asked_of(self.body, self.api)
        previous = self.asked.previous_answer
        if previous is not None and await self._follow_up(previous):
            return
        if routing.shadow not in (None, "caller"):
            await self._shadow(str(routing.shadow))
        else:
            self.plan = await self._planned(self.asked)

    async def _shadow(self, model: str) -> None:
        """Call `model` whatever the router would have done; that is written down, no more."""
        assert self.body is not None  # noqa: S101
        self.plan = Plan([model])
        try:
            self.asked = asked_of(self.body, self.api)
            self.plan = await self.state.planner.plan(self.asked, self.options, self.key)
        except Exception as error:  # noqa: BLE001  (a shadow must not touch what it follows)
            self.error = f"router_failed: {type(error).__name__}"
        self.mode = "shadow"
        self.plan.order = [model]

    def _named(self, model: str) -> None:
        """The caller chose: the router stays out of it."""
        state = self.state
        self.mode = "named"
        state.allow(model, self.key)
        self.plan = Plan([model])

    async def _planned(self, asked: Asked) -> Plan:
        """The router's plan, or the fallback where the router itself fails."""
        planner = self.state.planner
        try:
            return await planner.plan(asked, self.options, self.key)
        except (UsageError, GatewayError):
            raise
        except Exception as error:
            self.mode = "fallback"
            self.error = f"router_failed: {type(error).__name__}"
            self.state.complain("routing failed", error, self.request_id)
            plan = planner.fallback()
            plan.order = [one for one in plan.order if self.state.allowed(one, self.key)]
            if not plan.order:
                raise
            return plan

    async def _follow_up(self, previous: str) -> bool:
        """An answer's follow-up goes where the answer came from: its text is kept only there."""
        model = await self.state.answer_model(previous)
        if model is None or not self.state.allowed(model, self.key):
            return False
        self.plan = Plan([model], chosen=model, held=True)
        return True

    def _admit(self) -> None:
        """Reserve what the request is expected to cost."""
        assert self.plan is not None  # noqa: S101
        plan = self.plan
        if not plan.input_tokens:
            amounts = likely_tokens(self.asked, self.body, self.path)
            plan.input_tokens, plan.output_tokens = amounts
        cost = plan.expected_cost_usd(plan.order[0])
        if cost is None:
            model = self.state.fleet.models[plan.order[0]]
            cost = Usage(int(plan.input_tokens), int(plan.output_tokens)).cost_usd(model)
        tokens = plan.input_tokens + plan.output_tokens
        self._reservation = self.state.accounts.admit(self.key, cost, tokens, self.at)

    async def _call(self) -> None:
        """Ask upstream, in the order of the plan, and pass the answer on."""
        assert self.plan is not None  # noqa: S101
        assert self.body is not None  # noqa: S101
        before = time.perf_counter()
        answer = await self.state.upstreams.answer(
            self.plan.order, self._body_for, path=PATHS[self.api], stream=self.body.stream,
            headers=self._upstream_headers(), deadline_s=None,
        )  # fmt: skip
        now = time.perf_counter()
        self._answer = answer
        self.attempts = answer.attempts
        self.model = answer.model
        self.first_byte_s = now - self.arrived
        self.overhead_s = before - self.arrived
        if answer.chunks is None:
            self._whole(answer, now)
        else:
            await self._stream(answer, now)

    def _upstream_headers(self) -> dict[str, str]:
        """What goes upstream of the client's headers, and the trace that it belongs to."""
        passed = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        return passed if self.trace is None else passed | self.trace.upstream_headers()

    def _body_for(self, name: str) -> bytes:
        """What goes upstream: the client's own body under the model's upstream name."""
        assert self.body is not None  # noqa: S101
        model = self.state.fleet.models[name]
        ask = (
            self.api == "chat" and self.body.stream and model.stream_usage
            and not self.body.wants_usage()
        )  # fmt: skip
        return self.body.forward(model.upstream_model, model.body, ask_usage=ask)

    def _whole(self, answer: Answer, since: float) -> None:
        """An answer that came whole."""
        body = answer.body or b""
        self.status = answer.status
        if answer.status < 400:
            document = document_of(body)
            self._account(usage_of(document), len(body))
            identity = document.get("id") if isinstance(document, dict) else None
            self.answer_id = identity if isinstance(identity, str) else None
            body = self._finished(body, document)
        else:
            self._ended("error", answer.status, "upstream_refused")
        self.overhead_s = (self.overhead_s or 0.0) + time.perf_counter() - since
        headers = self._answer_headers(answer)
        if self.cost_usd is not None:
            headers.append(cost_header(self.cost_usd))
        self._started = True
        kind = ascii_value(answer.content_type)
        self._end = partial(send_bytes, self._send, answer.status, body, headers, kind)

    def _finished(self, body: bytes, document: Any) -> bytes:
        """The answer as it goes to the client: untouched, but for a missing name and what was asked."""
        if not isinstance(document, dict):
            return body
        name = document.get("model")
        unnamed = not isinstance(name, str) or not name or is_auto(name)
        if not unnamed and not self.options.debug:
            return body
        fields: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        if unnamed:
            fields["model"] = self.model
        if self.options.debug:
            fields["onehead"] = self.decision()
        return msgspec.json.encode(fields)

    async def _stream(self, answer: Answer, since: float) -> None:
        """An answer in events, passed on as they come."""
        assert answer.chunks is not None  # noqa: S101
        assert self.body is not None  # noqa: S101
        asked_usage = self.api == "responses" or self.body.wants_usage()
        relay = EventRelay(asked_usage=asked_usage, model=answer.model)
        self.status = answer.status
        self.overhead_s = (self.overhead_s or 0.0) + time.perf_counter() - since
        self._started = True
        await start_stream(
            self._send,
            answer.status,
            self._answer_headers(answer),
            ascii_value(answer.content_type),
        )
        if self.options.debug:
            await send_part(
                self._send, b": onehead " + msgspec.json.encode(self.decision()) + b"\n\n"
            )
        try:
            async for chunk in answer.chunks:
                part = relay.feed(chunk)
                if part:
                    await send_part(self._send, part)
            self._end = partial(send_part, self._send, relay.finish(), last=True)
            if relay.failed:
                self._ended("error", answer.status, "upstream_error_event")
        except StreamBroken as broken:
            self._ended("broken", answer.status, "stream_broken")
            told = error_document(
                f"{answer.model} broke off its answer: {broken}", "upstream_error", "stream_broken"
            )
            event = error_event(told, responses=self.api == "responses", sequence=relay.events)
            self._end = partial(send_part, self._send, event, last=True)
        finally:
            self.answer_id = relay.answer_id
            self._account(relay.usage, 0, relay.events)

    def _account(self, usage: Usage | None, chars: int, events: int = 0) -> None:
        """What the answer cost, by what upstream states; estimated, and marked so, where it is silent."""
        assert self.plan is not None  # noqa: S101
        if self.model is None:
            return
        if usage is None:
            written = events or chars // _CHARS_PER_TOKEN
            usage = Usage(int(self.plan.input_tokens), written, estimated=True)
        self.usage = usage
        self.cost_usd = usage.cost_usd(self.state.fleet.models[self.model])

    def _answer_headers(self, answer: Answer) -> list[tuple[bytes, bytes]]:
        relayed = [(name.encode(), ascii_value(value)) for name, value in answer.headers]
        return [
            *relayed, *call_headers(answer.model, len(self.attempts), self.overhead_s or 0.0),
            *self._own_headers(), *predicted_headers(self.plan),
        ]  # fmt: skip

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        warning = self.state.accounts.warning(self.key)
        return request_headers(self.request_id, self.decision_id, warning)

    def _all_failed(self, failure: AllFailed) -> None:
        """No model answered: say what the last one said, in OpenAI's shape."""
        self.attempts = failure.attempts
        self._ended("error", failure.status, failure.code)
        headers = [*self._own_headers(), attempts_header(len(self.attempts))]
        if failure.retry_after is not None:
            headers.append((b"retry-after", str(math.ceil(failure.retry_after)).encode()))
        body = (
            failure.body
            or GatewayError(
                str(failure), status=failure.status, kind="upstream_error", code=failure.code
            ).body()
        )
        self._end = partial(send_bytes, self._send, failure.status, body, headers)

    def _refuse(self, error: OneheadError) -> None:
        """Answer an error of our own, unless the answer has begun."""
        told = as_gateway_error(error)
        outcome = "refused" if told.status < 500 else "error"
        self._ended(outcome, told.status, told.code or told.kind)
        if not self._started:
            self._end = partial(send_error, self._send, told, self._own_headers())

    def _ended(self, outcome: str, status: int, error: str | None) -> None:
        self.outcome, self.status, self.error = outcome, status, error

    async def _finish(self) -> None:
        """Close what is open, settle what was reserved, remember and record; then end the answer."""
        if self._answer is not None:
            await self._answer.close()
        self.total_s = time.perf_counter() - self.arrived
        if self._reservation is not None:
            if self.cost_usd is None:
                self._reservation.release()
            else:
                usage = self.usage
                tokens = usage.input + usage.output if usage is not None else 0
                self._reservation.settle(self.cost_usd, tokens)
        if self.plan is not None and self.model is not None and self.outcome == "ok":
            self.state.planner.remember(self.plan, self.model)
            if self.answer_id is not None and self.api == "responses":
                self.state.note_answer(self.answer_id, self.model)
        record = self.state.record(self)
        if self._end is not None:
            await self._end()
        if record is not None:
            self.state.count(record)

    def decision(self) -> dict[str, Any]:
        """The whole decision, as `/v1/decision` tells it."""
        assert self.plan is not None  # noqa: S101
        return {"decision_id": self.decision_id, **decision_document(self.plan)}
