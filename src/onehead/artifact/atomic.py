"""Files that are either wholly new or wholly old, whatever stops the write."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from onehead.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write to; it replaces `path` when the block ends well.

    The data is on the disk before the name changes. If the block or the write fails, Ctrl-C
    included, the old file stays as it was and the temporary one is removed.

    Raises:
        OSError: from the write, the sync or the rename.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the content of `path` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def nearest_folder(path: Path) -> Path:
    """`path` itself, or what exists of the way to it."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def check_writable(directory: Path, what: str) -> None:
    """UsageError, which begins with `what`, unless files can be made in `directory`.

    Tried, not asked for: permissions say nothing of a read-only disk or of /proc.
    """
    if not directory.is_dir():
        state = "is a file" if directory.exists() else "does not exist"
        raise UsageError(f"{what}: the directory {directory} {state}. Give another, or make it.")
    try:
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return  # it may not be full any more when the work is done
        raise UsageError(
            f"{what}: nothing can be written in {directory} ({error.strerror or error}). "
            "Give another directory."
        ) from None


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep others who write to `directory` waiting, where the system can; it leaves no file."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks cannot lock
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sync_directory(directory: Path) -> None:
    """Make renames in `directory` survive a power cut, where the system can."""
    flags = getattr(os, "O_DIRECTORY", None)
    if flags is None:  # Windows opens no directories
        return
    handle = os.open(directory, os.O_RDONLY | flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
