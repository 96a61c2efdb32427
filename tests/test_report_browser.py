"""The report in a real browser: on a desk and on a phone, nothing is cut off and no texts collide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browsers import a_browser  # noqa: F401  (a fixture)
from test_report import make_evaluation

from onehead.report import write_report

if TYPE_CHECKING:
    from pathlib import Path

    from browsers import Browser

TASKS = ("arc-challenge-science", "winogrande", "mbpp")
CUT_OFF = """() => [document.documentElement, ...document.querySelectorAll('.scroll')]
    .filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth)
    .map(box => box.innerText.slice(0, 80))"""
COLLIDING = """() => [...document.querySelectorAll('svg')].filter(svg => svg.checkVisibility())
    .flatMap(svg => {
        const texts = [...svg.querySelectorAll('text')]
            .filter(text => text.textContent && getComputedStyle(text).opacity !== '0')
        const boxes = texts.map(text => text.getBoundingClientRect())
        const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3
        return texts.flatMap((text, i) => texts.slice(i + 1)
            .filter((_, k) => meet(boxes[i], boxes[i + 1 + k]))
            .map(other => `${text.textContent} / ${other.textContent}`))
    })"""


POOLS = {"usual": (120, 11, TASKS), "large": (200, 40, tuple(f"task {i}" for i in range(30)))}


@pytest.fixture(scope="module", params=POOLS)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("report"), make_evaluation(*POOLS[request.param]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 400, 800, 1280])
def test_nothing_is_cut_off_and_no_texts_collide(
    page: Path, browser: Browser, width: int, scheme: str
) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.goto(page.as_uri())
    assert tab.evaluate(CUT_OFF) == []
    assert tab.evaluate(COLLIDING) == []
    assert faults == []
    tab.close()
