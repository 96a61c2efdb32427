"""When, by which command and on what machine figures were taken."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES: Final = ("onehead", "numpy", "torch", "scikit-learn", "scipy", "onnxruntime")
_HERE = Path(__file__).parent


def conditions(command: Sequence[str], packages: Sequence[str] = PACKAGES) -> dict[str, Any]:
    """The conditions of a run. command: its words; folders of this machine are left out."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(map(_without_folders, command)),
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": _memory_gb(),
            "system": f"{platform.system()} {platform.machine()}",
            "load_before": None if load is None else round(load, 2),
            "threads": os.environ.get("OMP_NUM_THREADS"),
        },
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
    }


def _without_folders(word: str) -> str:
    """A word of the command line with its absolute path, if any, cut to the last part."""
    before, slash, _ = word.partition("/")
    absolute = slash and before[-1:] in {"", "=", ":"}
    return before + Path(word).name if absolute else word


def _commit() -> str | None:
    """The commit that was measured, with a + where the package differs from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--", str(_HERE.parent)) else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    done = subprocess.run(  # noqa: S603  (fixed words)
        ["git", "-C", str(_HERE), *words],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def _processor() -> str:
    """The processor's name, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory_gb() -> float | None:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return None
    return round(size / 1e9, 1)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
