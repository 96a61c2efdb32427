"""Writes the tables of docs/configuration.md from what the fields of a configuration say of themselves.

Run it after a change to `onehead.config`; a test compares the page with what it would write.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from onehead.config.parse import LISTS, SECTIONS

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
MARKED = re.compile(r"(<!-- keys of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
EXTRA = {
    "gateway": "| `keys` | list of `${VAR}` | `[]` | Keys that clients may use, without budgets or limits; empty ones are dropped. |",
    "keys": "| `key` | `${VAR}` | needed, or `sha256` | The key itself; only its SHA-256 is kept. |",
}
"""Keys of a file that no dataclass holds."""


def default_of(field: Field[Any]) -> str:
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if field.metadata["default"] is not None:
        return str(field.metadata["default"])
    if value is MISSING:
        return "**needed**"
    if value is None:
        return "–"
    if value in ({}, ()):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def table(section: str) -> str:
    kind = {**SECTIONS, **LISTS}[section]
    rows = [
        f"| `{one.name}` | {one.metadata['read'].kind} | {default_of(one)} | {one.metadata['doc']} |"
        for one in fields(kind)
    ]
    if section in EXTRA:
        rows.insert(1 if section == "keys" else len(rows), EXTRA[section])
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def written(page: str) -> str:
    """The page with its tables as they should be."""
    return MARKED.sub(lambda match: f"{match[1]}\n{table(match[2])}\n{match[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
    print(f"wrote {PAGE}")
