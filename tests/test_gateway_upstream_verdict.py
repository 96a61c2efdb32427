"""What statuses, headers and error documents mean."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehead.gateway.upstream.verdict import (
    NO_BODY,
    Verdict,
    first_event_error,
    hidden_error,
    is_json,
    judge,
    read_error,
    retry_after_s,
)

NOW = 1_700_000_000.0


def error(**fields: object) -> bytes:
    return json.dumps({"error": {"message": "", **fields}}).encode()


PLAIN = error(message="no such thing")


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        *((status, PLAIN, Verdict.REPEAT) for status in (408, 409, 425, 500, 502, 503, 504)),
        *((status, b"", Verdict.REPEAT) for status in (520, 524, 529)),
        *((status, PLAIN, Verdict.CALLER) for status in (400, 404, 413, 415, 422)),
        *((status, PLAIN, Verdict.OURS) for status in (401, 402, 403)),
        *((status, PLAIN, Verdict.NEXT) for status in (405, 406, 410, 451, 501, 505, 530)),
        (429, PLAIN, Verdict.LIMITED),
        (429, error(code="insufficient_quota"), Verdict.OURS),
        (400, error(code="model_not_found"), Verdict.OURS),
        (400, error(message="the model cannot do that"), Verdict.CALLER),
        (404, error(message="The model `x` does not exist."), Verdict.OURS),
        (404, error(code="DeploymentNotFound"), Verdict.OURS),
        (404, b'{"object": "error", "message": "The model x does not exist"}', Verdict.OURS),
        (404, b"<html>nginx</html>", Verdict.OURS),
        (404, b'{"detail": "Not Found"}', Verdict.CALLER),
        (400, b"<html>", Verdict.CALLER),
    ],
)
def test_verdicts(status: int, body: bytes, verdict: Verdict) -> None:
    assert judge(status, read_error(body)) is verdict


@given(st.binary(max_size=60) | st.text().map(lambda text: json.dumps({"error": text}).encode()))
def test_any_body_can_be_read(body: bytes) -> None:
    read_error(body)
    hidden_error(body)
    first_event_error(b"data: {" + body)


def test_an_answer_nested_too_deeply_is_unreadable_not_a_crash() -> None:
    deep = b'{"error": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert read_error(deep) is NO_BODY
    assert hidden_error(deep) == (False, False)
    assert not is_json(deep[:100_000])


def test_what_is_no_document_is_no_error() -> None:
    for body in (b"", b"[]", b"3", b"{", b"\xff"):
        assert read_error(body) is NO_BODY
    assert read_error(b'{"error": "a word"}').message == "a word"


@pytest.mark.parametrize(
    ("body", "readable", "failed"),
    [
        (b'{"choices": []}', True, False),
        (b'\n\n  {"choices": [], "error": null}', True, False),
        (b'{"error": {"message": "x"}}', True, True),
        (b'{"error": {"message": "x"}, "choices": null}', True, True),
        (b'{"error": {"message": "x"}, "choices": []}', True, False),
        (b'{"status": "failed", "error": {"code": "server_error"}, "output": []}', True, False),
        (b"[]", False, False),
        (b"<html>", False, False),
        (b"", False, False),
        (b'{"choices": [', False, False),
    ],
)
def test_errors_under_a_good_status(body: bytes, readable: bool, failed: bool) -> None:
    assert hidden_error(body) == (readable, failed)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


def test_streams_that_open_with_an_error() -> None:
    opened = first_event_error(b'\ndata: {"error": {"message": "busy", "code": 503}}\n\n')
    assert opened is not None
    assert (opened.message, opened.number) == ("busy", 503)
    assert first_event_error(b'data: {"choices": []}\n\n') is None
    assert first_event_error(b": keep-alive\n\n") is None
