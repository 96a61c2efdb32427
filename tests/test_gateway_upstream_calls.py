"""One call to one upstream: every way to fail, streamed or not, and what comes back."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from stub_upstream import WORDS, Stub, running_stub
from upstream_calls import QUICK, ask, model, outcomes, pooled, read, upstreams_of

from onehead.config import UpstreamConfig
from onehead.gateway.errors import GatewayError
from onehead.gateway.upstream import AllFailed, StreamBroken, Upstreams

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with running_stub() as stub:
        yield stub


async def failed(stub: Stub, behaviour: str, *, stream: bool, **options: Any) -> AllFailed:
    """How a plan of one model fails, without repeats unless asked for."""
    async with upstreams_of(stub, behaviour, **{"retries": 0, "max_attempts": 1, **options}) as ups:
        with pytest.raises(AllFailed) as caught:
            await ask(ups, [behaviour], stream=stream)
        assert pooled(ups) == (0, 0)
    return caught.value


def test_a_whole_answer_comes_as_it_is(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "ok") as upstreams:
            answer = await ask(upstreams, ["ok"])
            assert (answer.model, answer.status) == ("ok", 200)
            assert answer.content_type == "application/json"
            assert json.loads(answer.body or b"")["choices"][0]["message"]["content"] == "Paris."
            assert answer.chunks is None
            assert outcomes(answer) == [("ok", "ok", 200)]
            assert answer.attempts[0].seconds > 0
            assert pooled(upstreams) == (0, 0)

    asyncio.run(run())


def test_a_stream_comes_event_by_event(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "ok") as upstreams:
            answer = await ask(upstreams, ["ok"], stream=True)
            assert answer.content_type == "text/event-stream"
            assert answer.body is None
            text = await read(answer)
            assert text.count(b"data: ") == len(WORDS) + 1
            assert text.endswith(b"data: [DONE]\n\n")
            await answer.close()
            assert outcomes(answer) == [("ok", "ok", 200)]
            assert pooled(upstreams) == (0, 0)

    asyncio.run(run())


def test_a_get_has_no_body_and_other_paths_pass_whatever_they_are(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "raw-audio/mpeg|ID3\x00") as upstreams:
            name = "raw-audio/mpeg|ID3\x00"
            assert await read(await ask(upstreams, [name], path="/audio/speech")) == b"ID3\x00"
            streamed = await ask(upstreams, [name], path="/audio/speech", stream=True)
            assert streamed.content_type == "audio/mpeg"
            assert await read(streamed) == b"ID3\x00"

    asyncio.run(run())


@BOTH
@pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
def test_the_callers_mistakes_are_answers(stub: Stub, status: int, stream: bool) -> None:
    name = f"status-{status}"

    async def run() -> None:
        async with upstreams_of(stub, name, "ok", breaker_failures=1) as upstreams:
            answer = await ask(upstreams, [name, "ok"], stream=stream)
            assert answer.status == status
            assert answer.chunks is None
            assert json.loads(answer.body or b"")["error"]["message"] == f"stub {status}"
            assert outcomes(answer) == [(name, "ok", status)]
            assert upstreams.state(name) == "closed"

    asyncio.run(run())


@BOTH
@pytest.mark.parametrize(
    ("behaviour", "outcome", "seen", "status", "code"),
    [
        ("status-500", "status", 500, 500, "upstream_status"),
        ("status-503", "status", 503, 503, "upstream_status"),
        ("status-529", "status", 529, 529, "upstream_status"),
        ("status-429", "status", 429, 429, "upstream_status"),
        ("status-405", "status", 405, 502, "upstream_status"),
        ("status-401", "status", 401, 502, "upstream_refused_us"),
        ("status-402", "status", 402, 502, "upstream_refused_us"),
        ("status-403", "status", 403, 502, "upstream_refused_us"),
        ("redirect", "status", 307, 502, "upstream_redirect"),
        ("raw-text/html|<html>not json</html>", "garbage", 200, 502, "upstream_garbage"),
        ("cutearly", "broken", None, 502, "upstream_broken"),
    ],
)
def test_failures(
    stub: Stub, behaviour: str, outcome: str, seen: int, status: int, code: str, stream: bool
) -> None:
    error = asyncio.run(failed(stub, behaviour, stream=stream))
    assert outcomes(error) == [(behaviour, outcome, seen)]
    assert (error.status, error.code) == (status, code)
    assert repr(behaviour) in str(error)


@BOTH
def test_an_upstreams_own_error_is_handed_on(stub: Stub, stream: bool) -> None:
    error = asyncio.run(failed(stub, "later-429-7", stream=stream))
    assert json.loads(error.body or b"")["error"]["message"] == "stub 429"
    assert error.retry_after == error.attempts[0].retry_after == 7


@BOTH
@pytest.mark.parametrize("status", [401, 403])
def test_an_upstreams_word_about_our_key_is_not(stub: Stub, status: int, stream: bool) -> None:
    error = asyncio.run(failed(stub, f"status-{status}", stream=stream))
    assert error.body is None
    assert error.status == 502


@BOTH
def test_nothing_within_the_first_byte_limit(stub: Stub, stream: bool) -> None:
    error = asyncio.run(failed(stub, "hang", stream=stream, first_byte_timeout_s=0.05))
    assert outcomes(error) == [("hang", "timeout", None)]
    assert (error.status, error.code) == (504, "upstream_timeout")
    assert stub.gone["hang"].wait(5)


@pytest.mark.parametrize("limit", ["idle_timeout_s", "total_timeout_s"])
def test_an_answer_that_stops_halfway_is_given_up(stub: Stub, limit: str) -> None:
    error = asyncio.run(failed(stub, "pause", stream=False, **{limit: 0.05}))
    assert outcomes(error) == [("pause", "timeout", 200)]
    assert stub.gone["pause"].wait(5)


@pytest.mark.parametrize(
    ("limit", "why"), [("idle_timeout_s", "no byte"), ("total_timeout_s", "as a whole")]
)
def test_a_stream_that_stops_halfway_breaks(stub: Stub, limit: str, why: str) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "pause", **{limit: 0.05}) as upstreams:
            answer = await ask(upstreams, ["pause"], stream=True)
            with pytest.raises(StreamBroken, match=why):
                await read(answer)
            assert outcomes(answer) == [("pause", "broken", 200)]
            assert pooled(upstreams) == (0, 0)
            assert upstreams.stats()["pause"].failures == 1

    asyncio.run(run())


def test_a_whole_answer_that_is_cut_fails(stub: Stub) -> None:
    error = asyncio.run(failed(stub, "cut", stream=False))
    assert outcomes(error) == [("cut", "broken", 200)]


def test_a_stream_that_is_cut_breaks_after_its_first_bytes(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "cut", "ok") as upstreams:
            answer = await ask(upstreams, ["cut", "ok"], stream=True)
            assert answer.chunks is not None
            chunks = aiter(answer.chunks)
            assert await anext(chunks) == b'data: {"n": 1}\n\n'
            with pytest.raises(StreamBroken, match="closed the connection"):
                await anext(chunks)
            with pytest.raises(StopAsyncIteration):
                await anext(chunks)
            await answer.close()
            assert outcomes(answer) == [("cut", "broken", 200)]
            assert pooled(upstreams) == (0, 0)

    asyncio.run(run())
    assert stub.count["ok-never"] == 0


def test_an_answer_beyond_the_limit_is_given_up(stub: Stub) -> None:
    big = "raw-application/json|" + json.dumps(["x" * 1_100_000])
    error = asyncio.run(failed(stub, big, stream=False, max_answer_mb=1))
    assert error.attempts[0].outcome == "garbage"
    assert "max_answer_mb" in (error.attempts[0].reason or "")


def test_a_document_in_place_of_a_stream_is_passed_along(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "json") as upstreams:
            answer = await ask(upstreams, ["json"], stream=True)
            assert answer.chunks is None
            assert answer.content_type == "application/json"
            assert json.loads(answer.body or b"")["object"] == "chat.completion"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("behaviour", "stream", "status"),
    [
        ('raw-application/json|{"error": {"message": "down", "code": 503}}', False, 503),
        ('raw-application/json|{"error": {"message": "down"}}', False, 502),
        ('raw-text/event-stream|data: {"error": {"message": "x", "code": 529}}\n\n', True, 529),
        ('raw-text/event-stream|event: error\ndata: {"error": {"message": "x"}}\n\n', True, 502),
    ],
)
def test_an_error_under_status_200_is_a_failure(
    stub: Stub, behaviour: str, stream: bool, status: int
) -> None:
    error = asyncio.run(failed(stub, behaviour, stream=stream))
    assert error.status == status
    assert error.attempts[0].outcome == "status"


def test_a_callers_mistake_under_status_200_is_an_answer(stub: Stub) -> None:
    name = 'raw-application/json|{"error": {"message": "too long", "code": 400}}'

    async def run() -> None:
        async with upstreams_of(stub, name) as upstreams:
            assert b"too long" in await read(await ask(upstreams, [name]))

    asyncio.run(run())


@BOTH
def test_what_is_compressed_unasked_arrives_plain(stub: Stub, stream: bool) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "gzip") as upstreams:
            answer = await ask(upstreams, ["gzip"], stream=stream)
            assert json.loads(await read(answer))["object"] == "chat.completion"

    asyncio.run(run())


def test_an_empty_answer_to_another_path_is_one(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "raw-|") as upstreams:
            for stream in (False, True):
                answer = await ask(upstreams, ["raw-|"], path="/files/f-1", stream=stream)
                assert answer.body == b""

    asyncio.run(run())


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@BOTH
def test_nobody_listens(stream: bool) -> None:
    async def run() -> AllFailed:
        config = UpstreamConfig(**{**QUICK, "retries": 0})
        absent = model("absent", f"http://127.0.0.1:{free_port()}/v1?key=sk-query")
        async with Upstreams(config, [absent]) as upstreams:
            with pytest.raises(AllFailed) as caught:
                await ask(upstreams, ["absent"], stream=stream)
            return caught.value

    error = asyncio.run(run())
    assert outcomes(error) == [("absent", "connect", None)]
    assert (error.status, error.code) == (502, "upstream_connect")
    assert "127.0.0.1" in (error.attempts[0].reason or "")
    assert "127.0.0.1" not in str(error)


def test_a_connection_that_takes_too_long() -> None:
    async def run(port: int) -> AllFailed:
        config = UpstreamConfig(**{**QUICK, "retries": 0, "connect_timeout_s": 0.05})
        async with Upstreams(config, [model("m", f"https://127.0.0.1:{port}")]) as upstreams:
            with pytest.raises(AllFailed) as caught:
                await ask(upstreams, ["m"])
            return caught.value

    with socket.create_server(("127.0.0.1", 0)) as silent:  # it never says a word of TLS
        error = asyncio.run(run(silent.getsockname()[1]))
    assert outcomes(error) == [("m", "connect", None)]
    assert error.attempts[0].reason == "no connection within 0.05 s"


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
)
def test_what_answers_is_no_http_server(reply: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")  # a server that leaves bytes unread resets the connection
        writer.write(reply)
        writer.close()
        await writer.wait_closed()

    async def run() -> AllFailed:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            config = UpstreamConfig(**{**QUICK, "retries": 0})
            async with Upstreams(config, [model("m", f"http://127.0.0.1:{port}")]) as upstreams:
                with pytest.raises(AllFailed) as caught:
                    await ask(upstreams, ["m"])
                return caught.value

    error = asyncio.run(run())
    assert {one.outcome for one in error.attempts} == {"garbage" if reply else "broken"}


def test_a_model_without_an_upstream_says_how_to_mend_it(stub: Stub) -> None:
    async def run(plan: list[str]) -> AllFailed:
        models = [model("bare", None), model("status-500", stub.url)]
        async with Upstreams(UpstreamConfig(**{**QUICK, "retries": 0}), models) as upstreams:
            with pytest.raises(AllFailed) as caught:
                await ask(upstreams, plan)
            return caught.value

    error = asyncio.run(run(["bare"]))
    assert (error.status, error.code) == (503, "no_upstream")
    assert str(error) == (
        "model 'bare' has no upstream here: set base_url for it in the configuration, "
        "or start with --demo"
    )
    assert outcomes(error) == [("bare", "refused", None)]
    assert asyncio.run(run(["status-500", "bare"])).status == 500


def test_an_empty_plan_is_refused(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "ok") as upstreams:
            with pytest.raises(GatewayError, match="names no model"):
                await ask(upstreams, [])

    asyncio.run(run())


def test_an_unknown_model_is_named(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "ok") as upstreams:
            with pytest.raises(GatewayError, match="'missing' is not configured"):
                await ask(upstreams, ["missing"])

    asyncio.run(run())
