"""Tight compute: one core and 512 MB, kept from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from onehead.errors import UsageError

TIGHT_MB: Final = 512
TIGHT_CORES: Final = 1
_EVERY_S = 0.01
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def check_possible() -> None:
    """UsageError where the system cannot keep a process within limits."""
    if not sys.platform.startswith("linux"):
        raise UsageError("--tight needs Linux, where a process can be held to one core and 512 MB.")


def environment(*, tight: bool) -> dict[str, str]:
    """What a process is started with: libraries that know of one core make one thread."""
    return os.environ | (dict.fromkeys(_THREADS, str(TIGHT_CORES)) if tight else {})


def keep_to_one_core() -> None:
    """Hold this process, and what it starts, to the first core that it may use."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def watch(process: subprocess.Popen[str], *, tight: bool) -> float | None:
    """Wait for a process; returns the most private memory in MB that it held, None where unknown.

    Private is what only it can use: what a container or a small machine has to hold. Pages of
    programs and libraries, which the system can drop and read again, are not counted. A tight
    process is ended as soon as it holds more than its share. (A limit on the address space or on
    the data segment would count what a library reserves and never touches.)
    """
    status = Path(f"/proc/{process.pid}/status")
    peak: float | None = None
    while process.poll() is None:
        held = _private_mb(status)
        if held is not None:
            peak = max(peak or 0.0, held)
            if tight and held > TIGHT_MB:
                process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_EVERY_S)
    return peak


def _private_mb(status: Path) -> float | None:
    """Private memory of a process by what Linux tells of it."""
    try:
        lines = status.read_text("ascii").splitlines()
    except OSError:  # it has ended, or this is no Linux
        return None
    found = [line.split()[1] for line in lines if line.startswith("RssAnon:")]
    return int(found[0]) / 1024 if found else None


def peak_memory_mb() -> float | None:
    """The most memory that this process held at once, what it shares with the disk included.

    On Linux from the process's own account: what `getrusage` says counts its parent's too.
    """
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(found[0]) / 1024
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
