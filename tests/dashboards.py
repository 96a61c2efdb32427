"""A dashboard before a running gateway with real traffic, for tests."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gateways import Gateway, _serving, running_upstream, toml

from onehead.config import parse_config
from onehead.dashboard import routes
from onehead.gateway.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAYLOADS = (
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran=1">',
    "</script><script>window.ran=1</script>",
    "javascript:window.ran=1",
    "{{constructor.constructor('window.ran=1')()}}",
    "'-alert(1)-'",
)
PROMPTS = (
    "Write a Python function that merges two sorted lists.",
    "What is the capital of France?",
    "Prove that there are infinitely many primes.",
    "Translate to German: the weather is nice today.",
    "A patient has a fever and a rash. What could it be?",
    "Compute the integral of x^2 from 0 to 3.",
)
HOSTILE_MODEL = 'ok-<img src=x onerror="window.ran=1">'
MODELS = {
    "ok-small": {"like": "gemini-1.5-flash-002", "input_usd_per_million": 0.1, "output_usd_per_million": 0.4},
    "ok-large": {"like": "gpt-4o-2024-05", "input_usd_per_million": 5.0, "output_usd_per_million": 15.0},
    HOSTILE_MODEL: {"like": "gemini-1.5-pro-002", "input_usd_per_million": 1.25, "output_usd_per_million": 5.0},
}  # fmt: skip


@contextlib.contextmanager
def dashboard(
    folder: Path, *, routing: str = "", gateway: str = "", store: str = "", keys: str = "",
    environment: dict[str, str] | None = None, models: dict | None = None,
) -> Iterator[Gateway]:  # fmt: skip
    """A gateway with its dashboard, in front of the stub upstream."""
    with running_upstream() as upstream:
        extra = f"{keys}\n[gateway]\n{gateway}\n[routing]\n{routing}\n"
        text = toml(upstream.url, folder, models or MODELS, extra)
        text = text.replace("[store]\n", f"[store]\n{store}\n")
        config = parse_config(text, environment=environment or {}, where="test.toml")
        app = create_app(config, routes())
        with _serving(app, lifespan="on") as url:
            running = Gateway(app, url.replace("127.0.0.1", "localhost"))
            yield running
            running.client.close()


def send_traffic(gateway: Gateway, rounds: int = 4) -> list[str]:
    """Requests of many kinds, scripts among the prompts; the decisions' ids, all of them logged."""
    ids = []
    for turn in range(rounds):
        wtp = ("auto:cheap", "auto", "auto:best")[turn % 3]
        for text in (*PROMPTS, *PAYLOADS):
            answered = gateway.chat(wtp, text, stream=turn == 1)
            assert answered.status_code == 200, answered.text
            ids.append(answered.headers["x-onehead-decision-id"])
    return ids
