"""Draws the dashboard's pictures for the docs: a week of made-up traffic, routed by the bundled router.

    python scripts/dashboard_pictures.py [--out docs/pictures]

Prompts, estimates and choices are real; times, costs around their estimates, durations, failures and
feedback are drawn at random (seed 0). Needs Debian's chromium and the package playwright.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from playwright.sync_api import sync_playwright

from onehead import Router
from onehead.config import parse_config
from onehead.dashboard import routes
from onehead.gateway.app import create_app
from onehead.store import DecisionRecord, Store, new_decision_id

if TYPE_CHECKING:
    from collections.abc import Iterator

WEEK_S = 7 * 86_400.0
DECISIONS = 4000
PROMPTS = (
    "Write a Python function that merges two sorted lists.",
    "What is the capital of Australia?",
    "Prove that there are infinitely many primes.",
    "Translate into French: the meeting has been moved to Thursday.",
    "A patient has a fever, a rash and a stiff neck. What comes to mind first?",
    "Compute the integral of x^2 from 0 to 3.",
    "Summarise the doctrine of consideration in contract law.",
    "Fix this SQL: SELECT name FORM users WHERE id = 3;",
    "Why did the Roman republic fall?",
    "Balance C3H8 + O2 -> CO2 + H2O.",
    "Give me three names for a bakery by the sea.",
    "Explain how a hash map resolves collisions, with an example in C.",
)
MODELS = ("gemini-1.5-flash-002", "DeepSeek-Coder-V2", "gemini-1.5-pro-002", "gpt-4o-2024-05")
PAGES = {"overview": "/ui/?range=7d", "playground": "/ui/playground"}


def traffic(end: float) -> Iterator[tuple[DecisionRecord, float | None]]:
    """Decisions over a week, busier by day, each with the feedback that it got, if any."""
    chance, router = random.Random(0), Router.load()
    choices = [
        {
            name: router.route(prompt, willingness_to_pay=name, models=MODELS)
            for name in router.presets
        }
        for prompt in PROMPTS
    ]
    for _ in range(DECISIONS):
        at = end - chance.random() * WEEK_S
        busy = 0.55 - 0.45 * math.cos(2 * math.pi * (at % 86_400) / 86_400)
        if chance.random() > busy:
            continue
        preset = chance.choices(list(router.presets), (3, 5, 2))[0]
        decision = chance.choice(choices)[preset]
        estimates = [
            (e.model, e.quality, e.cost_usd, e.reward, e.why_not)
            for e in decision.estimates if e.model in MODELS
        ]  # fmt: skip
        chosen = next(e for e in estimates if e[0] == decision.model)
        failed = chance.random() < 0.012
        record = DecisionRecord(
            decision_id=new_decision_id(at), at=at, path="/v1/chat/completions", asked_model="auto",
            willingness_to_pay=decision.willingness_to_pay, reward="exponential", router="bundled",
            chosen=decision.model, model=None if failed else decision.model,
            confidence=decision.confidence, estimates=estimates, predicted_quality=chosen[1],
            predicted_cost_usd=chosen[2], outcome="error" if failed else "ok",
            status=502 if failed else 200, input_tokens=120, output_tokens=260,
            cost_usd=None if failed else chosen[2] * chance.lognormvariate(0.05, 0.4),
            overhead_s=chance.lognormvariate(-7.9, 0.35), total_s=chance.lognormvariate(0.3, 0.6),
        )  # fmt: skip
        judged = not failed and chance.random() < 0.1
        yield record, float(chance.random() < chosen[1]) if judged else None


def fill(url: str) -> None:
    """Write the traffic into a new log."""
    made = sorted(traffic(time.time()), key=lambda pair: pair[0].at)
    with Store.open(url) as store:
        for start in range(0, len(made), 500):
            store.write([record for record, _ in made[start : start + 500]])
        for record, said in made:
            if said is not None:
                store.add_feedback(record.decision_id, said, at=record.at + 60)


def config_text(url: str) -> str:
    """The demonstration over some models of the bundled router, at its prices."""
    pool = Router.load().pool
    lines = ["[store]", f'url = "{url}"']
    for name in MODELS:
        card = pool.models[pool.index(name)]
        lines += [
            "[[models]]", f'id = "{name}"', 'base_url = "http://127.0.0.1:9/v1"',
            f"input_usd_per_million = {card.input_usd_per_million}",
            f"output_usd_per_million = {card.output_usd_per_million}",
        ]  # fmt: skip
    return "\n".join(lines)


def draw(url: str, out: Path) -> None:
    """Photograph the pages, light and dark."""
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for look in ("light", "dark"):
            size = {"width": 1200, "height": 860}
            page = browser.new_context(color_scheme=look, viewport=size).new_page()
            for name, path in PAGES.items():
                page.goto(url + path)
                page.wait_for_selector("#document[data-drawn], #playground[data-estimated]")
                page.screenshot(path=str(out / f"dashboard-{name}-{look}.png"))
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "pictures")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/log.db"
        fill(store)
        app = create_app(
            parse_config(config_text(store), environment={}, where="pictures"), routes()
        )
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="on"))
        listening = server.config.bind_socket()
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            draw(f"http://localhost:{listening.getsockname()[1]}", out)
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    main()
