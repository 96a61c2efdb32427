"""Where a store is: its URL taken apart, and a name for it that shows no password."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from onehead.errors import StoreError

_ADVICE = "Write sqlite:///FILE (sqlite:////FILE for an absolute path) or postgresql://USER@HOST/DATABASE."


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
    scheme, mark, rest = url.partition("://")
    if scheme == "sqlite" and mark:
        path = unquote(rest.removeprefix("/"))
        if not rest.startswith("/") or path in ("", ":memory:") or "\0" in path or "?" in rest:
            raise StoreError(f"{url!r} names no file to keep the log in. {_ADVICE}")
        return Place(url, path, Path(path))
    if scheme in ("postgresql", "postgres") and mark:
        return _server(url)
    shown = f"{scheme}://…" if mark else "the address"
    raise StoreError(f"{shown} is no address of a store. {_ADVICE}")


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
