"""The bill of a mixed load, made out again from what the upstream says that it answered."""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gateways import Gateway, _serving, running_gateway
from stub_upstream import JSON, SSE, BrokenOnPurposeError, Stub, event, part, start, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PRICES = {  # USD per million read, read from a cache, written; USD per request
    "plain": ("1", "1", "2", "0"),
    "cached": ("5", "0.5", "15", "0"),
    "fee": ("0.15", "0.075", "0.6", "0.0011"),
    "gift": ("0", "0", "0", "0"),
}
KEYS = ("alice", "bob", "carol")
CONFIG = """
[upstreams]
retries = 1
retry_base_s = 0.001
breaker_failures = 10000
"""
REQUESTS = 160
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "vectors": "/v1/embeddings"}


@dataclass
class Case:
    """One request: what is asked, and how its upstream behaves."""

    number: int
    key: str
    api: str
    model: str
    stream: bool
    fault: str | None
    tokens: tuple[int, int, int, int]  # read, of these from a cache, written, of these reasoning
    words: str

    @property
    def usage(self) -> dict[str, Any]:
        """The tokens in the words of one of the APIs."""
        read, cached, written, reasoning = self.tokens
        match self.words:
            case "responses":
                return {"input_tokens": read, "output_tokens": written,
                        "input_tokens_details": {"cached_tokens": cached},
                        "output_tokens_details": {"reasoning_tokens": reasoning}}  # fmt: skip
            case "deepseek":
                return {"prompt_tokens": read, "completion_tokens": written,
                        "prompt_cache_hit_tokens": cached, "prompt_cache_miss_tokens": read - cached}  # fmt: skip
            case "anthropic":
                return {"input_tokens": read - cached, "output_tokens": written,
                        "cache_read_input_tokens": cached}  # fmt: skip
            case "vectors":
                return {"prompt_tokens": read, "total_tokens": read}
        return {"prompt_tokens": read, "completion_tokens": written,
                "prompt_tokens_details": {"cached_tokens": cached},
                "completion_tokens_details": {"reasoning_tokens": reasoning}}  # fmt: skip

    def cost(self, model: str) -> Fraction:
        """What its tokens cost by the price list."""
        price, cached_price, out, fee = map(Fraction, PRICES[model])
        read, cached, written, _ = self.tokens
        if self.words == "vectors":
            cached = written = 0
        return ((read - cached) * price + cached * cached_price + written * out) / 10**6 + fee

    def body(self) -> dict[str, Any]:
        text = f"case {self.number}: {'why ' * (self.number % 7)}?"
        asked: Any = {"chat": {"messages": [{"role": "user", "content": text}]}}.get(
            self.api, {"input": text}
        )
        return {"model": self.model, **asked, **({"stream": True} if self.stream else {})}


class Till(Stub):
    """An upstream that keeps a bill of its own: what it answered, by case and model."""

    cases: dict[int, Case]

    def reset(self) -> None:
        super().reset()
        self.cases = {}
        self.billed: dict[int, list[str]] = defaultdict(list)
        self.calls: dict[int, int] = defaultdict(int)

    async def respond(self, model: str, body: dict, receive: Callable, send: Callable) -> None:
        found = re.search(rb"case (\d+):", self.requests[-1]["body"])
        assert found
        case = self.cases[int(found[1])]
        self.calls[case.number] += 1
        first = self.calls[case.number] == 1
        if case.fault == "503" and first:
            await whole(send, 503, b'{"error": {"message": "busy"}}', {"content-type": JSON})
        elif case.fault == "garbage" and first:
            await whole(send, 200, b"<html>", {"content-type": "text/html"})
        elif case.fault == "lost" and first:
            await start(send, 200, {"content-type": JSON, "content-length": "5000"})
            await part(send, b'{"usage"')
            raise BrokenOnPurposeError
        elif case.fault == "refused":
            await whole(send, 400, b'{"error": {"message": "no"}}', {"content-type": JSON})
        else:
            self.billed[case.number].append(model)
            if case.stream:
                await self._stream(model, case, body, receive, send)
            else:
                told = {"id": f"a{case.number}", "model": model, "choices": [], "usage": case.usage}
                await whole(send, 200, json.dumps(told).encode(), {"content-type": JSON})

    async def _stream(
        self, model: str, case: Case, body: dict, receive: Callable, send: Callable
    ) -> None:
        await start(send, 200, {"content-type": SSE})
        choice = {"index": 0, "delta": {"content": "word"}, "finish_reason": None}
        chunk = {"model": model, "choices": [choice]}
        await part(send, event(chunk))
        if case.fault in {"cut", "leave"}:  # usage with every chunk, as some upstreams tell it
            await part(send, event({**chunk, "usage": case.usage}))
            if case.fault == "leave":
                await self._until_gone(f"case{case.number}", receive)
                return
            await asyncio.sleep(0.02)
            raise BrokenOnPurposeError
        if case.api == "responses":
            done = {"type": "response.completed", "response": {"model": model, "usage": case.usage}}
            await part(send, event(done))
        else:
            assert body["stream_options"] == {"include_usage": True}
            await part(send, event({"model": model, "choices": [], "usage": case.usage}))
        await part(send, b"data: [DONE]\n\n", more=False)


def made_up(seed: int) -> list[Case]:
    """A load in which everything occurs together with everything."""
    draw = random.Random(seed)
    cases = []
    for number in range(REQUESTS):
        api = draw.choice(["chat", "chat", "chat", "responses", "vectors"])
        stream = api != "vectors" and draw.random() < 0.5
        faults = [None] * 6 + ["503", "garbage", "refused"]
        faults += ["cut", "leave", "leave"] if stream else ["lost"]
        read = draw.randrange(1, 200_000)
        written = draw.randrange(1, 20_000)
        tokens = (read, draw.randrange(0, read), written, draw.randrange(0, written))
        words = {"chat": draw.choice(["chat", "deepseek", "anthropic"])}.get(api, api)
        named = draw.choice(sorted(PRICES))
        model = named if api == "vectors" else draw.choice(["auto", "auto:best", named])
        cases.append(
            Case(number, draw.choice(KEYS), api, model, stream, draw.choice(faults), tokens, words)
        )
    return cases


@pytest.fixture(scope="module")
def till() -> Iterator[Till]:
    till = Till()
    with _serving(till, lifespan="off") as url:
        till.url = f"{url}/v1"
        yield till


@pytest.fixture
def gateway(till: Till, tmp_path: Path) -> Iterator[Gateway]:
    lines = [CONFIG, "[store]", f'url = "sqlite:///{tmp_path}/log.db"']
    for name, (price, cached, out, fee) in PRICES.items():
        lines += ["[[models]]", f'id = "{name}"', f'base_url = "{till.url}"', 'like = "gpt-4o-2024-05"']  # fmt: skip
        if name == "gift":
            lines.append("free = true")
            continue
        lines += [f"input_usd_per_million = {price}", f"cached_input_usd_per_million = {cached}",
                  f"output_usd_per_million = {out}", f"request_usd = {fee}"]  # fmt: skip
    for name in KEYS:
        lines += ["[[keys]]", f'name = "{name}"', f'key = "${{{name.upper()}}}"', "budget_usd = 10000"]  # fmt: skip
    keys = {name.upper(): f"sk-{name}" for name in KEYS}
    till.reset()
    with running_gateway("\n".join(lines), keys) as running:
        yield running


async def load(gateway: Gateway, cases: list[Case]) -> dict[int, httpx.Headers]:
    """All requests, sixteen at a time; the headers of their answers."""
    room = asyncio.Semaphore(16)
    heads = {}

    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:

        async def ask(case: Case) -> None:
            key = {"authorization": f"Bearer sk-{case.key}"}
            async with (
                room,
                client.stream("POST", PATHS[case.api], json=case.body(), headers=key) as answer,
            ):
                heads[case.number] = answer.headers
                async for line in answer.aiter_lines():
                    if case.fault == "leave" and '"usage"' in line:
                        return
                expected = 400 if case.fault == "refused" else 200
                assert answer.status_code == expected, case

        await asyncio.gather(*map(ask, cases))
    return heads


@pytest.mark.parametrize("seed", [0, 1])
def test_every_cent_is_accounted_for_everywhere(gateway: Gateway, till: Till, seed: int) -> None:
    cases = made_up(seed)
    till.cases = {case.number: case for case in cases}
    heads = asyncio.run(load(gateway, cases))

    by_key: dict[str, Fraction] = defaultdict(Fraction)
    by_model: dict[str, Fraction] = defaultdict(Fraction)
    for case in cases:
        row = gateway.row(heads[case.number]["x-onehead-decision-id"])
        answered = till.billed[case.number]
        if case.fault == "refused":
            assert (answered, row["cost_usd"], row["outcome"]) == ([], None, "error")
            continue
        assert len(answered) == 1, case  # nobody else was asked once there was an answer
        cost = case.cost(answered[0])
        by_key[case.key] += cost
        by_model[answered[0]] += cost
        assert row["cost_usd"] == pytest.approx(float(cost), rel=1e-12), case
        assert (row["model"], row["key"]) == (answered[0], case.key)
        assert not row["usage_estimated"]
        outcome = {"cut": "broken", "leave": "cancelled"}.get(str(case.fault), "ok")
        assert row["outcome"] == outcome, case
        read, cached, written, reasoning = case.tokens
        if case.words in {"chat", "responses"}:
            told = [row[f"{kind}_tokens"] for kind in ("input", "cached", "output", "reasoning")]
            assert told == [read, cached, written, reasoning]
        if not case.stream and case.api != "vectors":
            header = float(heads[case.number]["x-onehead-cost-usd"])
            assert header == pytest.approx(float(cost), rel=1e-9)

    total = float(sum(by_key.values()))
    assert total > 1
    store = gateway.app.state.parts.reading.store()
    days = store.spend_by_day("")
    assert sum(day.usd for day in days) == pytest.approx(total, abs=1e-9)
    assert sum(day.requests for day in days) == REQUESTS
    for key in KEYS:
        owed = float(by_key[key])
        assert store.spend(key, "") == pytest.approx(owed, abs=1e-9)
        assert gateway.app.state.parts.writer.spend_of(key, "") == pytest.approx(owed, abs=1e-9)
        config = next(one for one in gateway.app.config.keys if one.name == key)
        assert gateway.app.state.accounts.used(config) == pytest.approx(owed, abs=1e-9)
    logged = list(store.each())
    assert len(logged) == REQUESTS
    assert sum(one.cost_usd or 0.0 for one in logged) == pytest.approx(total, abs=1e-9)
    text = gateway.client.get("/metrics", headers={"x-api-key": "sk-bob"}).text
    counted = dict(re.findall(r'onehead_cost_usd_total\{model="(\w+)"\} (\S+)', text))
    for model, owed in by_model.items():
        assert float(counted.get(model, 0)) == pytest.approx(float(owed), abs=1e-9)


def test_usage_that_nobody_told_is_estimated_and_marked(gateway: Gateway, till: Till) -> None:
    """A client that leaves before its upstream told any usage is billed by what had passed."""
    case = Case(1, "bob", "chat", "plain", True, "leave", (0, 0, 0, 0), "chat")
    till.cases = {1: case}
    key = {"authorization": "Bearer sk-bob"}
    content = case.body()["messages"][0]["content"]
    with gateway.client.stream("POST", PATHS["chat"], json=case.body(), headers=key) as answer:
        next(answer.iter_raw())
        decision_id = answer.headers["x-onehead-decision-id"]
    assert till.gone["case1"].wait(20)
    row = gateway.row(decision_id)
    assert row["outcome"] == "cancelled"
    assert row["usage_estimated"] or row["input_tokens"] == 0
    assert row["cost_usd"] <= 1e-6 * (len(content) + 200)


def test_budgets_hold_under_a_rush(till: Till, tmp_path: Path) -> None:
    """Many requests at once pass a budget by no more than estimates fell short of."""
    text = f"""
[store]
url = "sqlite:///{tmp_path}/log.db"
[[models]]
id = "plain"
base_url = "{till.url}"
like = "gpt-4o-2024-05"
input_usd_per_million = 1.0
output_usd_per_million = 2.0
[[keys]]
name = "bob"
key = "${{BOB}}"
budget_usd = 0.01
"""
    till.reset()
    cases = [
        Case(n, "bob", "chat", "plain", bool(n % 2), None, (10, 0, 400, 0), "chat")
        for n in range(60)
    ]
    till.cases = {case.number: case for case in cases}
    with running_gateway(text, {"BOB": "sk-bob"}) as gateway:
        statuses: list[int] = []

        async def rush() -> None:
            async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
                key = {"authorization": "Bearer sk-bob"}
                answers = await asyncio.gather(
                    *(client.post(PATHS["chat"], json=one.body(), headers=key) for one in cases)
                )
                statuses.extend(one.status_code for one in answers)

        asyncio.run(rush())
        assert set(statuses) == {200, 429}
        spent = statuses.count(200) * 0.00081
        assert spent <= 0.01  # 500 tokens are reserved for each, 400 come
        assert sum(map(len, till.billed.values())) == statuses.count(200)
        pause = threading.Event()
        for _ in range(200):
            if gateway.app.state.parts.writer.spend_of("bob", "") == pytest.approx(spent, abs=1e-9):
                break
            pause.wait(0.02)
        assert gateway.app.state.parts.writer.spend_of("bob", "") == pytest.approx(spent, abs=1e-9)
