"""An open gateway answers programs of this machine, not web pages that happen to be shown on it.

A page may post to the loopback without being asked, or reach it under its own name by changing where
that name leads (DNS rebinding). Keys stop both; where there are none, the request's own words have to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from onehead.gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_local(headers: Mapping[str, str], host: str) -> None:
    """GatewayError (403) for a request that a web page of elsewhere had a browser send.

    host: what the gateway listens on, which requests may name too
    """
    known = _LOOPBACK | {host}
    named = headers.get("host", "")
    origin = headers.get("origin", "")
    if named and _name(f"//{named}") not in known:
        raise _refused(f"for the host {named[:100]!r}")
    if origin and _name(origin) not in known:
        raise _refused("from a web page of another origin")


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _refused(what: str) -> GatewayError:
    return GatewayError(
        f"this gateway has no keys and answers this machine only; this request came {what}. "
        "Set gateway.keys to serve others.",
        status=403,
        kind="permission_error",
        code="not_local",
    )
