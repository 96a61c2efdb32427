"""Several workers on one socket: started together, replaced when they die, stopped together.

The parent binds the socket and forks. It loads no router and serves nothing, so a fork copies little,
and no thread could hold a lock (BLAS ends its own before a fork). A worker tells the parent through a
pipe that it is ready, and every second that it is alive; the parent's death closes another pipe, which
tells the workers to stop.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import selectors
import shutil
import signal
import socket
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from onehead.errors import OneheadError, UsageError
from onehead.gateway.place import FOLDER, WORKER
from onehead.serve.logs import logger
from onehead.serve.server import Worker, event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.process import BaseProcess

    from onehead.config import Config
    from onehead.serve.server import App

_YOUNG_S: Final = 5.0
_MAX_PAUSE_S: Final = 30.0
_GRACE_S: Final = 15.0
"""What workers get beyond drain_s to write down what they know."""
SILENT_S = 60.0
"""After so long without a word a worker hangs, and is killed."""
_SIGNALS: Final = ("SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD")


class WorkerFailed(OneheadError):  # noqa: N818  (the name says what happened)
    """No worker could start; the reason is the worker's own."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass
class _Child:
    """One worker's process as the parent sees it."""

    number: int
    process: BaseProcess
    pipe: socket.socket
    started: float = field(default_factory=time.monotonic)
    was_ready: bool = False
    spoke: float = field(default_factory=time.monotonic)
    heard: bytes = b""


class Supervisor:
    """Keeps `config.gateway.workers` workers alive on `listener` until SIGTERM or SIGINT."""

    def __init__(
        self,
        config: Config,
        listener: socket.socket,
        *,
        create_app: Callable[[Config], App],
        load: Callable[[], Config],
        on_ready: Callable[[], None],
    ) -> None:
        if not hasattr(os, "fork"):
            raise UsageError("several workers need a system that can fork; set gateway.workers = 1")
        self._config = config
        self._workers = config.gateway.workers  # a reload does not change it
        self._listener = listener
        self._create_app = create_app
        self._load = load
        self._on_ready = on_ready
        self._children: dict[int, _Child] = {}
        self._due: dict[int, float] = {}
        self._pauses: dict[int, float] = {}
        self._selector = selectors.DefaultSelector()
        self._life, self._lifeline = socket.socketpair()
        self._next: Config | None = None
        self._announced = False
        self._stopping = False
        self._failure: WorkerFailed | None = None

    def run(self) -> None:
        """Start the workers and look after them; WorkerFailed where none can start."""
        with _shared_folder() as folder, self._signals():
            self._folder = folder
            for number in range(self._workers):
                self._start(number)
            while not self._stopping:
                self._wait(self._until_due())
                self._kill_silent()
                for number in [one for one, when in self._due.items() if when <= time.monotonic()]:
                    del self._due[number]
                    self._start(number)
            self._stop_all()
        if self._failure is not None:
            raise self._failure

    def _start(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        process = multiprocessing.get_context("fork").Process(
            target=self._in_child, args=(number, ours, theirs), name=f"onehead-{number}"
        )
        process.start()
        theirs.close()
        child = _Child(number, process, ours)
        self._children[number] = child
        self._selector.register(ours, selectors.EVENT_READ, child)
        logger.debug("worker %d started", number, extra={"fields": {"pid": process.pid}})

    def _in_child(self, number: int, ours: socket.socket, theirs: socket.socket) -> None:
        """The life of a worker, in its own process."""
        signal.set_wakeup_fd(-1)
        for name in _SIGNALS:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent answers it
        for one in (self._life, ours, self._wake, *(c.pipe for c in self._children.values())):
            one.close()
        self._selector.close()
        os.environ[WORKER] = f"{number}/{self._workers}"
        os.environ[FOLDER] = self._folder
        try:
            with asyncio.Runner(loop_factory=event_loop) as runner:
                runner.run(self._serve(theirs))
        except OneheadError as error:
            theirs.sendall(f"failed {error.exit_code} {' '.join(str(error).split())}\n".encode())
            os._exit(error.exit_code)

    async def _serve(self, pipe: socket.socket) -> None:
        worker = Worker(
            self._create_app(self._config),
            self._config,
            load=self._load,
            report=partial(_say, pipe),
            interrupts=False,
        )
        pipe.setblocking(False)  # a supervisor that was stopped must not stop its workers
        loop = asyncio.get_running_loop()
        loop.add_reader(self._lifeline, partial(self._orphaned, loop, worker))
        await worker.run(self._listener)

    def _orphaned(self, loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
        loop.remove_reader(self._lifeline)
        logger.error("the supervisor is gone; this worker stops")
        worker.stop()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals become bytes on a socket that the selector watches."""
        self._woken, self._wake = socket.socketpair()
        for one in (self._woken, self._wake):
            one.setblocking(False)
        before = {
            number: signal.signal(number, lambda *_: None)
            for number in (getattr(signal, name) for name in _SIGNALS)
        }
        old = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            for one in (self._woken, self._wake, self._life, self._lifeline):
                one.close()

    def _until_due(self) -> float:
        """Seconds until a worker is to be started, or looked after."""
        return max(min(self._due.values(), default=math.inf) - time.monotonic(), 0)

    def _kill_silent(self) -> None:
        """Kill workers that were ready and hang; `_gone` then replaces them."""
        for child in self._children.values():
            if child.was_ready and time.monotonic() - child.spoke > SILENT_S:
                logger.error("worker %d hangs; it is killed", child.number)
                child.process.kill()
                child.was_ready = False

    def _wait(self, timeout: float) -> None:
        """Handle what signals and workers say, at most for `timeout` seconds."""
        for key, _ in self._selector.select(min(timeout, SILENT_S / 4)):
            if key.data is None:
                for number in set(self._woken.recv(4096)):
                    self._on_signal(number)
            else:
                self._hear(key.data)

    def _on_signal(self, number: int) -> None:
        if number in {signal.SIGTERM, signal.SIGINT}:
            if self._stopping:
                self._signal_all(signal.SIGTERM)  # asked twice: at once
            self._stopping = True
        elif number == signal.SIGHUP and not self._stopping:
            self._reload()

    def _reload(self) -> None:
        """Try the configuration here, so that a bad one reaches no worker."""
        try:
            self._next = self._load()
        except (OneheadError, OSError) as error:
            logger.error("reload refused, the old configuration stays: %s", error)
            return
        self._signal_all(signal.SIGHUP)

    def _hear(self, child: _Child) -> None:
        try:
            data = child.pipe.recv(65536)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        child.spoke = time.monotonic()
        *lines, child.heard = (child.heard + data).split(b"\n")
        for line in lines:
            self._on_word(child, *line.decode("utf-8", "replace").split(" ", 2))
        if not data:
            self._gone(child)

    def _on_word(self, child: _Child, word: str, *rest: str) -> None:
        if word == "ready":
            child.was_ready = True
            if not self._announced and all(one.was_ready for one in self._children.values()):
                self._announced = True
                self._on_ready()
        elif word == "reloaded" and self._next is not None:
            # A worker that is started from now on gets what the others accepted.
            self._config = self._next
        elif word == "failed":
            if not self._announced:
                self._failure = WorkerFailed(rest[1], int(rest[0]))
                self._stopping = True
            else:
                logger.error("worker %d could not start: %s", child.number, rest[1])

    def _gone(self, child: _Child) -> None:
        """Bury a worker, and start another in its place unless all are to stop."""
        self._selector.unregister(child.pipe)
        child.pipe.close()
        child.process.join()
        _forget_gauges(self._folder, child.process.pid)
        if self._children.get(child.number) is child:
            del self._children[child.number]
        if self._stopping:
            return
        code = child.process.exitcode
        if not self._announced and not child.was_ready:
            self._failure = WorkerFailed(f"a worker ended while it started (exit {code}).", 1)
            self._stopping = True
            return
        young = time.monotonic() - child.started < _YOUNG_S
        pause = min(self._pauses.get(child.number, 0.5) * 2, _MAX_PAUSE_S) if young else 0.0
        self._pauses[child.number] = pause or 0.5
        self._due[child.number] = time.monotonic() + pause
        logger.error(
            "worker %d died (exit %s); another one starts%s",
            child.number,
            code,
            f" in {pause:g} s" if pause else "",
        )

    def _signal_all(self, number: int) -> None:
        for child in self._children.values():
            if child.process.pid is not None and child.process.is_alive():
                os.kill(child.process.pid, number)

    def _stop_all(self) -> None:
        """Have every worker drain; kill those that do not end."""
        self._stopping = True
        self._listener.close()
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + self._config.gateway.drain_s + _GRACE_S
        while self._children and time.monotonic() < deadline:
            self._wait(deadline - time.monotonic())
        for child in self._children.values():
            logger.error("worker %d does not end; it is killed", child.number)
            child.process.kill()
            child.process.join()


def _say(pipe: socket.socket, word: str) -> None:
    """Tell the supervisor; one that has gone is noticed elsewhere."""
    with suppress(OSError):
        pipe.sendall(f"{word}\n".encode())


@contextmanager
def _shared_folder() -> Iterator[str]:
    """The folder through which workers share metrics and limits, for as long as they run."""
    folder = tempfile.mkdtemp(prefix="onehead-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        yield folder
    finally:
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
        shutil.rmtree(folder, ignore_errors=True)


def _forget_gauges(folder: str, pid: Any) -> None:
    """Stop counting the gauges of a worker that is gone; its counters stay."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
