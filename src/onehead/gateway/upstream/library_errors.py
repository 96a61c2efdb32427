"""What an exception of a translation library means, by its status and its class's name. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from onehead.gateway.upstream.call import CallFailed
from onehead.gateway.upstream.verdict import ErrorBody, Verdict, judge, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from onehead.gateway.upstream.answer import Outcome

STATUSES = {
    "AuthenticationError": 401,
    "InsufficientFundsError": 402,
    "ModelNotFoundError": 404,
    "RateLimitError": 429,
    "UpstreamProviderError": 502,
    "GatewayTimeoutError": 504,
    "ContextLengthExceededError": 400,
    "ContentFilterError": 400,
}
"""For errors that state none."""
OURS = frozenset({"AuthenticationError", "InsufficientFundsError", "ModelNotFoundError"})
"""Whatever their status: some providers answer a wrong key with a 400."""
LONGEST_MESSAGE = 2000


def failure_of(error: Exception) -> CallFailed:
    """The failure that an exception stands for; our words only, since the library's may quote anything."""
    name = type(error).__name__
    stated = getattr(error, "status_code", None)
    status = stated if isinstance(stated, int) and 300 <= stated <= 599 else STATUSES.get(name)
    if status is not None:
        verdict = Verdict.OURS if name in OURS else judge(status, _codes(error))
        return CallFailed(
            "status",
            f"status {status}",
            verdict=Verdict.NEXT if status < 400 else verdict,
            status=status,
            retry_after=_retry_after(error),
        )
    if isinstance(stated, int):
        return CallFailed("garbage", "an answer that the library cannot read", status=stated)
    if _before_sending(error):
        return CallFailed(
            "refused",
            f"is called through a library that cannot pass this request on ({name})",
            verdict=Verdict.NEXT,
            status=400,
            unsuited=True,
        )
    cause = type(getattr(error, "original_exception", None) or error).__name__
    outcome: Outcome = "broken"
    if "Timeout" in cause:
        outcome = "timeout"
    elif "Connect" in cause:
        outcome = "connect"
    return CallFailed(outcome, f"the library could not call its provider ({cause})")


def told_caller(error: Exception, hide: Callable[[str], str]) -> bytes:
    """OpenAI's error document for what the provider says of the caller's own mistake."""
    original = getattr(error, "original_exception", None) or error
    body = getattr(original, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    said = inner.get("message") if isinstance(inner, dict) else None
    text = said if isinstance(said, str) else str(getattr(error, "message", "") or error)
    code = getattr(error, "code", None)
    return msgspec.json.encode(
        {
            "error": {
                "message": hide(text)[:LONGEST_MESSAGE],
                "type": _text(getattr(error, "error_type", None)) or "invalid_request_error",
                "param": _text(getattr(error, "param", None)),
                "code": _text(code) or _CODES.get(type(error).__name__),
            }
        }
    )


_CODES = {
    "ContextLengthExceededError": "context_length_exceeded",
    "ContentFilterError": "content_filter",
}


def _before_sending(error: Exception) -> bool:
    """Whether the library itself refused what was asked: an argument that it or a provider cannot take."""
    wrong = (TypeError, ValueError, NotImplementedError)
    names = {"InvalidRequestError", "UnsupportedParameterError"}
    return isinstance(error, wrong) or type(error).__name__ in names


def _codes(error: Exception) -> ErrorBody:
    codes = (getattr(error, "code", None), getattr(error, "error_type", None))
    return ErrorBody(
        codes=frozenset(one for one in codes if isinstance(one, str)),
        message=str(getattr(error, "message", "")),
        number=None,
        shaped=False,
    )


def _retry_after(error: Exception) -> float | None:
    stated = getattr(error, "retry_after", None)
    if stated is None:
        return None
    return retry_after_s({"retry-after": str(stated)}, time.time())


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
