"""What the gateway answers instead of a model: OpenAI's error shape with the right status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from onehead.errors import OneheadError
from onehead.messages import clip_middle

if TYPE_CHECKING:
    from typing import Any


_MOST_TOLD = 8_000
_MOST_NAMED = 200


class GatewayError(OneheadError):
    """A request that the gateway answers itself, with an error.

    status: HTTP status
    type, code, param: as in OpenAI's error object
    retry_after: seconds after which the same request may do better
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Take what the client is told."""
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.retry_after = retry_after

    def document(self) -> dict[str, Any]:
        """The error as OpenAI's clients read it."""
        return error_document(str(self), self.kind, self.code, self.param)

    def body(self) -> bytes:
        """`document` as JSON."""
        return msgspec.json.encode(self.document())


def error_document(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """OpenAI's error object around a message; what it quotes of a caller's words is bounded."""
    told = {
        "message": clip_middle(message, _MOST_TOLD),
        "type": kind,
        "code": code,
        "param": param and clip_middle(param, _MOST_NAMED),
    }
    return {"error": told}


def unexpected() -> GatewayError:
    """For an error that nobody foresaw: what it says is for the log at most, not for a client."""
    return GatewayError(
        "the gateway failed at this request. Its log has the kind of error under this request's id.",
        status=500,
        kind="server_error",
        code="internal_error",
    )


def as_gateway_error(error: OneheadError) -> GatewayError:
    """Any error of ours as an answer; what is no fault of the caller tells no details."""
    if isinstance(error, GatewayError):
        return error
    if error.status < 500:
        return GatewayError(str(error), status=error.status)
    return GatewayError(
        "the router failed, and no fallback model could take over. The log of the gateway has the "
        "reason under this request's id.",
        status=500,
        kind="server_error",
        code="router_failed",
    )
