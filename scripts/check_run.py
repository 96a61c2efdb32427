"""Runs `make run` as a newcomer would: prompts are routed, then the gateway answers until it is told to stop.

With the path of an installed `onehead` as argument it runs that one's `serve --demo` instead. Needs Python
alone. Exits 1, with what was printed, where any of that does not happen.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTALL_S = 600
STOP_S = 60
QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}  # fmt: skip


def main(program: str | None = None) -> int:
    """Run it, ask it, stop it."""
    port = free_port()
    command = ["make", "run", f"SERVE=--demo --port {port}"]
    if program is not None:
        command = [program, "serve", "--demo", "--port", str(port)]
    folder = ROOT if program is None else Path.cwd()
    what = "make run" if program is None else "serve"
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(
            command, cwd=folder, stdout=printed, stderr=printed, start_new_session=True
        )
        try:
            wrong = trial(process, f"http://127.0.0.1:{port}")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(STOP_S)
            for file in folder.glob("onehead.db*"):
                if file.is_file():
                    file.unlink()
        printed.seek(0)
        text = printed.read()
    if wrong is None and "stopped" not in text:
        wrong = "the gateway did not say that it stopped"
    print(text if wrong else f"{what}: answered a chat, a decision and the dashboard")
    if wrong:
        print(f"{what}: {wrong}", file=sys.stderr)
    return wrong is not None


def trial(process: subprocess.Popen[str], url: str) -> str | None:
    """What went wrong; None where all is well."""
    end = time.monotonic() + INSTALL_S
    while ask(f"{url}/ready") is None:
        if process.poll() is not None:
            return f"ended with {process.returncode} before the gateway was ready"
        if time.monotonic() > end:
            return f"the gateway was not ready within {INSTALL_S} s"
        time.sleep(0.5)
    answer = ask(f"{url}/v1/chat/completions", QUESTION) or ""
    if '"demo":true' not in answer:
        return f"a chat was answered with {answer[:300]!r}"
    decision = ask(f"{url}/v1/decision", QUESTION) or ""
    if '"estimates"' not in decision:
        return f"a decision was answered with {decision[:300]!r}"
    page = ask(f"{url}/ui/") or ""
    if "<html" not in page.lower() or "onehead" not in page.lower():
        return f"the dashboard was answered with {page[:300]!r}"
    return None


def ask(url: str, body: object = None) -> str | None:
    """The text of an answer; None where there is none yet."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read(), "utf-8")
    except urllib.error.HTTPError as error:
        return str(error.read(), "utf-8") if error.code != 503 else None
    except OSError:
        return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
