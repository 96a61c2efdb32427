"""Records as rows of the table `decisions`, and back."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onehead.store.records import DecisionRecord

if TYPE_CHECKING:
    from onehead.store.database import Row

COLUMNS: Final = DecisionRecord.__struct_fields__
NESTED: Final = ("constraints", "estimates", "attempts")
_PLACES: Final = {name: place for place, name in enumerate(COLUMNS)}
_NESTED: Final = tuple(_PLACES[name] for name in NESTED)
_TRUTHS: Final = (_PLACES["stream"], _PLACES["usage_estimated"])
_NUMBERS: Final = tuple(
    _PLACES[name]
    for name in (
        "willingness_to_pay",
        "confidence",
        "predicted_quality",
        "predicted_cost_usd",
        "cost_usd",
        "overhead_s",
        "first_byte_s",
        "total_s",
    )
)
_FROM_OUTSIDE: Final = tuple(
    _PLACES[name]
    for name in (
        "request_id",
        "path",
        "asked_model",
        "session",
        "model",
        "error",
        "prompt",
        "answer_id",
    )
)
_values: Final = attrgetter(*COLUMNS)
_json: Final = msgspec.json.Encoder().encode


def to_row(record: DecisionRecord) -> Row:
    """The values of a record in the order of `COLUMNS`.

    A number that is none becomes NULL: one NaN would spoil every sum. NUL characters, which
    PostgreSQL cannot hold, become the mark for unreadable ones.
    """
    row: list[Any] = list(_values(record))
    for place in _NESTED:
        value = row[place]
        row[place] = _json(value).decode() if value else ("{}" if place == _NESTED[0] else "[]")
    for place in _TRUTHS:
        row[place] = 1 if row[place] else 0
    for place in _NUMBERS:
        if row[place] != row[place]:  # only NaN differs from itself
            row[place] = None
    for place in _FROM_OUTSIDE:
        value = row[place]
        if value and "\0" in value:
            row[place] = value.replace("\0", "\ufffd")
    return tuple(row)


def from_row(row: Row) -> DecisionRecord:
    """The record of a row whose columns are `COLUMNS`."""
    fields = dict(zip(COLUMNS, row, strict=True))
    for name in NESTED:
        fields[name] = msgspec.json.decode(fields[name])
    fields["estimates"] = [tuple(estimate) for estimate in fields["estimates"]]
    fields["stream"] = bool(fields["stream"])
    fields["usage_estimated"] = bool(fields["usage_estimated"])
    return DecisionRecord(**fields)
