"""The HTTP encoder against a pretended endpoint: batches, retries, checks, and no key shown."""

from __future__ import annotations

import email.utils
import json
import time

import httpx
import numpy as np
import pytest

from onehead.encoders import load_encoder
from onehead.encoders.remote import HttpEncoder
from onehead.errors import EncoderError, UsageError

KEY = "sk-very-secret"


class Endpoint:
    """Answers with (length, number of blanks, 1) per text, after the failures it is given."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        data = [
            {"index": place, "embedding": [len(text), text.count(" "), 1]}
            for place, text in enumerate(json.loads(request.content)["input"])
        ]
        return httpx.Response(200, json={"data": data[::-1]})

    @property
    def inputs(self):
        return [json.loads(request.content)["input"] for request in self.requests]


def encoder_of(endpoint, waits=None):
    sleep = waits.append if waits is not None else lambda seconds: None
    transport = httpx.MockTransport(endpoint)
    return HttpEncoder("small", "http://host/v1", transport=transport, sleep=sleep)


def answer(data):
    return httpx.Response(200, json={"data": data})


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("ONEHEAD_EMBEDDINGS_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")


def test_vectors_come_in_the_order_of_the_texts():
    endpoint = Endpoint()
    encoder = encoder_of(endpoint)
    np.testing.assert_array_equal(encoder.encode(["abc", "a b c"]), [[3, 0, 1], [5, 2, 1]])
    assert encoder.dimension == 3
    assert len(endpoint.requests) == 1
    request = endpoint.requests[0]
    assert str(request.url) == "http://host/v1/embeddings"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(request.content)["model"] == "small"


def test_the_dimension_is_asked_for_once():
    endpoint = Endpoint()
    encoder = encoder_of(endpoint)
    assert encoder.encode([]).shape == (0, 3)
    assert encoder.dimension == 3
    assert len(endpoint.requests) == 1


def test_many_or_long_texts_go_in_batches():
    endpoint = Endpoint()
    texts = ["x" * n for n in range(1, 131)] + ["y" * 150_000] * 2
    vectors = encoder_of(endpoint).encode(texts)
    assert vectors[:, 0].tolist() == [len(text) for text in texts]
    assert [len(batch) for batch in endpoint.inputs] == [64, 64, 3, 1]


def test_odd_texts_are_sent_as_valid_json():
    endpoint = Endpoint()
    encoder_of(endpoint).encode(["", "\ud800", "a\0b", "日本 🎉"])
    assert endpoint.inputs == [[" ", " ", "a\0b", "日本 🎉"]]


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(429),
        httpx.Response(503),
        httpx.Response(408),
        httpx.ConnectError("refused"),
    ],
)
def test_passing_failures_are_tried_again_with_growing_pauses(failure):
    waits = []
    endpoint = Endpoint(failure, failure, failure)
    assert encoder_of(endpoint, waits).encode(["a"]).shape == (1, 3)
    assert 0.3 < waits[0] < waits[1] < waits[2] < 3


def test_retry_after_is_honoured_within_a_minute():
    waits = []
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    after = [httpx.Response(429, headers={"retry-after": v}) for v in ("7", "9999", date, "soon")]
    encoder_of(Endpoint(*after), waits).encode(["a"])
    assert waits[:2] == [7, 60]
    assert 25 < waits[2] <= 30
    assert 0.5 < waits[3] < 10


def test_it_gives_up_after_five_attempts():
    endpoint = Endpoint(*[httpx.Response(503, text="down for repair")] * 9)
    with pytest.raises(EncoderError, match="gave status 503: down for repair"):
        encoder_of(endpoint).encode(["a"])
    assert len(endpoint.requests) == 5
    with pytest.raises(EncoderError, match="ConnectError: refused"):
        encoder_of(Endpoint(*[httpx.ConnectError("refused")] * 9)).encode(["a"])


def test_it_waits_for_a_silent_endpoint_twice_only():
    endpoint = Endpoint(*[httpx.ReadTimeout("timed out")] * 9)
    with pytest.raises(EncoderError, match=r"gave ReadTimeout: timed out for model 'small'"):
        encoder_of(endpoint).encode(["a"])
    assert len(endpoint.requests) == 2
    assert encoder_of(Endpoint(httpx.ReadTimeout("timed out"))).encode(["a"]).shape == (1, 3)


def test_a_refused_key_is_not_tried_again_and_not_shown():
    endpoint = Endpoint(httpx.Response(401, text=f"Incorrect key: {KEY}"))
    with pytest.raises(EncoderError, match="Set ONEHEAD_EMBEDDINGS_KEY") as caught:
        encoder_of(endpoint).encode(["a"])
    assert KEY not in str(caught.value)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("variable", ["ONEHEAD_EMBEDDINGS_KEY", "OPENAI_API_KEY"])
def test_keys_by_precedence(monkeypatch, variable):
    if variable == "OPENAI_API_KEY":
        monkeypatch.delenv("ONEHEAD_EMBEDDINGS_KEY")
    endpoint = Endpoint()
    encoder_of(endpoint).encode(["a"])
    expected = KEY if variable == "ONEHEAD_EMBEDDINGS_KEY" else "sk-other"
    assert endpoint.requests[0].headers["authorization"] == f"Bearer {expected}"


def test_without_a_key_none_is_sent(monkeypatch):
    monkeypatch.delenv("ONEHEAD_EMBEDDINGS_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    endpoint = Endpoint()
    encoder_of(endpoint).encode(["a"])
    assert "authorization" not in endpoint.requests[0].headers


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (httpx.Response(200, text="<html>"), "not a list of embeddings"),
        (httpx.Response(200, json=[]), "not a list of embeddings"),
        (httpx.Response(200, json={"data": None}), "not a list of embeddings"),
        (answer([]), "0 embeddings for 2 texts"),
        (answer([{"embedding": [1.0]}]), "1 embeddings for 2 texts"),
        (answer([{"index": 0, "embedding": [1.0]}] * 2), "or not theirs"),
        (answer([{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}]), "not a list of embeddings"),
        (answer([{"embedding": ["x"]}, {"embedding": ["y"]}]), "not a list of embeddings"),
        (answer([{"embedding": []}, {"embedding": []}]), "empty or not finite"),
        (answer([{"embedding": [1e300]}, {"embedding": [1]}]), "empty or not finite"),
        (answer([{"embedding": [None]}, {"embedding": [1]}]), "empty or not finite"),
        (httpx.Response(301, headers={"location": "http://evil"}), "status 301"),
    ],
)
def test_wrong_answers_are_refused(response, says):
    with pytest.raises(EncoderError, match=says):
        encoder_of(Endpoint(response)).encode(["a", "b"])


def test_a_length_that_changes_is_refused():
    encoder = encoder_of(Endpoint(answer([{"embedding": [1.0, 2.0]}])))
    encoder.encode(["a"])
    with pytest.raises(EncoderError, match="length 3 after vectors of length 2"):
        encoder.encode(["b"])


def test_the_specification_names_model_and_url():
    one = load_encoder("http:org/embed@v2@https://host:8000/v1/")
    assert one.name == "http:org/embed@v2@https://host:8000/v1/"
    assert one.model == "org/embed@v2"
    assert one.url == "https://host:8000/v1/embeddings"
    same = load_encoder("http:org/embed@v2@https://host:8000/v1/embeddings")
    other = load_encoder("http:org/embed@https://host:8000/v1")
    assert one.hash == same.hash != other.hash
    assert KEY not in repr(vars(one)["name"]) + one.hash


@pytest.mark.parametrize("spec", ["http:model", "http:@http://x", "http:model@ftp://x"])
def test_a_specification_that_cannot_be_taken_shows_the_form(spec):
    with pytest.raises(UsageError, match="give http:MODEL@URL"):
        load_encoder(spec)


def test_a_password_in_the_url_is_refused_and_not_shown():
    with pytest.raises(UsageError, match="user or password") as caught:
        load_encoder("http:model@https://me:hunter2@host/v1")
    assert "hunter2" not in str(caught.value)
