"""A stand-in for any_llm, and calls through it."""

from __future__ import annotations

import asyncio
import json
import types
from typing import TYPE_CHECKING, Any

from upstream_calls import QUICK, Sleeps, model, read

from onehead.config import UpstreamConfig
from onehead.gateway.upstream import Answer, Upstreams

if TYPE_CHECKING:
    from collections.abc import Callable

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
WORKING = {
    "id": "chatcmpl-7",
    "object": "chat.completion",
    "model": "inner",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


class Said:
    """Stands for a document of the library."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return json.loads(json.dumps(self.document))


class Chunks:
    """Stands for the library's stream: pieces, or what is raised instead of one."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = list(pieces)
        self.closed = False

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Said:
        if not self.pieces:
            raise StopAsyncIteration
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        if piece is None:
            await asyncio.Event().wait()
        return Said(piece)

    async def aclose(self) -> None:
        self.closed = True


def delta(text: str) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}


class Library(types.ModuleType):
    """Stands for any_llm; `answers` are given in turn, the last one for ever."""

    def __init__(self) -> None:
        super().__init__("any_llm")
        errors = self.exceptions = types.ModuleType("any_llm.exceptions")

        class AnyLLMError(Exception):
            def __init__(self, message: str = "", **fields: Any) -> None:
                super().__init__(message)
                self.message = message
                self.env_var_name = "THE_KEY"
                for name, value in fields.items():
                    setattr(self, name, value)

        self.AnyLLMError = errors.AnyLLMError = AnyLLMError
        for name in (
            "AuthenticationError", "RateLimitError", "ModelNotFoundError", "ProviderError",
            "InvalidRequestError", "ContextLengthExceededError", "UnsupportedParameterError",
            "UnsupportedProviderError", "MissingApiKeyError",
        ):  # fmt: skip
            setattr(errors, name, type(name, (AnyLLMError,), {}))
        self.AnyLLM = self
        self.created: list[tuple[str, dict[str, Any]]] = []
        self.calls: list[dict[str, Any]] = []
        self.answers: list[Any] = [WORKING]
        self.refusing: Exception | None = None
        self.closed = 0
        self.TIMEOUT_SUPPORT = "native"
        self.client = self

    def create(self, provider: str, **options: Any) -> Library:
        self.created.append((provider, options))
        if self.refusing is not None:
            raise self.refusing
        return self

    def get_supported_providers(self) -> list[str]:
        return ["anthropic", "gemini"]

    async def acompletion(self, **arguments: Any) -> Any:
        self.calls.append(arguments)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        return answer if isinstance(answer, Chunks) else Said(answer)

    async def close(self) -> None:
        self.closed += 1

    def error(self, name: str, message: str = "", **fields: Any) -> Exception:
        return getattr(self.exceptions, name)(message, **fields)


def translated(**fields: Any) -> Any:
    base_url = fields.pop("base_url", None)
    return model("anthropic/claude", base_url, **{"id": "claude", "via": "any-llm", **fields})


def run(do: Callable[[Upstreams], Any], *models: Any, **options: Any) -> Any:
    async def inside() -> Any:
        seams = {"sleep": Sleeps()}
        upstreams = Upstreams(
            UpstreamConfig(**{**QUICK, **options}), models or (translated(),), **seams
        )
        async with upstreams:
            result = await do(upstreams)
            if isinstance(result, Answer):
                result.body = await read(result)
            assert [one.in_flight for one in upstreams.stats().values()] == [0] * len(models or "1")
        return result

    return asyncio.run(inside())


async def send(
    upstreams: Upstreams, body: dict[str, Any], *plan: str, path: str = "/chat/completions"
) -> Answer:
    def made(name: str) -> bytes:
        return json.dumps({**body, "model": name}).encode()

    stream = bool(body.get("stream"))
    return await upstreams.answer(
        plan or ["claude"], made, path=path, stream=stream, headers={"x-caller": "1"}
    )
