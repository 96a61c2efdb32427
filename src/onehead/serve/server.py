"""One worker: an event loop that serves the application on a socket until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import uvicorn

from onehead.collector import spare_the_collector
from onehead.errors import OneheadError
from onehead.serve.logs import logger
from onehead.serve.protocol import GatewayProtocol, Limits, State, until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from onehead.config import Config

_KEEP_ALIVE_S: Final = 75
"""Longer than clients and balancers keep idle connections, so that it is they who close them."""
_LAST_REQUESTS_S: Final = 1.0
"""How long idle connections stay open while draining: a request may be on its way on them."""
_AFTER_CUT_S: Final = 2.0
"""How long requests that were cut have to say so in the log."""
_FLUSH_S: Final = 5.0
"""The least time that the application has to write down what it knows."""


class App(Protocol):
    """What is served: an ASGI application that can be started, stopped and reloaded."""

    ready: bool

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""

    async def startup(self) -> None:
        """Open what is needed; OneheadError where that is impossible."""

    async def shutdown(self, drain_s: float) -> None:
        """Write down what is left and close everything, within `drain_s`."""

    async def reload(self, config: Config) -> None:
        """Serve by `config` from now on; OneheadError, and no change, where that is impossible."""

    def tick(self) -> None:
        """Called every second: tell the metrics what is a state rather than an event."""


class Worker:
    """Serves `app` on a listening socket.

    config: in force when the worker starts
    load: reads the configuration anew for a reload
    report: told "ready", "reloaded" and "refused" as they happen, and "alive" every second
    interrupts: whether Ctrl-C is for this process to answer
    """

    def __init__(
        self,
        app: App,
        config: Config,
        *,
        load: Callable[[], Config],
        report: Callable[[str], None],
        interrupts: bool = True,
    ) -> None:
        self.app = app
        self.config = config
        self._load = load
        self._report = report
        self._interrupts = interrupts
        self._state = State()
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        self._reload = asyncio.Event()

    async def run(self, listener: socket.socket) -> None:
        """Serve until SIGTERM, SIGINT or `stop`, then drain; an error of the start-up is raised."""
        loop = asyncio.get_running_loop()
        gateway = self.config.gateway
        limits = Limits(
            header_bytes=int(gateway.max_header_kb * 1024),
            header_timeout_s=gateway.header_timeout_s,
        )
        settings = _uvicorn(self.app)
        with self._signals(loop):
            await self.app.startup()
            spare_the_collector()
            self._tick(loop)
            server = await loop.create_server(
                partial(GatewayProtocol, settings, self._state, {}, loop, limits=limits),
                sock=listener,
                backlog=settings.backlog,
            )
            self._report("ready")
            reloading = loop.create_task(self._reload_on_demand())
            await self._stop.wait()
            reloading.cancel()
            await self._drain(server)

    def stop(self) -> None:
        """Drain and end; the second time, at once."""
        if self._stop.is_set():
            self._force.set()
        self._stop.set()

    def reload(self) -> None:
        """Read the configuration anew and serve by it."""
        self._reload.set()

    @contextlib.contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Take SIGTERM and SIGINT as `stop` and SIGHUP as `reload`."""
        wanted = {signal.SIGTERM: self.stop}
        if self._interrupts:
            wanted[signal.SIGINT] = self.stop
        if hasattr(signal, "SIGHUP"):
            wanted[signal.SIGHUP] = self.reload
        before = {
            number: signal.signal(number, lambda *_, do=do: loop.call_soon_threadsafe(do))
            for number, do in wanted.items()
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep the date header right to the second, and the metrics of this worker fresh."""
        now = time.time()
        self._state.default_headers = [(b"date", formatdate(now, usegmt=True).encode())]
        if self.app.ready:
            self.app.tick()
        self._report("alive")
        loop.call_later(1 - now % 1, self._tick, loop)

    async def _reload_on_demand(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            try:
                config = await asyncio.to_thread(self._load)
                await self.app.reload(config)
            except (OneheadError, OSError) as error:
                logger.error("reload refused, the old configuration stays: %s", error)
                self._report("refused")
                continue
            for name in ("host", "port", "workers", "max_header_kb", "header_timeout_s"):
                if getattr(config.gateway, name) != getattr(self.config.gateway, name):
                    logger.warning("gateway.%s changed; it takes a restart to follow", name)
            self.config = config
            logger.info("configuration reloaded")
            self._report("reloaded")

    async def _drain(self, server: asyncio.Server) -> None:
        """Let what runs finish within drain_s, cut the rest, and have everything written down."""
        loop = asyncio.get_running_loop()
        state = self._state
        deadline = loop.time() + self.config.gateway.drain_s
        logger.info("stopping: %d requests are running", len(state.tasks))
        self.app.ready = False
        server.close()
        state.draining = True
        for connection in list(state.connections):
            if not connection.idle:  # type: ignore[union-attr]
                connection.cycle.keep_alive = False  # type: ignore[union-attr]
        last = min(loop.time() + _LAST_REQUESTS_S, deadline)
        await until(lambda: not state.connections or self._force.is_set(), last)
        for connection in list(state.connections):
            connection.shutdown()
        await until(lambda: not state.tasks or self._force.is_set(), deadline)
        await self._cut()
        await self.app.shutdown(max(deadline - loop.time(), _FLUSH_S))
        logger.info("stopped")

    async def _cut(self) -> None:
        """Break the connections whose requests still run; their tasks see the client leave."""
        loop = asyncio.get_running_loop()
        state = self._state
        if state.tasks:
            logger.warning("cutting %d requests that did not finish in time", len(state.tasks))
            for connection in list(state.connections):
                if not connection.idle:  # type: ignore[union-attr]
                    connection.transport.abort()
            if not await until(lambda: not state.tasks, loop.time() + _AFTER_CUT_S):
                left = list(state.tasks)
                for task in left:
                    task.cancel()
                await asyncio.wait(left, timeout=_AFTER_CUT_S)
        # The last bytes of finished answers are on their way, unless their readers have stopped.
        await until(lambda: not state.connections, loop.time() + _AFTER_CUT_S)
        for connection in list(state.connections):
            connection.transport.abort()


def _uvicorn(app: App) -> uvicorn.Config:
    """Settings of uvicorn: only its protocol is used, without its logs, headers and lifespan."""
    settings = uvicorn.Config(
        app,
        http=GatewayProtocol,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    settings.load()
    return settings


def event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it runs."""
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
