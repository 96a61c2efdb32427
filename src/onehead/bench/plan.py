"""What a comparison consists of: one job for every recipe × encoder × table × seed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from onehead.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from onehead.policy import RewardKind

DEFAULT_SEEDS: Final = (0, 1, 2)
_TIGHT = "tight"
_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class Source:
    """A table of outcomes: where its files lie, and how pages call it."""

    paths: tuple[str, ...]
    title: str


@dataclass(frozen=True, order=True)
class Job:
    """One row: a recipe learned from a share of one table and scored on what a seed holds out.

    fraction: share of the prompts to learn from that are used
    tight: on one core with 512 MB
    """

    table: str
    recipe: str
    encoder: str
    seed: int
    fraction: float = 1.0
    tight: bool = False

    @property
    def row(self) -> str:
        """The row's name: ``TABLE/RECIPE/ENCODER/SEED``, then ``/FRACTION`` and ``/tight``."""
        parts = [self.table, self.recipe, self.encoder, str(self.seed)]
        parts += [f"{self.fraction:g}"] if self.fraction < 1 else []
        return "/".join(parts + [_TIGHT] * self.tight)

    @property
    def main(self) -> bool:
        """Whether it belongs to the main comparison: all prompts, no limits."""
        return self.fraction == 1 and not self.tight

    @classmethod
    def named(cls, row: str) -> Job:
        """The job of a row's name; UsageError where it is none."""
        parts = row.split("/")
        tight = parts[-1] == _TIGHT
        parts = parts[:-1] if tight else parts
        try:
            table, recipe, encoder, seed, fraction = parts + ["1"] * (len(parts) == 4)
            job = cls(table, recipe, encoder, int(seed), float(fraction), tight)
        except ValueError:
            raise UsageError(
                f"--only {row!r} is no row. Write TABLE/RECIPE/ENCODER/SEED, such as "
                "outcomes/ridge/static/0 (then /FRACTION, /tight), or a pattern with *."
            ) from None
        check_seed(job.seed)
        check_fraction(job.fraction)
        return job


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a comparison is asked to hold.

    tables, encoders: by name; encoders are specifications as `load_encoder` takes them
    rewards: the first one is that of curves and differences
    only: names of rows or patterns of names; these are run even where they are known already
    """

    tables: Mapping[str, Source]
    recipes: tuple[str, ...]
    encoders: Mapping[str, str]
    rewards: tuple[RewardKind, ...] = ("exponential", "linear")
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    fractions: tuple[float, ...] = (1.0,)
    tight: bool = False
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for seed in self.seeds:
            check_seed(seed)
        for fraction in self.fractions:
            check_fraction(fraction)

    def jobs(self) -> list[Job]:
        """The jobs in the order in which they run; UsageError where `only` fits none."""
        every = list(self._every())
        if not self.only:
            return every
        found: dict[Job, None] = {}
        for pattern in self.only:
            found |= dict.fromkeys(self._fitting(pattern, every))
        return sorted(found, key=lambda job: list(self.tables).index(job.table))

    def _every(self) -> Iterator[Job]:
        for table in self.tables:
            for encoder in self.encoders:
                for seed in self.seeds:
                    for fraction in self.fractions:
                        for recipe in self.recipes:
                            yield Job(table, recipe, encoder, seed, fraction, self.tight)

    def _fitting(self, pattern: str, every: Sequence[Job]) -> list[Job]:
        """The jobs that a pattern of `only` means."""
        if not re.search(r"[*?\[]", pattern):
            job = Job.named(pattern)
            for name, known in ((job.table, self.tables), (job.encoder, self.encoders)):
                if name not in known:
                    raise UsageError(
                        f"--only {pattern!r}: {name!r} is not among: {', '.join(known)}."
                        f"{did_you_mean(name, known)} Name it in --data or --encoders."
                    )
            return [job]
        fitting = [job for job in every if fnmatchcase(job.row, pattern)]
        if not fitting:
            raise UsageError(f"--only {pattern!r} fits no row, such as {every[0].row}.")
        return fitting


def check_seed(seed: int) -> None:
    """UsageError unless every generator takes the seed."""
    if not 0 <= seed < 1 << 32:
        raise UsageError(f"seed {seed}: give a whole number from 0 to {(1 << 32) - 1}.")


def check_fraction(fraction: float) -> None:
    """UsageError unless it is a share of the prompts."""
    if not 0 < fraction <= 1:
        raise UsageError(f"fraction {fraction:g}: give a share of the prompts, above 0, up to 1.")


def plain_name(text: str) -> str:
    """A text as a part of row names and file names."""
    return _NOT_IN_NAMES.sub("-", text).strip("-.") or "table"
