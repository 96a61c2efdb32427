"""What is written down of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.store import DecisionRecord, prompt_fields

if TYPE_CHECKING:
    from onehead.config import KeyConfig
    from onehead.gateway.exchange import Exchange
    from onehead.gateway.plan import Plan, Terms


_LONGEST_NAME = 256


def record_of(exchange: Exchange, version: str, prompts: str) -> DecisionRecord:
    """The record of an exchange that has ended.

    version: of the router; prompts: what is kept of a prompt's text: none, hash or full
    """
    plan, usage, body = exchange.plan, exchange.usage, exchange.body
    terms = plan.terms if plan is not None else None
    return DecisionRecord(
        decision_id=exchange.decision_id,
        at=exchange.at,
        request_id=exchange.request_id,
        key=exchange.key.name if exchange.key is not None else None,
        path=exchange.path,
        asked_model=_asked(body.model) if body is not None else "",
        stream=body.stream if body is not None else False,
        mode=exchange.mode,
        willingness_to_pay=terms.willingness_to_pay if terms is not None else None,
        reward=terms.reward if terms is not None else None,
        constraints=_constraints(terms),
        session=terms.session if terms is not None else None,
        router=version,
        chosen=plan.chosen if plan is not None else None,
        model=exchange.model,
        confidence=plan.confidence if plan is not None else None,
        probability=1.0,
        estimates=plan.estimates() if plan is not None else [],
        predicted_quality=plan.predicted_quality if plan is not None else None,
        predicted_cost_usd=plan.predicted_cost_usd if plan is not None else None,
        attempts=[_attempt(one) for one in exchange.attempts],
        outcome=exchange.outcome,
        status=exchange.status,
        error=exchange.error,
        input_tokens=usage.input if usage is not None else None,
        output_tokens=usage.output if usage is not None else None,
        cached_tokens=usage.cached if usage is not None else None,
        reasoning_tokens=usage.reasoning if usage is not None else None,
        usage_estimated=usage.estimated if usage is not None else False,
        cost_usd=exchange.cost_usd,
        overhead_s=exchange.overhead_s,
        first_byte_s=exchange.first_byte_s,
        total_s=exchange.total_s,
        answer_id=exchange.answer_id,
        **_prompt(plan, prompts),
    )


def decision_record(
    plan: Plan, *, decision_id: str, at: float, key: KeyConfig | None, asked_model: str,
    request: str, version: str, prompts: str, seconds: float,
) -> DecisionRecord:  # fmt: skip
    """The record of a decision that nobody was called for."""
    terms = plan.terms
    assert terms is not None  # noqa: S101
    return DecisionRecord(
        decision_id=decision_id,
        at=at,
        request_id=request,
        key=key.name if key is not None else None,
        path="/v1/decision",
        asked_model=_asked(asked_model),
        stream=False,
        mode="decision",
        willingness_to_pay=terms.willingness_to_pay,
        reward=terms.reward,
        constraints=_constraints(terms),
        session=terms.session,
        router=version,
        chosen=plan.chosen,
        confidence=plan.confidence,
        estimates=plan.estimates(),
        predicted_quality=plan.predicted_quality,
        predicted_cost_usd=plan.predicted_cost_usd,
        outcome="ok",
        status=200,
        overhead_s=seconds,
        total_s=seconds,
        **_prompt(plan, prompts),
    )


def _asked(model: str) -> str:
    """The name that was asked for; a stranger's megabytes stay out of the log."""
    return model if len(model) <= _LONGEST_NAME else model[: _LONGEST_NAME - 1] + "…"


def _constraints(terms: Terms | None) -> dict[str, Any]:
    if terms is None:
        return {}
    named = {
        "max_cost_usd": terms.max_cost_usd,
        "min_quality": terms.min_quality,
        "models": terms.models,
    }
    return {name: value for name, value in named.items() if value is not None}


def _attempt(one: Any) -> dict[str, Any]:
    return {
        "model": one.model,
        "outcome": one.outcome,
        "status": one.status,
        "seconds": one.seconds,
        "retry_after": one.retry_after,
    }


def _prompt(plan: Plan | None, prompts: str) -> dict[str, Any]:
    """What the policy keeps of the prompt: its routing text and its features."""
    if prompts == "none" or plan is None or plan.text is None:
        return {}
    return prompt_fields(prompts, plan.text, plan.half)
