"""What the endpoints off the hot path share: who asks, JSON answers, errors in OpenAI's shape."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from onehead.errors import OneheadError
from onehead.gateway.errors import GatewayError, as_gateway_error, unexpected
from onehead.gateway.http import CLIENT_GONE, ClientGone, request_id

if TYPE_CHECKING:
    from starlette.requests import Request

    from onehead.config import KeyConfig
    from onehead.gateway.app import App

log = logging.getLogger("onehead.gateway")


def gateway(request: Request) -> App:
    """The gateway that answers a request."""
    app: App = request.app.state.gateway
    return app


def identify(request: Request) -> KeyConfig | None:
    """The key of a request; None where the gateway is open. GatewayError (401) without a right one."""
    return gateway(request).state.identify(request.headers)


def overseer(key: KeyConfig | None) -> KeyConfig | None:
    """The key, where it may see what all keys do; GatewayError (403) where it may not."""
    if key is not None and not key.dashboard:
        raise GatewayError(
            f"the key {key.name!r} does not open the dashboard and the metrics (dashboard = false); "
            "use another one.",
            status=403,
            kind="permission_error",
            code="dashboard_not_allowed",
        )
    return key


def json_response(document: Any, status: int = 200) -> Response:
    """A JSON document."""
    return Response(msgspec.json.encode(document), status, media_type="application/json")


async def json_body(request: Request) -> bytes:
    """The body of a request within the gateway's limits."""
    from onehead.gateway.http import read_body

    limits = gateway(request).config.gateway
    return await read_body(
        request.receive,
        dict(request.headers),
        most_bytes=int(limits.max_body_mb * 1048576),
        within_s=limits.body_timeout_s,
    )


async def on_error(request: Request, error: Exception) -> Response:
    """An error of ours, raised by an endpoint."""
    assert isinstance(error, OneheadError)  # noqa: S101
    told = as_gateway_error(error)
    if told.status >= 500:
        log.error("%s: %s", request.url.path, error)
    return error_response(told, request)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """An error that nobody foresaw. Only its kind is logged: its words may be those of a prompt."""
    log.error(
        "unexpected error: %s", type(error).__name__,
        extra={"fields": {"request_id": request_id(dict(request.headers))}},
    )  # fmt: skip
    return error_response(unexpected(), request)


async def on_gone(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """A client that went while it sent its request; nobody reads the answer."""
    assert isinstance(error, ClientGone)  # noqa: S101
    return Response(status_code=CLIENT_GONE)


async def on_not_found(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """A path that there is not."""
    told = GatewayError(
        f"there is no {request.url.path} here. The API is under /v1, the dashboard at /ui/.",
        status=404,
        code="not_found",
    )
    return error_response(told, request)


async def on_not_allowed(request: Request, error: Exception) -> Response:
    """A method that a path does not take."""
    told = GatewayError(
        f"{request.url.path} does not take {request.method}.", status=405, code="method_not_allowed"
    )
    response = error_response(told, request)
    allowed = getattr(error, "headers", None) or {}
    response.headers.update(allowed)
    return response


def error_response(error: GatewayError, request: Request) -> Response:
    """The answer that tells an error."""
    headers = {"x-request-id": request_id(dict(request.headers))}
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(error.body(), error.status, headers, media_type="application/json")
