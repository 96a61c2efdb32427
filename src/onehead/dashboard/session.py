"""Who may see the pages: a key in a header, or a browser's session after it gave a key.

A session is a cookie with the key's name, an end, and an HMAC of both under a secret made of the
key's own hash. Every worker and replica with the same configuration accepts it, none keeps a list,
and it ends with the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from onehead.gateway.errors import GatewayError
from onehead.gateway.web import gateway, overseer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from onehead.config import KeyConfig

COOKIE = "onehead_ui"
LASTS_S = 12 * 3600
MARK = "x-onehead-ui"
"""A header that the pages' own script sends, and a form on another site cannot."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer a form's origin would be null
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class LoginNeeded(GatewayError):  # noqa: N818  (the name says the situation)
    """A browser without a session."""

    def __init__(self) -> None:
        super().__init__(
            "no session: log in at /ui/login, or send a key as 'Authorization: Bearer KEY'.",
            status=401,
            code="invalid_api_key",
        )


def secured(response: Response) -> Response:
    """The response with the headers that keep foreign scripts, frames and guesses out."""
    for name, value in _HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("cache-control", "no-store")
    return response


def viewer(request: Request) -> KeyConfig | None:
    """The key of a request; None where the gateway is open.

    Raises:
        LoginNeeded: neither a session nor a key.
        GatewayError: a wrong key (401), one that opens no pages (403), or another site's address for an open gateway (403).
    """
    app = gateway(request)
    keys = app.config.keys
    if not keys:
        _check_host(request)
        return None
    found = _of_cookie(request.cookies.get(COOKIE, ""), keys)
    if found is not None:
        return overseer(found)
    names = ("authorization", "x-api-key", "api-key")
    if not any(name in request.headers for name in names):
        raise LoginNeeded
    return overseer(app.state.accounts.identify(request.headers))


def check_origin(request: Request, *, marked: bool) -> None:
    """GatewayError (403) for a change that another site's page asks for.

    marked: whether the request must carry the header that only our script sends
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if site not in ("same-origin", "none") or foreign or (marked and MARK not in request.headers):
        raise GatewayError(
            f"this request did not come from the dashboard's own page; send the header {MARK}: 1 "
            "from the same origin.",
            status=403,
            kind="permission_error",
            code="foreign_origin",
        )


def token(key: KeyConfig, now: float | None = None) -> str:
    """The cookie's value for a key."""
    end = int((time.time() if now is None else now) + LASTS_S)
    name = base64.urlsafe_b64encode(key.name.encode()).decode()
    return f"{name}.{end}.{_seal(key, end)}"


def set_session(response: Response, request: Request, key: KeyConfig) -> None:
    """Give the browser a session."""
    response.set_cookie(
        COOKIE, token(key), max_age=LASTS_S, path="/ui", httponly=True, samesite="strict",
        secure=scheme(request) == "https",
    )  # fmt: skip


def scheme(request: Request) -> str:
    """How the browser came here, also through a proxy that ends TLS."""
    told = request.headers.get("x-forwarded-proto", request.url.scheme)
    return "https" if told.partition(",")[0].strip().lower() == "https" else "http"


def end_session(response: Response) -> None:
    """Take the browser's session away."""
    response.delete_cookie(COOKIE, path="/ui", httponly=True, samesite="strict")


def safe_next(place: str | None) -> str:
    """Where to go after a login: a page of the dashboard, never another site."""
    fine = (
        place is not None and place.startswith("/ui/") and "\\" not in place and "//" not in place
    )
    return place if fine and place is not None and not place.startswith("/ui/log") else "/ui/"


def login_address(request: Request) -> str:
    """The login page, which leads back here."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/ui/login?next={quote(request.url.path + query, safe='')}"


def _seal(key: KeyConfig, end: int) -> str:
    secret = hashlib.sha256(b"onehead dashboard session\0" + key.sha256.encode()).digest()
    return hmac.new(secret, f"{key.name}\0{end}".encode(), hashlib.sha256).hexdigest()


def _of_cookie(value: str, keys: tuple[KeyConfig, ...]) -> KeyConfig | None:
    """The key whose session a cookie is; None for a wrong or an old one."""
    parts = value.split(".")
    if len(parts) != 3 or not parts[1].isascii() or not parts[1].isdigit() or len(parts[1]) > 12:
        return None
    try:
        name = base64.urlsafe_b64decode(parts[0]).decode()
    except (ValueError, UnicodeDecodeError):
        return None
    end = int(parts[1])
    if end < time.time():
        return None
    given = parts[2].encode("utf-8", "surrogateescape")
    for key in keys:
        if key.name == name and hmac.compare_digest(_seal(key, end).encode(), given):
            return key
    return None


def _check_host(request: Request) -> None:
    """An open gateway answers its pages under the names of this machine only.

    Another name that leads here may be a site which wants a visitor's browser to read the log.
    """
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    own = gateway(request).config.gateway.host
    if host in _LOOPBACK or host.startswith("127.") or host == own:
        return
    raise GatewayError(
        f"without keys the dashboard answers on this machine only, as http://localhost, not as "
        f"{host[:80]!r}. Set gateway.keys to reach it under another name.",
        status=403,
        kind="permission_error",
        code="foreign_host",
    )
