"""Router: prompts → vectors → estimates → decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from onehead.artifact import Artifact, Manifest, load
from onehead.encoders import Encoder, load_encoder
from onehead.errors import ArtifactError, EncoderError, UsageError
from onehead.features import LEXICON_ARRAYS, Featurizer, Lexicon, tokenizer_hash
from onehead.messages import routing_text, times_read
from onehead.policy import UNCONSTRAINED, Constraints, choose, parse_willingness_to_pay
from onehead.predictors.network import NetworkPredictor
from onehead.router.decision import Decision, Verdict
from onehead.spread import Spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.cache import EmbeddingCache
    from onehead.policy import RewardKind
    from onehead.pool import Pool
    from onehead.predictors import Estimates
    from onehead.spread import Intervals

Prompt: TypeAlias = str | Sequence[Mapping[str, Any]]
"""Text, or a conversation as a list of OpenAI-style messages."""

BUNDLED = "bundled"
"""Names the router that comes with the package."""


class Router:
    """Chooses a model for each prompt. Threads may share one, and a copy may go to another process.

    Make one with `Router.load`. `artifact` is what training gives; `encoder` is loaded as the
    manifest says unless given.
    """

    def __init__(self, artifact: Artifact, encoder: Encoder | None = None) -> None:
        """Raise EncoderError unless the encoder is the one the router was trained with.

        ArtifactError says what of the artifact does not fit.
        """
        self.manifest: Manifest = artifact.manifest
        self._origin = (artifact, encoder)
        self._encoder = encoder or load_encoder(artifact.manifest.encoder.spec)
        self._check_encoder()
        self._featurize = Featurizer(self._encoder, _lexicon(artifact))
        arrays = {k: array for k, array in artifact.arrays.items() if k not in LEXICON_ARRAYS}
        self._predictor = NetworkPredictor(artifact.network, arrays, self.pool)
        self._ids = self.pool.ids
        self._spread = Spread(self.pool, self.manifest.spread)
        if self._featurize.dimension != self._predictor.width:
            raise ArtifactError(
                f"the router's network takes {self._predictor.width} features, and this onehead "
                f"makes {self._featurize.dimension}. Train the router again with this version."
            )

    @classmethod
    def load(cls, path: str | Path | None = None, *, encoder: Encoder | None = None) -> Router:
        """The router in directory `path`; the bundled one for None or ``"bundled"``.

        Raises:
            ArtifactError: the directory is no router, damaged or too new.
            EncoderError: its encoder cannot be loaded, or is another one than it was trained with.
        """
        if path is not None and path != BUNDLED:
            return cls(load(path), encoder)
        bundled = bundled_path()
        if not bundled.is_dir():
            raise ArtifactError(
                "this installation of onehead holds no bundled router. Reinstall it, or give the "
                "directory of a router."
            )
        return cls(load(bundled), encoder)

    def __reduce__(self) -> tuple[type[Router], tuple[Artifact, Encoder | None]]:
        """Pickle and copy as what it was made of: sessions and sockets stay in their process."""
        return type(self), self._origin

    def __repr__(self) -> str:
        return f"<Router {self.manifest.recipe}, {self._encoder.name}, {len(self.pool)} models>"

    @property
    def pool(self) -> Pool:
        """The models that can be chosen, in the column order of every estimate."""
        return self.manifest.pool

    @property
    def presets(self) -> Mapping[str, float]:
        """The named willingnesses to pay, in USD."""
        return MappingProxyType(dict(self.manifest.presets))

    @property
    def encoder(self) -> Encoder:
        """What turns text into vectors."""
        return self._encoder

    def route(
        self,
        prompt: Prompt,
        *,
        willingness_to_pay: str | float = "balanced",
        reward: RewardKind = "exponential",
        max_cost_usd: float | None = None,
        min_quality: float | None = None,
        models: Sequence[str] | None = None,
    ) -> Decision:
        """Choose a model for one prompt: text, or a list of messages.

        willingness_to_pay: USD, or the name of a preset
        max_cost_usd: ceiling on the estimated cost of the call
        min_quality: floor; the cheapest model that reaches it is taken, or the best where none does
        models: the models allowed; None allows the whole pool

        An empty text is a prompt like any other: it says nothing, so the decision rests on how
        the models do in general.

        Raises:
            UsageError: an option or a message that cannot be taken.
            NoEligibleModel: the constraints leave no model; says why for each.
        """
        return self.decide(
            self.estimate([prompt]),
            willingness_to_pay=willingness_to_pay,
            reward=reward,
            max_cost_usd=max_cost_usd,
            min_quality=min_quality,
            models=models,
        )[0]

    def route_many(
        self,
        prompts: Iterable[Prompt],
        *,
        willingness_to_pay: str | float = "balanced",
        reward: RewardKind = "exponential",
        max_cost_usd: float | None = None,
        min_quality: float | None = None,
        models: Sequence[str] | None = None,
    ) -> list[Decision]:
        """Choose a model for each of many prompts; each as `route` would have decided it."""
        return self.decide(
            self.estimate(prompts),
            willingness_to_pay=willingness_to_pay,
            reward=reward,
            max_cost_usd=max_cost_usd,
            min_quality=min_quality,
            models=models,
        )

    def estimate(
        self, prompts: Iterable[Prompt], *, cache: EmbeddingCache | None = None
    ) -> Estimates:
        """Estimates for every prompt and every model, before anyone chooses.

        What of a long text or a conversation the router does not look at counts in the cost: the
        model is paid to read it.

        cache: keeps the vectors of slow encoders on disk
        """
        if isinstance(prompts, str | Mapping):
            raise UsageError("give a list of prompts; a single one goes to route().")
        given = list(prompts)
        texts = [routing_text(prompt) for prompt in given]
        estimates = self.estimate_features(self._featurize(texts, cache))
        if texts == given:  # the very same, so that nothing is compared
            return estimates
        times = np.array([times_read(*both) for both in zip(given, texts, strict=True)])
        return self._predictor.longer(estimates, times)

    def represent(
        self, prompts: Iterable[Prompt], *, cache: EmbeddingCache | None = None
    ) -> NDArray[np.float32]:
        """What the router sees of each prompt: features [n, d], which a log can keep.

        Estimates from them are of the routing text alone.
        """
        return self._featurize([routing_text(prompt) for prompt in prompts], cache)

    def estimate_features(self, features: NDArray[np.float32]) -> Estimates:
        """Estimates from what `represent` gave."""
        return self._predictor.predict(features)

    def intervals(self, estimates: Estimates) -> Intervals:
        """Where eight of ten true costs and lengths lie, around estimates of the whole pool."""
        return self._spread.around(estimates)

    def decide(
        self,
        estimates: Estimates,
        *,
        willingness_to_pay: str | float = "balanced",
        reward: RewardKind = "exponential",
        max_cost_usd: float | None = None,
        min_quality: float | None = None,
        models: Sequence[str] | None = None,
    ) -> list[Decision]:
        """Decisions from estimates that `estimate` made; the options are those of `route`."""
        wtp = parse_willingness_to_pay(willingness_to_pay, self.manifest.presets)
        constraints = UNCONSTRAINED
        if not (max_cost_usd is None and min_quality is None and models is None):
            constraints = Constraints(max_cost_usd, min_quality, self._columns(models))
        choice = choose(
            estimates.quality,
            estimates.cost_usd,
            wtp,
            kind=reward,
            constraints=constraints,
            ids=self._ids,
        )
        verdict = Verdict(self._ids, estimates, choice, wtp, reward, constraints, self._spread)
        return [Decision(verdict, row) for row in range(len(estimates.confidence))]

    def _columns(self, models: Sequence[str] | None) -> tuple[int, ...] | None:
        """The allow-list as columns; a bare name is a list of one."""
        if models is None:
            return None
        names: tuple[Any, ...] = (models,)
        if isinstance(models, Iterable) and not isinstance(models, str):
            names = tuple(models)
        if not all(isinstance(name, str) for name in names):
            raise UsageError(f"models is {models!r}; give a list of the router's models by name.")
        return tuple(self.pool.indices(names))

    def _check_encoder(self) -> None:
        """Refuse an encoder whose vectors mean something else than those of the training."""
        record, encoder = self.manifest.encoder, self._encoder
        if encoder.hash != record.hash or encoder.dimension != record.dimension:
            raise EncoderError(
                f"the router was trained with encoder {record.spec!r} (hash {record.hash[:12]}, "
                f"{record.dimension} dimensions), but {encoder.name!r} here has hash "
                f"{encoder.hash[:12]} and {encoder.dimension} dimensions: its vectors mean "
                "something else. Give the encoder of the training, or train the router again."
            )


def _lexicon(artifact: Artifact) -> Lexicon | None:
    """The router's own words, where it has some; ArtifactError when they do not fit together."""
    try:
        lexicon = Lexicon.of(artifact.arrays)
    except (KeyError, IndexError, ValueError) as error:
        raise ArtifactError(
            f"the router's lexicon does not fit this onehead ({error}). Train the router again."
        ) from error
    if lexicon is not None and artifact.manifest.tokenizer != tokenizer_hash():
        raise ArtifactError(
            "the router's lexicon counts the word pieces of another tokenizer (hash "
            f"{artifact.manifest.tokenizer[:12] or 'unknown'}) than this onehead's "
            f"({tokenizer_hash()[:12]}). Train the router again with this version, or route with "
            f"onehead {artifact.manifest.onehead_version}."
        )
    return lexicon


def bundled_path() -> Path:
    """Where the bundled router lies in the package."""
    return Path(__file__).parents[1] / "data" / "router"
