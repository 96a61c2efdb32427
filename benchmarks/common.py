"""What the scripts here share: where tables lie, what a figure was taken on, how it is written."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = Path(os.environ.get("ONEHEAD_DATA") or ROOT.parent / "shared" / "data")


@dataclass(frozen=True)
class Source:
    """A table of outcomes below `DATA`, and how pages call it."""

    path: str
    title: str


TABLES: Final[dict[str, Source]] = {
    "routerbench": Source("routerbench/routerbench_5shot_slice.csv", "RouterBench slice"),
    "mmlu_pro": Source("mmlu_pro", "MMLU-Pro"),
    "two_models": Source("mmlu_gsm8k_two_models", "MMLU and GSM8K, two models"),
}


def table_path(name: str) -> Path:
    """Where a table lies; exits with the reason where it does not."""
    path = DATA / TABLES[name].path
    if not path.exists():
        sys.exit(f"{path} is missing: name the folder of the outcome tables in ONEHEAD_DATA.")
    return path


def conditions(packages: Sequence[str]) -> dict[str, Any]:
    """When, by which command and on what machine figures are taken."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(),
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(_memory_bytes() / 1e9, 1),
            "system": f"{platform.system()} {platform.machine()}",
            "load_before": round(os.getloadavg()[0], 2),
            "threads": os.environ.get("OMP_NUM_THREADS"),
        },
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
    }


def write(path: Path, document: dict[str, Any]) -> None:
    """JSON with six significant digits, so that two runs differ where figures do."""
    text = json.dumps(_rounded(document), indent=1, ensure_ascii=False, allow_nan=False)
    part = path.with_suffix(".tmp")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _command() -> str:
    """The command line, folders of this machine left out."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])


def _commit() -> str | None:
    """The commit that was measured, with a + where the package differs from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--", "src") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _processor() -> str:
    """The processor's name, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
