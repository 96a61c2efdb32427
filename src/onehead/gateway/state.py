"""What one configuration makes of a gateway. A reload builds another and swaps it in whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from typing import TYPE_CHECKING

from onehead.artifact import load
from onehead.encoders.static import StaticEncoder
from onehead.errors import OneheadError, did_you_mean
from onehead.gateway.accounts import Accounts
from onehead.gateway.errors import GatewayError
from onehead.gateway.fleet import fleet_of
from onehead.gateway.memory import Memory
from onehead.gateway.origin import check_local
from onehead.gateway.planner import Planner
from onehead.gateway.record import record_of
from onehead.gateway.telling import tell
from onehead.gateway.together import Together
from onehead.gateway.upstream import Upstreams
from onehead.gateway.valuing import Case, Value, Valuer
from onehead.gateway.wire.options import NONE
from onehead.router import BUNDLED, Router, bundled_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onehead.artifact import Manifest
    from onehead.config import Config, KeyConfig
    from onehead.gateway.exchange import Exchange
    from onehead.gateway.parts import Parts
    from onehead.gateway.tracing import Trace
    from onehead.store import DecisionRecord

log = logging.getLogger("onehead.gateway")

_STRANGERS = frozenset({401})
"""Who has no key is counted, not written down: strangers must not be able to fill the log."""


class State:
    """The parts that requests use, all of one configuration.

    parts: belong to the worker and outlive a reload
    """

    def __init__(self, config: Config, parts: Parts, *, before: State | None = None) -> None:
        """Build the parts; ConfigError or ArtifactError where they do not fit.

        before: the state that this one takes over from, whose memory of conversations it keeps
        """
        self.config = config
        self.parts = parts
        place = config.routing.router
        artifact = load(bundled_path() if place == BUNDLED else place)
        self.router = Router(artifact)
        self.fleet = fleet_of(config, artifact.manifest)
        self.version = _version(artifact.manifest)
        parts.metrics.allow(self.fleet.models)
        self.upstreams = Upstreams(
            config.upstreams, tuple(self.fleet.models.values()), demo=config.demo
        )
        self._valuing: Together[Case, Value] = Together(
            Valuer(self.router, self.fleet),
            quick=isinstance(self.router.encoder, StaticEncoder),
            alone=lambda: self.in_flight <= 1,
            tell_size=parts.metrics.batch,
        )
        self.planner = Planner(
            self._valuing, self.fleet, config.routing,
            is_open=self._is_open, session_model=self._session_model, demo=config.demo,
        )  # fmt: skip
        self.accounts: Accounts = Accounts(
            config.keys, parts.writer.spend_of,
            workers=config.gateway.workers,
            before=None if before is None else before.accounts,
        )  # fmt: skip
        self.in_flight = 0
        self.answers = Memory()
        if before is not None:
            self.planner.memory, self.answers = before.planner.memory, before.answers

    async def open(self) -> None:
        """Open the sockets, and decide once: the first request should not wait for what is lazy."""
        await self.upstreams.start()
        terms = self.planner.terms_of(NONE, None)
        usual = terms.willingness_to_pay, terms.reward
        await self._valuing([Case("Is everything ready?", 1.0, 0.0, 1, *usual)])

    async def close(self) -> None:
        """Close the sockets; calls that still run are cancelled."""
        await self.upstreams.close()
        self._valuing.close()

    def begin_trace(self, headers: Mapping[str, str], path: str) -> Trace | None:
        """The span of a request that has arrived, where traces are asked for."""
        tracing = self.parts.tracing
        return None if tracing is None else tracing.begin(headers, path)

    def identify(self, headers: Mapping[str, str]) -> KeyConfig | None:
        """The key of a request, None where the gateway is open; GatewayError for who may not ask."""
        if not self.config.keys:
            check_local(headers, self.config.gateway.host)
        return self.accounts.identify(headers)

    def allowed(self, model: str, key: KeyConfig | None) -> bool:
        """Whether a key may use a model at all."""
        return key is None or (
            model not in key.deny and (key.models is None or model in key.models)
        )

    def allow(self, model: str, key: KeyConfig | None) -> None:
        """GatewayError unless there is such a model and the key may use it."""
        models = self.fleet.models
        if model not in models:
            raise GatewayError(
                f"the model {model!r} does not exist here.{did_you_mean(model, models)} "
                "GET /v1/models lists them; 'auto' lets the router choose.",
                status=404,
                code="model_not_found",
                param="model",
            )
        if not self.allowed(model, key):
            raise GatewayError(
                f"this key may not use the model {model!r}.",
                status=403,
                kind="permission_error",
                code="model_not_allowed",
                param="model",
            )

    async def answer_model(self, answer_id: str) -> str | None:
        """Who gave an earlier answer; None where that is not known, or the model has gone."""
        model = self.answers.get(answer_id)
        if model is None:
            model = await self._look_up("answer", answer_id)
        return model if model in self.fleet.models else None

    def note_answer(self, answer_id: str, model: str) -> None:
        """Remember who gave an answer that may be followed up."""
        self.answers.put(answer_id, model)

    def record(self, exchange: Exchange) -> DecisionRecord | None:
        """Keep a request in the log. Nothing of this may break an answer: None where it fails."""
        try:
            record = record_of(exchange, self.version, self.config.store.prompts)
            if exchange.status not in _STRANGERS:
                self.parts.writer.put(record)
            if exchange.trace is not None:
                exchange.trace.end(record)
        except Exception:
            log.exception("a request could not be recorded", extra=_of(exchange.request_id))
            return None
        return record

    def count(self, record: DecisionRecord) -> None:
        """Count a request that was recorded, and tell the operator."""
        try:
            self.parts.metrics.request(record)
            tell(record)
        except Exception:
            log.exception("a request could not be counted", extra=_of(record.request_id))

    def write(self, record: DecisionRecord) -> None:
        """Keep in the log, and count."""
        self.parts.writer.put(record)
        self.count(record)

    def complain(self, what: str, error: Exception, request: str) -> None:
        """Log what went wrong; a message of our own holds no prompt, another's is not shown."""
        told = str(error) if isinstance(error, OneheadError) else type(error).__name__
        log.error("%s: %s", what, told, extra=_of(request))

    def _is_open(self, model: str) -> bool:
        return self.upstreams.state(model) == "open"

    async def _session_model(self, session: str) -> str | None:
        return await self._look_up("session", session)

    async def _look_up(self, what: str, name: str) -> str | None:
        """Ask the store in a thread; a store that is away knows nothing."""
        ask = (
            self.parts.reading.session_model
            if what == "session"
            else self.parts.reading.answer_model
        )
        try:
            return await asyncio.to_thread(ask, name)
        except OneheadError as error:
            self.complain(f"who answered a {what} could not be read", error, "-")
            return None


def _of(request: str) -> dict[str, dict[str, str]]:
    """What says in the operator's log which request a line is about."""
    return {"fields": {"request_id": request}}


def _version(manifest: Manifest) -> str:
    """A short name of one trained router, which changes whenever it does."""
    document = json.dumps(manifest.to_document(), sort_keys=True, default=str)
    return hashlib.sha256(document.encode()).hexdigest()[:12]
