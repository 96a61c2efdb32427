"""What goes to an upstream, where it goes, and which headers come back."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from stub_upstream import Stub, completion, running_stub
from upstream_calls import KEY, QUICK, ask, model, pooled, upstreams_of

from onehead.config import Secret, UpstreamConfig
from onehead.errors import ConfigError
from onehead.gateway.errors import GatewayError
from onehead.gateway.upstream import Upstreams

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with running_stub() as stub:
        yield stub


def test_only_safe_headers_come_back(stub: Stub) -> None:
    async def run() -> dict[str, str]:
        async with upstreams_of(stub, "ok") as upstreams:
            return dict((await ask(upstreams, ["ok"])).headers)

    assert asyncio.run(run()) == {
        "x-upstream-request-id": "req-1",
        "x-ratelimit-remaining-requests": "7",
        "openai-processing-ms": "3",
    }


def test_what_goes_upstream(stub: Stub) -> None:
    azure = model(
        "ok",
        stub.url + "/",
        headers={"api-key": Secret("sk-azure")},
        query={"api-version": "2025-01"},
    )

    async def run() -> None:
        async with Upstreams(UpstreamConfig(), [azure]) as upstreams:
            sent = {
                "Authorization": "Bearer of-the-caller",
                "API-KEY": "of-the-caller",
                "cookie": "c=1",
                "host": "elsewhere",
                "traceparent": "00-1-2-03",
                "x-smuggled": "a\r\nb: c",
            }
            path = "/chat/completions?limit=2&api-version=1999"
            await ask(upstreams, ["ok"], path=path, headers=sent)

    asyncio.run(run())
    seen = stub.requests[-1]
    assert seen["path"] == "/v1/chat/completions"
    assert seen["query"] == "limit=2&api-version=2025-01"
    headers = seen["headers"]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["api-key"] == "sk-azure"
    assert headers["traceparent"] == "00-1-2-03"
    assert headers["accept-encoding"] == "identity"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("onehead/")
    assert headers["host"] in stub.url
    assert not {"cookie", "x-smuggled"} & set(headers)


def test_a_large_body_goes_whole(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "ok") as upstreams:
            body = json.dumps({"model": "ok", "messages": ["x" * 3_000_000]}).encode()
            answer = await upstreams.answer(
                ["ok"], lambda _: body, path="/chat/completions", stream=False, headers={}
            )
            assert answer.status == 200
            assert stub.requests[-1]["body"] == body
            assert stub.requests[-1]["headers"]["content-length"] == str(len(body))

    asyncio.run(run())


@pytest.mark.parametrize(
    "path",
    ["/../admin", "/files/%2e%2e/keys", "/a/..%2fb", "/a\\b", "chat", "/a b", "/é", "/a#b", "/./a"],
)
def test_a_path_must_stay_below_the_base_url(stub: Stub, path: str) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "ok") as upstreams:
            with pytest.raises(GatewayError, match="cannot be passed on") as caught:
                await ask(upstreams, ["ok"], path=path)
            assert caught.value.status == 404
            assert pooled(upstreams) == (0, 0)

    asyncio.run(run())


def test_a_base_url_that_is_none_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match="base_url"):
        Upstreams(UpstreamConfig(), [model("m", "api.example.com/v1")])


def test_the_environments_proxy_is_used_but_not_for_loopback(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"}"))
        body = completion("far")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()
        await writer.wait_closed()

    async def run() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            monkeypatch.setenv("http_proxy", f"http://who:sk-proxy@127.0.0.1:{port}")
            monkeypatch.setenv("no_proxy", "near.invalid")
            models = [
                model("far", "http://far.invalid/v1"),
                model("ok", stub.url),
                model("near", "http://near.invalid/v1"),
            ]
            async with Upstreams(UpstreamConfig(**QUICK), models) as upstreams:
                assert (await ask(upstreams, ["far"])).status == 200
                assert (await ask(upstreams, ["ok"])).status == 200
                assert upstreams._targets["near"].proxy is None
                assert "sk-proxy" not in repr(upstreams._targets)

    asyncio.run(run())
    assert seen[0].startswith(b"POST http://far.invalid/v1/chat/completions HTTP/1.1\r\n")
    assert b"proxy-authorization: basic" in seen[0].lower()
    assert len(seen) == 1


def test_a_proxy_that_is_none_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://who:sk-proxy@host:port")
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        Upstreams(UpstreamConfig(), [model("m", "https://api.example.com/v1")])
    assert "sk-proxy" not in str(caught.value)
