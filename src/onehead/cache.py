"""Embeddings on disk, keyed by what the encoder is (its hash) and by text.

One SQLite file in write-ahead mode, so that several processes may read and write at once and a
process killed while writing leaves what was committed before. Every row carries a checksum over its
key and vector: a damaged row is computed again, a damaged file is given up and a new one begun.
Worth it for encoders that take milliseconds or money; the static one is as fast without.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sqlite3
import zlib
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from onehead.errors import EncoderError, UsageError
from onehead.write_ahead import write_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from onehead.encoders import Encoder

    Vector = NDArray[np.float32]

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS vectors_1 "
    "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER NOT NULL)"
)
_BATCH: Final = 512
"""Texts encoded and committed together: what a kill can cost."""
_LOOKUP: Final = 900
_BUSY_S: Final = 60.0
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_log = logging.getLogger(__name__)

T = TypeVar("T")


class EmbeddingCache:
    """Vectors that were computed before, in `directory`.

    It holds at most about `max_bytes`: the oldest vectors go first. Deleting the directory is
    always safe while nobody uses it.
    """

    def __init__(self, directory: str | Path, max_bytes: int = 2 << 30) -> None:
        self.directory = Path(directory)
        self.max_bytes = max_bytes

    def encode(
        self,
        encoder: Encoder,
        texts: Sequence[str],
        progress: Callable[[int, int], None] | None = None,
    ) -> Vector:
        """Vectors [n, d] of `texts`, as `encoder.encode` gives them, each computed at most once.

        `progress` is told (texts done, texts in all) after every batch. UsageError where the
        directory cannot be used; a disk that fills up meanwhile only stops the storing, with a
        warning.
        """
        keys = [_key(encoder.hash, text) for text in texts]
        times, missing = Counter(keys), dict(zip(keys, texts, strict=True))
        found = self._lookup(list(missing))
        for key in found:
            del missing[key]
        report = progress or (lambda _done, _total: None)
        done = sum(times[key] for key in found)
        report(done, len(texts))
        storing = True
        for batch in _batches(list(missing.items()), _BATCH):
            fresh = _encoded(encoder, [text for _, text in batch])
            rows = dict(zip((key for key, _ in batch), fresh, strict=True))
            found.update(rows)
            storing = storing and self._store(rows)
            done += sum(times[key] for key in rows)
            report(done, len(texts))
        if not texts:
            return encoder.encode([])
        return _stacked(keys, found, encoder, texts)

    def prune(self, max_bytes: int | None = None) -> int:
        """Drop the oldest vectors until at most `max_bytes` are in use; returns how many went."""
        limit = self.max_bytes if max_bytes is None else max_bytes
        return self._attempt(lambda connection: _prune(connection, limit))

    def _lookup(self, keys: list[bytes]) -> dict[bytes, Vector]:
        try:
            return self._attempt(lambda connection: dict(_sound_rows(connection, keys)))
        except sqlite3.OperationalError as error:
            raise _unusable(self.directory, error) from error

    def _store(self, rows: dict[bytes, Vector]) -> bool:
        """Commit rows together; False, with a warning, where the disk does not take them."""
        values = [
            (key, vector.tobytes(), _checksum(key, vector.tobytes()))
            for key, vector in rows.items()
        ]

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO vectors_1 VALUES (?, ?, ?)", values)
            _prune(connection, self.max_bytes)

        try:
            self._attempt(write)
        except sqlite3.OperationalError as error:
            _log.warning("%s: embeddings are no longer stored (%s).", self.directory, error)
            return False
        return True

    def _attempt(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` on the file; give a damaged file up, and run it once more on a new one."""
        path = self._path()
        try:
            with closing(self._open(path)) as connection:
                return action(connection)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _DAMAGE:
                raise
            _log.warning("%s is damaged (%s); its embeddings are computed again.", path, error)
        with closing(self._open(self._successor(path))) as connection:
            return action(connection)

    def _path(self) -> Path:
        """The newest file: a damaged one has a successor, which other processes pick up as well."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.directory}: the embedding cache cannot be made there ({error.strerror}). "
                "Give a directory that can be written; commands keep it below XDG_CACHE_HOME."
            ) from error
        numbers = [_generation(path) for path in self.directory.glob("embeddings-*.sqlite3")]
        return self.directory / f"embeddings-{max(numbers, default=0)}.sqlite3"

    def _successor(self, damaged: Path) -> Path:
        """A file under a new name: reusing the old one would mix two write-ahead logs."""
        path = self.directory / f"embeddings-{_generation(damaged) + 1}.sqlite3"
        self._open(path).close()
        for leftover in (damaged, Path(f"{damaged}-wal"), Path(f"{damaged}-shm")):
            with contextlib.suppress(OSError):
                leftover.unlink()
        return path

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(path, timeout=_BUSY_S)
        except sqlite3.OperationalError as error:
            raise _unusable(path, error) from error
        try:
            write_ahead(connection, _BUSY_S)
            connection.execute("PRAGMA synchronous = NORMAL")
            with connection:
                connection.execute(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection


def _unusable(place: Path, error: sqlite3.OperationalError) -> UsageError:
    return UsageError(
        f"{place}: the embedding cache cannot be opened ({error}). "
        "Give a directory that can be written; commands keep it below XDG_CACHE_HOME."
    )


def _key(encoder_hash: str, text: str) -> bytes:
    """16 bytes that stand for an encoder and a text, lone surrogates included."""
    content = f"{encoder_hash}\n{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).digest()


def _checksum(key: bytes, vector: bytes) -> int:
    return zlib.crc32(vector, zlib.crc32(key))


def _sound_rows(
    connection: sqlite3.Connection, keys: list[bytes]
) -> Iterator[tuple[bytes, Vector]]:
    """The rows among `keys` whose checksum holds; the others count as absent."""
    for batch in _batches(keys, _LOOKUP):
        marks = ",".join("?" * len(batch))
        query = f"SELECT key, vector, checksum FROM vectors_1 WHERE key IN ({marks})"  # noqa: S608
        for key, vector, checksum in connection.execute(query, batch):
            if isinstance(vector, bytes) and _checksum(key, vector) == checksum:
                yield key, np.frombuffer(vector, dtype=np.float32)


def _prune(connection: sqlite3.Connection, max_bytes: int) -> int:
    def pragma(name: str) -> int:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

    used = (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
    if used <= max_bytes:
        return 0
    rows = int(connection.execute("SELECT COUNT(*) FROM vectors_1").fetchone()[0])
    # A fifth more than needed goes, so that a full cache is not pruned at every batch.
    surplus = min(rows, int(rows * (1 - 0.8 * max_bytes / used)) + 1)
    oldest = "SELECT rowid FROM vectors_1 ORDER BY rowid LIMIT ?"
    with connection:
        connection.execute(f"DELETE FROM vectors_1 WHERE rowid IN ({oldest})", (surplus,))  # noqa: S608
    return surplus


def _batches(items: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _generation(path: Path) -> int:
    number = path.stem.removeprefix("embeddings-")
    return int(number) if number.isdecimal() else 0


def _encoded(encoder: Encoder, texts: list[str]) -> Vector:
    vectors = encoder.encode(texts)
    if vectors.shape[:1] != (len(texts),) or vectors.ndim != 2:
        raise EncoderError(
            f"encoder {encoder.name}: gave an array of shape {vectors.shape} for {len(texts)} texts."
        )
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _stacked(
    keys: list[bytes], found: dict[bytes, Vector], encoder: Encoder, texts: Sequence[str]
) -> Vector:
    if len({vector.shape for vector in found.values()}) == 1:
        return np.stack([found[key] for key in keys])
    # The same hash gave vectors of two lengths: what was stored is not this encoder's.
    return encoder.encode(texts)
