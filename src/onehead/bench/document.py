"""The one JSON of a comparison: what is in it already, and how a new row gets in."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from onehead.artifact.atomic import write_bytes
from onehead.bench.contenders import CONTENDERS
from onehead.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from onehead.bench.plan import Job
    from onehead.outcomes import OutcomeTable

FILE: Final = "bench.json"


def read(path: Path) -> dict[str, Any]:
    """The document of an earlier run, or an empty one; DataError where the file is something else."""
    if not path.exists():
        return {"tables": {}, "runs": {}}
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return {**document, "tables": document["tables"], "runs": document["runs"]}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no result of onehead bench ({error}). Name another folder in --out, or "
            "remove the file."
        ) from error


def write(path: Path, document: dict[str, Any]) -> None:
    """Six significant digits, so that two runs differ where figures do; all at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(document), indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def entry_of(document: dict[str, Any], name: str, title: str, table: OutcomeTable) -> Any:
    """The part of one table; a table with other content begins anew."""
    data_hash = table.content_hash()
    old = document["tables"].get(name, {})
    if old.get("data_hash") != data_hash:
        old = {"encoders": {}, "controls": {}, "rows": [], "differences": {}}
    facts = {
        "title": title,
        "n_prompts": table.n_prompts,
        "n_models": table.n_models,
        "n_tasks": len(set(table.tasks)),
        "data_hash": data_hash,
    }
    document["tables"][name] = {**old, **facts}
    return document["tables"][name]


def fingerprint(*facts: Any) -> str:
    """What two runs of a row share exactly where nothing that it depends on has changed."""
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]


def known(entry: dict[str, Any], job: Job, mark: str) -> bool:
    """Whether a row is there, made of the same data by the same settings, and did not fail."""
    return any(
        row["id"] == job.row and row["fingerprint"] == mark and "failed" not in row
        for row in entry["rows"]
    )


def merge(entry: dict[str, Any], job: Job, row: dict[str, Any]) -> None:
    """Put a row in the place of its namesake; rows stand in the order of the contenders."""
    order = list(CONTENDERS)
    others = [each for each in entry["rows"] if each["id"] != job.row]
    head = {
        "id": job.row,
        "recipe": job.recipe,
        "encoder": job.encoder,
        "seed": job.seed,
        "fraction": job.fraction,
        "tight": job.tight,
    }
    controls = row.pop("controls", None)
    if controls and job.main:
        entry["controls"][str(job.seed)] = controls

    def place(each: dict[str, Any]) -> tuple[Any, ...]:
        recipe = order.index(each["recipe"]) if each["recipe"] in order else len(order)
        return each["tight"], -each["fraction"], each["encoder"], recipe, each["seed"]

    entry["rows"] = sorted([*others, {**head, **row}], key=place)


def main_rows(entry: dict[str, Any], encoder: str) -> list[dict[str, Any]]:
    """The rows of one encoder that learned from all prompts and without limits."""
    return [
        row
        for row in entry["rows"]
        if row["encoder"] == encoder
        and row["fraction"] == 1
        and not row["tight"]
        and "failed" not in row
    ]


def forget_unused_runs(document: dict[str, Any]) -> None:
    """Keep the conditions of those runs that a row still comes from."""
    used = {row["run"] for entry in document["tables"].values() for row in entry["rows"]}
    document["runs"] = {when: run for when, run in document["runs"].items() if when in used}


def estimates_path(out: Path, job: Job) -> Path:
    """Where the estimates of a row are kept."""
    return out / "estimates" / (job.row.replace("/", "~") + ".npz")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
