"""`onehead log` and `onehead feedback`: out of the log, out of the way, and the last word."""

from __future__ import annotations

import csv
import json
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet
from stores import DAY, NOON, record

from onehead.cli.run import run
from onehead.sources import read_outcomes
from onehead.store import Store, new_decision_id
from onehead.store.export import EXPORTED, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from onehead.store import DecisionRecord

ODD = '=cmd|" /C calc"!A1, "quoted"\nü 🙂'


@pytest.fixture
def logged(store: Store) -> list[DecisionRecord]:
    """Two days of decisions: with a prompt and feedback, with a prompt, failed."""
    made = [
        record(NOON, prompt=ODD, session="s"),
        record(NOON + DAY, prompt=ODD),
        record(NOON + 2 * DAY, model=None, outcome="error", status=502, cost_usd=None),
    ]
    store.write(made)
    store.add_feedback(made[0].decision_id, 1.0, source="api")
    store.add_feedback(made[0].decision_id, 0.5, source="ui")
    return made


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_export_writes_every_decision_once(
    form: str,
    logged: list[DecisionRecord],
    store_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / f"log.{form}"
    assert run(["log", "export", "--store", store_url, "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"out": str(out), "n_decisions": 3}
    rows: list[dict[str, Any]]
    if form == "jsonl":
        rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        assert rows[0]["estimates"][1] == ["large", 0.9, 0.01, 0.3, "too dear"]
    elif form == "csv":
        with out.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert json.loads(rows[0]["constraints"]) == {"max_cost_usd": 0.01}
    else:
        rows = parquet.read_table(out).to_pylist()
        assert rows[0]["stream"] is False
        assert rows[2]["cost_usd"] is None
    assert list(rows[0])[: len(OUTCOMES)] == list(OUTCOMES)
    assert set(rows[0]) == set(EXPORTED)
    assert [row["prompt_id"] for row in rows] == [one.decision_id for one in logged]
    assert rows[0]["prompt"] == ODD
    assert float(rows[0]["quality"]) == 0.75
    assert rows[1]["quality"] in (None, "")


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_what_train_can_learn_from_is_read_by_train(
    form: str, logged: list[DecisionRecord], store: Store, store_url: str, tmp_path: Path
) -> None:
    store.add_feedback(logged[1].decision_id, 0.0)
    out = tmp_path / f"log.{form}"
    assert run(["log", "export", "--store", store_url, "--out", str(out), "--trainable"]) == 0
    table = read_outcomes([str(out)])
    assert table.prompt_ids == tuple(one.decision_id for one in logged[:2])
    assert table.models == ("small",)
    assert table.quality.ravel().tolist() == [0.75, 0.0]
    assert table.cost_usd.ravel().tolist() == [0.0015, 0.0015]


def test_export_of_a_span(logged: list[DecisionRecord], store_url: str, tmp_path: Path) -> None:
    out = tmp_path / "log.csv"
    words = ["log", "export", "--store", store_url, "--out", str(out)]
    day = datetime.fromtimestamp(NOON + DAY, UTC).date().isoformat()
    end = datetime.fromtimestamp(NOON + 2 * DAY, UTC).isoformat()
    assert run([*words, "--since", day, "--until", end]) == 0
    with out.open(newline="", encoding="utf-8") as file:
        assert [row["prompt_id"] for row in csv.DictReader(file)] == [logged[1].decision_id]


def test_an_export_that_fails_leaves_the_old_file(
    logged: list[DecisionRecord],
    store_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "log.parquet"
    out.write_text("old")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(["log", "export", "--store", store_url, "--out", str(out)]) == 2
    assert "onehead[data]" in capsys.readouterr().err
    assert out.read_text() == "old"


def test_delete_does_nothing_without_yes(
    logged: list[DecisionRecord],
    store: Store,
    store_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["log", "delete", "--store", store_url, "--all"]
    assert run(words) == 2
    assert "nothing was deleted" in capsys.readouterr().err
    assert store.count() == 3
    assert run([*words, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"deleted": 3}
    assert store.count() == 0


def test_delete_takes_what_is_named(
    logged: list[DecisionRecord], store: Store, store_url: str
) -> None:
    words = ["log", "delete", "--store", store_url, "--yes"]
    assert run([*words, "--session", "s"]) == 0
    assert store.count() == 2
    assert run([*words, "--decision", logged[1].decision_id]) == 0
    assert store.count() == 1
    assert run([*words, "--before", "2100-01-01"]) == 0
    assert store.count() == 0


def test_a_configuration_file_names_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite:///mine.db") as store:
        store.write([record()])
    (tmp_path / "onehead.toml").write_text('[store]\nurl = "sqlite:///mine.db"\n')
    assert run(["log", "export", "--config", "onehead.toml", "--out", "log.jsonl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_decisions"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["log", "export", "--out", "a.csv"], "one of --store URL and --config FILE"),
        (["log", "export", "--store", "sqlite:///no.db", "--out", "a.csv"], "no such file"),
        (
            ["log", "export", "--store", "sqlite:///no.db", "--out", "a.xls"],
            ".jsonl, .csv, .parquet",
        ),
        (["log", "export", "--store", "x://", "--out", "a.csv"], "no address of a store"),
        (
            ["log", "export", "--store", "sqlite:///a", "--out", "a.csv", "--since", "soon"],
            "no date",
        ),
        (["log", "delete", "--store", "sqlite:///no.db", "--yes"], "exactly one"),
        (["log", "delete", "--store", "sqlite:///no.db", "--yes", "--decision", "x"], "is no id"),
        (["log", "forget"], "Choose one of: export, delete"),
        (["feedback", "dec_1", "--quality", "1"], "one of --store URL and --config FILE"),
        (["feedback", "dec_1", "--quality", "1", "--url", "u", "--store", "s"], "one of --url"),
        (["feedback", "dec_1", "--quality", "good", "--store", "s"], "is not a number"),
        (
            ["feedback", "dec_1", "--quality", "1", "--url", "http://127.0.0.1:9"],
            "no gateway answers",
        ),
        (["feedback", "dec_1", "--quality", "1", "--url", "nonsense"], "no gateway answers"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_feedback_into_the_store(
    logged: list[DecisionRecord],
    store: Store,
    store_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = logged[1].decision_id
    words = ["--quality", "0.25", "--comment", ODD, "--store", store_url]
    assert run(["feedback", known, *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"decision_id": known, "quality": 0.25}
    (kept,) = store.feedback(known)
    assert (kept.quality, kept.comment, kept.source) == (0.25, ODD, "cli")
    assert run(["feedback", new_decision_id(), *words]) == 2
    assert run(["feedback", known, "--quality", "7", "--store", store_url]) == 2
    assert "is not from 0" in capsys.readouterr().err


class Gateway(BaseHTTPRequestHandler):
    """What a gateway answers to feedback."""

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        body = json.loads(self.rfile.read(size))
        self.server.seen.append((self.path, self.headers.get("authorization"), body))  # type: ignore[attr-defined]
        status, answer = {
            "known": (200, b"{}"),
            "unknown": (404, b'{"error": {"message": "there is no such decision."}}'),
            "no key": (401, b'{"error": {"message": "a key is needed."}}'),
            "broken": (500, b"oops"),
        }[body["decision_id"]]
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Gateway)
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_feedback_through_a_gateway(
    gateway: HTTPServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONEHEAD_KEY", "s3cret")
    words = ["--quality", "1", "--url", f"http://127.0.0.1:{gateway.server_port}/v1/"]
    assert run(["feedback", "known", *words]) == 0
    assert gateway.seen == [  # type: ignore[attr-defined]
        ("/v1/feedback", "Bearer s3cret", {"decision_id": "known", "quality": 1.0})
    ]
    for decision, code, says in (
        ("unknown", 2, "there is no such decision"),
        ("no key", 2, "Set ONEHEAD_KEY"),
        ("broken", 1, "answered 500"),
    ):
        assert run(["feedback", decision, *words]) == code
        assert says in capsys.readouterr().err
