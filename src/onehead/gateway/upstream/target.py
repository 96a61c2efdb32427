"""One model's upstream, prepared: URLs, headers and limits, so that a call only puts them together."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientTimeout
from multidict import CIMultiDict
from yarl import URL

from onehead import __version__
from onehead.config.urls import is_loopback
from onehead.errors import ConfigError
from onehead.gateway.errors import GatewayError
from onehead.gateway.upstream.call import Call
from onehead.gateway.upstream.direct import Head

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from onehead.config import ModelConfig, UpstreamConfig
    from onehead.gateway.upstream.breaker import Breaker
    from onehead.gateway.upstream.call import Sockets
    from onehead.gateway.upstream.translator import Translator

NEVER_FROM_CALLERS = frozenset(
    {
        "authorization",
        "api-key",
        "x-api-key",
        "x-goog-api-key",
        "cookie",
        "host",
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "accept-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "proxy-authorization",
        "proxy-connection",
        "user-agent",
    }
)
"""Headers that identify us or frame the message: a caller's must not replace them."""

PREPARED_PATHS = 64


class Target:
    """Where and how one model is called."""

    __slots__ = (
        "_base",
        "_fixed",
        "_heads",
        "_urls",
        "breaker",
        "connect",
        "first_byte_s",
        "headers",
        "host",
        "id",
        "idle_s",
        "in_flight",
        "model",
        "proxy",
        "total_s",
        "translator",
    )

    def __init__(self, model: ModelConfig, config: UpstreamConfig, breaker: Breaker) -> None:
        """Take the model's own limits, else those of `config`."""
        self.id = model.id
        self.model = model
        self.breaker = breaker
        self.in_flight = 0
        self._urls: dict[str, URL] = {}
        self._heads: dict[str, Head] = {}
        self._base = _base_url(model)
        self.host = self._base.host_port_subcomponent if self._base is not None else model.via
        self.proxy = _proxy(self._base) if self._base is not None else None
        self.headers = self._headers()
        self._fixed = frozenset(name.lower() for name in model.headers) | NEVER_FROM_CALLERS
        self.connect = ClientTimeout(
            total=None, connect=_either(model.connect_timeout_s, config.connect_timeout_s)
        )
        self.first_byte_s = _either(model.first_byte_timeout_s, config.first_byte_timeout_s)
        self.idle_s = _either(model.idle_timeout_s, config.idle_timeout_s)
        self.total_s = _either(model.total_timeout_s, config.total_timeout_s)
        self.translator: Translator | None = None

    def __repr__(self) -> str:
        return f"Target({self.id!r}, host={self.host!r})"  # headers and query may hold secrets

    @property
    def reachable(self) -> bool:
        """Whether there is an upstream to call."""
        return self.model.has_upstream

    def call(self, sockets: Sockets) -> Call:
        """A call that has yet to be opened."""
        if self.translator is None:
            return Call(self, sockets)
        from onehead.gateway.upstream.translated import TranslatedCall

        return TranslatedCall(self, sockets, self.translator)

    def prepare(self) -> None:
        """Load the library that calls this model, if any; MissingExtraError where it is not installed."""
        if self.model.via is not None:
            from onehead.gateway.upstream.translator import Translator

            self.translator = Translator(self.model, self.total_s)

    def url(self, path: str) -> URL:
        """The base URL with `path` ("/chat/completions", or with a query behind "?")."""
        url = self._urls.get(path)
        if url is None:
            url = self._join(path)
            if len(self._urls) < PREPARED_PATHS and "?" not in path:
                self._urls[path] = url
        return url

    def headers_with(self, extra: Mapping[str, str]) -> CIMultiDict[str]:
        """The prepared headers and those of the caller that may stand beside them."""
        if not extra:
            return self.headers
        headers = self.headers.copy()
        for name, value in extra.items():
            if name.lower() not in self._fixed and value.isprintable():
                headers[name] = value
        return headers

    def head(self, path: str, loop: asyncio.AbstractEventLoop) -> Head | None:
        """What goes before the body of a POST to `path`; None where a proxy has to be told more."""
        head = self._heads.get(path)
        if head is None or head.request.loop is not loop:
            if self.proxy is not None or "?" in path or len(self._heads) >= PREPARED_PATHS:
                return None
            head = self._heads[path] = Head(self, self.url(path), loop)
        return head

    def beside(self, extra: Mapping[str, str]) -> dict[str, str] | None:
        """Headers of the caller that may stand beside the prepared ones; None where one replaces any."""
        kept = {}
        for name, value in extra.items():
            if name in self.headers and name.lower() not in self._fixed:
                return None
            if name.lower() not in self._fixed and value.isprintable():
                kept[name] = value
        return kept

    def _join(self, path: str) -> URL:
        if self._base is None:
            raise GatewayError(f"model {self.id!r} has no upstream", status=503, code="no_upstream")
        path, _, query = path.partition("?")
        _check_path(path)
        url = self._base.joinpath(path.lstrip("/"), encoded=True)
        if query:
            url = url.update_query(URL("?" + query).query)
        # The configured parameters come last: a caller must not replace an api-version or a key.
        return url.update_query(self._base.query).update_query(dict(self.model.query))

    def _headers(self) -> CIMultiDict[str]:
        model = self.model
        headers = CIMultiDict(
            {  # all that aiohttp would add by itself, which costs it nothing where they are there
                "accept": "*/*",
                "accept-encoding": "identity",  # compressed streams are held back by their coder
                "content-type": "application/json",
                "user-agent": f"onehead/{__version__}",
            }
        )
        if model.api_key:
            headers["authorization"] = f"Bearer {model.api_key.reveal()}"
        for name, value in model.headers.items():
            headers[name] = value.reveal()
        return headers


def _either(own: float | None, common: float) -> float:
    return common if own is None else own


def _base_url(model: ModelConfig) -> URL | None:
    if not model.base_url:
        return None
    try:
        url = URL(model.base_url)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(
            f"model {model.id!r}: base_url is not an http or https address. "
            "Write it as in https://api.example.com/v1"
        )
    path = url.raw_path.rstrip("/")
    # A user in the address would be a second authorization; api_key and headers are the places for it.
    url = url.with_user(None)
    return url.with_path(path, encoded=True, keep_query=True).with_fragment(None)


def _proxy(url: URL) -> URL | None:
    """The proxy that the environment (HTTPS_PROXY, NO_PROXY, …) sets for an address, once for all calls.

    aiohttp would look it up for every call, in a thread.
    """
    host = url.host or ""
    address = getproxies().get(url.scheme)
    if not address or is_loopback(host) or proxy_bypass(f"{host}:{url.port}"):
        return None
    try:
        proxy = URL(address if "://" in address else f"http://{address}")
    except ValueError:
        proxy = URL()
    if not proxy.host:
        raise ConfigError(
            f"the environment's proxy for {url.scheme} addresses is no URL. "
            f"Write {url.scheme.upper()}_PROXY=http://host:port, or unset it."
        )
    return proxy


def _check_path(path: str) -> None:
    """A path from a client must stay below the base URL: the key is sent along with it."""
    lowered = path.lower()
    parts = lowered.replace("%2e", ".").replace("%2f", "/").split("/")
    clean = path.isascii() and path.isprintable() and not any(one in path for one in ' \\#"<>')
    if not (
        clean and path.startswith("/") and not {".", ".."} & set(parts) and "%5c" not in lowered
    ):
        raise GatewayError(
            f"the path {path[:100]!r} cannot be passed on to an upstream",
            status=404,
            code="invalid_path",
        )
