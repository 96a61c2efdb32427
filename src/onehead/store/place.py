"""Where a store is: its URL taken apart, and a name for it that shows no password."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from onehead.errors import StoreError

_ADVICE = "Write sqlite:///FILE (sqlite:////FILE for an absolute path) or postgresql://USER@HOST/DATABASE."

_IN_MEMORY = ("sqlite://", "sqlite:///:memory:")


@dataclass(frozen=True, repr=False)
class Place:
    """One database.

    url: as given; may hold a password
    name: how messages call it
    path: the file of an SQLite database
    secrets: what must not appear in any message
    """

    url: str
    name: str
    path: Path | None
    secrets: tuple[str, ...] = ()

    def clean(self, message: str) -> str:
        """A driver's message on one line, without secrets."""
        text = " ".join(message.split())
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse_url(url: str) -> Place:
    """The place that `url` names; StoreError, which never repeats a password, for no such place."""
    if url in _IN_MEMORY:
        return Place(url, "the log in memory", _temporary() / "onehead.db")
    scheme, mark, rest = url.partition("://")
    if scheme == "sqlite" and mark:
        path = unquote(rest.removeprefix("/"))
        if not rest.startswith("/") or not path or "\0" in path or "?" in rest:
            raise StoreError(f"{url!r} names no file to keep the log in. {_ADVICE}")
        return Place(url, path, Path(path))
    if scheme in ("postgresql", "postgres") and mark:
        return _server(url)
    shown = f"{scheme}://…" if mark else "the address"
    raise StoreError(f"{shown} is no address of a store. {_ADVICE}")


@lru_cache(maxsize=1)
def _temporary() -> Path:
    """A folder for a log that ends with its process: all who ask for memory mean the same log."""
    folder = Path(tempfile.mkdtemp(prefix="onehead-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _server(url: str) -> Place:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "the local server", parts.port
    except ValueError:
        raise StoreError(
            f"the address of the PostgreSQL server cannot be read. {_ADVICE}"
        ) from None
    secrets = {url}
    for word in (parts.password, *_query_passwords(parts.query)):
        if word:
            secrets |= {word, unquote(word)}
    place = f"{host}:{port}" if port else host
    name = f"PostgreSQL database {unquote(parts.path.removeprefix('/')) or 'postgres'} on {place}"
    return Place(url, name, None, tuple(sorted(secrets, key=len, reverse=True)))


def _query_passwords(query: str) -> list[str]:
    pairs = (word.partition("=") for word in query.split("&"))
    return [value for name, _, value in pairs if "password" in name]
