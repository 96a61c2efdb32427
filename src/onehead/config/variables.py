"""`${VAR}` and `${VAR:-default}` in the strings of a configuration file; `$${` stands for `${`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onehead.errors import did_you_mean

if TYPE_CHECKING:
    from onehead.config.place import Place

_PIECE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


@dataclass(frozen=True)
class Variable:
    """A variable of the environment, with what stands for it where it is unset or empty."""

    name: str
    default: str | None


@dataclass(frozen=True)
class Template:
    """A string as it is written in the file."""

    parts: tuple[str | Variable, ...]

    @property
    def variables(self) -> list[Variable]:
        """The variables in it."""
        return [part for part in self.parts if isinstance(part, Variable)]

    @property
    def literal(self) -> str:
        """What is written in the file itself, without variables and their defaults."""
        return "".join(part for part in self.parts if isinstance(part, str))

    def filled(self, mark: str, *, defaults: bool) -> str:
        """The string with `mark`, or the default where there is one, in place of each variable."""
        return "".join(
            part if isinstance(part, str) else (part.default if defaults else None) or mark
            for part in self.parts
        )

    def expand(self, at: Place) -> str:
        """The string with the environment's values; ConfigError names a variable that is missing."""
        environment = at.source.environment
        made = []
        for part in self.parts:
            if isinstance(part, str):
                made.append(part)
            elif part.default is not None:
                made.append(environment.get(part.name) or part.default)
            elif part.name in environment:
                made.append(environment[part.name])
            else:
                at.fail(
                    f"the environment variable {part.name} is not set.{did_you_mean(part.name, environment)} "
                    f"Set it, or give a default: ${{{part.name}:-…}}."
                )
        return "".join(made)


def template(text: str, at: Place) -> Template:
    """Take a string apart; ConfigError for a variable that is not written properly."""
    parts: list[str | Variable] = []
    end = 0
    for match in _PIECE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match[0] == "$${":
            parts.append("${")
        elif match[1] is None:
            at.fail(
                "a variable is not written properly. Write ${NAME} or ${NAME:-default}, with letters, "
                "digits and _ in the name; $${ stands for ${ itself."
            )
        else:
            parts.append(Variable(match[1], match[2]))
    parts.append(text[end:])
    return Template(tuple(part for part in parts if part != ""))
