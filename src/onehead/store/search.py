"""Looking for decisions: newest first, page by page, never more work than a page can wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onehead.errors import UsageError
from onehead.store.ids import first_id
from onehead.store.rows import COLUMNS, from_row
from onehead.store.sqlite import marks

if TYPE_CHECKING:
    from onehead.store.database import Database
    from onehead.store.records import DecisionRecord

MOST: Final = 1000
_SCAN: Final = 200_000
"""Index entries that one page looks at, at most; a later page goes on from there."""
_SCAN_TEXT: Final = 20_000
_EXACT: Final = ("model", "key", "mode", "outcome", "session")
_SCANNED: Final = ("model", "key", "mode", "outcome")


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which decisions; what is None does not matter.

    text: part of the prompt, in small or capital letters, where prompts are kept in full
    since, until: unix seconds; until is not included
    failed: True: only those whose outcome is not ok
    """

    model: str | None = None
    key: str | None = None
    mode: str | None = None
    outcome: str | None = None
    session: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None
    min_cost_usd: float | None = None
    failed: bool = False


@dataclass(frozen=True)
class Page:
    """Decisions, newest first.

    before: pass it on for the next page; None where there is no more
    complete: False where the search stopped early without filling the page; the next goes on
    """

    decisions: list[DecisionRecord]
    before: str | None
    complete: bool = True


def search(database: Database, wanted: Filter, limit: int, before: str | None) -> Page:
    """The newest decisions that fit, older than the one named `before`."""
    if not 1 <= limit <= MOST:
        raise UsageError(f"a page has 1 to {MOST:,} decisions, not {limit}.")
    parts, values = conditions(wanted)
    if before is not None:
        parts.append("decision_id < ?")
        values.append(before)
    floor = _floor(database, wanted, before)
    if floor is not None:
        parts.append("decision_id >= ?")
        values.append(floor)
    found = database.rows(
        f"SELECT decision_id FROM decisions WHERE {' AND '.join(parts)} "  # noqa: S608
        f"ORDER BY decision_id DESC LIMIT {limit}",
        values,
    )
    ids = [str(key) for (key,) in found]
    decisions = by_ids(database, ids)
    if len(ids) == limit:
        return Page(decisions, ids[-1])
    return Page(decisions, floor, floor is None)


def by_ids(database: Database, ids: list[str]) -> list[DecisionRecord]:
    """Decisions in the order of their ids; those that are gone are left out."""
    if not ids:
        return []
    rows = database.rows(
        f"SELECT {', '.join(COLUMNS)} FROM decisions WHERE decision_id IN ({marks(len(ids))})",  # noqa: S608
        ids,
    )
    known = {row[0]: row for row in rows}
    return [from_row(known[key]) for key in ids if key in known]


def conditions(wanted: Filter) -> tuple[list[str], list[Any]]:
    """The filter as SQL and its values."""
    parts, values = ["1 = 1"], []
    scans = _scans(wanted)
    for name in _EXACT:
        value = getattr(wanted, name)
        if value is not None:
            parts.append(f"{_column(name, scans=scans)} = ?")
            values.append(value)
    if wanted.failed or wanted.outcome not in (None, "ok"):
        # Said beside the outcome, so that the index of failures is found.
        parts.append(f"{_column('outcome', scans=scans)} <> 'ok'")
    if wanted.since is not None:
        parts.append("decision_id >= ?")
        values.append(first_id(wanted.since))
    if wanted.until is not None:
        parts.append("decision_id < ?")
        values.append(first_id(wanted.until))
    if wanted.min_cost_usd is not None:
        parts.append("cost_usd >= ?")
        values.append(wanted.min_cost_usd)
    if wanted.text:
        escaped = wanted.text.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
        parts.append("LOWER(prompt) LIKE ? ESCAPE '!'")
        values.append(f"%{escaped}%")
    return parts, values


def _scans(wanted: Filter) -> bool:
    """Whether a filter asks for what no one index finds; a session is short enough in any case."""
    named = [getattr(wanted, name) is not None for name in _SCANNED]
    several = sum([*named, wanted.failed]) > 1
    return wanted.session is None and (wanted.min_cost_usd is not None or several)


def _column(name: str, *, scans: bool) -> str:
    """A column as a condition names it.

    A search that goes through the log from its end is fastest in the index that holds all that it
    looks at; behind COALESCE the database thinks of no other.
    """
    return f"COALESCE({name}, '')" if scans and name in _SCANNED else name


def _floor(database: Database, wanted: Filter, before: str | None) -> str | None:
    """The id at which a search that no index answers stops; None where it need not."""
    if wanted.text:
        most = _SCAN_TEXT
    elif _scans(wanted):
        most = _SCAN
    else:
        return None
    parts, values = conditions(Filter(since=wanted.since, until=wanted.until))
    if before is not None:
        parts.append("decision_id < ?")
        values.append(before)
    found = database.rows(
        f"SELECT decision_id FROM decisions WHERE {' AND '.join(parts)} "  # noqa: S608
        f"ORDER BY decision_id DESC LIMIT 1 OFFSET {most}",
        values,
    )
    return str(found[0][0]) if found else None
