"""The log as a table: JSON lines, CSV or parquet.

The first columns are those of a long table of outcomes, so that `onehead train` reads what it needs:
each decision is a prompt of its own (`prompt_id` is its id), and its quality is the mean of its feedback.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onehead.errors import MissingExtraError, UsageError
from onehead.store.rows import COLUMNS, NESTED, from_row
from onehead.store.search import conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from onehead.store.search import Filter
    from onehead.store.store import Store

OUTCOMES: Final = (
    "prompt_id",
    "prompt",
    "model",
    "quality",
    "cost_usd",
    "input_tokens",
    "output_tokens",
)
"""Columns that training reads."""
_LEFT_OUT: Final = ("decision_id", "embedding")
EXPORTED: Final = (
    *OUTCOMES,
    *(name for name in COLUMNS if name not in (*OUTCOMES, *_LEFT_OUT)),
)
_TRAINABLE: Final = (
    "prompt IS NOT NULL AND prompt <> '' AND model IS NOT NULL AND "
    "EXISTS (SELECT 1 FROM feedback f WHERE f.decision_id = decisions.decision_id)"
)
_AT_ONCE: Final = 5000


def export(
    store: Store, target: Path, form: str, wanted: Filter, *, trainable: bool = False
) -> int:
    """Write the decisions that fit to `target` as `form`, oldest first; how many.

    form: one of `FORMS`
    trainable: only those with a prompt, a model that answered, and feedback
    """
    if form not in FORMS:
        raise UsageError(f"no format {form!r}. Choose one of: {', '.join(FORMS)}.")
    return FORMS[form](rows(store, wanted, trainable=trainable), target)


def rows(store: Store, wanted: Filter, *, trainable: bool) -> Iterator[dict[str, Any]]:
    """Decisions as values by the names of `EXPORTED`."""
    parts, values = conditions(wanted)
    if trainable:
        parts.append(_TRAINABLE)
    mean = "(SELECT AVG(quality) FROM feedback f WHERE f.decision_id = decisions.decision_id)"
    sql = (
        f"SELECT {', '.join(COLUMNS)}, {mean} FROM decisions WHERE {' AND '.join(parts)} "  # noqa: S608
        "ORDER BY decision_id"
    )
    with store.database.connection() as connection:
        for *row, quality in connection.stream(sql, values):
            record = from_row(tuple(row))
            row_out = {name: getattr(record, name, None) for name in EXPORTED}
            row_out["prompt_id"] = record.decision_id
            row_out["quality"] = None if quality is None else float(quality)
            yield row_out


def _write_jsonl(found: Iterable[dict[str, Any]], target: Path) -> int:
    encode, count = msgspec.json.Encoder().encode, 0
    with target.open("wb") as file:
        for row in found:
            file.write(encode(row) + b"\n")
            count += 1
    return count


def _write_csv(found: Iterable[dict[str, Any]], target: Path) -> int:
    count = 0
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, EXPORTED)
        writer.writeheader()
        for row in found:
            writer.writerow(_flat(row))
            count += 1
    return count


def _write_parquet(found: Iterable[dict[str, Any]], target: Path) -> int:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("writing parquet", "data") from None
    schema = pa.schema([(name, _type(name, pa)) for name in EXPORTED])
    count, part = 0, []
    with parquet.ParquetWriter(target, schema) as writer:
        for row in found:
            part.append(_flat(row))
            count += 1
            if len(part) == _AT_ONCE:
                writer.write_table(pa.Table.from_pylist(part, schema))
                part = []
        writer.write_table(pa.Table.from_pylist(part, schema))
    return count


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose lists and objects are JSON texts."""
    return {**row, **{name: msgspec.json.encode(row[name]).decode() for name in NESTED}}


def _type(name: str, pa: Any) -> Any:
    if name in ("stream", "usage_estimated"):
        return pa.bool_()
    if name.endswith("_tokens") or name == "status":
        return pa.int64()
    numbers = ("at", "quality", "confidence", "probability", "willingness_to_pay")
    if name in numbers or name.endswith(("_usd", "_s", "_quality")):
        return pa.float64()
    return pa.string()


FORMS: Final[dict[str, Callable[[Iterable[dict[str, Any]], Path], int]]] = {
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": _write_parquet,
}
"""Formats by the ending of the file's name."""
