"""Logging in with a key, and out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, RedirectResponse, Response

from onehead.dashboard.markup import h
from onehead.dashboard.session import (
    LoginNeeded,
    check_origin,
    end_session,
    safe_next,
    set_session,
    viewer,
)
from onehead.dashboard.shell import Frame, notice, page
from onehead.gateway.accounts import Unauthorized
from onehead.gateway.errors import GatewayError
from onehead.gateway.http import read_body
from onehead.gateway.web import gateway, overseer

if TYPE_CHECKING:
    from starlette.requests import Request

    from onehead.dashboard.patience import Patience

_MOST_BYTES = 16_384
_WITHIN_S = 10.0


async def login_form(request: Request) -> Response:
    """`GET /ui/login`; whoever has a session already goes on."""
    following = safe_next(request.query_params.get("next"))
    try:
        viewer(request)
    except (LoginNeeded, Unauthorized):
        return HTMLResponse(_form(following))
    return RedirectResponse(following, 303)


async def login(request: Request, patience: Patience) -> Response:
    """`POST /ui/login`: a key for a session."""
    check_origin(request, marked=False)
    address = request.client.host if request.client else ""
    patience.check(address)
    fields = await _fields(request)
    following = safe_next(fields.get("next"))
    accounts = gateway(request).state.accounts
    given = fields.get("key", "").strip()
    try:
        key = overseer(accounts.identify({"authorization": f"Bearer {given}"}))
    except Unauthorized:
        patience.wrong(address)
        wrong = "This key is not known here; check it." if given else "Give a key."
        return HTMLResponse(_form(following, wrong), 401)
    response = RedirectResponse(following, 303)
    if key is not None:
        set_session(response, request, key)
    return response


async def logout(request: Request) -> Response:
    """`POST /ui/logout`."""
    check_origin(request, marked=False)
    response = RedirectResponse("/ui/login", 303)
    end_session(response)
    return response


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form."""
    body = await read_body(
        request.receive, dict(request.headers), most_bytes=_MOST_BYTES, within_s=_WITHIN_S
    )
    try:
        found = parse_qs(body.decode(), max_num_fields=10)
    except ValueError:
        raise GatewayError("the form cannot be read; load the login page again.") from None
    return {name: values[0] for name, values in found.items()}


def _form(following: str, wrong: str = "") -> str:
    """The login page."""
    return page(
        Frame("login", "Log in", bare=True),
        h(
            "div", {"class": "login"},
            notice(wrong, bad=True) if wrong else None,
            h("p", {"class": "muted"}, "Give one of this gateway's keys. The browser keeps a session "
              "for twelve hours, not the key."),
            h(
                "form", {"method": "post", "action": "/ui/login"},
                h("input", {"type": "hidden", "name": "next", "value": following}),
                h("label", {"for": "key"}, "Key"),
                h("input", {
                    "id": "key", "name": "key", "type": "password", "required": True,
                    "autocomplete": "current-password", "autofocus": True, "spellcheck": "false",
                }),
                h("button", {}, "Log in"),
            ),
        ),
    )  # fmt: skip
