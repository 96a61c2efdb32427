"""The answer headers that tell a client what became of its request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.gateway.http import ascii_value

if TYPE_CHECKING:
    from onehead.gateway.plan import Plan

    Header = tuple[bytes, bytes]


def request_headers(request_id: str, decision_id: str, warning: str | None) -> list[Header]:
    """What every answer has, refusals too; the warning is about a budget."""
    headers = [
        (b"x-request-id", request_id.encode()),
        (b"x-onehead-decision-id", decision_id.encode()),
    ]
    if warning:
        headers.append((b"x-onehead-budget-warning", ascii_value(warning)))
    return headers


def call_headers(model: str, attempts: int, overhead_s: float) -> list[Header]:
    """Who answered, after how many attempts, and what of the time was ours."""
    return [
        (b"x-onehead-model", ascii_value(model)),
        attempts_header(attempts),
        (b"x-onehead-overhead-ms", f"{overhead_s * 1e3:.3f}".encode()),
    ]


def attempts_header(attempts: int) -> Header:
    """How many calls upstream it took."""
    return (b"x-onehead-attempts", str(attempts).encode())


def predicted_headers(plan: Plan | None) -> list[Header]:
    """What was expected of the chosen model, where the router was asked."""
    if plan is None:
        return []
    predicted = (
        (b"x-onehead-predicted-quality", plan.predicted_quality),
        (b"x-onehead-predicted-cost-usd", plan.predicted_cost_usd),
    )
    return [(name, _number(value)) for name, value in predicted if value is not None]


def cost_header(cost_usd: float) -> Header:
    """What the answer cost."""
    return (b"x-onehead-cost-usd", _number(cost_usd))


def _number(value: float) -> bytes:
    return f"{value:.10g}".encode()
