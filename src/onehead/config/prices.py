"""Price tables: the one that comes with the package, and the user's own."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from onehead.config.place import Place, Source
from onehead.config.values import Flag, Name, Names, Number, Text, Whole, wrong_type
from onehead.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onehead.config.offers import Offer

SHIPPED: Final = Path(__file__).parents[1] / "data" / "prices" / "prices.toml"

_SOURCE: Final[dict[str, Any]] = {
    "name": Text(),
    "url": Text(),
    "as_of": Text(),
    "hosts": Names(),
    "elsewhere": Flag(),
}
_ROW: Final[dict[str, Any]] = {
    "model": Name(),
    "source": Name(),
    "free": Flag(),
    "input_usd_per_million": Number(0, 1e6),
    "cached_input_usd_per_million": Number(0, 1e6),
    "output_usd_per_million": Number(0, 1e6),
    "request_usd": Number(0, 1e6),
    "context_window": Whole(1, 1_000_000_000),
    "max_output_tokens": Whole(1, 1_000_000_000),
}
_NEEDED: Final = ("input_usd_per_million", "output_usd_per_million")
_TOP: Final = ("as_of", "sources", "prices")


@dataclass(frozen=True)
class PriceTable:
    """Prices and limits by model.

    as_of: month for which the prices were noted, where a source has no own
    sources: who asks these prices, and at which hosts
    rows: what is known of each model
    """

    name: str
    as_of: str
    sources: dict[str, dict[str, Any]]
    rows: dict[str, dict[str, Any]]

    def complete(self, offer: Offer, base_url: str, *, over: bool = False) -> Offer:
        """`offer` with what the table knows; `over`: also where the upstream says otherwise."""
        row = self._row(offer.id, base_url)
        if row is None:
            return offer
        limits = {
            name: row[name]
            for name in ("context_window", "max_output_tokens")
            if name in row and (over or getattr(offer, name) is None)
        }
        if offer.priced and not over:
            return replace(offer, **limits)
        return replace(
            offer,
            free=row.get("free", False),
            input_usd_per_million=row.get("input_usd_per_million"),
            output_usd_per_million=row.get("output_usd_per_million"),
            cached_input_usd_per_million=row.get("cached_input_usd_per_million"),
            request_usd=row.get("request_usd"),
            source=self._source(row),
            **limits,
        )

    def _row(self, model: str, base_url: str) -> dict[str, Any] | None:
        """What is known of a model at an upstream; prices of a host hold at that host only."""
        row = self.rows.get(model) or self.rows.get(model.removeprefix("models/"))
        if row is None or "source" not in row:
            return row
        source = self.sources[row["source"]]
        host = urlsplit(base_url).hostname or ""
        at_home = any(host == one or host.endswith(f".{one}") for one in source.get("hosts", ()))
        return row if at_home or source.get("elsewhere", True) else None

    def _source(self, row: dict[str, Any]) -> str:
        source = self.sources.get(row.get("source", ""), {})
        who = source.get("name", self.name)
        when = source.get("as_of", self.as_of)
        return f"{who}, as of {when}" if when else who


@cache
def shipped_prices() -> PriceTable:
    """The list prices that come with the package. They age: whoever uses them checks them."""
    return read_prices(SHIPPED)


def read_prices(path: str | Path) -> PriceTable:
    """A price table in TOML or JSON; ConfigError says what is wrong with it."""
    where = Path(path)
    try:
        text = where.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}. Check the path.") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; save the file as UTF-8.") from None
    try:
        document = json.loads(text) if where.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as a price table ({error}).") from None
    at = Place(Source(str(path), text))
    if not isinstance(document, dict) or "prices" not in document:
        at.fail("no price table; write a list of tables [[prices]] with model and prices in each.")
    _known(document, _TOP, at)
    sources = {
        name: _read(table, _SOURCE, ("name",), at / "sources" / name)
        for name, table in _table(document.get("sources", {}), at / "sources").items()
    }
    rows = _rows(document["prices"], sources, at / "prices")
    return PriceTable(where.name, str(document.get("as_of", "")), sources, rows)


def _rows(entries: Any, sources: Iterable[str], at: Place) -> dict[str, dict[str, Any]]:
    if not isinstance(entries, list):
        wrong_type(entries, "a list of tables", at)
    rows: dict[str, dict[str, Any]] = {}
    for place, entry in enumerate(entries):
        here = at / place
        free = isinstance(entry, dict) and entry.get("free") is True
        row = _read(entry, _ROW, ("model",) if free else ("model", *_NEEDED), here)
        here = here.of(f"model {row['model']!r}")
        if row["model"] in rows:
            (here / "model").fail("the model stands in the table twice; remove one.")
        if "source" in row and row["source"] not in sources:
            (here / "source").fail(f"no such source.{did_you_mean(row['source'], sources)}")
        rows[row.pop("model")] = row
    return rows


def _read(
    table: Any, readers: dict[str, Any], needed: tuple[str, ...], at: Place
) -> dict[str, Any]:
    """A table whose every key is known."""
    _known(_table(table, at), tuple(readers), at)
    for name in needed:
        if name not in table:
            (at / name).fail("missing; an unknown price is never taken for zero.")
    return {name: readers[name](value, at / name) for name, value in table.items()}


def _known(table: dict[str, Any], names: tuple[str, ...], at: Place) -> None:
    for name in table:
        if name not in names:
            near = did_you_mean(name, names) or f" Known here: {', '.join(names)}."
            (at / name).fail(f"unknown key.{near}")


def _table(value: Any, at: Place) -> dict[str, Any]:
    if not isinstance(value, dict):
        wrong_type(value, "a table", at)
    return value
