"""From the text of a configuration file to a `Config`. The only part that reads files."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import MISSING, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from onehead.config.checks import check_config
from onehead.config.model import ModelConfig
from onehead.config.place import Place, Source
from onehead.config.secrets import key_digest
from onehead.config.types import (
    Config,
    GatewayConfig,
    KeyConfig,
    RoutingConfig,
    StoreConfig,
    UpstreamConfig,
)
from onehead.config.values import wrong_type
from onehead.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

SECTIONS: Final[dict[str, type]] = {
    "gateway": GatewayConfig,
    "routing": RoutingConfig,
    "upstreams": UpstreamConfig,
    "store": StoreConfig,
}
"""Tables that stand in a file once."""
LISTS: Final[dict[str, type]] = {"models": ModelConfig, "keys": KeyConfig}
"""Arrays of tables: ``[[models]]``."""
EXTRA: Final = {"gateway": ("keys",), "keys": ("key",)}
"""Keys that a file has and the dataclass has not: keys are kept as digests only."""

_LARGEST = 4 << 20
_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def load_config(path: str | Path) -> Config:
    """The configuration in a file, with variables from the environment; ConfigError says what is wrong."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror or error}. Check the path and its permissions."
        ) from error
    except ValueError as error:  # a NUL character in the path
        raise ConfigError(f"{path!r} is no path: {error}.") from error
    if len(content) > _LARGEST:
        raise ConfigError(f"{path}: larger than {_LARGEST >> 20} MB; is it a configuration file?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise ConfigError(
            f"{path}:{line}:{column}: not UTF-8 text; save the file as UTF-8."
        ) from None
    config = parse_config(text, environment=os.environ, where=str(path))
    return replace(config, path=Path(path))


def default_config() -> Config:
    """What holds without a file: the bundled router, SQLite, no upstreams, this machine only."""
    return Config()


def parse_config(text: str, *, environment: Mapping[str, str], where: str) -> Config:
    """The configuration that `text` holds.

    Args:
        text: TOML
        environment: what ``${VAR}`` stands for
        where: name of the file, for messages

    Raises:
        ConfigError: file, line where known, key, what is wrong and how to mend it; never a value
    """
    place = Place(Source(where, text, environment))
    document = _toml(text, where)
    _check_names(document, (*SECTIONS, *LISTS), place)
    parts: dict[str, Any] = {
        name: _section(kind, document.get(name, {}), place / name)
        for name, kind in SECTIONS.items()
    }
    own = _own_keys(document.get("gateway", {}), place / "gateway")
    named = _entries(document.get("keys", []), place / "keys", _key)
    models = _entries(document.get("models", []), place / "models", partial(_table, ModelConfig))
    config = Config(**parts, keys=(*own, *named), models=models)
    check_config(config, place, listed=len(own))
    return config


def _toml(text: str, where: str) -> dict[str, Any]:
    """The document; ConfigError with line and column."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _POSITION.search(str(error))
        line, column = match.groups() if match else (None, None)
        if line is None:
            line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        what = str(error)[: match.start()] if match else str(error)
        raise ConfigError(
            f"{where}:{line}:{column}: not valid TOML: {_without_value(what)}"
        ) from None
    except RecursionError:
        raise ConfigError(f"{where}: nested too deeply to be read; make it flatter.") from None
    except ValueError:  # a number of thousands of digits, or a date that no calendar has
        raise ConfigError(f"{where}: a number or date in it cannot be read; correct it.") from None


def _without_value(what: str) -> str:
    """What tomllib says, in our style; it repeats a character or a key at most."""
    return f'{what[:1].lower()}{what[1:].removesuffix(".")}. Strings need quotes: key = "value".'


def _section(kind: type[T], value: Any, at: Place) -> T:
    """A table that stands in the file once."""
    name = at.path[-1]
    if isinstance(value, list):
        at.fail(f"written as a list of tables; write [{name}] with single brackets, once.")
    return _table(kind, value, at, extra=EXTRA.get(str(name), ()))


def _entries(value: Any, at: Place, read: Any) -> tuple[Any, ...]:
    """An array of tables."""
    if not isinstance(value, list):
        at.fail(f"not a list of tables; begin each with [[{at.path[-1]}]].")
    return tuple(read(one, at / place) for place, one in enumerate(value))


def _table(kind: type[T], table: Any, at: Place, *, extra: tuple[str, ...] = ()) -> T:
    """The dataclass `kind` from a table; keys named in `extra` are read elsewhere."""
    if not isinstance(table, dict):
        wrong_type(table, "a table", at)
    at = at.of(_owner(kind, table))
    known = fields(kind)  # type: ignore[arg-type]
    _check_names(table, (*(one.name for one in known), *extra), at)
    needed = [
        one.name for one in known if one.default is MISSING and one.default_factory is MISSING
    ]
    for name in needed:
        if name not in table:
            (at / name).fail(f'missing; write {name} = "…".')
    values = {
        one.name: one.metadata["read"](table[one.name], at / one.name)
        for one in known
        if one.name in table
    }
    return kind(**values)


def _key(table: Any, at: Place) -> KeyConfig:
    """An entry of ``[[keys]]``: the key becomes its digest here."""
    if not isinstance(table, dict):
        wrong_type(table, "a table", at)
    owner = at.of(_owner(KeyConfig, table))
    if "key" in table and "sha256" in table:
        (owner / "sha256").fail("key and sha256 are both given; keep one.")
    if "key" not in table:
        if "sha256" not in table:
            (owner / "key").fail('missing; write key = "${NAME}" or sha256 = "…".')
        return _table(KeyConfig, table, at)
    digest = key_digest(table["key"], owner / "key")
    if digest is None:
        (owner / "key").fail("the variable is empty; set it, or remove this entry.")
    rest = {name: value for name, value in table.items() if name != "key"}
    return _table(KeyConfig, {**rest, "sha256": digest}, at, extra=EXTRA["keys"])


def _own_keys(table: Any, at: Place) -> list[KeyConfig]:
    """The keys listed in ``[gateway]``; empty ones are dropped."""
    value = table.get("keys", [])
    if not isinstance(value, list):
        wrong_type(value, "a list of strings", at / "keys")
    digests = [key_digest(one, at / "keys" / place) for place, one in enumerate(value)]
    return [
        KeyConfig(name=f"key-{place}", sha256=digest)
        for place, digest in enumerate(digests, 1)
        if digest is not None
    ]


def _owner(kind: type, table: dict[str, Any]) -> str:
    """Whom an entry is about, as the file names it."""
    what, name = {ModelConfig: ("model", "id"), KeyConfig: ("key", "name")}.get(kind, ("", ""))
    value = table.get(name)
    return f"{what} {value!r}" if isinstance(value, str) else ""


def _check_names(table: dict[str, Any], known: tuple[str, ...], at: Place) -> None:
    """ConfigError for the first key that there is not, with the nearest, or the table that has it."""
    for name in table:
        if name not in known:
            homes = [f"[{one}]" for one, kind in SECTIONS.items() if _has(one, kind, name)]
            homes += [f"[[{one}]]" for one, kind in LISTS.items() if _has(one, kind, name)]
            near = did_you_mean(name, known)
            if homes and not near:
                near = f" It belongs in {' or '.join(homes)}."
            near = near or f" Known here: {', '.join(known)}."
            (at / name).fail(f"unknown {'key' if at.path else 'table'}.{near}")


def _has(section: str, kind: type, name: str) -> bool:
    return name in (*(one.name for one in fields(kind)), *EXTRA.get(section, ()))
