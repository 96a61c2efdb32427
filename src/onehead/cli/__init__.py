"""The command `onehead`: one file for each group of commands, imported when it is called."""

from onehead.cli.run import main

__all__ = ["main"]
