"""A report on disk: made completely first, then put in place file by file."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from onehead.artifact import check_writable, nearest_folder
from onehead.errors import OneheadError, UsageError
from onehead.report.draw import png, svg
from onehead.report.figures import figures
from onehead.report.page import WIDE, page
from onehead.report.tables import csv_files
from onehead.report.theme import titled

if TYPE_CHECKING:
    from onehead.evaluation import Evaluation

PAGE = "index.html"


def write_report(
    directory: str | Path, evaluation: Evaluation, *, title: str = "How the router does"
) -> Path:
    """Write the pictures, the tables and the page that shows them; return the page's path.

    Every file is made before the first one is put in place, the page last, so that a full disk or
    an interruption leaves an older report as it was. Other files in the directory stay.

    Raises:
        UsageError: `directory` is a file, or nothing can be written there.
        OneheadError: it cannot be written, for example because the disk is full.
        MissingExtraError: the extra ``report`` is not installed.
    """
    check_report_target(directory)
    target = Path(directory)
    files = report_files(evaluation, title)
    is_new = not target.exists()
    try:
        target.mkdir(parents=True, exist_ok=True)
        _put(files, target)
    except BaseException as error:
        if is_new and target.is_dir() and not any(target.iterdir()):
            target.rmdir()
        if not isinstance(error, OSError):
            raise
        raise OneheadError(
            f"cannot write the report to {directory}: {error.strerror or error}. "
            "A report that was there is unchanged. Mend this, or choose another folder."
        ) from error
    return target / PAGE


def check_report_target(directory: str | Path) -> None:
    """UsageError unless a report can be written to `directory`; ask before long work."""
    target = Path(directory)
    if target.is_symlink() and not target.exists():
        raise UsageError(f"{directory} is a link to nothing; remove it, or name another folder.")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{directory} is a file; name a folder to write the report to.")
    check_writable(nearest_folder(target), f"cannot write the report to {directory}")


def report_files(evaluation: Evaluation, title: str) -> dict[str, bytes]:
    """File name → content of a whole report, the page last."""
    pictures = figures(evaluation)
    document = json.dumps(evaluation.to_json(), indent=2, allow_nan=False)
    files = {"figures.json": (document + "\n").encode()}
    files |= {name: text.encode() for name, text in csv_files(evaluation).items()}
    for picture in pictures:
        spec = titled(picture.draw(WIDE), picture.title, title)
        files[f"{picture.name}.png"] = png(spec)
        files[f"{picture.name}.svg"] = svg(spec).encode()
    files[PAGE] = page(evaluation, title, pictures).encode()
    return files


def _put(files: dict[str, bytes], target: Path) -> None:
    """Write beside the target first; only renames, which need no room, touch the old report."""
    fresh = Path(tempfile.mkdtemp(prefix=".report-", dir=target))
    try:
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        for name in files:
            (fresh / name).replace(target / name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
