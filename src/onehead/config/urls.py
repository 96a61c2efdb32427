"""Addresses in a configuration file: upstreams, and the store's database."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from onehead.config.secret import Secret
from onehead.config.values import Text, clean, written

if TYPE_CHECKING:
    from onehead.config.place import Place
    from onehead.config.variables import Template

_HOST = re.compile(r"[A-Za-z0-9._~-]+|[0-9A-Fa-f:.]+(%[\w.-]+)?")
_PATHS = ("/chat/completions", "/responses", "/completions", "/embeddings", "/models")
_EXAMPLE = "https://api.openai.com/v1"
_STORES = "sqlite:///onehead.db, sqlite:// (memory), or postgresql://user@host/database"
_UNKNOWN = "\ue000"
"""Stands for the value of a variable while the rest of an address is looked at."""


class BaseUrl(Text):
    """The base address of an OpenAI-compatible upstream."""

    kind = "URL"

    def __call__(self, value: Any, at: Place) -> str:
        """The address without a slash at its end."""
        url = super().__call__(value, at).strip()
        parts = _split(url, at, _EXAMPLE)
        if parts.scheme not in ("http", "https"):
            at.fail(f"a URL begins with http:// or https://, such as {_EXAMPLE}.")
        if parts.username is not None or parts.password is not None:
            at.fail("the URL holds a user or password; remove it and set api_key or headers.")
        if not parts.hostname or not _HOST.fullmatch(parts.hostname) or " " in url:
            at.fail(f"the URL names no host; write it as {_EXAMPLE}.")
        if "?" in url or "#" in url:
            at.fail("the URL ends in ?… or #…; remove it and put parameters in query = { … }.")
        url = url.rstrip("/")
        for path in _PATHS:
            if url.endswith(path):
                at.fail(f"give the base URL, which ends before {path}, such as {_EXAMPLE}.")
        return url


class StoreUrl:
    """The address of the store's database, which may hold a password."""

    kind = "URL"

    def __call__(self, value: Any, at: Place) -> Secret:
        """The address, checked; a password in it has to come from the environment."""
        text = written(value, at)
        _no_literal_password(text, at)
        url = clean(text.expand(at), at).strip()
        parts = _split(url, at, _STORES)
        if parts.scheme == "sqlite":
            _check_sqlite(url, at)
        elif parts.scheme == "postgresql":
            _check_postgresql(parts, at)
        else:
            hint = " Write postgresql:// in full." if parts.scheme == "postgres" else ""
            at.fail(f"the store is none that onehead knows; give {_STORES}.{hint}")
        return Secret(url)


def in_memory(url: str) -> bool:
    """Whether a store's address is SQLite's memory, which every worker has for itself."""
    return url in ("sqlite://", "sqlite:///:memory:")


def shown(url: str) -> str:
    """A store's address without user, password and options."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return url.partition("?")[0]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _split(url: str, at: Place, example: str, *, port: bool = True) -> SplitResult:
    """The parts of an address; its port is checked where that is known already."""
    try:
        parts = urlsplit(url)
        wrong_port = port and parts.port == 0
    except ValueError:  # its text repeats the port, which may be half of a password
        wrong_port = True
        parts = None
    if parts is None or wrong_port:
        at.fail(
            "the URL cannot be read: check its host and port (1 to 65535), and percent-encode what "
            f"is special in a password (/ is %2F, # is %23). Write {example}."
        )
    return parts


def _check_sqlite(url: str, at: Place) -> None:
    if in_memory(url):
        return
    if not url.startswith("sqlite:///") or url == "sqlite:///":
        at.fail(
            "SQLite takes three slashes and a path: sqlite:///onehead.db, sqlite:////var/lib/…."
        )
    if "?" in url or "#" in url:
        at.fail("the path of the SQLite file holds ? or #; choose another.")


def _check_postgresql(parts: SplitResult, at: Place) -> None:
    if "@" in parts.path + parts.query or parts.fragment or "#" in parts.geturl():
        at.fail(
            "the password holds /, ?, # or @; percent-encode what is special in it (@ is %40, / is %2F, # is %23, ? is %3F)."
        )
    if parts.hostname is None or not _HOST.fullmatch(parts.hostname):
        at.fail("the URL names no host; write it as postgresql://user@host/database.")
    if not parts.path.strip("/"):
        at.fail("the URL names no database; write it as postgresql://user@host/database.")


def _no_literal_password(text: Template, at: Place) -> None:
    """ConfigError where a password stands in the file itself, be it as a variable's default."""
    for defaults in (False, True):
        parts = _split(text.filled(_UNKNOWN, defaults=defaults).strip(), at, _STORES, port=False)
        options = [value for name, value in parse_qsl(parts.query) if "password" in name.lower()]
        for password in [parts.password or "", *options]:
            if password.replace(_UNKNOWN, ""):
                at.fail(
                    "the password is written in the file; put it in the environment and write "
                    "postgresql://user:${PASSWORD}@host/database."
                )
