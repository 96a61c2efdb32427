"""One call through a library instead of a socket of ours; to a plan it is a call like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from onehead.gateway.limit import Limit
from onehead.gateway.upstream.call import Call, CallFailed
from onehead.gateway.upstream.library_errors import failure_of, told_caller
from onehead.gateway.upstream.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onehead.gateway.upstream.call import Request, Sockets
    from onehead.gateway.upstream.target import Target
    from onehead.gateway.upstream.translator import Translator

DONE = b"data: [DONE]\n\n"


class TranslatedCall(Call):
    """A call under way through a library; its chunks leave as events of OpenAI's shape."""

    __slots__ = ("_chunks", "_done", "_translator")

    def __init__(self, target: Target, sockets: Sockets, translator: Translator) -> None:
        """Prepare a call; nothing is sent yet."""
        super().__init__(target, sockets)
        self._translator = translator
        self._chunks: AsyncIterator[Any] | None = None
        self._done = False

    async def open(self, request: Request, body: bytes, due: float | None) -> None:
        """Ask the library, and wait for the whole answer or the first chunk of a stream."""
        first_by = await self._enter(due)
        began = self._sockets.loop.time()
        try:
            with Limit(self._sockets.loop, first_by):
                answer = await self._translator.ask(request.path, body)
                if hasattr(answer, "__aiter__"):
                    self._chunks = aiter(answer)
                    self.first = await self._next()
        except TimeoutError:
            raise self._failed("timeout", f"no answer within {first_by - began:.3g} s") from None
        except CallFailed:
            raise
        except Exception as error:  # noqa: BLE001  (fifty providers' clients: whatever they raise, the walk goes on)
            self._refused(error)
            return
        if self._chunks is None:
            self._take_document(answer)
        elif self._done:
            raise self._failed("broken", "an empty stream")
        else:
            self.status, self.content_type = 200, "text/event-stream"

    async def read(self) -> bytes:
        """The next event; [DONE] after the last chunk, then nothing."""
        if self._chunks is None or self._done:
            return b""
        loop, idle_s = self._sockets.loop, self.target.idle_s
        idle_by = loop.time() + idle_s
        try:
            with Limit(loop, min(idle_by, self._total_at)):
                return await self._next()
        except TimeoutError:
            whole = self._total_at <= idle_by
            why = "it took too long as a whole" if whole else f"no byte for {idle_s:g} s"
            raise self._failed("timeout", why) from None
        except CallFailed:
            raise
        except Exception as error:  # noqa: BLE001  (as above)
            raise self._failed("broken", f"cut off ({type(error).__name__})") from None

    def close(self) -> None:
        """Give everything back; a stream that has not ended is cancelled."""
        chunks, self._chunks = self._chunks, None
        close = getattr(chunks, "aclose", None)
        if close is not None and not self._done:
            self._translator.later(close())
        super().close()

    async def _next(self) -> bytes:
        assert self._chunks is not None  # noqa: S101
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._done = True
            return DONE
        return b"data: " + msgspec.json.encode(_document(chunk)) + b"\n\n"

    def _take_document(self, answer: Any) -> None:
        document = _document(answer)
        if not document.get("choices"):
            raise self._failed("garbage", "an answer without a choice")
        body = msgspec.json.encode(document)
        if len(body) > self._sockets.max_bytes:
            raise self._failed(
                "garbage", "an answer above [upstreams] max_answer_mb", verdict=Verdict.NEXT
            )
        self.status, self.content_type, self.body = 200, "application/json", body

    def _refused(self, error: Exception) -> None:
        """Raise CallFailed; nothing where the request is at fault, which its caller is told."""
        failure = failure_of(error)
        if failure.verdict is not Verdict.CALLER:
            raise failure from None
        self.status, self.content_type = failure.status or 400, "application/json"
        self.body = told_caller(error, self._translator.hide)


def _document(answer: Any) -> dict[str, Any]:
    """OpenAI's document: without what is unset, but with the two keys that clients look for."""
    document: dict[str, Any] = answer.model_dump(mode="json", exclude_none=True)
    for choice in document.get("choices", ()):
        choice.setdefault("finish_reason", None)
        if isinstance(choice.get("message"), dict):
            choice["message"].setdefault("content", None)
    return document
