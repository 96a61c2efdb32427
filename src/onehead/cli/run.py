"""The outer edge of the command line: what is called, and how every failure ends.

Exit codes: 0 done, 2 bad usage or bad input, 130 interrupted, 1 anything else. A failure is one
line on stderr; standard output then holds no half-finished document.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from onehead import __version__
from onehead.cli.group import lazy_group
from onehead.errors import OneheadError

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 128 + signal.SIGINT
_STOPPED = "interrupted; nothing was left half-written."
_USERS_PATHS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


@lazy_group(
    {
        "route": "onehead.cli.route:route",
        "train": "onehead.cli.train:train",
        "predict": "onehead.cli.predict:predict",
        "evaluate": "onehead.cli.evaluate:evaluate",
        "models": "onehead.cli.models:models",
        "bench": "onehead.cli.bench:bench",
        "serve": "onehead.cli.serve:serve",
        "config": "onehead.cli.config:config",
        "log": "onehead.cli.log:log",
        "feedback": "onehead.cli.feedback:feedback",
        "report": "onehead.cli.report:report",
    },
    epilog='\b\nExample:\n  onehead route "Prove that 17 is prime." --wtp cheap',
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="onehead %(version)s")
def cli() -> None:
    """Choose the right language model for every prompt.

    Estimates, for each model of a pool, how well it would answer and what that would cost, and
    takes the one that is worth it to you.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no failure goes through."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(arguments, prog_name="onehead", standalone_mode=False)
        if hasattr(sys.stdout, "flush"):  # it is None where the caller closed it
            sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        if sys.stderr is not None and sys.stderr.isatty():
            click.echo(err=True)  # the terminal shows ^C on this line
        return _fail(_STOPPED, _INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has gone: silence what Python still wants to flush there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if _was_interrupted(error):
            return _fail(_STOPPED, _INTERRUPTED)
        known = isinstance(error, click.ClickException | OneheadError | OSError)
        if os.environ.get("ONEHEAD_TRACEBACK") and not known:
            raise
        return _fail(*_verdict(error))
    return code if isinstance(code, int) else 0


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: an extension stopped while it loads makes it ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _verdict(error: Exception) -> tuple[str, int]:
    """What to say of a failure, and the exit code."""
    if isinstance(error, click.ClickException):
        return _usage(error), 2
    if isinstance(error, OneheadError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        if isinstance(error, _USERS_PATHS):
            return f"{place}{error.strerror or error}. Check the path and its permissions.", 2
        return f"{place}{error.strerror or error}", 1
    message = (
        f"unexpected error, {type(error).__name__}: {error} (please report it; with "
        "ONEHEAD_TRACEBACK=1 in the environment the traceback is shown)"
    )
    return message, 1


def _usage(error: click.ClickException) -> str:
    """A usage error of click's in our style, with the way to the help."""
    message = error.format_message().removesuffix(".").replace("?.", "?")
    end = "" if message.endswith("?") else "."
    context = getattr(error, "ctx", None)
    return f"{message}{end} See: {context.command_path} --help" if context else message


def _fail(message: str, code: int) -> int:
    """Say in one line on stderr what went wrong; names from files must not steer the terminal."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(message.split()))
    click.echo(f"error: {line}", err=True)
    return code
