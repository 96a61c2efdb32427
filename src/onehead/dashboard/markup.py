"""HTML from Python calls. Text is escaped wherever it goes in; only `Markup` passes as it is.

`h("a", {"href": url}, "name")` makes an element. There is no way to write an attribute or a child
without escaping it, so hostile text in prompts, model names or comments stays text.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Child: TypeAlias = "Markup | str | int | float | Sequence[Child] | None"
Value: TypeAlias = "str | int | float | bool | None"

_VOID = frozenset({"input", "link", "meta", "br", "hr", "img"})
_LINKS = frozenset({"href", "action", "src"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def h(name: str, attributes: Mapping[str, Value] | None = None, *children: Child) -> Markup:
    """One element. An attribute that is None or False is left out; True stands without a value."""
    parts = [f"<{name}"]
    for key, value in (attributes or {}).items():
        if value is None or value is False:
            continue
        parts.append(f" {key}" if value is True else f' {key}="{escape(_checked(key, value))}"')
    parts.append(">")
    if name not in _VOID:
        parts += [_html(child) for child in children]
        parts.append(f"</{name}>")
    return Markup("".join(parts))


def join(*children: Child) -> Markup:
    """Several pieces, one after the other."""
    return Markup("".join(_html(child) for child in children))


def _html(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str | int | float):
        return escape(str(child))
    return "".join(_html(one) for one in child)


def _checked(key: str, value: str | float) -> str:
    """An attribute's text. Links stay on this server: no scheme can slip in with a name."""
    text = str(value)
    if key in _LINKS and not text.startswith(("/", "#", "?")):
        raise ValueError(f"{key} must be a path of this server, not {text[:40]!r}")
    if key in _LINKS and text.startswith(("//", "/\\")):
        raise ValueError(f"{key} must not name another server: {text[:40]!r}")
    return text
