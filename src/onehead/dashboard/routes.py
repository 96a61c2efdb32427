"""The dashboard's routes under /ui/, and what all of them share: who looks, and how errors look."""

from __future__ import annotations

import asyncio
import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from onehead.dashboard import actions, playground, views
from onehead.dashboard.context import Contexts
from onehead.dashboard.login import login, login_form, logout
from onehead.dashboard.patience import Patience
from onehead.dashboard.session import LoginNeeded, check_origin, login_address, secured, viewer
from onehead.dashboard.shell import Frame, notice, page
from onehead.dashboard.static import asset
from onehead.dashboard.visit import Visit
from onehead.errors import OneheadError, StoreError
from onehead.gateway.errors import GatewayError, as_gateway_error
from onehead.gateway.web import error_response, gateway, json_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    Seen: TypeAlias = Callable[[Visit], str]
    Told: TypeAlias = Callable[[Visit], dict[str, Any]]
    Answer: TypeAlias = Callable[[Request], Awaitable[Response]]

log = logging.getLogger("onehead.dashboard")


def routes() -> list[BaseRoute]:
    """The routes, for one app; `request.app.state.gateway` must be the gateway."""
    contexts, patience = Contexts(), Patience()

    def visit(request: Request) -> Visit:
        key = viewer(request)
        return Visit(request, contexts.of(gateway(request)), key)

    found: list[BaseRoute] = [
        Route("/ui", _to_start),
        Route("/ui/assets/{name}", asset),
        Route("/ui/login", _plain(login_form), methods=["GET"]),
        Route("/ui/login", _plain(partial(login, patience=patience)), methods=["POST"]),
        Route("/ui/logout", _plain(logout), methods=["POST"]),
        Route("/ui/api/feedback", _acts(visit, actions.feedback), methods=["POST"]),
        Route("/ui/api/estimate", _acts(visit, playground.estimate), methods=["POST"]),
    ]
    for name, told in views.DOCUMENTS.items():
        found.append(Route(f"/ui/api/{name}", _tells(visit, told), methods=["GET"]))
    for path, seen in views.PAGES.items():
        found.append(Route(path, _shows(visit, seen), methods=["GET"]))
    found.append(Route("/ui/{place:path}", _nowhere, methods=["GET"]))
    return found


async def _to_start(request: Request) -> Response:  # noqa: ARG001
    return RedirectResponse("/ui/", 308)


async def _nowhere(request: Request) -> Response:
    """A path under /ui/ that leads to nothing."""
    path = request.url.path
    error = GatewayError(
        f"there is no page {path[:80]!r}. The pages are in the menu of /ui/.",
        status=404,
        code="not_found",
    )
    if path.startswith("/ui/api/"):
        return secured(error_response(error, request))
    return _error_page(error)


def _plain(handler: Answer) -> Answer:
    """A page that needs no session."""

    async def answer(request: Request) -> Response:
        try:
            return secured(await handler(request))
        except OneheadError as error:
            return _error_page(error)

    return answer


def _shows(visit: Callable[[Request], Visit], seen: Seen) -> Answer:
    """A page for a browser: without a session it leads to the login."""

    async def answer(request: Request) -> Response:
        try:
            visited = visit(request)
            html = await asyncio.to_thread(seen, visited)
        except LoginNeeded:
            return secured(RedirectResponse(login_address(request), 303))
        except OneheadError as error:
            return _error_page(error)
        return secured(HTMLResponse(html))

    return answer


def _tells(visit: Callable[[Request], Visit], told: Told) -> Answer:
    """JSON for the pages' script."""

    async def answer(request: Request) -> Response:
        try:
            document = await asyncio.to_thread(told, visit(request))
        except OneheadError as error:
            return secured(error_response(_told(error), request))
        return secured(json_response(document))

    return answer


def _acts(
    visit: Callable[[Request], Visit], act: Callable[[Visit], Awaitable[dict[str, Any]]]
) -> Answer:
    """JSON from a request that only the pages' script may make."""

    async def answer(request: Request) -> Response:
        try:
            visited = visit(request)
            check_origin(request, marked=True)
            document = await act(visited)
        except OneheadError as error:
            return secured(error_response(_told(error), request))
        return secured(json_response(document))

    return answer


def _told(error: OneheadError) -> GatewayError:
    """An error as the reader is told it. What a store says of itself holds no secret."""
    if isinstance(error, StoreError) and error.status >= 500:
        words = f"the decision log cannot be read now, so there is nothing to show: {error}"
        return GatewayError(words, status=503, kind="server_error", code="store_away")
    return as_gateway_error(error)


def _error_page(error: OneheadError) -> Response:
    """An error in the frame of a page."""
    told = _told(error)
    if told.status >= 500:
        log.warning("the dashboard could not show a page: %s", error)
    html = page(
        Frame("", "This did not work", bare=told.status in (401, 403)), notice(str(told), bad=True)
    )
    response = HTMLResponse(html, told.status)
    if told.retry_after is not None:
        response.headers["retry-after"] = str(math.ceil(told.retry_after))
    return secured(response)
