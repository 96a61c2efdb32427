"""From a request to a plan: who is to answer it, who comes next if that fails, and why.

A conversation is decided at its user turns and held across tool turns. What its prompt cache holds
is a discount on the model that answered so far, so a conversation changes its model just when the
gain is worth more than the lost cache: one policy, no rule of its own. Who answered so far is read
from memory, or, in a worker that has not seen the conversation, found by deciding its earlier turns
again: the same messages lead every replica to the same model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.errors import NoEligibleModel
from onehead.gateway.eligible import Eligibility, Obstacles, refusal
from onehead.gateway.errors import GatewayError
from onehead.gateway.memory import Memory
from onehead.gateway.plan import Plan, Terms
from onehead.gateway.valuing import Case
from onehead.gateway.wire.options import NONE
from onehead.policy import UNCONSTRAINED, Constraints, choose, parse_willingness_to_pay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from numpy.typing import NDArray

    from onehead.config import KeyConfig, RoutingConfig
    from onehead.gateway.fleet import Fleet
    from onehead.gateway.valuing import Value
    from onehead.gateway.wire import Asked, Options
    from onehead.policy import Choice, RewardKind

    Valuing = Callable[[Sequence[Case]], Awaitable[list[Value]]]

MOST_REPLAYED = 32
"""Earlier user turns that are decided again at most, where nobody remembers them."""


class Planner:
    """Plans requests over a fleet."""

    def __init__(
        self,
        valuing: Valuing,
        fleet: Fleet,
        routing: RoutingConfig,
        *,
        is_open: Callable[[str], bool] | None = None,
        session_model: Callable[[str], Any] | None = None,
        demo: bool = False,
    ) -> None:
        """Take the parts.

        valuing: what the fleet's models are worth to turns
        is_open: whether a model's breaker keeps calls away
        session_model: awaitable look-up of who answered a session, for workers that do not know
        """
        self.fleet = fleet
        self.routing = routing
        self.memory = Memory()
        self._valuing = valuing
        self._is_open = is_open
        self._session_model = session_model
        self._rows = {name: row for row, name in enumerate(fleet.ids)}
        self._eligibility = Eligibility(
            [fleet.models[name] for name in fleet.ids], need_upstream=fleet.callable and not demo
        )
        self._usual = self._terms(NONE, None)  # a configuration that cannot be meant fails here

    def terms_of(self, options: Options, key: KeyConfig | None) -> Terms:
        """What a request, its key and the configuration say together; ceilings: the lowest."""
        return self._usual if options is NONE and key is None else self._terms(options, key)

    def _terms(self, options: Options, key: KeyConfig | None) -> Terms:
        routing = self.routing
        wtp = options.willingness_to_pay
        if wtp is None and key is not None:
            wtp = key.willingness_to_pay
        ceilings = [options.max_cost_usd, routing.max_cost_usd, key.max_cost_usd if key else None]
        known = [ceiling for ceiling in ceilings if ceiling is not None]
        floor = options.min_quality if options.min_quality is not None else routing.min_quality
        for name in options.models or ():
            if name not in self._rows:
                raise GatewayError(
                    f"model {name!r} is not among those that the router chooses from: "
                    f"{', '.join(self.fleet.ids)}.",
                    param="onehead.models",
                )
        return Terms(
            parse_willingness_to_pay(
                routing.willingness_to_pay if wtp is None else wtp, self.fleet.presets
            ),
            _reward(options.reward or routing.reward),
            min(known) if known else None,
            floor,
            options.models,
            options.session,
        )

    async def plan(
        self, asked: Asked, options: Options, key: KeyConfig | None, *, calls: bool = True
    ) -> Plan:
        """Decide one request; `calls` says whether it is to be answered, not only decided.

        Raises:
            GatewayError: an option that cannot be taken, or no model that may answer.
            OneheadError: the router failed; `fallback` says who answers then.
        """
        terms = self.terms_of(options, key)
        kept = self._eligibility(asked, key, terms.models, self._is_open if calls else None)
        if not (kept.none or kept.eligible):
            raise refusal(kept, self.fleet.ids)
        scope = key.name if key else ""
        here = f"{scope}\n{asked.keys[asked.last_user]}" if asked.keys else ""
        keys = (here,) if here else ()
        if terms.session is not None:
            keys = (*keys, f"{scope}\nsession\n{terms.session}")
        if asked.follows_tools and self.routing.sticky:
            held = await self._remembered(keys, terms)
            if held is not None and kept.reasons[self._rows[held]] is None:
                return self._hold(held, terms, kept, keys)
        plan = await self._decide(asked, terms, kept, scope, keys)
        plan.memory_keys = keys
        return plan

    def remember(self, plan: Plan, model: str) -> None:
        """Note who answered, for the turns to come."""
        for key in plan.memory_keys:
            self.memory.put(key, model)

    def fallback(self) -> Plan:
        """Who answers when the router itself has failed."""
        named = self.routing.fallback
        if named is not None:
            return Plan([named])
        callable_ids = [n for n in self.fleet.ids if self.fleet.models[n].has_upstream]
        return Plan(callable_ids or list(self.fleet.ids))

    def _hold(self, model: str, terms: Terms, kept: Obstacles, keys: tuple[str, ...]) -> Plan:
        """A tool turn stays where its user turn was decided, without another estimate."""
        rows = (*kept.eligible, *kept.resting)
        others = [self.fleet.ids[row] for row in rows if self.fleet.ids[row] != model]
        return Plan(
            [model, *others], terms=terms, chosen=model, obstacles=kept, held=True,
            memory_keys=keys, ids=self.fleet.ids,
        )  # fmt: skip

    async def _remembered(self, keys: tuple[str, ...], terms: Terms) -> str | None:
        """Who answered under any of the keys: the session first, which the caller named."""
        for key in reversed(keys):
            model = self.memory.get(key)
            if model in self._rows:
                return model
        if terms.session is not None and self._session_model is not None:
            model = await self._session_model(terms.session)
            return model if model in self._rows else None
        return None

    async def _decide(
        self, asked: Asked, terms: Terms, kept: Obstacles, scope: str, keys: tuple[str, ...]
    ) -> Plan:
        """Estimate this turn, and earlier ones where nobody remembers who answered."""
        incumbent: str | None = None
        turns = [asked.last_user]
        if self.routing.sticky:
            earlier = [turn for turn in asked.user_turns if turn < asked.last_user]
            incumbent = await self._incumbent(asked, terms, scope, keys, earlier)
            if incumbent is None:
                turns = [*earlier[-MOST_REPLAYED:], asked.last_user]
        cases = [self._case(asked, turn, terms) for turn in turns]
        plan = Plan([])
        for case, value in zip(cases, await self._valuing(cases), strict=True):
            plan = self._choose(case, value, terms, kept, incumbent)
            incumbent = plan.chosen
        return plan

    def _case(self, asked: Asked, turn: int, terms: Terms) -> Case:
        """A user turn as it is valued."""
        text = asked.text(turn)
        size = max(len(text), 1)
        reading = max(1.0, (sum(asked.sizes[: turn + 1]) + asked.tool_chars) / size)
        cached = min(reading, asked.prefix_chars(turn) / size)
        return Case(text, reading, cached, asked.answers, terms.willingness_to_pay, terms.reward)

    async def _incumbent(
        self, asked: Asked, terms: Terms, scope: str, keys: tuple[str, ...], earlier: list[int]
    ) -> str | None:
        """Who answered the turn before, as far as it is remembered."""
        if not earlier and terms.session is None:
            return None
        before = (f"{scope}\n{asked.keys[earlier[-1]]}",) if earlier and asked.keys else ()
        return await self._remembered((*before, *keys[1:]), terms)

    def _choose(
        self, case: Case, value: Value, terms: Terms, kept: Obstacles, incumbent: str | None
    ) -> Plan:
        """The policy over the fleet at the prices in force, the incumbent at its cache's price."""
        ids, cost, constraints = self.fleet.ids, value.cost_usd, UNCONSTRAINED
        if incumbent is not None:
            cost = self._discounted(case, value, incumbent)
        free = kept.none and terms.max_cost_usd is None and terms.min_quality is None
        if not free:
            rows = None if kept.none else kept.eligible
            constraints = Constraints(terms.max_cost_usd, terms.min_quality, rows)
        try:
            choice = value.free if free and incumbent is None else choose(
                value.quality, cost, terms.willingness_to_pay,
                kind=terms.reward, constraints=constraints, ids=ids,
            )  # fmt: skip
        except NoEligibleModel as error:
            if kept.resting:
                return self._choose(case, value, terms, kept.roused(), incumbent)
            raise GatewayError(str(error), status=422, code="no_eligible_model") from None
        row = int(choice.column[0])
        order = [ids[row]]
        if free:
            order += _by_reward(choice, cost, [True] * len(ids), ids, row)
        else:
            possible = choice.eligible[0]
            if terms.min_quality is not None:
                possible = _allowed(kept, cost, terms)
            order += _by_reward(choice, cost, possible.tolist(), ids, row)
        if kept.resting:  # tried once all others have failed
            late = _allowed(kept.roused(), cost, terms) & ~_allowed(kept, cost, terms)
            order += _by_reward(choice, cost, late.tolist(), ids, row)
        read, written = value.amounts(row)
        return Plan(
            order, terms=terms, chosen=ids[row], confidence=value.confidence,
            quality=value.quality, cost_usd=cost, choice=choice, constraints=constraints,
            obstacles=kept, row=row, incumbent=incumbent, ids=ids, text=case.text,
            features=value.features, half=value.half, tokens=value.tokens, reading=case.reading,
            answers=case.answers, spread=self.fleet.spread, input_tokens=read * case.reading, output_tokens=written,
        )  # fmt: skip

    def _discounted(self, case: Case, value: Value, incumbent: str) -> NDArray[np.float64]:
        """The costs [1, a], less what the incumbent's prompt cache holds of the conversation."""
        fleet, row = self.fleet, self._rows[incumbent]
        saved = value.amounts(row)[0] * case.cached
        saved *= fleet.input_price[row] - fleet.cached_price[row]
        cost = value.cost_usd.copy()
        cost[0, row] = max(cost[0, row] - saved, 0.0)
        return cost


def _by_reward(
    choice: Choice,
    cost: NDArray[np.float64],
    possible: list[bool],
    ids: tuple[str, ...],
    chosen: int,
) -> list[str]:
    """The models that may stand in, the best reward first, equal ones by cost."""
    ranks = zip(choice.score[0].tolist(), cost[0].tolist(), possible, ids, strict=True)
    others = [(-score, usd, name) for score, usd, may, name in ranks if may and name != ids[chosen]]
    return [name for _, _, name in sorted(others)]


def _allowed(kept: Obstacles, cost: NDArray[np.float64], terms: Terms) -> NDArray[np.bool_]:
    """Models that may stand in where the floor's choice fails: all within lists and ceiling [a]."""
    possible = np.array([reason is None for reason in kept.reasons])
    return possible if terms.max_cost_usd is None else possible & (cost[0] <= terms.max_cost_usd)


def _reward(kind: str) -> RewardKind:
    from onehead.policy.rewards import check_kind

    check_kind(kind)
    return kind  # type: ignore[return-value]
