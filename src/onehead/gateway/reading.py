"""Reading the decision log from the gateway: opened when first needed, by threads, not by requests."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from onehead.errors import StoreError
from onehead.store import Store

if TYPE_CHECKING:
    from onehead.config import StoreConfig

_AGAIN_S = 2.0
"""A store that could not be opened is not asked again before so many seconds."""


class Reading:
    """The log of one worker's store, for whoever reads it. Threads may share one."""

    def __init__(self, config: StoreConfig) -> None:
        """Take where the store is; nothing is opened yet."""
        self._url = config.url.reveal()
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._failed: tuple[float, str] | None = None

    def store(self) -> Store:
        """The store; may take a while, so call it from a thread. StoreError where it is away."""
        with self._lock:
            if self._store is not None:
                return self._store
            if self._failed is not None and time.monotonic() - self._failed[0] < _AGAIN_S:
                raise StoreError(self._failed[1])
            try:
                self._store = Store.open(self._url)
            except StoreError as error:
                self._failed = (time.monotonic(), str(error))
                raise
            return self._store

    def session_model(self, session: str) -> str | None:
        """Who answered a session last."""
        return self.store().session_model(session)

    def answer_model(self, answer_id: str) -> str | None:
        """Who gave an answer."""
        return self.store().answer_model(answer_id)

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
