"""How long a fresh interpreter takes to import onehead and to print its help.

Writes benchmarks/results/startup.json: seconds over RUNS fresh processes, interpreter included,
beside a bare interpreter of the same run.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

RUNS = 21
RESULT = Path(__file__).parent / "results" / "startup.json"
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import onehead": [sys.executable, "-c", "import onehead"],
    "onehead --help": [str(Path(sys.executable).with_name("onehead")), "--help"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    for command in COMMANDS.values():
        seconds(command)  # byte code and disk cache warm, as from the second call on
    figures = {}
    for name, command in COMMANDS.items():
        times = sorted(seconds(command) for _ in range(RUNS))
        figures[name] = {
            "median_s": round(statistics.median(times), 4),
            "min_s": round(times[0], 4),
            "max_s": round(times[-1], 4),
        }
        print(f"{name:16s} median {figures[name]['median_s']:.3f} s")
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "runs": RUNS,
        "figures": figures,
    }
    RESULT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
