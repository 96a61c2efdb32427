"""The address that is listened on."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from typing import Final

from onehead.errors import UsageError

_BACKLOG: Final = 2048


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port` (0: any free one); UsageError where it cannot."""
    place = address(host, port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise UsageError(
            f"{host!r} is no address of this machine; give gateway.host (--host) as an IP address "
            "such as 127.0.0.1 or ::1, or as a name that resolves to one."
        ) from None
    family, _, _, _, where = min(found, key=lambda one: one[0] != socket.AF_INET)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            both = host in {"::", ""}
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(_why_not(error, place, port)) from None
    listener.setblocking(False)
    return listener


def _why_not(error: OSError, place: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{place} is in use by another program; stop that one, or choose another port with "
            "--port (0 takes any free one)."
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs privileges that this user lacks; take one above 1023."
    return (
        f"cannot listen on {place}: {error.strerror or error}. Give gateway.host (--host) as an "
        "address of this machine."
    )


def address(host: str, port: int) -> str:
    """`host:port` as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def raise_file_limit() -> None:
    """As many open files, and so connections, as the system allows this user."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
