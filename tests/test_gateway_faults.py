"""Whatever fails, wherever in the plan: upstreams, clients, and the gateway's own process."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import json
import re
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gateways import (
    Gateway,
    Upstream,
    _serving,
    answer,
    error,
    running_gateway,
    running_upstream,
    toml,
)
from serving import TIMEOUT_S, Served, served
from stub_upstream import (
    JSON,
    SSE,
    BrokenOnPurposeError,
    Stub,
    part,
    running_stub,
    start,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHAT = "/v1/chat/completions"
KEY = "sk-fault-test"
FAULTS = {
    "status-500": "status",
    "status-401": "status",
    "missing": "status",
    "later-429-0": "status",
    "flaky-9999": "status",
    "raw-text/html|<html>": "garbage",
    "redirect": "status",
    "cutearly": "broken",
    "hang": "timeout",
    "nobody": "connect",
}
QUICK = """
[upstreams]
retry_base_s = 0.001
breaker_failures = 10000
first_byte_timeout_s = 0.3
"""


def fleet(upstream: str) -> dict[str, dict[str, Any]]:
    """For every fault two models that have it, between a cheaper and a dearer one that work."""
    models: dict[str, dict[str, Any]] = {"first": {}, "last": {}}
    for place, fault in enumerate(FAULTS):
        for twin in (2, 3):
            models[f"f{place}-{twin}"] = {"upstream_model": fault}
            if fault == "nobody":
                models[f"f{place}-{twin}"]["base_url"] = "http://127.0.0.1:9/v1"
    prices = {"first": 1.0, "last": 8.0}
    for name, fields in models.items():
        price = prices.get(name) or float(name[-1])
        fields |= {"input_usd_per_million": price, "output_usd_per_million": price}
    return models


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    text = toml(upstream.url, tmp_path_factory.mktemp("gateway"), fleet(upstream.url), QUICK)
    with running_gateway(text) as running:
        yield running


def complete(response: httpx.Response, stream: bool) -> bool:
    """Whether an answer came to its own end."""
    if stream:
        return response.text.rstrip().endswith("data: [DONE]") and '"error"' not in response.text
    return bool(response.json()["choices"])


# --- upstreams


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("plan", ["Fg", "FFg", "gFF"])
def test_any_fault_anywhere_in_the_plan(
    gateway: Gateway, upstream: Upstream, fault: str, plan: str, stream: bool
) -> None:
    """Models of one profile are tried by price, so the plan is known: F fails and g is good."""
    place = list(FAULTS).index(fault)
    good = "first" if plan.startswith("g") else "last"
    failing = [f"f{place}-{twin}" for twin in (2, 3)[: plan.count("F")]]
    before = upstream.count[good]
    response = gateway.chat(
        "auto", f"{fault} {plan} {stream}", stream=stream, onehead={"models": [good, *failing]}
    )
    assert response.status_code == 200
    assert complete(response, stream)
    assert response.headers["x-onehead-model"] == good
    assert upstream.count[good] == before + 1
    row = gateway.logged(response)
    price = 1.0 if good == "first" else 8.0
    assert row["cost_usd"] == pytest.approx(20 * price / 1e6)  # once, at the price of who answered
    *failed, last = row["attempts"]
    assert (last["model"], last["outcome"]) == (good, "ok")
    tried = list(dict.fromkeys(one["model"] for one in failed))
    assert tried == ([] if plan.startswith("g") else failing)
    assert {one["outcome"] for one in failed} <= {FAULTS[fault]}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_where_no_model_works_the_answer_says_so(
    gateway: Gateway, fault: str, stream: bool
) -> None:
    place = list(FAULTS).index(fault)
    names = [f"f{place}-2", f"f{place}-3"]
    response = gateway.chat("auto", "x", stream=stream, onehead={"models": names})
    assert response.status_code in {429, 500, 502, 503, 504}
    assert error(response)["message"]
    row = gateway.logged(response)
    assert (row["outcome"], row["cost_usd"]) == ("error", None)


class Fifth(Stub):
    """Every model fails a fifth of the requests for good, each its own, in all manners."""

    manners = ("status", "slow down", "cut", "garbage", "empty")

    def reset(self) -> None:
        super().reset()
        self.answered: Counter[str] = Counter()
        self.failed = 0

    @staticmethod
    def fails(model: str, case: str) -> bool:
        return hashlib.sha256(f"{model} {case}".encode()).digest()[0] < 256 // 5

    async def respond(self, model: str, body: dict, receive: Callable, send: Callable) -> None:
        case = body["messages"][-1]["content"]
        stream = bool(body.get("stream"))
        if self.fails(model, case):
            self.failed += 1
            await self._fail(self.manners[self.failed % len(self.manners)], stream, send)
            return
        self.answered[case] += 1
        if stream:
            await self._good(stream, send)
        else:
            await whole(send, 200, json.dumps(answer(model, "good", "Paris.")).encode(), {"content-type": JSON})  # fmt: skip

    async def _fail(self, manner: str, stream: bool, send: Callable) -> None:
        match manner:
            case "status":
                await self._status(503, send)
            case "slow down":
                await self._status(429, send, {"retry-after": "0.01"})
            case "garbage":
                await whole(send, 200, b"<html>", {"content-type": "text/html"})
            case "empty":
                await whole(send, 200, b"", {"content-type": SSE if stream else JSON})
            case _:
                await start(send, 200, {"content-type": SSE if stream else JSON})
                if not stream:
                    await part(send, b'{"id"')
                raise BrokenOnPurposeError


def test_with_a_fifth_of_calls_failing_every_request_is_answered_once(tmp_path: Path) -> None:
    models = {name: {} for name in ("one", "two", "three")}
    cases = [f"case {number}" for number in range(300)]
    cases = [case for case in cases if not all(Fifth.fails(model, case) for model in models)]
    stub = Fifth()

    async def ask_all(url: str) -> list[httpx.Response]:
        room = asyncio.Semaphore(16)
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:

            async def ask(number: int, case: str) -> httpx.Response:
                content = {"role": "user", "content": case}
                body = {"model": "auto", "messages": [content], "stream": bool(number % 2)}
                async with room:
                    return await client.post(CHAT, json=body)

            return await asyncio.gather(*(ask(n, case) for n, case in enumerate(cases)))

    with _serving(stub, lifespan="off") as url:
        text = toml(f"{url}/v1", tmp_path, models, "[upstreams]\nretry_base_s = 0.001\n")
        with running_gateway(text) as gateway:  # retries, attempts and breakers as they come
            responses = asyncio.run(ask_all(gateway.url))
            rows = [gateway.logged(response) for response in responses]
    assert {response.status_code for response in responses} == {200}
    assert all(complete(response, n % 2 == 1) for n, response in enumerate(responses))
    assert dict(stub.answered) == dict.fromkeys(cases, 1)
    calls = sum(one["outcome"] != "breaker" for row in rows for one in row["attempts"])
    assert stub.failed > 0.15 * calls
    assert {row["outcome"] for row in rows} == {"ok"}


def test_a_client_that_does_not_read_stops_its_upstream(tmp_path: Path) -> None:
    body = {"model": "flood", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    with (
        running_stub() as stub,
        running_gateway(toml(stub.url, tmp_path, {"flood": {}})) as gateway,
        gateway.client.stream("POST", CHAT, json=body) as response,
    ):
        next(response.iter_raw())
        assert stub.stalled.wait(20)
        passed = stub.flooded
    assert passed < 32 << 20  # what sockets and buffers on the way hold


# --- clients that leave, and a process that dies: the gateway as it is served

CONFIG = f"""
[gateway]
port = 0
log_level = "debug"
[upstreams]
retries = 0
[[keys]]
name = "team"
sha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"
budget_usd = BUDGET
"""


def command(place: Path, upstream: Upstream, budget: float = 1000.0) -> list[str]:
    """`onehead serve` in front of an upstream, its log in `place`."""
    models: dict[str, dict[str, Any]] = {
        "good": {},
        "hang": {"auto": False},
        "pause": {"auto": False},
    }
    text = toml(upstream.url, place, models, CONFIG.replace("BUDGET", str(budget)))
    (place / "onehead.toml").write_text(text, "utf-8")
    return [sys.executable, "-m", "onehead", "serve", "--config", str(place / "onehead.toml")]


def ask(server: Served, model: str = "auto", *, stream: bool = False) -> tuple[int, str | None]:
    """Status and decision of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    with contextlib.closing(connection):
        connection.request("POST", CHAT, json.dumps(body), {"authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        response.read()
        return response.status, response.headers.get("x-onehead-decision-id")


def rows(place: Path) -> list[tuple[str, str, float | None]]:
    with contextlib.closing(sqlite3.connect(place / "log.db")) as database:
        found = "SELECT decision_id, outcome, cost_usd FROM decisions ORDER BY decision_id"
        return database.execute(found).fetchall()


def request_bytes(model: str, *, stream: bool) -> bytes:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    content = json.dumps(body).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


def test_clients_that_leave_at_any_stage(upstream: Upstream, tmp_path: Path) -> None:
    upstream.reset()
    with served(command(tmp_path, upstream), tmp_path / "stderr") as server:
        for model, stream, sent, until in [
            ("good", False, 20, None),  # within the headers
            ("good", False, -10, None),  # within the body
            ("hang", False, None, "hang"),  # while the upstream thinks
            ("hang", True, None, "hang"),
            ("pause", True, None, "pause"),  # within the answer
            ("good", False, None, None),  # at once, without reading
            ("good", True, None, None),
        ]:
            if until is not None:
                upstream.reached[until].clear()
                upstream.gone[until].clear()
            with server.connect() as one:
                one.sendall(request_bytes(model, stream=stream)[:sent])
                if until is not None:
                    assert upstream.reached[until].wait(TIMEOUT_S)
                if model == "pause":
                    one.recv(10)
            if until is not None:
                assert upstream.gone[until].wait(TIMEOUT_S), (model, stream)
        assert ask(server)[0] == 200
        end = time.monotonic() + TIMEOUT_S
        while in_flight(server) > 0:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert server.stop() == 0
        assert "Traceback" not in server.said()
    outcomes = Counter(outcome for _, outcome, _ in rows(tmp_path))
    assert outcomes["cancelled"] >= 3
    assert outcomes["error"] == 0


def in_flight(server: Served) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics", headers={"x-api-key": KEY})
        text = connection.getresponse().read().decode()
    found = re.search(r"^onehead_in_flight\S* (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def test_kill_9_forgets_no_answer_and_no_spending(upstream: Upstream, tmp_path: Path) -> None:
    """Under load: whatever a client has the end of is in the log after a restart, and is paid for."""
    upstream.reset()
    answered: list[str | None] = []
    lock = threading.Lock()

    def keep_asking(server: Served, stream: bool) -> None:
        while True:
            try:
                status, decision_id = ask(server, stream=stream)
            except (OSError, http.client.HTTPException):
                return
            assert status == 200
            with lock:
                answered.append(decision_id)

    with served(command(tmp_path, upstream), tmp_path / "stderr") as server:
        askers = [threading.Thread(target=keep_asking, args=(server, n % 2 == 0)) for n in range(4)]
        for asker in askers:
            asker.start()
        while len(answered) < 120:
            time.sleep(0.005)
        server.signal(signal.SIGKILL)
        for asker in askers:
            asker.join(TIMEOUT_S)
    spent = 28e-6 * len(answered)
    with served(command(tmp_path, upstream, budget=spent + 1e-6), tmp_path / "again") as server:
        assert ask(server)[0] == 429
        assert server.stop() == 0
    logged = {decision_id: cost for decision_id, _, cost in rows(tmp_path)}
    assert set(answered) <= set(logged)
    assert all(logged[str(one)] == pytest.approx(28e-6) for one in answered)
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as database:
        ledger = database.execute("SELECT SUM(usd) FROM spend").fetchone()[0]
    assert ledger == pytest.approx(sum(cost or 0.0 for cost in logged.values()), abs=1e-9)
