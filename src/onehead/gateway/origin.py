"""An open gateway answers programs of this machine, not web pages that happen to be shown on it.

A page may post to the loopback without being asked, or reach it under its own name by changing where
that name leads (DNS rebinding). Keys stop both; where there are none, the request's own words have to.
"""

from __future__ import annotations

from functools import lru_cache
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
    wrong = _elsewhere(headers.get("host", ""), headers.get("origin", ""), host)
    if wrong is not None:
        raise GatewayError(
            f"this gateway has no keys and answers this machine only; this request came {wrong}. "
            "Set gateway.keys to serve others.",
            status=403,
            kind="permission_error",
            code="not_local",
        )


@lru_cache(maxsize=256)
def _elsewhere(named: str, origin: str, host: str) -> str | None:
    """In words where a request comes from, where that is not this machine."""
    known = _LOOPBACK | {host}
    if named and _name(f"//{named}") not in known:
        return f"for the host {named[:100]!r}"
    if origin and _name(origin) not in known:
        return "from a web page of another origin"
    return None


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
