"""`onehead predict`: estimates for a table of prompts, without choosing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onehead.cli.options import Place, json_option, router_option
from onehead.errors import MissingExtraError, OneheadError, UsageError

if TYPE_CHECKING:
    from onehead.outcomes import PromptTable
    from onehead.predictors import Estimates
    from onehead.router import Router


@click.command(
    epilog="\b\nExample:\n  onehead predict --data examples/outcomes.csv --out estimates.parquet"
)
@router_option()
@click.option(
    "--data",
    required=True,
    type=Place(),
    metavar="PATH",
    help="Prompts; outcomes beside them are not read.",
)
@click.option(
    "--out", required=True, type=Place(), metavar="FILE", help="The .parquet file to write."
)
@json_option
def predict(router_path: str | None, data: str, out: str, as_json: bool) -> None:
    """Estimate quality and cost for every prompt and every model.

    FILE gets the rows prompt_id, model, quality, cost_usd. PATH is a file or folder in any format
    that train takes, or holds prompts alone (prompt_id, prompt).
    """
    target = _target(out)
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError:
        raise MissingExtraError("predict", "data") from None
    from onehead.cli.output import note, print_json, working
    from onehead.router import Router
    from onehead.sources import read_prompts

    router = Router.load(router_path)
    with working(f"reading {data}"):
        prompts = read_prompts(data)
    rows = _write(router, prompts, target)
    if as_json:
        models = len(router.pool)
        print_json({"out": out, "n_prompts": prompts.n_prompts, "n_models": models, "n_rows": rows})
    else:
        note(
            f"wrote {rows:,} estimates ({prompts.n_prompts:,} prompts × {len(router.pool)} models) to {out}"
        )


def _target(out: str) -> Path:
    """The file to write, checked before any work is done."""
    from onehead.artifact import check_writable

    target = Path(out)
    if target.suffix != ".parquet":
        raise UsageError(f"--out {out}: estimates are written as parquet; give a name in .parquet.")
    if target.is_dir():
        raise UsageError(f"--out {out} is a directory; give the name of a file.")
    check_writable(target.absolute().parent, f"--out {out}")
    return target


def _write(router: Router, prompts: PromptTable, target: Path) -> int:
    """Write the estimates piece by piece; the number of rows. An old file survives a failure."""
    import pyarrow as pa
    from pyarrow import parquet

    from onehead.artifact import replacing
    from onehead.cli.estimating import pieces

    schema = pa.schema(
        {
            "prompt_id": pa.string(),
            "model": pa.string(),
            "quality": pa.float64(),
            "cost_usd": pa.float64(),
        }
    )
    models, n_rows = pa.array(router.pool.ids, pa.string()), 0
    try:
        with replacing(target) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
            for rows, estimates in pieces(router, prompts.prompts):
                ids = pa.array(prompts.prompt_ids[rows], pa.string())
                part = _rows(ids, models, estimates, schema)
                writer.write_table(part)
                n_rows += part.num_rows
    except OSError as error:
        raise OneheadError(
            f"cannot write {target}: {error.strerror or error}. A file that was there is unchanged."
        ) from error
    return n_rows


def _rows(ids: Any, models: Any, estimates: Estimates, schema: Any) -> Any:
    """One row for each prompt and model, prompt by prompt."""
    import numpy as np
    import pyarrow as pa

    n, m = estimates.quality.shape
    return pa.table(
        [
            ids.take(pa.array(np.repeat(np.arange(n), m))),
            models.take(pa.array(np.tile(np.arange(m), n))),
            pa.array(estimates.quality.ravel()),
            pa.array(estimates.cost_usd.ravel()),
        ],
        schema=schema,
    )
