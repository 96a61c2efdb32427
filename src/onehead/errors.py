"""Every error that onehead raises on purpose, as one tree.

    OneheadError
    ├── UsageError            an option or argument that cannot be taken
    │   └── NoEligibleModel   constraints left no model to choose
    ├── DataError             outcomes or prompts that cannot be read or used
    ├── ConfigError           a configuration file that cannot be taken
    ├── ArtifactError         a router directory that is damaged, incomplete or too new
    ├── EncoderError          an encoder that cannot be loaded or did not answer
    ├── StoreError            a decision log that cannot be opened, read or written
    │   └── UnknownDecision   feedback or a question about a decision that was never made
    └── MissingExtraError     an optional part of the package is not installed

Each message says what was wrong, where, and how to mend it; `did_you_mean` helps with misspelt names. `exit_code` is what the command line
returns and `status` what the gateway answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_NAME = 200


class OneheadError(Exception):
    """Base of all errors that onehead raises on purpose."""

    exit_code: int = 1
    status: int = 500


class UsageError(OneheadError):
    """An option or argument that cannot be taken."""

    exit_code = 2
    status = 400


class NoEligibleModel(UsageError):  # noqa: N818  (the name says the situation)
    """The constraints leave no model to choose; the message names each model's reason."""

    status = 422


class DataError(OneheadError):
    """Outcomes or prompts that cannot be read or used."""

    exit_code = 2
    status = 400


class ConfigError(OneheadError):
    """A configuration file that cannot be taken."""

    exit_code = 2


class ArtifactError(OneheadError):
    """A router directory that is damaged, incomplete or of a newer format."""

    exit_code = 2


class EncoderError(OneheadError):
    """An encoder that cannot be loaded or did not answer."""

    exit_code = 2
    status = 502


class StoreError(OneheadError):
    """A decision log that cannot be opened, read or written."""

    exit_code = 2
    status = 503


class UnknownDecision(StoreError):  # noqa: N818  (the name says the situation)
    """Feedback or a question about a decision that was never made, or is another's."""

    status = 404


class MissingExtraError(OneheadError):
    """An optional part of the package is not installed."""

    exit_code = 2

    def __init__(self, needs: str, extra: str) -> None:
        """Name what `needs` the `extra` and the command that installs it."""
        super().__init__(
            f"{needs} needs the optional part {extra!r} of onehead, which is not installed. "
            f"Install it with: pip install 'onehead[{extra}]'"
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence, with a space before it, that suggests what `name` may stand for; "" for nothing."""
    from difflib import get_close_matches

    if len(name) > _LONGEST_NAME:
        return ""  # comparing takes as long as the name, which a stranger may have chosen
    names = {one.lower(): one for one in known}
    near = get_close_matches(name.strip().lower(), names, n=1, cutoff=0.7)
    return f" Did you mean {names[near[0]]!r}?" if near else ""
