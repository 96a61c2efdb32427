"""The folder of the journals: one folder below it for each worker, and the leftovers of dead ones.

A worker holds a lock on its folder as long as it lives; the kernel lets go of it when the process ends,
however it ends. Whoever gets the lock of another's folder owns what that one left. A lock on the whole
keeps a folder that is being made from being taken for a leftover.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from typing import TYPE_CHECKING, Final

from onehead.store.frames import HEADING, payloads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK: Final = "lock"
_log = logging.getLogger(__name__)


class Folder:
    """One worker's folder, locked by this process."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self.path = path
        self._handle = handle
        self._held = True

    def segments(self) -> list[Path]:
        """Its files, oldest first."""
        return sorted(self.path.glob("*.journal"))

    def release(self) -> None:
        """Remove the folder where nothing is left in it, and let go of the lock."""
        if not self._held:
            return
        self._held = False
        with contextlib.suppress(OSError):
            if not self.segments():
                (self.path / _LOCK).unlink(missing_ok=True)
                self.path.rmdir()
        if self._handle is not None:
            os.close(self._handle)


def claim(root: Path) -> tuple[Folder, list[Folder]]:
    """A new folder below `root`, and those of workers that have died.

    Raises:
        OSError: nothing can be made there.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _whole(root):
        left = list(_dead(root))
        path = root / f"{os.getpid()}-{secrets.token_hex(4)}"
        path.mkdir(mode=0o700)
        handle = _lock(path / _LOCK)
    return Folder(path, handle), left


def read_segment(path: Path) -> tuple[list[bytes], int]:
    """Payloads of a file that a worker left, and the damaged places in it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is of another format.
    """
    data = path.read_bytes()
    if not data.startswith(HEADING):
        if HEADING.startswith(data):  # the worker died as it made the file
            return [], 0
        raise ValueError(f"{path} is no journal of this version of onehead; it stays where it is.")
    return payloads(data, len(HEADING))


def _dead(root: Path) -> Iterator[Folder]:
    for path in sorted(root.iterdir()):
        if not path.is_dir():
            continue
        try:
            handle = _lock(path / _LOCK)
        except BlockingIOError:
            continue  # it lives
        except OSError as error:
            _log.warning("%s: what it may hold is not read (%s).", path, error)
            continue
        if handle is not None:
            yield Folder(path, handle)


def _lock(path: Path) -> int | None:
    """An open file that nobody else has locked; None where the system has no such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextlib.contextmanager
def _whole(root: Path) -> Iterator[None]:
    """Keep other workers from making or claiming folders meanwhile."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(root / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
