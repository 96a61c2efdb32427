"""One model that an existing library calls: any-llm, which knows providers' own ways of speaking.

Nothing of the library is imported before a configuration names it.
"""

from __future__ import annotations

import asyncio
import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from onehead.config.model import MODULES, provider_and_name
from onehead.errors import ConfigError, MissingExtraError, did_you_mean
from onehead.gateway.upstream.call import CallFailed
from onehead.gateway.upstream.verdict import UNREADABLE, Verdict

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from onehead.config import ModelConfig

EXTRA = "translate"
PATH = "/chat/completions"
KNOWN = frozenset(
    {
        "messages",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "response_format",
        "stream",
        "stream_options",
        "n",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "user",
        "parallel_tool_calls",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "reasoning_effort",
        "prompt_cache_key",
        "service_tier",
    }
)
"""Keys of a body that the library translates. Any other would be an argument of a provider's own client,
some of which replace its headers or its address."""


class Translator:
    """A provider's client in the library, and what it is told of a request."""

    __slots__ = ("_closing", "_model", "_name", "_options", "_provider", "provider")

    def __init__(self, model: ModelConfig, total_s: float) -> None:
        """Import the library and make the client; MissingExtraError or ConfigError where that fails.

        total_s: after which the client need not wait any longer
        """
        self._model = model
        self._closing: set[asyncio.Task[None]] = set()
        self.provider, self._name = provider_and_name(model.upstream_model)
        self._provider = _client(model, self.provider)
        timed = getattr(self._provider, "TIMEOUT_SUPPORT", "unsupported") != "unsupported"
        self._options = {"timeout": total_s} if timed else {}

    def __repr__(self) -> str:
        return f"Translator({self._model.id!r})"  # the client holds the key

    async def ask(self, path: str, body: bytes) -> Any:
        """The library's answer: a document, or an iterator over the chunks of a stream.

        Whatever the library raises comes out as it is; CallFailed where it cannot be asked this.
        """
        arguments = self._arguments(path, body)
        return await self._provider.acompletion(model=self._name, **arguments, **self._options)

    def later(self, closing: Coroutine[Any, Any, None]) -> None:
        """Close a stream beside whoever gives it up, who may be cancelled just now."""
        task = asyncio.ensure_future(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the streams and the client's connections, where it says how."""
        await asyncio.gather(*self._closing, return_exceptions=True)
        client = getattr(self._provider, "client", None)
        close = getattr(client, "close", None) or getattr(client, "aclose", None)
        closing = close() if callable(close) else None
        if inspect.isawaitable(closing):
            await closing

    def hide(self, text: str) -> str:
        """`text` without the model's key, should a provider repeat it."""
        key = self._model.api_key
        return text.replace(key.reveal(), "***") if key else text

    def _arguments(self, path: str, body: bytes) -> dict[str, Any]:
        if path.partition("?")[0] != PATH:
            raise unsuited(f"is called via {self._model.via}, which takes chat completions only")
        try:
            document = msgspec.json.decode(body)
        except UNREADABLE:
            document = None
        if not isinstance(document, dict):
            raise unsuited("takes a JSON object only")
        own = self._model.body
        arguments: dict[str, Any] = {}
        for name, value in document.items():
            if name in KNOWN:
                arguments[name] = value
            elif name in own:
                arguments[name] = own[name]  # only the operator may name others
            elif name != "model" and value is not None:
                raise unsuited(
                    f"is called via {self._model.via}, which cannot pass {name[:64]!r} on"
                )
        return arguments


def unsuited(what: str) -> CallFailed:
    """This request is nothing for this model; another may take it. `what` is for the caller."""
    return CallFailed("refused", what, verdict=Verdict.NEXT, status=400, unsuited=True)


def _client(model: ModelConfig, provider: str) -> Any:
    """The provider's client; its own repeats are off, for ours know of breakers and other models."""
    library = _library(model)
    options = {
        "api_key": model.api_key.reveal() if model.api_key else None,
        "api_base": model.base_url,
        "unified_exceptions": True,
    }
    try:
        try:
            return library.AnyLLM.create(provider, max_retries=0, **options)
        except library.exceptions.UnsupportedParameterError:
            return library.AnyLLM.create(provider, **options)
    except library.exceptions.UnsupportedProviderError:
        known = [str(one) for one in library.AnyLLM.get_supported_providers()]
        raise ConfigError(
            f"model {model.id!r}: upstream_model names a provider that {model.via} does not know."
            f"{did_you_mean(provider, known)} Known: {', '.join(known)}."
        ) from None
    except library.exceptions.MissingApiKeyError as error:
        raise ConfigError(
            f"model {model.id!r}: its provider wants a key. "
            f'Set api_key = "${{{error.env_var_name}}}" and the variable.'
        ) from None
    except ImportError:
        raise ConfigError(
            f"model {model.id!r}: {model.via} needs a further package for its provider. "
            f"Install it with: pip install 'any-llm-sdk[{provider}]'"
        ) from None
    except (library.AnyLLMError, TypeError, ValueError) as error:
        raise ConfigError(
            f"model {model.id!r}: {model.via} cannot be set up for its provider "
            f"({type(error).__name__}); check upstream_model, api_key and base_url."
        ) from None


def _library(model: ModelConfig) -> Any:
    needs = f"model {model.id!r} with via = {model.via!r}"
    try:
        library = import_module(MODULES[str(model.via)])
        import_module(f"{library.__name__}.exceptions")
    except ImportError:
        raise MissingExtraError(needs, EXTRA) from None
    return library
