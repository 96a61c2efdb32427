"""One look at the dashboard: the request, the gateway it is about, and who looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onehead.dashboard.ranges import Range, range_of
from onehead.dashboard.session import scheme

if TYPE_CHECKING:
    from starlette.requests import Request

    from onehead.config import KeyConfig
    from onehead.dashboard.context import Context

_NARROWEST, _WIDEST = 180, 1600


@dataclass(frozen=True, slots=True)
class Visit:
    """A request by someone who may look."""

    request: Request
    context: Context
    key: KeyConfig | None

    @property
    def name(self) -> str | None:
        """The key's name; None where the gateway is open."""
        return None if self.key is None else self.key.name

    def asked(self, name: str) -> str | None:
        """A query parameter; None where it is not given or empty."""
        return self.request.query_params.get(name) or None

    @property
    def range(self) -> Range:
        """The range asked for, else one that suits the log; UsageError for a name that is none."""
        name = self.asked("range")
        first = self.context.log.first() if name in (None, "all") else None
        return range_of(name, first)

    def width(self, name: str, usual: int) -> int:
        """A chart's width asked for, within reason."""
        text = self.asked(name) or ""
        wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else usual
        return min(max(wanted, _NARROWEST), _WIDEST)

    @property
    def base(self) -> str:
        """Where this gateway is reached, for commands to copy."""
        return f"{scheme(self.request)}://{self.request.base_url.netloc}"

    def own(self, key: str | None) -> bool:
        """Whether a decision of `key` is the reader's own; an open gateway has one reader."""
        return self.key is None or self.key.name == key
