"""What a client is told when no model of its plan answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.gateway.upstream.answer import AllFailed
from onehead.gateway.upstream.verdict import REPEAT, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.gateway.upstream.answer import Attempt
    from onehead.gateway.upstream.call import CallFailed
    from onehead.gateway.upstream.target import Target

MEND = "the operator should check api_key, upstream_model, base_url and the account"
CODES = {
    "connect": ("upstream_connect", 502, "its upstream could not be reached"),
    "timeout": ("upstream_timeout", 504, "its upstream did not answer in time"),
    "garbage": ("upstream_garbage", 502, "its upstream sent an answer that is none"),
    "broken": ("upstream_broken", 502, "its upstream broke the answer off"),
    "refused": ("upstream_refused", 502, "the call could not be made"),
}


def summary(
    failures: Sequence[tuple[Target, CallFailed]], attempts: list[Attempt], *, late: bool
) -> AllFailed:
    """The error for a plan whose models all failed.

    late: the request's own deadline has passed
    """
    # A model without an upstream says least; it is named only where no other was tried.
    tried = [pair for pair in failures if pair[0].reachable]
    if not tried:
        names = ", ".join(repr(target.id) for target, _ in failures)
        what = f"model {names} has" if len(failures) == 1 else f"models {names} have"
        return AllFailed(
            f"{what} no upstream here: set base_url for it in the configuration, "
            "or start with --demo",
            attempts=attempts,
            status=503,
            code="no_upstream",
        )
    last = tried[-1][1]
    if last.blameless and last.outcome == "refused":
        return AllFailed(
            "The gateway has too many requests under way. Try again in a moment.",
            attempts=attempts,
            status=503,
            code="overloaded",
            retry_after=1.0,
        )
    code, status, _ = _told(last)
    if late:
        code, status = "deadline_exceeded", 504
    reasons = {one.id: _told(failure)[2] for one, failure in tried}
    told = "; ".join(f"model {name!r}: {text}" for name, text in reasons.items())
    return AllFailed(
        f"No model could answer. {told}.",
        attempts=attempts,
        status=status,
        code=code,
        retry_after=last.retry_after,
        body=None if late else last.body,
    )


def _told(failure: CallFailed) -> tuple[str, int, str]:
    """Code, status and words for one failure."""
    status = failure.status or 502
    if failure.unsuited:
        return "unsupported_by_model", status, f"it {failure.reason}"
    if failure.outcome != "status":
        return CODES[failure.outcome]
    if failure.verdict is Verdict.OURS:
        # Told as our mistake: a 401 would make the client doubt its own key, and the upstream's text may quote ours.
        return (
            "upstream_refused_us",
            502,
            f"its upstream refused the gateway (status {status}); {MEND}",
        )
    if status < 400:
        return "upstream_redirect", 502, f"its upstream redirects (status {status})"
    # A 405 or 410 tells of the upstream; to our client it would tell of us.
    told = status if status in {*REPEAT, 429} or status >= 500 else 502
    return "upstream_status", told, f"its upstream answered with status {status}"
