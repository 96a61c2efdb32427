"""What the gateway adds to a request, how many it carries, and its peers beside it.

    python benchmarks/gateway.py [--seconds 5] [--litellm VENV] [--portkey NPM_FOLDER]

Needs wrk. Writes benchmarks/results/gateway.json. In one run on one machine: the upstream alone, then
every gateway in front of it, at 1, 16 and 64 connections; whole answers and streams in turns, direct and
through the gateway, to see what is added to the median and to the first byte. Every request of ours is
routed by the static encoder and logged in SQLite; one worker. VENV is a virtual environment with
`litellm[proxy]`; NPM_FOLDER is where `npm install @portkey-ai/gateway` ran.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gateways
from common import RESULTS, conditions, write
from gateways import PATH, Target

CONNECTIONS = (1, 16, 64)
TURNS = 2000
ROUNDS = 3
PROMPT = (
    "A train leaves at 9:40 and arrives at 13:05 with two stops of seven minutes. How long was it moving? "
    "Answer with one number of minutes."
)
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def body(model: str, *, stream: bool = False) -> str:
    """A request."""
    messages = [
        {"role": "system", "content": "You are a careful assistant."},
        {"role": "user", "content": PROMPT},
    ]
    return json.dumps({"model": model, "messages": messages, "stream": stream})


def typical(target: Target, connections: int, seconds: float, folder: Path) -> dict[str, Any]:
    """The middle one of several rounds, and how many requests per second each of them had."""
    rounds = [loaded(target, connections, seconds, folder) for _ in range(ROUNDS)]
    rounds.sort(key=lambda one: one["requests_per_s"])
    every = [one["requests_per_s"] for one in rounds]
    return {**rounds[ROUNDS // 2], "rounds_requests_per_s": every}


def loaded(target: Target, connections: int, seconds: float, folder: Path) -> dict[str, float]:
    """What wrk sees of `target`: latencies in milliseconds, requests per second, failures."""
    script = folder / "post.lua"
    headers = {"content-type": "application/json", "authorization": "Bearer x", **target.headers}
    lines = ['wrk.method = "POST"', f"wrk.body = [[{body(target.model)}]]"]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    script.write_text("\n".join(lines), encoding="utf-8")
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{round(seconds)}s",
        "--timeout",
        "30s",
        "--latency",
        "-s",
    ]
    run = subprocess.run(
        [*command, str(script), target.url], capture_output=True, text=True, check=True
    )
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", run.stdout)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", run.stdout
    )
    found = re.search(r"(\d+) requests in .*Requests/sec:\s+([\d.]+)", run.stdout, re.DOTALL)
    if found is None:
        sys.exit(f"wrk said nothing of {target.name}: {run.stdout}{run.stderr}")
    return {
        **{f"p{share}_ms": _percentile(run.stdout, share) for share in (50, 90, 99)},
        "requests": int(found[1]),
        "requests_per_s": float(found[2]),
        "failed": int(failed[1]) if failed else 0,
        "broken": sum(map(int, broken.groups())) if broken else 0,
    }


def _percentile(text: str, share: int) -> float:
    found = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s)\s*$", text, re.MULTILINE)
    if found is None:
        sys.exit(f"wrk's output has no {share} %: {text}")
    return float(found[1]) * UNITS[found[2]]


class RefusedError(Exception):
    """An answer that is none."""


class Wire:
    """One kept connection, as bare as can be."""

    def __init__(self, target: Target, *, stream: bool) -> None:
        content = body(target.model, stream=stream).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer x\r\n{extra}content-length: {len(content)}\r\n\r\n"
        )
        self._request = head.encode() + content
        self._last = b"0\r\n\r\n" if stream else b""
        self._socket = socket.create_connection(("127.0.0.1", target.port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def first_byte_ms(self) -> float:
        """Until the first byte of the body is here; the rest is read too."""
        began = time.perf_counter()
        self._socket.sendall(self._request)
        data = b""
        while not data.partition(b"\r\n\r\n")[2]:
            data += self._receive()
        elapsed = time.perf_counter() - began
        head, _, rest = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RefusedError(data[:300].decode("latin-1"))
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        while (
            len(rest) < int(length[1]) if length else not rest.endswith(self._last or b"0\r\n\r\n")
        ):
            rest += self._receive()
        return elapsed * 1e3

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            sys.exit("the connection was closed")
        return data

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def in_turns(direct: Target, through: Target, *, stream: bool) -> dict[str, float]:
    """Milliseconds to the first byte, direct and through a gateway, one after the other."""
    with (
        contextlib.closing(Wire(direct, stream=stream)) as one,
        contextlib.closing(Wire(through, stream=stream)) as other,
    ):
        pairs = [(one.first_byte_ms(), other.first_byte_ms()) for _ in range(TURNS + 200)][200:]
    straight, passed = (sorted(times) for times in zip(*pairs, strict=True))
    return {
        "turns": TURNS,
        "direct_median_ms": statistics.median(straight),
        "through_median_ms": statistics.median(passed),
        "added_median_ms": statistics.median(passed) - statistics.median(straight),
        "through_p99_ms": passed[int(0.99 * TURNS)],
    }


def measured(target: Target, behind: Target, seconds: float, folder: Path) -> dict[str, Any]:
    """Everything about one gateway."""
    status = gateways.ask(target, body(target.model).encode())
    if status != 200:
        sys.exit(f"{target.name} answers {status}")
    loaded(target, 4, 2, folder)  # warm
    found: dict[str, Any] = {"memory_before_mb": target.memory_mb()}
    for connections in CONNECTIONS:
        found[f"c{connections}"] = typical(target, connections, seconds, folder)
        print(target.name, connections, found[f"c{connections}"], file=sys.stderr)
    if target is not behind:
        for kind in ("whole", "stream"):
            try:
                found[kind] = in_turns(behind, target, stream=kind == "stream")
            except RefusedError as error:
                found[f"{kind}_refused"] = str(error).partition("\r\n")[0]
                print(target.name, kind, "is refused:", error, file=sys.stderr)
            else:
                print(target.name, kind, found[kind], file=sys.stderr)
    found["memory_after_mb"] = target.memory_mb()
    return found


def main() -> None:
    arguments = _arguments()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: install it (Debian: apt install wrk).")
    document: dict[str, Any] = {"run": conditions(["aiohttp", "uvicorn", "uvloop", "onnxruntime"])}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        behind = stack.enter_context(gateways.upstream())
        found = {"upstream": measured(behind, behind, arguments.seconds, folder)}
        with gateways.onehead(behind, folder) as ours:
            found["onehead"] = measured(ours, behind, arguments.seconds, folder)
        if arguments.litellm:
            with gateways.litellm(behind, arguments.litellm, folder) as peer:
                found["litellm"] = measured(peer, behind, arguments.seconds, folder)
        if arguments.portkey:
            with gateways.portkey(behind, arguments.portkey) as peer:
                found["portkey"] = measured(peer, behind, arguments.seconds, folder)
    document |= {"seconds": arguments.seconds, "gateways": found}
    write(RESULTS / "gateway.json", document)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--litellm", type=Path)
    parser.add_argument("--portkey", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
