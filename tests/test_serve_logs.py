"""What goes to stderr: lines that nothing can break or forge, without prompts, keys and answers."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from onehead.config import default_config, parse_config
from onehead.errors import ConfigError, DataError, UsageError
from onehead.gateway.telling import tell
from onehead.serve import Overrides, read, run
from onehead.serve.banner import banner
from onehead.serve.logs import configure_logs, logger
from onehead.serve.sockets import bind
from onehead.store import DecisionRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Lines:
    """The lines that were logged so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self) -> list[str]:
        return self._capsys.readouterr().err.splitlines()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    yield Lines(capsys)
    for name in ("onehead", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("form", ["text", "json"])
def test_only_listed_fields_are_logged(lines: Lines, form: str) -> None:
    configure_logs(form, "info")
    fields = {"request_id": "req_1", "prompt": "a secret", "api_key": "sk-1", "status": 200}
    logger.info("answered", extra={"fields": fields})
    (line,) = lines()
    assert "req_1" in line
    assert "a secret" not in line
    assert "sk-1" not in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_shows_its_place_and_not_its_words(lines: Lines, form: str) -> None:
    configure_logs(form, "info")
    try:
        fail(ValueError("the user wrote: a secret"))
    except ValueError:
        logger.exception("failed")
    try:
        fail(DataError("the table has no rows."))
    except DataError:
        logger.exception("failed")
    told = lines()
    text = "\n".join(told)
    assert "a secret" not in text
    assert "ValueError" in text
    assert "the table has no rows." in text
    assert "test_serve_logs.py:" in text
    assert len(told) == 2


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_names_break_no_line_and_steer_no_terminal(lines: Lines, form: str) -> None:
    configure_logs(form, "info")
    evil = 'x\nERROR forged=1 \x1b[2J\u202e"} ' + "y" * 5000
    logger.info("answered", extra={"fields": {"path": evil, "model": "\udcff"}})
    (line,) = lines()
    assert "\x1b" not in line
    assert len(line) < 1500


def test_json_lines_have_time_level_and_message(lines: Lines) -> None:
    configure_logs("json", "warning")
    logger.info("too little")
    logger.warning("enough", extra={"fields": {"status": 503, "error": None}})
    (line,) = lines()
    document = json.loads(line)
    assert document.pop("time").endswith("Z")
    assert document == {
        "level": "warning", "logger": "onehead", "message": "enough", "status": 503,
    }  # fmt: skip


def test_the_servers_own_warnings_take_the_same_way(lines: Lines) -> None:
    configure_logs("json", "error")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert json.loads(lines()[0])["logger"] == "uvicorn.error"


def test_the_banner_shows_neither_passwords_nor_upstream_keys() -> None:
    text = """
[store]
url = "postgresql://me:${PASSWORD}@db.example:5432/onehead"
[gateway]
host = "::"
keys = ["${KEY}"]
workers = 3
[[models]]
id = "strong"
base_url = "https://llm.example/v1"
api_key = "${UPSTREAM}"
free = true
"""
    environment = {"PASSWORD": "pw-secret", "KEY": "sk-secret", "UPSTREAM": "up-secret"}
    shown = banner(parse_config(text, environment=environment, where="here"), 8080)
    assert "secret" not in shown
    assert "http://[::1]:8080/v1" in shown
    assert "with 3 workers" in shown
    assert "strong → llm.example" in shown
    assert "1 key" in shown


def test_options_win_over_the_file_and_are_checked_with_it(tmp_path: Path) -> None:
    path = tmp_path / "onehead.toml"
    path.write_text("[gateway]\nport = 1\n[routing]\nrouter = 'mine'\n", "utf-8")
    config = read(path, Overrides(port=2, workers=3, router="other", demo=True))
    assert (config.gateway.port, config.gateway.workers) == (2, 3)
    assert (config.routing.router, config.demo) == ("other", True)
    assert read(path, Overrides()).gateway.port == 1
    with pytest.raises(ConfigError, match="open to everyone"):
        read(path, Overrides(host="0.0.0.0"))


def test_a_store_in_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "onehead.toml"
    path.write_text("[store]\nurl = 'sqlite://'\n", "utf-8")
    with pytest.raises(ConfigError, match="in memory"):
        read(path, Overrides())


def test_a_free_port_is_found_and_a_taken_one_refused() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1:{port} is in use"):
            bind("127.0.0.1", port)
        config = default_config()
        with pytest.raises(UsageError, match="in use"):
            run(Overrides(port=port).apply(config), create_app=lambda _: pytest.fail("made"))


def test_a_request_is_one_line_by_how_it_ended(lines: Lines) -> None:
    configure_logs("json", "info")
    asked = DecisionRecord(
        decision_id="dec_1", at=1.0, request_id="req_1", prompt="a secret", asked_model="a secret"
    )
    tell(asked)
    asked.outcome, asked.status, asked.error = "error", 502, "all_failed"
    asked.attempts = [{"model": "strong", "outcome": "timeout", "seconds": 1.0}]
    asked.total_s = 1.23456
    tell(asked)
    (line,) = lines()
    assert "a secret" not in line
    document = json.loads(line)
    assert document["level"] == "warning"
    assert document["message"] == "error"
    assert (document["request_id"], document["decision_id"]) == ("req_1", "dec_1")
    assert (document["status"], document["attempts"], document["total_ms"]) == (502, 1, 1234.56)
