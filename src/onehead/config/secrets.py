"""Reading what must stay secret: it comes from the environment, never from the file itself."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from onehead.config.secret import Secret
from onehead.config.values import clean, written, wrong_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onehead.config.place import Place

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SCHEME: Final = re.compile(r"[A-Za-z-]{1,20} |[A-Za-z_-]{1,40}=")
"""What may stand before a secret: ``Bearer ``, or the name of a cookie."""
_VALUE: Final = re.compile(r"[\x20-\x7e]+")
_SECRET_WORDS: Final = frozenset(
    (
        "apikey",
        "auth",
        "authorization",
        "bearer",
        "cookie",
        "credential",
        "credentials",
        "key",
        "passwd",
        "password",
        "pwd",
        "secret",
        "session",
        "sig",
        "signature",
        "token",
    )
)
"""Words that make a header or query parameter one that opens something."""
_OURS: Final = frozenset(
    (
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Headers that follow from the request itself."""


class ApiKey:
    """A key: the whole value is `${VAR}`."""

    kind = "`${VAR}`"

    def __call__(self, value: Any, at: Place) -> Secret | None:
        """The key; None where the variable is empty."""
        key = secret_text(value, at)
        return Secret(key) if key else None


class Sha256:
    """The SHA-256 of a key in hexadecimal, which may stand in the file."""

    kind = "64 hexadecimal digits"

    def __call__(self, value: Any, at: Place) -> str:
        """The digest in small letters."""
        digest = written(value, at).expand(at).strip().lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            at.fail(
                "not a SHA-256 in hexadecimal (64 digits). Make one with: "
                'printf %s "$KEY" | sha256sum'
            )
        return digest


class Headers:
    """Extra request headers; those that open something come from the environment."""

    kind = "table of strings"

    def __call__(self, value: Any, at: Place) -> Mapping[str, Secret]:
        """The headers under their names in small letters."""
        made: dict[str, Secret] = {}
        for name, one in _table(value, at).items():
            place = at / name
            low = name.lower()
            if not _TOKEN.fullmatch(name):
                place.fail("a header's name holds letters, digits and - only.")
            if low in _OURS:
                place.fail("this header follows from the request and cannot be set; remove it.")
            if low in made:
                place.fail("the header is set twice; remove one.")
            made[low] = Secret(_maybe_secret(low, one, place))
        return made


class Query:
    """Extra query parameters; those that open something come from the environment."""

    kind = "table of strings"

    def __call__(self, value: Any, at: Place) -> Mapping[str, str]:
        """The parameters by name."""
        return {
            name: _maybe_secret(name, one, at / name) for name, one in _table(value, at).items()
        }


def key_digest(value: Any, at: Place) -> str | None:
    """The SHA-256 of a gateway key that a variable holds; None where it is empty."""
    key = secret_text(value, at)
    return hashlib.sha256(key.encode()).hexdigest() if key else None


def secret_text(value: Any, at: Place) -> str:
    """A secret that is nothing but a variable; "" where the variable is empty."""
    text = written(value, at)
    if any(variable.default for variable in text.variables):
        at.fail(
            "a secret is written in the file, as the default of a variable; put it in the environment "
            "and write ${NAME}."
        )
    if text.literal.strip():
        at.fail(
            "a secret is written in the file; put it in the environment and write its variable, "
            f'for example {at.path[-1] if isinstance(at.path[-1], str) else "keys"} = "${{NAME}}".'
        )
    key = text.expand(at).strip()
    if key and not _VALUE.fullmatch(key):
        at.fail("the secret holds characters that no HTTP header can carry; check the variable.")
    return key


def opens_something(name: str) -> bool:
    """Whether a header or parameter of this name carries a key or password."""
    return not _SECRET_WORDS.isdisjoint(re.split(r"[-_.]", name.lower()))


def _maybe_secret(name: str, value: Any, at: Place) -> str:
    """The value of a header or parameter; a key in it has to come from the environment."""
    text = written(value, at)
    if opens_something(name):
        defaults = any(variable.default for variable in text.variables)
        if defaults or (text.literal and not _SCHEME.fullmatch(text.literal)):
            at.fail(
                "a secret is written in the file; put it in the environment and write its variable, "
                f'for example {name} = "${{NAME}}".'
            )
        if not text.variables:
            at.fail(f'a secret has to come from the environment: {name} = "${{NAME}}".')
    made = clean(text.expand(at), at)
    if not _VALUE.fullmatch(made):
        at.fail("holds characters that no HTTP header can carry; check it.")
    return made


def _table(value: Any, at: Place) -> dict[str, Any]:
    if not isinstance(value, dict):
        wrong_type(value, 'a table such as { name = "value" }', at)
    return value
