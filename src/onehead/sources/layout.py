"""Which layout a file has, told by its columns, and how it becomes an OutcomeTable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.errors import DataError
from onehead.sources.long import MODEL_NAMES, VALUE_NAMES, is_long, read_long
from onehead.sources.prompts import PROMPT_NAMES, find_column
from onehead.sources.wide import COST_SUFFIX, RESPONSE_SUFFIX, has_models, read_wide

if TYPE_CHECKING:
    from onehead.outcomes import OutcomeTable
    from onehead.sources.frame import Source

EXPECTED = """\
Expected either one row per prompt and model, with the columns prompt, model and quality (0 to 1), \
and optionally prompt_id, task, input_tokens, output_tokens and cost_usd; or RouterBench's table, \
with one row per prompt: prompt, and for each model a column <model> (its quality, 0 to 1) and \
optionally <model>|total_cost (USD), and optionally sample_id and eval_name."""


def read_table(source: Source) -> OutcomeTable:
    """The outcomes that a file holds."""
    columns = source.columns
    if find_column(columns, PROMPT_NAMES) is not None:
        if is_long(columns):
            return read_long(source)
        _refuse_half_a_long_table(source)
        if has_models(columns):
            return read_wide(source)
    found = ", ".join(map(repr, columns)) or "no columns"
    raise DataError(f"{source.name}: holds no outcomes. Found: {found}. {EXPECTED}")


def _refuse_half_a_long_table(source: Source) -> None:
    """DataError where some columns are a long table's, and the model or its quality is missing.

    Such columns would otherwise pass for models of a wide table: one named "quality", say.
    """
    columns = source.columns
    if any(name.endswith((COST_SUFFIX, RESPONSE_SUFFIX)) for name in columns):
        return
    parts = {"model": MODEL_NAMES, "quality": VALUE_NAMES["quality"]}
    missing = [part for part, names in parts.items() if find_column(columns, names) is None]
    names = {name for options in (MODEL_NAMES, *VALUE_NAMES.values()) for name in options}
    found = [name for name in columns if name in names]
    if found:
        raise DataError(
            f"{source.name}: has {', '.join(map(repr, found))} but no column "
            f"{' and no column '.join(map(repr, missing))}. Found: "
            f"{', '.join(map(repr, columns))}. {EXPECTED}"
        )
