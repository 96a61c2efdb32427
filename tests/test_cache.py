"""The embedding cache: computed once, shared by processes, and never trusted when damaged."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from onehead.cache import EmbeddingCache
from onehead.encoders import load_encoder
from onehead.errors import EncoderError, UsageError


class Letters:
    """Counts letters, and how many texts it was asked for."""

    name = "letters"
    dimension = 3

    def __init__(self, salt: str = "") -> None:
        self.hash = hashlib.sha256(salt.encode()).hexdigest()
        self.asked: list[str] = []

    def encode(self, texts):
        self.asked += texts
        rows = [[text.count("a"), text.count("b"), len(text)] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(-1, 3)


TEXTS = ["a", "bb", "", "ab", "a", "\ud800 lone", "\0", "日本語 🎉"]


def files(directory):
    return sorted(path.name for path in directory.glob("*.sqlite3"))


def test_computes_once_and_gives_the_encoders_own_vectors(tmp_path):
    encoder, cache = Letters(), EmbeddingCache(tmp_path)
    expected = Letters().encode(TEXTS)
    np.testing.assert_array_equal(cache.encode(encoder, TEXTS), expected)
    assert sorted(encoder.asked) == sorted(set(TEXTS))
    again = EmbeddingCache(tmp_path).encode(encoder, [*TEXTS, "new"])
    np.testing.assert_array_equal(again[:-1], expected)
    assert encoder.asked[-1] == "new"
    assert len(encoder.asked) == len(set(TEXTS)) + 1


def test_no_texts(tmp_path):
    assert EmbeddingCache(tmp_path).encode(Letters(), []).shape == (0, 3)


def test_another_encoder_shares_nothing(tmp_path):
    cache, other = EmbeddingCache(tmp_path), Letters("other")
    cache.encode(Letters(), TEXTS)
    cache.encode(other, TEXTS)
    assert set(other.asked) == set(TEXTS)


def test_progress_counts_texts_up_to_all(tmp_path):
    told = []
    texts = [str(i % 700) for i in range(1000)]
    EmbeddingCache(tmp_path).encode(
        Letters(), texts, lambda done, total: told.append((done, total))
    )
    assert told[0] == (0, 1000)
    assert told[-1] == (1000, 1000)
    assert told == sorted(told)


def test_ten_thousand_lookups_take_well_under_a_second(tmp_path):
    texts = [f"prompt number {i}" for i in range(10_000)]
    cache, encoder = EmbeddingCache(tmp_path), Letters()
    cache.encode(encoder, texts)
    start = time.process_time()
    cache.encode(encoder, texts)
    assert time.process_time() - start < 0.8
    assert len(encoder.asked) == 10_000


def test_a_changed_vector_is_computed_again(tmp_path):
    cache = EmbeddingCache(tmp_path)
    cache.encode(Letters(), TEXTS)
    with sqlite3.connect(tmp_path / "embeddings-0.sqlite3") as connection:
        wrong = np.full(3, 9, dtype=np.float32).tobytes()
        connection.execute("UPDATE vectors_1 SET vector = ?", (wrong,))
    connection.close()
    encoder = Letters()
    np.testing.assert_array_equal(cache.encode(encoder, TEXTS), Letters().encode(TEXTS))
    assert set(encoder.asked) == set(TEXTS)


@pytest.mark.parametrize("how", ["garbage", "truncated", "page"])
def test_a_damaged_file_is_given_up_and_rebuilt(tmp_path, how, caplog):
    texts = [f"text {i}" for i in range(3000)]
    cache = EmbeddingCache(tmp_path)
    cache.encode(Letters(), texts)
    path = tmp_path / "embeddings-0.sqlite3"
    content = bytearray(path.read_bytes())
    if how == "garbage":
        content = bytearray(b"not a database at all" * 1000)
    elif how == "truncated":
        content = content[: len(content) // 2]
    else:
        content[4096:20_480] = os.urandom(16_384)
    path.write_bytes(content)
    np.testing.assert_array_equal(cache.encode(Letters(), texts), Letters().encode(texts))
    assert files(tmp_path) == ["embeddings-1.sqlite3"]
    assert "damaged" in caplog.text
    encoder = Letters()
    cache.encode(encoder, texts)
    assert encoder.asked == []


def test_it_stays_bounded_and_drops_the_oldest(tmp_path):
    cache = EmbeddingCache(tmp_path, max_bytes=300_000)
    for start in range(0, 20_000, 2000):
        cache.encode(Letters(), [f"text {i}" for i in range(start, start + 2000)])
    assert (tmp_path / "embeddings-0.sqlite3").stat().st_size < 600_000
    encoder = Letters()
    cache.encode(encoder, ["text 19999", "text 0"])
    assert encoder.asked == ["text 0"]
    assert cache.prune(0) > 0
    cache.encode(encoder, ["text 19999"])
    assert encoder.asked[-1] == "text 19999"


WORKER = textwrap.dedent("""
    import sys, time
    sys.path.insert(0, sys.argv[1])
    from test_cache import Letters
    from onehead.cache import EmbeddingCache

    class Slow(Letters):
        def encode(self, texts):
            time.sleep(float(sys.argv[5]))
            return super().encode(texts)

    first, last = int(sys.argv[3]), int(sys.argv[4])
    cache, encoder = EmbeddingCache(sys.argv[2]), Slow()
    print("ready", flush=True)
    for start in range(first, last, 50):
        cache.encode(encoder, [f"text {i}" for i in range(start, start + 50)])
""")


def worker(tmp_path, first, last, pause):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", WORKER, here, str(tmp_path), str(first), str(last), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_two_processes_write_at_once(tmp_path):
    workers = [worker(tmp_path, 0, 3000, 0), worker(tmp_path, 1500, 4500, 0)]
    for process in workers:
        process.communicate(timeout=60)
        assert process.returncode == 0
    encoder = Letters()
    texts = [f"text {i}" for i in range(4500)]
    np.testing.assert_array_equal(
        EmbeddingCache(tmp_path).encode(encoder, texts), Letters().encode(texts)
    )
    assert encoder.asked == []


def test_a_process_killed_while_writing_leaves_a_sound_cache(tmp_path):
    process = worker(tmp_path, 0, 10**7, 0)
    with process:
        process.stdout.readline()
        time.sleep(0.4)
        process.send_signal(signal.SIGKILL)
    encoder = Letters()
    texts = [f"text {i}" for i in range(200)]
    vectors = EmbeddingCache(tmp_path).encode(encoder, texts)
    np.testing.assert_array_equal(vectors, Letters().encode(texts))
    assert files(tmp_path) == ["embeddings-0.sqlite3"]
    assert len(encoder.asked) < 200


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be made there"):
        EmbeddingCache(tmp_path / "file").encode(Letters(), ["a"])


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path, monkeypatch):
    cache = EmbeddingCache(tmp_path)
    cache.encode(Letters(), ["a"])
    monkeypatch.setattr("onehead.cache._BUSY_S", 0.05)
    with closing(sqlite3.connect(tmp_path / "embeddings-0.sqlite3")) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UsageError, match=r"cannot be opened \(database is locked\)"):
            cache.encode(Letters(), ["a"])


def test_a_disk_that_takes_no_more_only_stops_the_storing(tmp_path, monkeypatch, caplog):
    cache = EmbeddingCache(tmp_path)
    open_file = cache._open

    def small(path):
        connection = open_file(path)
        connection.execute("PRAGMA max_page_count = 4")
        return connection

    monkeypatch.setattr(cache, "_open", small)
    texts = [f"text {i}" for i in range(2000)]
    np.testing.assert_array_equal(cache.encode(Letters(), texts), Letters().encode(texts))
    assert caplog.text.count("no longer stored") == 1


def test_an_encoder_that_gives_too_few_vectors_is_refused(tmp_path):
    class Short(Letters):
        def encode(self, texts):
            return super().encode(texts)[:-1]

    with pytest.raises(EncoderError, match=r"shape \(1, 3\) for 2 texts"):
        EmbeddingCache(tmp_path).encode(Short(), ["a", "b"])


def test_a_new_cache_is_opened_by_many_at_the_same_moment(tmp_path):
    """SQLite refuses some of them at once; without another try about one round in sixty failed."""
    encoder, failures = load_encoder("static"), []

    def encode(directory, together):
        together.wait()
        try:
            EmbeddingCache(directory).encode(encoder, ["a text"])
        except BaseException as error:  # noqa: BLE001  (told in the test's own thread)
            failures.append(error)

    for number in range(60):
        together = threading.Barrier(8)
        arguments = (tmp_path / str(number), together)
        threads = [threading.Thread(target=encode, args=arguments) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures, failures
