"""The HTTP encoder: any OpenAI-compatible embeddings endpoint."""

from __future__ import annotations

import hashlib
import os
import random
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import httpx
import numpy as np

from onehead.errors import EncoderError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

KEY_VARIABLES: Final = ("ONEHEAD_EMBEDDINGS_KEY", "OPENAI_API_KEY")
_ARGUMENT: Final = re.compile(r"(?P<model>.+?)@(?P<url>https?://.+)")
_ATTEMPTS: Final = 5
_SILENT_ATTEMPTS: Final = 2
"""An endpoint that says nothing for a minute, twice, would be waited for in vain."""
_BATCH_TEXTS: Final = 64
_BATCH_CHARS: Final = 200_000
_LONGEST_WAIT_S: Final = 60.0
_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
_SHOWN: Final = 200


class HttpEncoder:
    """Vectors as an endpoint gives them; the same text costs a request each time, so cache them.

    Its key comes from the environment, ONEHEAD_EMBEDDINGS_KEY or else OPENAI_API_KEY, and appears
    in no message. The hash covers model and URL only: what stands behind them may change unseen.
    A blank stands in for the empty text, which endpoints refuse, and lone surrogates are left out.
    """

    def __init__(
        self,
        model: str,
        url: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Name the model and the base URL (``…/v1``, with or without ``/embeddings``)."""
        self.model, self.url = model, _endpoint(url)
        self.name = f"http:{model}@{url}"
        self.hash = hashlib.sha256(f"http {model} {self.url}".encode()).hexdigest()
        self._key = next((key for name in KEY_VARIABLES if (key := os.environ.get(name))), None)
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        self._client = httpx.Client(transport=transport, timeout=_TIMEOUT, headers=headers)
        self._sleep = sleep
        self._dimension: int | None = None

    @property
    def dimension(self) -> int:
        """Length of every vector; asks the endpoint the first time."""
        if self._dimension is None:
            self.encode(["dimension"])
        assert self._dimension is not None  # noqa: S101  (encode sets it or raises)
        return self._dimension

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, dimension]; EncoderError says what the endpoint answered instead."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        clean = [text.encode("utf-8", "ignore").decode() or " " for text in texts]
        return np.concatenate([self._request(batch) for batch in _batches(clean)])

    def _request(self, texts: list[str]) -> NDArray[np.float32]:
        body = {"model": self.model, "input": texts, "encoding_format": "float"}
        for attempt in range(_ATTEMPTS):
            final = attempt == _ATTEMPTS - 1
            try:
                response = self._client.post(self.url, json=body)
            except httpx.TransportError as error:
                silent = isinstance(error, httpx.TimeoutException)
                if final or (silent and attempt + 1 >= _SILENT_ATTEMPTS):
                    raise self._failure(f"{type(error).__name__}: {error}") from error
                self._sleep(_backoff(attempt))
                continue
            if response.is_success:
                return self._vectors(response, len(texts))
            if final or not _passing(response.status_code):
                break
            self._sleep(_retry_after(response) or _backoff(attempt))
        raise self._failure(f"status {response.status_code}: {response.text}", response.status_code)

    def _vectors(self, response: httpx.Response, count: int) -> NDArray[np.float32]:
        """The vectors of an answer in the order of the texts; everything about it is checked."""
        try:
            items = response.json()["data"]
            order = [item.get("index", place) for place, item in enumerate(items)]
            complete = sorted(order) == list(range(count))
            wide = np.array([item["embedding"] for item in items], dtype=np.float64)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._failure(
                f"an answer that is not a list of embeddings ({type(error).__name__}: {error})"
            ) from error
        if not complete:
            raise self._failure(f"{len(order)} embeddings for {count} texts, or not theirs,")
        with np.errstate(over="ignore"):
            vectors = wide.astype(np.float32)
        if vectors.ndim != 2 or vectors.shape[1] == 0 or not np.isfinite(vectors).all():
            raise self._failure("embeddings that are empty or not finite numbers")
        if self._dimension not in (None, vectors.shape[1]):
            raise self._failure(
                f"vectors of length {vectors.shape[1]} after vectors of length {self._dimension}"
            )
        self._dimension = vectors.shape[1]
        return vectors[np.argsort(order)]

    def _failure(self, what: str, status: int | None = None) -> EncoderError:
        shown = " ".join(what.split())
        if self._key:
            shown = shown.replace(self._key, "***")
        remedy = "Check that the URL, the model and the server are right."
        if status in {401, 403}:
            remedy = f"Set {' or '.join(KEY_VARIABLES)} to a key that it takes."
        elif status == 429:
            remedy = "Its rate limit holds; try later, or cache embeddings."
        return EncoderError(f"{self.url} gave {shown[:_SHOWN]} for model {self.model!r}. {remedy}")


def load_http(argument: str) -> HttpEncoder:
    """The encoder of ``MODEL@URL``."""
    match = _ARGUMENT.fullmatch(argument)
    if match is None:
        raise UsageError(
            f"encoder http:{argument.rpartition('@')[2]}: give http:MODEL@URL, for instance "
            "http:text-embedding-3-small@https://api.openai.com/v1."
        )
    return HttpEncoder(match["model"], match["url"])


def _endpoint(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(f"the embeddings URL cannot be read ({error}).") from error
    if parsed.userinfo:
        raise UsageError(
            "the embeddings URL holds a user or password, which would show up in messages and "
            f"files. Leave it out and set {KEY_VARIABLES[0]}."
        )
    path = parsed.path.rstrip("/")
    if not path.endswith("/embeddings"):
        path += "/embeddings"
    return str(parsed.copy_with(path=path))


def _batches(texts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    chars = 0
    for text in texts:
        if batch and (len(batch) == _BATCH_TEXTS or chars + len(text) > _BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    yield batch


def _passing(status: int) -> bool:
    """Whether a failure may pass: too many requests, a timeout, the server's own trouble."""
    return status in {408, 429} or status >= 500


def _backoff(attempt: int) -> float:
    """Seconds before the next attempt: doubling from half a second, jittered by a quarter."""
    return 0.5 * 2.0**attempt * random.uniform(0.75, 1.25)  # noqa: S311


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks for, at most a minute; None where it asks for none."""
    value: Any = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S) or None
