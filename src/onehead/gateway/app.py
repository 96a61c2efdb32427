"""The ASGI application: which request goes where. All but the hot paths is Starlette's routing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from onehead.errors import OneheadError
from onehead.gateway.deciding import decision_endpoint, feedback_endpoint
from onehead.gateway.errors import GatewayError
from onehead.gateway.exchange import Exchange
from onehead.gateway.http import ClientGone, headers_of, request_id, send_error
from onehead.gateway.listing import model_document, models_document
from onehead.gateway.parts import Parts
from onehead.gateway.passing import Passing
from onehead.gateway.state import State
from onehead.gateway.web import (
    identify,
    json_response,
    on_error,
    on_gone,
    on_not_allowed,
    on_not_found,
    on_unexpected,
    overseer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from onehead.config import Config
    from onehead.gateway.wire.prompt import Api

log = logging.getLogger("onehead.gateway")

_ROUTED: dict[str, Api] = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}
_BUSY_S = 1.0
_FLUSH_S = 5.0
"""The least time that the log has for what is left."""


class App:
    """The gateway of one worker process.

    ready: whether new requests should be sent here; false before start and while draining
    """

    def __init__(self, config: Config, pages: Sequence[BaseRoute] = ()) -> None:
        """Take the configuration; nothing is opened before `startup`.

        pages: routes of the dashboard, which find the app under `request.app.state.gateway`
        """
        self.config = config
        self.ready = False
        self._state: State | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._old: set[asyncio.Task[None]] = set()
        self.parts: Parts | None = None
        self._rest = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/ready", self._ready),
                Route("/metrics", self._metrics),
                Route("/v1/models", self._models),
                Route("/v1/models/{model:path}", self._model),
                Route("/v1/decision", decision_endpoint, methods=["POST"]),
                Route("/v1/feedback", feedback_endpoint, methods=["POST"]),
                *(Route(path, _post_only) for path in ("/v1/decision", "/v1/feedback")),
                *pages,
                Mount("/v1", app=self._pass),
            ],
            exception_handlers={
                OneheadError: on_error,
                ClientGone: on_gone,
                404: on_not_found,
                405: on_not_allowed,
                Exception: on_unexpected,
            },
        )
        self._rest.state.gateway = self

    @property
    def state(self) -> State:
        """What requests use now."""
        if self._state is None:
            raise GatewayError("the gateway is starting.", status=503, retry_after=_BUSY_S)
        return self._state

    async def startup(self) -> None:
        """Load the router, open sockets and the log; a store that is away does not hinder it."""
        self.loop = asyncio.get_running_loop()
        self.parts = await Parts.open(self.config)
        state = State(self.config, self.parts)
        await state.open()
        self._state = state
        self.ready = True

    async def shutdown(self, drain_s: float = 0.0) -> None:
        """Let running requests end within `drain_s`, cut the rest, and write the log out."""
        self.ready = False
        state = self._state
        if state is not None:
            await _drained(state, drain_s)
            await state.close()
        for task in self._old:
            task.cancel()
        if self.parts is not None:
            await self.parts.close(max(drain_s, _FLUSH_S))

    def tick(self) -> None:
        """Tell the metrics what is a state rather than an event; called every second."""
        if self._state is not None:
            self._state.parts.metrics.observe(self)

    async def reload(self, config: Config) -> None:
        """Take another configuration without dropping a request.

        What a request uses stays the same to its end. Raises ConfigError or ArtifactError where it
        cannot be taken; then all stays as it was.
        """
        before = self.state
        state = await asyncio.to_thread(State, config, before.parts, before=before)
        await state.open()
        self.config, self._state = config, state
        task = asyncio.ensure_future(_retire(before))
        self._old.add(task)
        task.add_done_callback(self._old.discard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            api = _ROUTED.get(scope["path"])
            if api is not None and scope["method"] == "POST":
                await self._run(
                    lambda state: Exchange(state, scope, receive, send, api), scope, send
                )
                return
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
            return
        with contextlib.suppress(Exception):  # answered and logged by `on_unexpected`
            await self._rest(scope, receive, send)

    async def _run(self, make: Callable[[State], Exchange], scope: Scope, send: Send) -> None:
        """Run one exchange, unless this worker has as many as it takes."""
        try:
            state = self._free()
        except GatewayError as error:
            headers = headers_of(scope)
            await send_error(send, error, [(b"x-request-id", request_id(headers).encode())])
            return
        state.in_flight += 1
        try:
            await make(state).run()
        finally:
            state.in_flight -= 1

    def _free(self) -> State:
        """The state, where it takes another request; GatewayError (503) where it does not."""
        state = self.state
        if state.in_flight >= state.config.gateway.max_concurrency:
            raise GatewayError(
                "the gateway answers as many requests as it can; try again in a moment.",
                status=503,
                kind="server_error",
                code="overloaded",
                retry_after=_BUSY_S,
            )
        return state

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Any other path under /v1."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        await self._run(lambda state: Passing(state, scope, receive, send), scope, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Start and end with the server."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.startup()
                except OneheadError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.shutdown(self.config.gateway.drain_s)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _health(self, request: Request) -> Response:  # noqa: ARG002
        return PlainTextResponse("ok\n")

    async def _ready(self, request: Request) -> Response:  # noqa: ARG002
        if self.ready:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", status_code=503)

    async def _metrics(self, request: Request) -> Response:
        overseer(identify(request))
        metrics = self.state.parts.metrics
        metrics.observe(self)
        body, content_type = metrics.render()
        return Response(body, headers={"content-type": content_type})

    async def _models(self, request: Request) -> Response:
        key = identify(request)
        return json_response(models_document(self.state, key))

    async def _model(self, request: Request) -> Response:
        key = identify(request)
        return json_response(model_document(self.state, request.path_params["model"], key))


def create_app(config: Config, pages: Sequence[BaseRoute] = ()) -> App:
    """The gateway of a configuration, as an ASGI application."""
    return App(config, pages)


async def _post_only(request: Request) -> Response:  # noqa: ARG001
    """Where a path takes posts alone: without this its other methods would be passed upstream."""
    raise HTTPException(405, headers={"allow": "POST"})


async def _drained(state: State, within_s: float) -> None:
    """Wait until no request runs, or the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while state.in_flight and loop.time() < end:
        await asyncio.sleep(0.02)


async def _retire(state: State) -> None:
    """Close a state that no new request uses, when its last request has ended."""
    await _drained(state, state.config.upstreams.total_timeout_s)
    await state.close()
