"""What models did on prompts: the table that everything is trained and scored on.

Missing is NaN, never zero. A cell of the table is one run of one model on one prompt.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import DataError, UsageError, did_you_mean
from onehead.splits import fold_rows, split_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

# Two records of one run may differ by what a trip through text or float32 costs, not by more.
RELATIVE_TOLERANCE = 1e-6

VALUES = ("quality", "cost_usd", "input_tokens", "output_tokens")

MOST = 1e12
"""No run costs more dollars or tokens: a larger number is a mistake, and its square overflows."""


@dataclass(frozen=True, eq=False)
class PromptTable:
    """Prompts without outcomes.

    prompt_ids: unique, [n]
    prompts: the text that is routed, [n]
    tasks: the name of each prompt's task, "" where it is unknown, [n]
    """

    prompt_ids: tuple[str, ...]
    prompts: tuple[str, ...]
    tasks: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_prompts(self.prompt_ids, self.prompts, self.tasks)

    @property
    def n_prompts(self) -> int:
        """Number of prompts."""
        return len(self.prompt_ids)

    @classmethod
    def merge(cls, tables: Sequence[PromptTable]) -> PromptTable:
        """The union of several tables, by the rules of `OutcomeTable.merge`."""
        if not tables:
            raise UsageError("nothing to merge: give at least one table.")
        return cls(*_union_of_prompts(tables)[:3])


@dataclass(frozen=True, eq=False)
class OutcomeTable:
    """Outcomes of `m` models on `n` prompts.

    prompt_ids: unique, [n]
    prompts: the text that is routed, [n]
    tasks: the name of each prompt's task, "" where it is unknown, [n]
    models: unique names, [m]
    quality: in [0, 1], float64 [n, m]
    cost_usd: of one run, ≥ 0, float64 [n, m]
    input_tokens, output_tokens: ≥ 0, float64 [n, m]

    NaN marks a value that is not known. Raises DataError where a value is impossible.
    """

    prompt_ids: tuple[str, ...]
    prompts: tuple[str, ...]
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    quality: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    input_tokens: NDArray[np.float64]
    output_tokens: NDArray[np.float64]

    def __post_init__(self) -> None:
        _check_prompts(self.prompt_ids, self.prompts, self.tasks)
        _check_models(self.models)
        for name in VALUES:
            array = np.asarray(getattr(self, name), dtype=np.float64)
            if array.shape != (self.n_prompts, self.n_models):
                raise DataError(
                    f"{name} has shape {array.shape}; {self.n_prompts} prompts × "
                    f"{self.n_models} models need {(self.n_prompts, self.n_models)}."
                )
            object.__setattr__(self, name, array)
            self._check_values(name, array)

    @property
    def n_prompts(self) -> int:
        """Number of prompts."""
        return len(self.prompt_ids)

    @property
    def n_models(self) -> int:
        """Number of models."""
        return len(self.models)

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Where the quality is known, bool [n, m]."""
        return ~np.isnan(self.quality)

    @property
    def prompt_table(self) -> PromptTable:
        """The prompts alone."""
        return PromptTable(self.prompt_ids, self.prompts, self.tasks)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | Sequence[int]) -> OutcomeTable:
        """The table of some prompts, by row number (each once) or by mask [n]."""
        index = np.arange(self.n_prompts)[np.asarray(rows)]
        return OutcomeTable(
            tuple(self.prompt_ids[i] for i in index),
            tuple(self.prompts[i] for i in index),
            tuple(self.tasks[i] for i in index),
            self.models,
            *(getattr(self, name)[index] for name in VALUES),
        )

    def only(self, models: Sequence[str]) -> OutcomeTable:
        """The table of some models, in the order given; an unknown name is a UsageError."""
        column_of = {model: j for j, model in enumerate(self.models)}
        unknown = [model for model in models if model not in column_of]
        if unknown:
            raise UsageError(
                f"no outcomes of {', '.join(map(repr, unknown))}."
                f"{did_you_mean(unknown[0], self.models)} The table holds: {', '.join(self.models)}."
            )
        if not models:
            raise UsageError("no models left: keep at least one.")
        columns = np.array([column_of[model] for model in models])
        return OutcomeTable(
            self.prompt_ids,
            self.prompts,
            self.tasks,
            tuple(models),
            *(getattr(self, name)[:, columns] for name in VALUES),
        )

    def without(self, models: Sequence[str]) -> OutcomeTable:
        """The table less some models; an unknown name is a UsageError."""
        if models:
            self.only(list(models))
        return self.only([model for model in self.models if model not in set(models)])

    @classmethod
    def merge(
        cls, tables: Sequence[OutcomeTable], names: Sequence[str] | None = None
    ) -> OutcomeTable:
        """The union of several tables over prompts and models; what none of them holds is NaN.

        One id with one text in two tables is one prompt: its cells complete each other, and where
        both know a value the two must agree, or it is a DataError that names both sources
        (`names`, one for each table). The same id with another text is another prompt: from the
        second text on, in the order of the tables, its id gets the suffix ``#2``, ``#3``, … The
        first table that knows a prompt's task names it.
        """
        if not tables:
            raise UsageError("nothing to merge: give at least one table.")
        if len(tables) == 1:
            return tables[0]
        prompt_ids, prompts, tasks, rows = _union_of_prompts(tables)
        models = tuple(dict.fromkeys(model for table in tables for model in table.models))
        column_of = {model: j for j, model in enumerate(models)}
        merged = {name: np.full((len(prompt_ids), len(models)), np.nan) for name in VALUES}
        for t, table in enumerate(tables):
            columns = np.array([column_of[model] for model in table.models])
            cells = np.ix_(rows[t], columns)
            for name in VALUES:
                old, new = merged[name][cells], getattr(table, name)
                clash = np.argwhere(differ(old, new))
                if len(clash):
                    i, j = clash[0]
                    here = f"{names[t]}: " if names else ""
                    there = f" ({', '.join(names[:t])})" if names else ""
                    raise DataError(
                        f"{here}{name} of model {table.models[j]!r} on prompt "
                        f"{table.prompt_ids[i]!r} is {new[i, j]:g}, but {old[i, j]:g} in what was "
                        f"read before{there}. Keep one of the two."
                    )
                merged[name][cells] = np.where(np.isnan(new), old, new)
        return cls(prompt_ids, prompts, tasks, models, *(merged[name] for name in VALUES))

    def complete_block(self) -> tuple[OutcomeTable, tuple[str, ...], int]:
        """The largest block found in which every quality and every cost is known.

        Returns (block, models left out, number of prompts left out). Candidates are the pools
        that remain while models are dropped one by one, always the one whose loss completes most
        prompts (then the one that misses most outcomes), and the sets of models that some prompt
        has complete; the one with most prompts × models wins, then the one with more models.
        """
        complete = self.observed & ~np.isnan(self.cost_usd)
        if not complete.any():
            raise DataError(f"no outcome is complete: {self._what_lacks()}")
        best = max(_candidate_pools(complete), key=lambda pool: _block_size(complete, pool))
        rows = np.flatnonzero(complete[:, best].all(axis=1))
        kept = self.only([self.models[j] for j in np.flatnonzero(best)])
        left_out = tuple(self.models[j] for j in np.flatnonzero(~best))
        return kept.take(rows), left_out, self.n_prompts - len(rows)

    def split(self, fraction: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Row numbers (rest, held out): `fraction` of the distinct texts is held out.

        Equal prompt texts stay on one side and every task gives its share. See `splits`.
        """
        return split_rows(self.prompts, self.tasks, fraction, seed)

    def folds(self, k: int, seed: int) -> NDArray[np.intp]:
        """Fold [n] of every row in 0..k-1, grouped and stratified as in `split`."""
        return fold_rows(self.prompts, self.tasks, k, seed)

    def content_hash(self) -> str:
        """SHA-256 (hex) of everything in the table, whatever the order of rows and columns."""
        rows = sorted(range(self.n_prompts), key=self.prompt_ids.__getitem__)
        columns = sorted(range(self.n_models), key=self.models.__getitem__)
        digest = hashlib.sha256(b"onehead outcomes 1")
        for strings, order in (
            (self.prompt_ids, rows),
            (self.prompts, rows),
            (self.tasks, rows),
            (self.models, columns),
        ):
            digest.update(len(strings).to_bytes(8, "little"))
            for i in order:
                encoded = strings[i].encode("utf-8", "surrogatepass")
                digest.update(len(encoded).to_bytes(8, "little") + encoded)
        for name in VALUES:
            array = getattr(self, name)[np.ix_(rows, columns)] + 0.0  # −0 becomes 0
            array[np.isnan(array)] = np.nan  # one bit pattern for every NaN
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return digest.hexdigest()

    def _check_values(self, name: str, array: NDArray[np.float64]) -> None:
        """DataError at the first value that `name` cannot have."""
        bad = np.argwhere((array < 0) | (array > highest(name)))
        if len(bad):
            i, j = bad[0]
            raise DataError(
                f"{name} of model {self.models[j]!r} on prompt {self.prompt_ids[i]!r} is "
                f"{array[i, j]:g}; it must be {allowed(name)}, or NaN where it is not known."
            )

    def _what_lacks(self) -> str:
        """Why no cell has both a quality and a cost, in words."""
        if not self.observed.any():
            return "no quality is known."
        unknown = np.isnan(self.cost_usd).all(axis=0)
        lacking = [self.models[j] for j in np.flatnonzero(unknown)]
        if lacking:
            return f"cost_usd is unknown for {', '.join(lacking)}. Give the cost of their runs."
        return "no prompt has both a quality and a cost of one model."


def allowed(name: str) -> str:
    """What values `name` may have, in words."""
    return "between 0 and 1" if name == "quality" else "a number from 0 to 1e12"


def highest(name: str) -> float:
    """The highest value that `name` may have."""
    return 1.0 if name == "quality" else MOST


def differ(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where two records know a value and contradict each other."""
    scale = np.maximum(np.abs(a), np.abs(b))
    return np.asarray(np.abs(a - b) > RELATIVE_TOLERANCE * scale)  # NaN compares false


def _check_prompts(
    prompt_ids: tuple[str, ...], prompts: tuple[str, ...], tasks: tuple[str, ...]
) -> None:
    """DataError unless the three columns make a table of prompts."""
    if not prompt_ids:
        raise DataError("the table holds no prompts; at least one is needed.")
    if not len(prompt_ids) == len(prompts) == len(tasks):
        raise DataError(
            f"{len(prompt_ids)} prompt ids, {len(prompts)} prompts and {len(tasks)} tasks: "
            "there must be one of each for every prompt."
        )
    twice = _first_repeated(prompt_ids)
    if twice is not None:
        raise DataError(f"prompt id {twice!r} occurs twice; ids must be unique.")


def _check_models(models: tuple[str, ...]) -> None:
    """DataError unless there are models, each named once."""
    if not models:
        raise DataError("the table holds no models; at least one is needed.")
    twice = _first_repeated(models)
    if twice is not None:
        raise DataError(f"model {twice!r} occurs twice; every model has one column.")


def _first_repeated(values: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def _union_of_prompts(
    tables: Sequence[PromptTable | OutcomeTable],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], list[NDArray[np.intp]]]:
    """Ids, texts and tasks of the union, and for each table the rows of its prompts there."""
    row_of: dict[tuple[str, str], int] = {}
    taken: set[str] = {prompt_id for table in tables for prompt_id in table.prompt_ids}
    ids: dict[str, None] = {}
    texts: list[str] = []
    tasks: list[str] = []
    rows: list[NDArray[np.intp]] = []
    for table in tables:
        here = np.empty(len(table.prompt_ids), dtype=np.intp)
        columns = zip(table.prompt_ids, table.prompts, table.tasks, strict=True)
        for i, (prompt_id, text, task) in enumerate(columns):
            row = row_of.setdefault((prompt_id, text), len(texts))
            if row == len(texts):
                unique = _free_id(prompt_id, taken) if prompt_id in ids else prompt_id
                taken.add(unique)
                ids[unique] = None
                texts.append(text)
                tasks.append(task)
            tasks[row] = tasks[row] or task
            here[i] = row
        rows.append(here)
    return tuple(ids), tuple(texts), tuple(tasks), rows


def _free_id(prompt_id: str, taken: set[str]) -> str:
    number = 2
    while f"{prompt_id}#{number}" in taken:
        number += 1
    return f"{prompt_id}#{number}"


def _block_size(complete: NDArray[np.bool_], pool: NDArray[np.bool_]) -> tuple[int, int]:
    """(prompts × models, models) of the complete block of a pool [m]."""
    models = int(pool.sum())
    return int(complete[:, pool].all(axis=1).sum()) * models, models


def _candidate_pools(complete: NDArray[np.bool_], most: int = 256) -> list[NDArray[np.bool_]]:
    """Pools [m] to try for the largest complete block of `complete` [n, m]."""
    patterns, counts = np.unique(complete, axis=0, return_counts=True)
    common = patterns[np.argsort(-counts, kind="stable")[:most]]
    pools = [pattern for pattern in common if pattern.any()]
    missing = ~patterns
    pool = np.ones(complete.shape[1], dtype=bool)
    while pool.any():
        pools.append(pool.copy())
        holes = missing[:, pool].sum(axis=1)
        one_hole = counts * (holes == 1)
        gain = np.where(pool, one_hole @ missing, -1)
        lacking = np.where(pool, counts @ missing, -1)
        pool[np.lexsort((lacking, gain))[-1]] = False
    return pools
