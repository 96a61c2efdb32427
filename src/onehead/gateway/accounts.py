"""Who may ask, and how much: API keys, budgets, and limits per minute.

A key is known by its SHA-256 alone. A budget is checked before a request runs, with the estimated cost
of everything that runs beside it reserved, so that requests at the same time cannot overshoot together;
what a request really cost replaces its reservation when it ends. A budget can therefore be passed by
no more than what estimates fell short of and, in a fleet, by what others spent in the seconds before
the log tells of it.

Limits per minute and reservations hold for all workers of a machine, which share them (`shared`); where
they have no place to meet, each takes an equal share of a limit, rounded up. Machines share only what
the log knows: each has the whole limit per minute.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from onehead.gateway.budgets import (
    Ledger,
    SpendOf,
    day_of,
    fits,
    period_end,
    period_start,
)
from onehead.gateway.errors import GatewayError
from onehead.gateway.place import Place, place_of_environment
from onehead.gateway.rates import Minute
from onehead.gateway.shared import SharedKey, SharedMinute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onehead.config import KeyConfig


class Unauthorized(GatewayError):  # noqa: N818  (the name says the situation)
    """No key, or one that is not known here."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=401, code="invalid_api_key")


class BudgetExceeded(GatewayError):  # noqa: N818
    """The key's budget leaves no room for this request."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=429, kind="insufficient_quota", code="insufficient_quota")


class RateLimited(GatewayError):  # noqa: N818
    """The key has had its requests or tokens of this minute."""

    def __init__(self, message: str, kind: str, retry_after: float | None) -> None:
        super().__init__(
            message, status=429, kind=kind, code="rate_limit_exceeded", retry_after=retry_after
        )


class Reservation:
    """What a running request holds of its key's account. It ends once: settled or released."""

    __slots__ = ("_account", "_day", "_second", "_tokens", "_usd")

    def __init__(
        self, account: _Account | None, day: int, usd: float, second: int, tokens: float
    ) -> None:
        self._account = account
        self._day = day
        self._usd = usd
        self._second = second
        self._tokens = tokens

    def settle(self, cost_usd: float, tokens: float) -> None:
        """Replace the estimates by what it really cost and read and wrote.

        Call it in the same step as the log's `put`, and with the same cost as the record has.
        """
        self._end(cost_usd, tokens)

    def release(self) -> None:
        """Give everything back but the request itself: nothing was spent."""
        self._end(0.0, 0)

    def _end(self, cost_usd: float, tokens: float) -> None:
        account, self._account = self._account, None
        if account is None:
            return
        account.release(self._day, self._usd)
        if cost_usd:
            account.ledger.settle(self._day, cost_usd)
        account.tokens.correct(self._second, tokens - self._tokens)


class _Account:
    """A key with what it has spent and asked.

    place: where workers meet; a key without limits need not
    """

    def __init__(self, config: KeyConfig, ledger: Ledger, place: Place | None) -> None:
        self.config = config
        self.digest = bytes.fromhex(config.sha256)
        self.ledger = ledger
        self.today = 0
        self.requests: Minute | SharedMinute = Minute()
        self.tokens: Minute | SharedMinute = Minute()
        limits = (config.budget_usd, config.requests_per_minute, config.tokens_per_minute)
        self.shared: SharedKey | None = None
        if place is not None and limits != (None, None, None):
            self.shared = SharedKey(place, config.name)
            self.requests, self.tokens = self.shared.requests, self.shared.tokens

    def lock(self) -> AbstractContextManager[None]:
        """Keeps other workers from admitting meanwhile."""
        return nullcontext() if self.shared is None else self.shared.lock()

    def held(self, start: int) -> float:
        """USD that running requests may still cost, here since `start` and in other workers."""
        elsewhere = 0.0 if self.shared is None else self.shared.reserved_elsewhere()
        return self.ledger.held(start) + elsewhere

    def reserve(self, day: int, usd: float) -> None:
        """Keep `usd` back for a request of `day`."""
        self.ledger.reserve(day, usd)
        self._tell()

    def release(self, day: int, usd: float) -> None:
        """Give back what was reserved."""
        self.ledger.release(day, usd)
        self._tell()

    def _tell(self) -> None:
        if self.shared is not None:
            self.shared.reserve(self.ledger.held(0))

    def continued(self, before: _Account) -> None:
        """Go on with the amounts of the same key before a reload."""
        self.ledger, self.today = before.ledger, before.today
        if self.shared is None or before.shared is not None:
            self.requests, self.tokens = before.requests, before.tokens
            self.shared = before.shared
        self._tell()


class Accounts:
    """The keys of a gateway and their accounts in this worker.

    keys: none leaves the gateway open
    spend_of: what the log knows of spending, with what was just put into it
    workers: how many of this machine share the limits
    before: the accounts that these replace at a reload; running requests stay on them
    """

    def __init__(
        self,
        keys: Sequence[KeyConfig],
        spend_of: SpendOf,
        *,
        workers: int = 1,
        before: Accounts | None = None,
    ) -> None:
        place = place_of_environment() if workers > 1 else None
        self._shares = workers if place is None else 1
        self._accounts = {
            key.name: _Account(key, Ledger(key.name, spend_of), place) for key in keys
        }
        if before is not None:
            for name in self._accounts.keys() & before._accounts.keys():  # noqa: SLF001
                self._accounts[name].continued(before._accounts[name])  # noqa: SLF001

    def identify(self, headers: Mapping[str, str]) -> KeyConfig | None:
        """The key of a request, by its headers in lower case; None where the gateway is open.

        Every key is compared in full, whichever matches: the time tells nothing.
        """
        if not self._accounts:
            return None
        presented = _presented(headers)
        if presented is None:
            raise Unauthorized(
                "no API key was given; send it as 'Authorization: Bearer KEY', as 'x-api-key' or "
                "as 'api-key'."
            )
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        found: KeyConfig | None = None
        for account in self._accounts.values():
            if hmac.compare_digest(account.digest, digest):
                found = account.config
        if found is None:
            # LiteLLM's client knows a wrong key by OpenAI's first words alone.
            raise Unauthorized(
                "Incorrect API key provided: it is not known here; check it, or ask for another one."
            )
        return found

    def admit(
        self, key: KeyConfig | None, estimated_usd: float, estimated_tokens: float, now: float
    ) -> Reservation:
        """Reserve what a request is expected to cost; `now` in unix seconds is when it arrived.

        Raises BudgetExceeded or RateLimited, and then reserves and counts nothing.
        """
        if key is None:
            return Reservation(None, 0, 0.0, 0, 0)
        account = self._accounts[key.name]
        day = account.today = max(day_of(now), account.today)
        with account.lock():
            self._check_budget(account, estimated_usd, day)
            self._check_rates(account, estimated_tokens, now)
            account.requests.add(now, 1)
            account.tokens.add(now, estimated_tokens)
            account.reserve(day, estimated_usd)
        return Reservation(account, day, estimated_usd, account.tokens.newest(), estimated_tokens)

    def used(self, key: KeyConfig) -> float:
        """USD that count against the key's budget in its running period."""
        account = self._accounts[key.name]
        start = period_start(key.period, account.today)
        return account.ledger.spent(start) + account.held(start)

    def warning(self, key: KeyConfig | None) -> str | None:
        """What to tell a key that has used most of its budget; None while there is enough left."""
        if key is None or key.budget_usd is None:
            return None
        used = self.used(key)
        if used < key.warn_at * key.budget_usd:
            return None
        day = self._accounts[key.name].today
        return f"{_usd(used)} of {_usd(key.budget_usd)} used {_until(key.period, day)}"

    def _check_budget(self, account: _Account, usd: float, day: int) -> None:
        key = account.config
        if key.budget_usd is None:
            return
        start = period_start(key.period, day)
        spent, held = account.ledger.spent(start), account.held(start)
        if fits(spent + held, usd, key.budget_usd):
            return
        running = f", {_usd(held)} reserved for running requests" if held else ""
        raise BudgetExceeded(
            f"the budget of this key does not cover this request: {_usd(spent)} of "
            f"{_usd(key.budget_usd)} spent{running}, and about {_usd(usd)} needed "
            f"{_until(key.period, day)}."
        )

    def _check_rates(self, account: _Account, tokens: float, now: float) -> None:
        key = account.config
        for minute, amount, limit, noun in (
            (account.requests, 1, key.requests_per_minute, "requests"),
            (account.tokens, tokens, key.tokens_per_minute, "tokens"),
        ):
            if limit is None:
                continue
            share = -(-limit // self._shares)
            if minute.total(now) + amount <= share:
                continue
            if amount > share:
                raise RateLimited(
                    f"this request needs about {amount:.0f} {noun}, and this key has {share} a "
                    "minute; ask for less.",
                    noun,
                    None,
                )
            wait = max(math.ceil(minute.wait(now, amount, share)), 1)
            raise RateLimited(
                f"this key has had its {share} {noun} of this minute; try again in {wait} s.",
                noun,
                wait,
            )


def _presented(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or headers.get("api-key") or None


def _until(period: str, day: int) -> str:
    end = period_end(period, day)
    if end is None:
        return "in all; it is not renewed"
    return f"this {period}, until {end:%Y-%m-%d %H:%M} UTC"


def _usd(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 1 or not amount else f"${amount:.4g}"
