"""`[[models]]`: what a configuration says of one model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from onehead.config.body import Body
from onehead.config.secrets import ApiKey, Headers, Query
from onehead.config.urls import BaseUrl
from onehead.config.values import Choice, Flag, Name, Number, Read, Whole, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onehead.config.place import Place
    from onehead.config.secret import Secret

CAPABILITIES: Final = (
    "tools",
    "vision",
    "audio",
    "files",
    "json_schema",
    "streaming",
    "chat",
    "responses",
)
"""What a model may be able to do: features of a request, and the two APIs."""

_APIS: Final = frozenset({"chat", "responses"})
MODULES: Final = {"any-llm": "any_llm"}
"""Libraries that call upstreams which speak no OpenAI-compatible HTTP, and what to import for them."""
_MARK: Final = re.compile("[:/]")
SECONDS: Final = Number(above=0, most=86_400)
_MODEL_SECONDS = "Seconds for this model; default: the value of `[upstreams]`."
_PRICE = Number(least=0, most=1e6)


def about(read: Read, doc: str, default: str | None = None) -> dict[str, Any]:
    """Metadata of a field: how it is read, what it means, and its default in words."""
    return {"read": read, "doc": doc, "default": default}


class Capabilities(Words):
    """Some of `CAPABILITIES`; where neither API is named, the model serves both."""

    def __call__(self, value: Any, at: Place) -> frozenset[str]:
        """The capabilities as a set."""
        named = super().__call__(value, at)
        return named if named & _APIS else named | _APIS


def provider_and_name(upstream_model: str) -> tuple[str, str]:
    """The two parts of `provider/model` or `provider:model`; the second is empty where there is one."""
    provider, *name = _MARK.split(upstream_model, maxsplit=1)
    return provider.strip().lower(), name[0] if name else ""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """`[[models]]`: one model, and the upstream that serves it."""

    id: str = field(metadata=about(Name(), "Name under which clients and the router know it."))
    base_url: str | None = field(
        default=None,
        repr=False,
        metadata=about(
            BaseUrl(),
            "Address of an OpenAI-compatible upstream, up to and with `/v1`. Without one the model takes part in decisions only.",
        ),
    )
    via: str | None = field(
        default=None,
        metadata=about(
            Choice(*MODULES),
            "Library that calls an upstream which speaks no OpenAI-compatible HTTP; `upstream_model` is then `provider/model`, and `base_url` may be left out. Needs the extra `translate`; takes chat completions only.",
            "called over HTTP",
        ),
    )
    upstream_model: str = field(
        default="", metadata=about(Name(), "Its name at the upstream.", "the id")
    )
    api_key: Secret | None = field(
        default=None,
        metadata=about(ApiKey(), "Key for the upstream, sent as a bearer token; empty sends none."),
    )
    headers: Mapping[str, Secret] = field(
        default_factory=dict,
        metadata=about(
            Headers(),
            "Extra request headers. Those that carry a key (`api-key`, `authorization`, `cookie`, …) take `${VAR}` only.",
        ),
    )
    query: Mapping[str, str] = field(
        default_factory=dict,
        repr=False,
        metadata=about(Query(), "Extra query parameters, such as Azure's `api-version`."),
    )
    body: Mapping[str, Any] = field(
        default_factory=dict,
        repr=False,
        metadata=about(Body(), "Defaults for keys of the body that the client does not send."),
    )
    input_usd_per_million: float | None = field(
        default=None,
        metadata=about(_PRICE, "USD per million input tokens. Needed unless `free`."),
    )
    output_usd_per_million: float | None = field(
        default=None,
        metadata=about(_PRICE, "USD per million output tokens. Needed unless `free`."),
    )
    cached_input_usd_per_million: float | None = field(
        default=None,
        metadata=about(
            _PRICE, "USD per million input tokens read from the prompt cache.", "the input price"
        ),
    )
    request_usd: float = field(
        default=0.0, metadata=about(_PRICE, "USD for each call, besides tokens.")
    )
    free: bool = field(
        default=False, metadata=about(Flag(), "Calls cost nothing; then no price is given.")
    )
    context_window: int | None = field(
        default=None,
        metadata=about(
            Whole(1, 1_000_000_000),
            "Tokens of prompt and answer together; longer prompts go elsewhere. Unknown: never checked.",
        ),
    )
    max_output_tokens: int | None = field(
        default=None,
        metadata=about(
            Whole(1, 1_000_000_000), "Longest answer in tokens; requests for more go elsewhere."
        ),
    )
    capabilities: frozenset[str] = field(
        default=frozenset(CAPABILITIES),
        metadata=about(
            Capabilities(CAPABILITIES),
            f"What it can do, of: {', '.join(f'`{one}`' for one in CAPABILITIES)}. Where neither `chat` nor `responses` is named, it serves both.",
            "all",
        ),
    )
    like: str | None = field(
        default=None,
        metadata=about(
            Name(),
            "Model of the router whose profile it starts from, where it has none of its own.",
        ),
    )
    auto: bool = field(
        default=True,
        metadata=about(Flag(), "Whether the router may choose it; `false`: by name only."),
    )
    stream_usage: bool = field(
        default=True,
        metadata=about(Flag(), "Whether the upstream understands `stream_options.include_usage`."),
    )
    connect_timeout_s: float | None = field(default=None, metadata=about(SECONDS, _MODEL_SECONDS))
    first_byte_timeout_s: float | None = field(
        default=None, metadata=about(SECONDS, _MODEL_SECONDS)
    )
    idle_timeout_s: float | None = field(default=None, metadata=about(SECONDS, _MODEL_SECONDS))
    total_timeout_s: float | None = field(default=None, metadata=about(SECONDS, _MODEL_SECONDS))

    def __post_init__(self) -> None:
        if not self.upstream_model:
            object.__setattr__(self, "upstream_model", self.id)
        if self.via is not None:
            object.__setattr__(self, "capabilities", self.capabilities - {"responses"})

    @property
    def has_upstream(self) -> bool:
        """Whether anybody can be called; without, the model takes part in decisions only."""
        return self.base_url is not None or self.via is not None
