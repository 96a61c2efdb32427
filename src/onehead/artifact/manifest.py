"""What a router is: its manifest, its arrays and its network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead import __version__
from onehead.errors import ArtifactError
from onehead.policy import presets
from onehead.pool import ModelCard, Pool
from onehead.spread import Band

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from onehead.spread import Bands

FORMAT_VERSION = 1
"""Raised when a directory written now could be misread by an older onehead."""


@dataclass(frozen=True, slots=True)
class EncoderRecord:
    """The encoder a router was trained with; `hash` stands for what determines its vectors."""

    spec: str
    hash: str
    dimension: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything about a router but its numbers.

    model_axes: for each array, the axis that runs over the pool, or None
    presets: willingness to pay in USD by name
    validation, hyperparameters: figures and settings, as plain JSON values (None, never NaN)
    tokenizer: SHA-256 of the tokenizer whose ids the router's lexicon holds; "" without a lexicon
    profiles: each model's mean ``quality``, ``cost_usd``, ``input_tokens`` and ``output_tokens`` on
        the training prompts, where kept and known
    spread: how far true amounts lie from estimated ones, by model, where it was measured
    tasks: names of the kinds of prompt that the router tells apart, in the order of its arrays
    created: ISO 8601 time in UTC
    """

    recipe: str
    encoder: EncoderRecord
    pool: Pool
    model_axes: Mapping[str, int | None]
    presets: Mapping[str, float]
    data_hash: str
    seed: int
    tokenizer: str = ""
    validation: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    spread: Mapping[str, Bands] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    created: str = ""
    onehead_version: str = __version__
    format_version: int = FORMAT_VERSION

    def to_document(self) -> dict[str, Any]:
        """The manifest as JSON values."""
        return {
            "format_version": self.format_version,
            "onehead_version": self.onehead_version,
            "created": self.created,
            "recipe": self.recipe,
            "encoder": asdict(self.encoder),
            "tokenizer": self.tokenizer,
            "seed": self.seed,
            "data_hash": self.data_hash,
            "presets": dict(self.presets),
            "models": [asdict(card) for card in self.pool],
            "profiles": {name: dict(profile) for name, profile in self.profiles.items()},
            "spread": {
                name: {which: asdict(band) for which, band in bands.items()}
                for name, bands in self.spread.items()
            },
            "tasks": list(self.tasks),
            "validation": dict(self.validation),
            "hyperparameters": dict(self.hyperparameters),
            "model_axes": dict(self.model_axes),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Manifest:
        """The manifest that `to_document` wrote; keys added by a later onehead are passed over.

        Raises:
            KeyError, TypeError, ValueError, AttributeError, OneheadError: a field is missing or cannot be taken.
        """
        cards = [
            ModelCard(**{**card, "capabilities": tuple(card["capabilities"])})
            for card in document["models"]
        ]
        return cls(
            recipe=document["recipe"],
            encoder=EncoderRecord(**document["encoder"]),
            pool=Pool(tuple(cards)),
            model_axes=dict(document["model_axes"]),
            presets=dict(document["presets"]),
            data_hash=document["data_hash"],
            seed=document["seed"],
            tokenizer=document["tokenizer"],
            validation=dict(document["validation"]),
            hyperparameters=dict(document["hyperparameters"]),
            profiles={name: dict(profile) for name, profile in document["profiles"].items()},
            spread={
                name: {which: Band.from_document(band) for which, band in bands.items()}
                for name, bands in document.get("spread", {}).items()
            },
            tasks=tuple(str(name) for name in document.get("tasks", ())),
            created=document["created"],
            onehead_version=document["onehead_version"],
            format_version=document["format_version"],
        )


@dataclass(frozen=True)
class Artifact:
    """A whole router: `manifest`, `arrays` by name, and `network`, an ONNX model.

    The network takes ``features`` and the arrays, and gives ``quality``, ``log_input`` and
    ``log_output`` [n, m] and ``confidence`` [n]; pool size and batch are free in it.
    """

    manifest: Manifest
    arrays: Mapping[str, NDArray[Any]]
    network: bytes

    def __post_init__(self) -> None:
        """Check that the arrays fit the manifest; ArtifactError names the one that does not."""
        axes, m = self.manifest.model_axes, len(self.manifest.pool)
        if set(axes) != set(self.arrays):
            odd = ", ".join(sorted(set(axes) ^ set(self.arrays)))
            raise ArtifactError(f"the manifest and the arrays do not name the same: {odd}.")
        for name, array in self.arrays.items():
            axis = axes[name]
            if axis is not None and not (0 <= axis < array.ndim and array.shape[axis] == m):
                raise ArtifactError(
                    f"array {name!r} has shape {array.shape}, which does not hold the pool's "
                    f"{m} models on axis {axis}. Save or train the router again."
                )

    def only(self, models: Sequence[str]) -> Artifact:
        """The same router over some of its models, in the order given; nothing is retrained.

        Presets follow the new pool where the manifest holds the models' profiles.

        Raises:
            UsageError: a model is not in the pool.
            DataError: `models` is empty or names one twice.
        """
        columns = self.manifest.pool.indices(models)
        pool = Pool(tuple(self.manifest.pool.models[column] for column in columns))
        arrays = {}
        for name, array in self.arrays.items():
            axis = self.manifest.model_axes[name]
            taken = array if axis is None else np.take(array, columns, axis)
            arrays[name] = np.asarray(taken, order="C")
        profiles = {name: p for name, p in self.manifest.profiles.items() if name in pool.ids}
        spread = {name: b for name, b in self.manifest.spread.items() if name in pool.ids}
        manifest = replace(self.manifest, pool=pool, profiles=profiles, spread=spread)
        if len(profiles) == len(pool):
            manifest = replace(manifest, presets=presets_of(pool, profiles))
        return Artifact(manifest, arrays, self.network)

    def plus(
        self,
        card: ModelCard,
        columns: Mapping[str, NDArray[Any]],
        profile: Mapping[str, float],
        bands: Bands,
    ) -> Artifact:
        """The same router with one more model, last in the pool; nothing else changes.

        columns: for every array with a model axis, what it holds of the new model
        profile: of the new model; presets follow the new pool where every model has one
        bands: of the new model, empty where its spread is unknown

        Raises:
            DataError: the pool already has a model of that name.
        """
        manifest = self.manifest
        pool = Pool((*manifest.pool.models, card))
        arrays = dict(self.arrays)
        for name, axis in manifest.model_axes.items():
            if axis is not None:
                column = np.expand_dims(np.asarray(columns[name], arrays[name].dtype), axis)
                arrays[name] = np.concatenate([arrays[name], column], axis)
        profiles = dict(manifest.profiles) | ({card.id: dict(profile)} if profile else {})
        spread = dict(manifest.spread) | ({card.id: dict(bands)} if bands else {})
        manifest = replace(manifest, pool=pool, profiles=profiles, spread=spread)
        if all(name in profiles for name in pool.ids):
            manifest = replace(manifest, presets=presets_of(pool, profiles))
        return Artifact(manifest, arrays, self.network)


def presets_of(pool: Pool, profiles: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The presets of a pool with known profiles."""
    rows = [profiles[name] for name in pool.ids]
    return presets(
        np.array([row["quality"] for row in rows]), np.array([row["cost_usd"] for row in rows])
    )
