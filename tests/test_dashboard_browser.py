"""The pages in a real browser: on real traffic, light and dark, wide and narrow, scripts among it.

Without a browser these tests skip, and fail where CI is set. Screenshots go to $ONEHEAD_SCREENSHOTS
where that is set, else nowhere.
"""

from __future__ import annotations

import json
import os
import random
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browsers import Browser, Page, a_browser, expect  # noqa: F401  (a fixture)
from dashboards import HOSTILE_MODEL, PAYLOADS, dashboard, send_traffic

from onehead.errors import NoEligibleModel
from onehead.policy import Constraints, choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateways import Gateway

LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}
PAGES = {
    "Overview": "/ui/",
    "Playground": "/ui/playground",
    "Frontier": "/ui/frontier",
    "Decisions": "/ui/decisions",
    "Models": "/ui/models",
    "Router": "/ui/router",
    "Shadow": "/ui/shadow",
}


class Tab:
    """A page of the browser that remembers whatever went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.faults: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.url):
            self.faults.append(f"asked elsewhere: {request.url}")

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        self.settled()
        return self.page

    def settled(self) -> None:
        """Wait until the page's script has drawn or estimated what it has to."""
        if self.page.locator("#document").count():
            self.page.wait_for_selector("#document[data-drawn]")
        if self.page.locator("#playground").count():
            self.page.wait_for_selector("#playground[data-estimated]")

    def fine(self) -> None:
        """Nothing failed, nothing hostile ran, nothing overflows."""
        assert self.faults == []
        assert self.page.evaluate("window.ran") is None
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{wide} pixels too wide"


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, list[str]]]:
    with dashboard(tmp_path_factory.mktemp("browser"), store='prompts = "full"') as gateway:
        ids = send_traffic(gateway)
        gateway.chat(HOSTILE_MODEL, PAYLOADS[0])
        for place, one in enumerate(ids[::4]):
            body = {"decision_id": one, "quality": place % 2, "comment": PAYLOADS[1]}
            assert gateway.post("/v1/feedback", body).status_code == 200
        gateway.row(ids[-1])
        yield gateway, ids


def opened(browser: Browser, gateway: Gateway, look: str = "light") -> Tab:
    page = browser.new_context(**LOOKS[look]).new_page()
    page.set_default_timeout(20_000)
    return Tab(page, gateway.url)


def keep(tab: Tab, name: str) -> None:
    folder = os.environ.get("ONEHEAD_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tab.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize("look", list(LOOKS))
def test_every_page_by_its_link(
    browser: Browser, used: tuple[Gateway, list[str]], look: str
) -> None:
    gateway, ids = used
    tab = opened(browser, gateway, look)
    tab.go("/ui/")
    for title, path in PAGES.items():
        tab.page.get_by_role("link", name=title, exact=True).click()
        tab.page.wait_for_url(f"**{path}")
        tab.settled()
        assert tab.page.get_by_role("heading", level=1).inner_text() == title
        for figure in tab.page.locator("figure[data-chart]").all():
            assert figure.locator("svg").get_attribute("aria-label")
        tab.fine()
        keep(tab, f"{title.lower()}-{look}")
    tab.go(f"/ui/decisions/{ids[8]}")
    tab.fine()
    keep(tab, f"decision-{look}")
    dark = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(20, 24, 29)") is (look == "dark")


def test_the_theme_can_be_chosen_and_stays(
    browser: Browser, used: tuple[Gateway, list[str]]
) -> None:
    tab = opened(browser, used[0])
    tab.go("/ui/")
    tab.page.get_by_role("button", name="Use the dark theme").click()
    tab.go("/ui/models")
    assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
    ink = tab.page.locator("figure[data-chart=heat] svg text").first
    assert ink.evaluate("one => getComputedStyle(one).fill") != "rgb(92, 102, 112)"
    tab.fine()


def test_figures_refresh_by_themselves(browser: Browser, used: tuple[Gateway, list[str]]) -> None:
    gateway = used[0]
    tab = opened(browser, gateway)
    page = tab.go("/ui/?range=1h")
    card = page.locator("[data-card=requests] dd > span")
    before = int(card.inner_text())
    gateway.row(gateway.chat(text="once more").headers["x-onehead-decision-id"])
    expect(card).not_to_have_text(str(before), timeout=20_000)
    page.get_by_role("button", name="live").click()
    assert page.locator("#live").get_attribute("aria-pressed") == "false"
    tab.fine()


def test_a_gateway_that_goes_away_is_told(browser: Browser, tmp_path: Path) -> None:
    with dashboard(tmp_path) as gateway:
        send_traffic(gateway, 1)
        tab = opened(browser, gateway)
        page = tab.go("/ui/?range=1h")
        page.route("**/ui/api/**", lambda route: route.abort())
        page.wait_for_selector("#trouble:not([hidden])")
        assert "could not be refreshed" in page.locator("#trouble").inner_text()
        page.unroute("**/ui/api/**")
        page.wait_for_selector("#trouble", state="hidden")


def test_the_first_view_is_quick_and_light(
    browser: Browser, used: tuple[Gateway, list[str]]
) -> None:
    tab = opened(browser, used[0])
    sizes: list[int] = []
    tab.page.on("response", lambda answer: sizes.append(len(answer.body())))
    for path in PAGES.values():
        sizes.clear()
        tab.go(path)
        assert sum(sizes) < 1_500_000, f"{path} weighs {sum(sizes):,} bytes"


def test_decisions_by_search_and_thumbs(browser: Browser, used: tuple[Gateway, list[str]]) -> None:
    gateway = used[0]
    tab = opened(browser, gateway)
    page = tab.go("/ui/decisions")
    page.get_by_label("Text of the prompt").fill("infinitely many primes")
    page.get_by_role("button", name="Search").click()
    rows = page.locator("table[data-table=decisions] tbody tr")
    assert rows.count() == 4
    rows.first.get_by_role("link").click()
    page.wait_for_url("**/ui/decisions/dec_*")
    assert "Prove that there are infinitely many primes." in page.locator("pre").inner_text()
    page.get_by_label("Comment").fill(PAYLOADS[0])
    page.get_by_role("button", name="good").click()
    expect(page.locator(".thumbs [role=status]")).not_to_be_empty()
    assert page.get_by_role("button", name="good").get_attribute("aria-pressed") == "true"
    assert "Noted" in page.locator(".thumbs [role=status]").inner_text()
    tab.fine()


def test_keys_reach_everything(browser: Browser, used: tuple[Gateway, list[str]]) -> None:
    tab = opened(browser, used[0])
    page = tab.go("/ui/playground")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
        width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        tag = page.evaluate("document.activeElement.tagName")
        assert tag == "BODY" or width != "0px", f"no focus to be seen on {tag}"
    assert {"prompt", "wtp", "usd", "max-cost", "min-quality", "copy-curl", "sort"} <= reached


def test_the_playground_decides_as_it_is_moved(
    browser: Browser, used: tuple[Gateway, list[str]]
) -> None:
    gateway = used[0]
    tab = opened(browser, gateway)
    page = tab.go("/ui/playground")
    page.get_by_label("Prompt").fill(PAYLOADS[0] + " prove Fermat's last theorem")
    expect(page.locator("#playground")).not_to_have_attribute("data-estimated", "1")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    winners = set()
    slider = page.locator("#wtp")
    for step in range(0, 1001, 50):
        slider.evaluate(f"one => {{ one.value = {step}; one.dispatchEvent(new Event('input')); }}")
        winners.add(page.locator("[data-winner=exponential] strong").inner_text())
    assert len(winners) >= 2
    assert asked == [], "moving the slider asks nobody"
    page.get_by_label("Cost at most, USD").fill("0.000000001")
    assert page.locator("[data-winner=linear] strong").inner_text() == "no model"
    page.get_by_label("Cost at most, USD").fill("")
    page.get_by_label("Quality at least, 0 to 1").fill("1")
    assert "no model reaches the floor" in page.locator("[data-winner=linear] p").inner_text()
    tab.fine()


def test_what_the_playground_copies_works(
    browser: Browser, used: tuple[Gateway, list[str]]
) -> None:
    gateway = used[0]
    tab = opened(browser, gateway)
    page = tab.go("/ui/playground")
    prompt = 'it\'s a "test" of $HOME, `date` and \\ \n two lines é 🦊'
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="best").click()
    page.locator("#copy-curl").click()
    words = shlex.split(page.locator("#snippet").inner_text().replace("\\\n", " "))
    assert words[:2] == ["curl", f"{gateway.url}/v1/chat/completions"]
    body = json.loads(words[words.index("-d") + 1])
    assert body["messages"][0]["content"] == prompt
    assert gateway.client.post("/v1/chat/completions", json=body).status_code == 200
    page.locator("#copy-python").click()
    code = page.locator("#snippet").inner_text()
    compile(code, "copied", "exec")
    assert repr(body["onehead"]["willingness_to_pay"]) in code


def test_the_browser_chooses_as_the_policy_does(
    browser: Browser, used: tuple[Gateway, list[str]]
) -> None:
    """Random pools with ties, zeros and absurd costs, over a grid of amounts and constraints."""
    page = opened(browser, used[0]).go("/ui/playground")
    chance, cases = random.Random(7), []
    for _ in range(400):
        m = chance.randint(1, 7)
        ids = chance.sample(["b", "a", "Z", "é", "gpt-4", "\U0001f98a", "\uff5e", "ß"], m)
        quality = [round(chance.choice([0.0, 0.5, 0.5, 0.9, 1.0, chance.random()]), 6) for _ in ids]
        cost = [
            chance.choice([0.0, 1e-4, 1e-4, 0.5, 1e-9, 10 ** chance.uniform(-7, 1)]) for _ in ids
        ]
        cases.append(
            {
                "ids": ids, "quality": quality, "cost": cost,
                "wtp": chance.choice([1e-12, 1e-6, 0.002, 0.1, 50.0, 10 ** chance.uniform(-9, 3)]),
                "kind": chance.choice(["exponential", "linear"]),
                "maxCost": chance.choice([None, None, 0.0, 1e-4, 0.3]),
                "minQuality": chance.choice([None, None, 0.0, 0.5, 0.95, 1.0]),
                "models": chance.choice([None, None, chance.sample(ids, chance.randint(1, m))]),
            }
        )  # fmt: skip
    chosen = page.evaluate(
        """cases => cases.map(one => {
          const models = one.ids.map((model, i) => (
            {model, quality: one.quality[i], cost_usd: one.cost[i], why_not: null}));
          const result = window.onehead.policy.choose(models, one);
          return {column: result.column, relaxed: result.relaxed, eligible: result.eligible,
                  rewards: result.rewards.map((r) => Number.isFinite(r) ? r : null)};
        })""",
        cases,
    )
    for case, found in zip(cases, chosen, strict=True):
        allowed = case["models"]
        constraints = Constraints(
            case["maxCost"], case["minQuality"],
            None if allowed is None else tuple(case["ids"].index(name) for name in allowed),
        )  # fmt: skip
        quality, cost = (np.array([case[name]], np.float64) for name in ("quality", "cost"))
        try:
            known = choose(
                quality, cost, case["wtp"], kind=case["kind"], constraints=constraints,
                ids=case["ids"],
            )  # fmt: skip
        except NoEligibleModel:
            assert found["column"] == -1, case
            continue
        assert found["column"] == int(known.column[0]), case
        assert found["relaxed"] == bool(known.relaxed[0])
        assert found["eligible"] == known.eligible[0].tolist()
        for mine, theirs in zip(found["rewards"], known.rewards[0].tolist(), strict=True):
            assert mine is None or mine == pytest.approx(theirs, rel=1e-9, abs=1e-300)


def test_logging_in_by_the_form(browser: Browser, tmp_path: Path) -> None:
    keys = '[[keys]]\nname = "ann"\nkey = "${ANN}"\n'
    secret = "sk-ann-0123456789abcdef"
    with dashboard(tmp_path, keys=keys, environment={"ANN": secret}) as gateway:
        tab = opened(browser, gateway)
        page = tab.page
        page.goto(f"{gateway.url}/ui/router?range=7d")
        keep(tab, "login-light")
        page.get_by_label("Key").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        assert "not known here" in page.get_by_role("status").inner_text()
        page.get_by_label("Key").fill(secret)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/ui/router?range=7d")
        tab.settled()
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="log out").click()
        page.wait_for_url("**/ui/login")


def test_empty_pages_look_like_pages(browser: Browser, tmp_path: Path) -> None:
    with dashboard(tmp_path) as gateway:
        tab = opened(browser, gateway, "phone")
        for title, path in PAGES.items():
            tab.go(path)
            tab.fine()
            keep(tab, f"empty-{title.lower()}")


def test_shadow_mode_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    with dashboard(tmp_path, routing='shadow = "ok-large"') as gateway:
        ids = send_traffic(gateway, 2)
        gateway.row(ids[-1])
        tab = opened(browser, gateway)
        page = tab.go("/ui/shadow?range=1h")
        tab.fine()
        keep(tab, "shadow-used")
        page.locator("table[data-table=falls] a").first.click()
        page.wait_for_url("**/ui/decisions/dec_*")
