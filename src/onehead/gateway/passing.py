"""Every other path under /v1: passed through to the model that the request names."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from onehead.gateway.errors import GatewayError
from onehead.gateway.exchange import Exchange
from onehead.gateway.http import ascii_value, read_body, send_part, start_stream
from onehead.gateway.upstream import StreamBroken
from onehead.gateway.wire import Body, document_of, usage_of
from onehead.gateway.wire.options import NAMED, is_auto

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from onehead.gateway.state import State

_FIELD = re.compile(rb'name="model"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n')
_MOST_READ = 1 << 20
"""Answers up to this size are searched for usage."""


class Passing(Exchange):
    """One request that the gateway understands only as far as to find the model's name."""

    def __init__(self, state: State, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the request."""
        super().__init__(state, scope, receive, send, "chat")
        self.mode = "named"
        self._method = scope["method"]
        self._query = scope["query_string"].decode("latin-1")
        # As it came: what was escaped there stays escaped upstream.
        raw: bytes = scope.get("raw_path") or self.path.encode()
        self._path = raw.decode("latin-1").removeprefix("/v1")
        self._data = b""
        self._type = self.headers.get("content-type", "")

    async def _read(self) -> None:
        state = self.state
        self.key = state.identify(self.headers)
        limits = state.config.gateway
        self._data = await read_body(
            self._receive, self.headers,
            most_bytes=int(limits.max_body_mb * 1048576), within_s=limits.body_timeout_s,
        )  # fmt: skip

    async def _decide(self) -> None:
        name = await self._name()
        if is_auto(name):
            raise GatewayError(
                f"{self.path} is passed through to the model it names; 'auto' is for chat "
                "completions and responses.",
                param="model",
            )
        self._named(name)

    async def _name(self) -> str:
        """The model: in the body, else in the query, else in a header."""
        found: str | None = None
        if self._data and "json" not in self._type and self._looks_like_json():
            self._type = "application/json"  # curl and others call what they do not know a form
        if self._data and "json" in self._type:
            self.body = Body(self._data, model_needed=False)
            found = self.body.model
        elif self._data and (field := _FIELD.search(self._data)):
            found = field[1].decode("utf-8", "replace")
        query = dict(parse_qsl(self._query))
        found = found or query.get("model") or self.headers.get(NAMED)
        last = self.path.split("/responses/", 1)
        if not found and len(last) == 2:
            found = await self.state.answer_model(last[1].split("/", 1)[0])
        if not found:
            raise GatewayError(
                f"{self.path} names no model to pass it to; give 'model' in the body or the query, "
                f"or the header {NAMED}.",
                param="model",
            )
        return found

    def _looks_like_json(self) -> bool:
        return not self._type.startswith("multipart/") and self._data[:1] == b"{"

    def _body_for(self, name: str) -> bytes:
        model = self.state.fleet.models[name]
        if self.body is not None:
            if "model" not in self.body:
                return self._data
            return self.body.forward(model.upstream_model, model.body)
        field = _FIELD.search(self._data)
        if field is None:
            return self._data
        start, end = field.span(1)
        return self._data[:start] + model.upstream_model.encode() + self._data[end:]

    async def _call(self) -> None:
        assert self.plan is not None  # noqa: S101
        before = time.perf_counter()
        pairs = parse_qsl(self._query, keep_blank_values=True)
        query = urlencode([(k, v) for k, v in pairs if k != "model"])
        path = self._path + (f"?{query}" if query else "")
        headers = self._upstream_headers()
        if self._type:
            headers["content-type"] = self._type
        answer = await self.state.upstreams.answer(
            self.plan.order, self._body_for, path=path, method=self._method, stream=True,
            headers=headers, deadline_s=None,
        )  # fmt: skip
        self._answer, self.attempts, self.model = answer, answer.attempts, answer.model
        self.first_byte_s = time.perf_counter() - self.arrived
        self.overhead_s = before - self.arrived
        self.status = answer.status
        self._started = True
        await start_stream(
            self._send,
            answer.status,
            self._answer_headers(answer),
            ascii_value(answer.content_type),
        )
        await self._relay(answer.content_type)

    async def _relay(self, content_type: str) -> None:
        """Pass the answer on, and read what it says of usage where that is easy to find."""
        assert self._answer is not None  # noqa: S101
        kept: list[bytes] = []
        size = 0
        chunks = self._answer.chunks
        if chunks is None:
            body = self._answer.body or b""
            kept.append(body)
            await send_part(self._send, body)
        else:
            try:
                async for chunk in chunks:
                    size += len(chunk)
                    if "json" in content_type and size <= _MOST_READ:
                        kept.append(chunk)
                    await send_part(self._send, chunk)
            except StreamBroken:
                self._ended("broken", self.status, "stream_broken")
                return  # without a last part the server cuts the connection: the client must know
        self._end = partial(send_part, self._send, b"", last=True)
        if self.status >= 400:
            self._ended("error", self.status, "upstream_refused")
        elif size <= _MOST_READ:
            self._price(b"".join(kept))

    def _price(self, body: bytes) -> None:
        """The cost where usage is stated; nothing where it is not, since nothing can be known."""
        usage = usage_of(document_of(body))
        if usage is not None:
            self._account(usage, 0)
