"""The files that pages load: their bytes, addresses that change with them, and how they are sent."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from onehead.report.theme import dark_rules

if TYPE_CHECKING:
    from starlette.requests import Request

FOLDER = Path(__file__).parent / "assets"
CHARTS = "charts.css"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_GOOD = "public, max-age=31536000, immutable"


@cache
def content(name: str) -> bytes | None:
    """The bytes of a file; None where there is no such file. `charts.css` is made of the theme."""
    if name == CHARTS:
        return _chart_rules().encode()
    known = {path.name: path for path in FOLDER.iterdir() if path.suffix in _TYPES}
    return known[name].read_bytes() if name in known else None


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(content(name) or b"", 9, mtime=0)


@cache
def address(name: str) -> str:
    """Where a page finds a file; another content has another address, so that it can be kept."""
    data = content(name)
    if data is None:
        raise FileNotFoundError(name)
    return f"/ui/assets/{name}?v={hashlib.sha256(data).hexdigest()[:10]}"


async def asset(request: Request) -> Response:
    """`GET /ui/assets/NAME`: no secret in it, so no key is asked for."""
    name = request.path_params["name"]
    data = content(name)
    if data is None:
        return Response("there is no such file.\n", 404, media_type="text/plain")
    headers = {
        "cache-control": _FOR_GOOD if "v" in request.query_params else "no-cache",
        "content-type": _TYPES[Path(name).suffix],
        "vary": "accept-encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(_packed(name), headers=headers | {"content-encoding": "gzip"})
    return Response(data, headers=headers)


def _chart_rules() -> str:
    """Dark colours for charts: where the reader's system is dark, or the reader chose so."""
    rules = dark_rules()
    chosen = rules.replace("svg [", ":root[data-theme=dark] svg [")
    by_system = rules.replace("svg [", ":root:not([data-theme=light]) svg [")
    return f"{chosen}\n@media (prefers-color-scheme: dark){{{by_system}}}\n"
