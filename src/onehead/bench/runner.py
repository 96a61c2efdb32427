"""Run the jobs of a plan one after the other, each in its own process, and keep what is known."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onehead.bench import document as documents
from onehead.bench.blocks import save_table
from onehead.bench.cells import HELD_OUT
from onehead.bench.child import OUT_OF_MEMORY
from onehead.bench.conditions import conditions
from onehead.bench.contenders import CONTENDERS
from onehead.bench.differences import differences, with_kept
from onehead.bench.limits import check_possible, environment, watch
from onehead.encoders import load_encoder
from onehead.errors import DataError, OneheadError
from onehead.sources import read_outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onehead.bench.plan import Job, Plan, Source
    from onehead.outcomes import OutcomeTable

    Note = Callable[[str], None]

_LEAST_PROMPTS = 10


@dataclass(frozen=True, eq=False)
class _Block:
    """The complete block of a table, here and as a file for the processes of its rows."""

    table: OutcomeTable
    path: Path
    left_out: dict[str, Any]


def run_bench(
    plan: Plan,
    out: Path,
    *,
    note: Note,
    command: Sequence[str],
    file: Path | None = None,
) -> dict[str, Any]:
    """Run what is not known yet and return the document, which is written after every row.

    out: folder of the estimates of every row, the cache of vectors and, unless `file` names
        another place, the JSON. note: told how far the work is.

    Raises:
        DataError: a table cannot be read, or is too small to hold anything out.
        OneheadError: rows failed for another reason than memory; all others are in the document.
    """
    path = file or out / documents.FILE
    document = documents.read(path)
    if plan.tight:
        check_possible()
    taken = conditions(command)
    jobs = plan.jobs()
    work = _Work(plan, out, note, jobs, taken["when"])
    for name, source in plan.tables.items():
        own = [job for job in jobs if job.table == name]
        if not own:
            continue
        with tempfile.TemporaryDirectory(prefix="onehead-bench-") as folder:
            block = _read(source, Path(folder))
            entry = documents.entry_of(document, name, source.title, block.table)
            entry |= {"left_out": block.left_out, "held_out": HELD_OUT}
            document["runs"][taken["when"]] = taken
            for _ in work.table(entry, block, own):
                documents.write(path, document)
        documents.forget_unused_runs(document)
        documents.write(path, document)
    if work.failed:
        raise OneheadError(
            f"{len(work.failed)} of {len(jobs)} rows failed, first {work.failed[0]}. "
            f"All others are in {path}; run the same command again for these."
        )
    return document


def _read(source: Source, folder: Path) -> _Block:
    whole = read_outcomes(list(source.paths))
    try:
        table, models, n_prompts = whole.complete_block()
    except DataError as error:
        raise DataError(f"{source.title}: {error}") from error
    if len(set(table.prompts)) < _LEAST_PROMPTS:
        raise DataError(
            f"{source.title}: {len(set(table.prompts))} distinct prompts have every outcome and "
            f"cost; a comparison needs {_LEAST_PROMPTS} or more."
        )
    path = folder / "table.npz"
    save_table(path, table)
    return _Block(table, path, {"models": list(models), "n_prompts": n_prompts})


class _Work:
    """The rows of one run, counted over all tables."""

    def __init__(self, plan: Plan, out: Path, note: Note, jobs: Sequence[Job], run: str) -> None:
        self.plan, self.out, self.note, self.run = plan, out, note, run
        self.hashes = {name: load_encoder(spec).hash for name, spec in plan.encoders.items()}
        self.total, self.done = len(jobs), 0
        self.failed: list[str] = []

    def table(self, entry: dict[str, Any], block: _Block, jobs: Sequence[Job]) -> Any:
        """Run the rows of one table; yields whenever the document has changed."""
        changed: dict[str, set[str]] = {}
        for job in jobs:
            self.done += 1
            self._encoder(entry, block, job)
            mark = self._fingerprint(entry, job)
            at_hand = not job.main or documents.estimates_path(self.out, job).exists()
            if not self.plan.only and at_hand and documents.known(entry, job, mark):
                self.note(f"{self.done}/{self.total} {job.row}: known")
                continue
            row = self._row(block, job, mark)
            documents.merge(entry, job, {"run": self.run, "fingerprint": mark, **row})
            if job.main:
                changed.setdefault(job.encoder, set()).add(job.recipe)
            self.note(f"{self.done}/{self.total} {job.row}: {_said(row)}")
            if "failed" in row and row["failed"] != OUT_OF_MEMORY:
                self.failed.append(f"{job.row} ({row['failed']})")
            yield job
        for encoder, recipes in changed.items():
            rows = documents.main_rows(entry, encoder)
            if rows:
                self.note(f"{jobs[0].table}, {encoder}: intervals of the differences")
                found = differences(block.table, rows, self.out, self.plan.rewards[0])
                old = entry["differences"].get(encoder, {})
                entry["differences"][encoder] = with_kept(found, old, recipes)
                yield encoder

    def _encoder(self, entry: dict[str, Any], block: _Block, job: Job) -> None:
        """Measure the encoder on this table, once with and once without limits; not one for money."""
        own = entry["encoders"].setdefault(job.encoder, {})
        if own.get("hash") != self.hashes[job.encoder]:
            own.clear()
            own["hash"] = self.hashes[job.encoder]
        how = "tight" if job.tight else "free"
        paid = self.plan.encoders[job.encoder].startswith("http:")
        if how not in own and not paid:
            own[how] = self._child(block, job, {"kind": "encode"})

    def _row(self, block: _Block, job: Job, mark: str) -> dict[str, Any]:
        keep = documents.estimates_path(self.out, job) if job.main else None
        cached = self.plan.encoders[job.encoder].partition(":")[0] != "static"
        return self._child(
            block,
            job,
            {
                "kind": "learn",
                "recipe": job.recipe,
                "seed": job.seed,
                "fraction": job.fraction,
                "rewards": self.plan.rewards,
                "estimates": keep and str(keep.absolute()),
                "cache": str((self.out / "cache").absolute()) if cached else None,
                "fingerprint": mark,
            },
        )

    def _fingerprint(self, entry: dict[str, Any], job: Job) -> str:
        return documents.fingerprint(
            entry["data_hash"],
            CONTENDERS[job.recipe].described(),
            self.hashes[job.encoder],
            (job.seed, job.fraction, job.tight, HELD_OUT),
            self.plan.rewards,
        )

    def _child(self, block: _Block, job: Job, task: dict[str, Any]) -> dict[str, Any]:
        """What a process of its own makes of a task."""
        common = {
            "data": str(block.path),
            "encoder": self.plan.encoders[job.encoder],
            "tight": job.tight,
        }
        given, result, errors = (
            block.path.with_name(name) for name in ("task.json", "result.json", "errors.txt")
        )
        given.write_text(json.dumps(common | task), encoding="utf-8")
        result.unlink(missing_ok=True)
        with (
            errors.open("w") as stderr,
            subprocess.Popen(  # noqa: S603  (our own module)
                [sys.executable, "-m", "onehead.bench.child", str(given), str(result)],
                env=environment(tight=job.tight),
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                text=True,
            ) as process,
        ):
            try:
                peak = watch(process, tight=job.tight)
            except BaseException:
                process.kill()
                raise
        if result.exists():
            return {**json.loads(result.read_text("utf-8")), "peak_private_mb": peak}
        if process.returncode == -signal.SIGINT:
            raise KeyboardInterrupt
        if job.tight and process.returncode == -signal.SIGKILL:
            return {"failed": OUT_OF_MEMORY}
        last = (errors.read_text("utf-8", "replace").strip().splitlines() or ["no message"])[-1]
        return {"failed": f"exit code {process.returncode}: {last}"}


def _said(row: dict[str, Any]) -> str:
    """One row in a line."""
    if "failed" in row:
        return f"failed: {row['failed']}"
    main = next(iter(row["rewards"].values()))
    memory = row["peak_private_mb"]
    return (
        f"AIQ {main['aiq']:.4f}, {main['aiq_minus_zero_router']:+.4f} to the zero router, "
        f"{row['seconds']:.1f} s" + (f", {memory:.0f} MB" if memory else "")
    )
