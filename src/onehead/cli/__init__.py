"""The command `onehead`: one file for each group of commands, imported when it is called."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; Ctrl-C in its first moments, while modules load, is quiet as well."""
    try:
        from onehead.cli.run import main as run_and_exit
    except KeyboardInterrupt:
        sys.exit(130)
    run_and_exit(arguments)
