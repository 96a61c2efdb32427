"""Files that are either wholly new or wholly old, whatever stops the write."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write to; it replaces `path` when the block ends well.

    The data is on the disk before the name changes. If the block or the write fails, Ctrl-C
    included, the old file stays as it was and the temporary one is removed.

    Raises:
        OSError: from the write, the sync or the rename.
    """
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
