"""Readers: files of outcomes or prompts, in any accepted format, become tables.

Accepted are RouterBench's wide tables (.pkl .csv .parquet) and long tables (.parquet .jsonl .csv),
single files, folders of them, and `hub:` names of published data.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from onehead.errors import UsageError
from onehead.outcomes import OutcomeTable, PromptTable
from onehead.sources.files import open_sources
from onehead.sources.layout import read_table
from onehead.sources.prompts import read_prompt_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["read_outcomes", "read_prompts"]


def read_outcomes(paths: Sequence[str | Path]) -> OutcomeTable:
    """The outcomes of all the paths, merged by `OutcomeTable.merge`.

    Each path is a file, a folder (all files of an accepted format in it and below it, by name) or
    a name such as ``hub:routerbench``. DataError names the file, row and column that cannot be
    read, and how to mend it.
    """
    if isinstance(paths, str) or not paths:
        raise UsageError("give a list of at least one file, folder or hub: name with outcomes.")
    tables, names = [], []
    for source in chain.from_iterable(open_sources(path) for path in paths):
        tables.append(read_table(source))
        names.append(source.name)
    return OutcomeTable.merge(tables, names)


def read_prompts(path: str | Path) -> PromptTable:
    """The prompts of a path in any accepted format, which may hold prompts alone.

    Columns of outcomes are never read. Also accepted is a .txt file with one prompt a line.
    """
    return PromptTable.merge([read_prompt_table(source) for source in open_sources(path)])
