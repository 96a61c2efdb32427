"""Whatever stands in a prompt, a name or a comment stays text."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest
from dashboards import PAYLOADS
from hypothesis import given
from hypothesis import strategies as st

from onehead.dashboard import words
from onehead.dashboard.document import Card, Document, Link, Section, Table
from onehead.dashboard.markup import Markup, h, join
from onehead.dashboard.shell import empty, facts, notice, shown


class Reader(HTMLParser):
    """Tags and texts of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


@given(st.text(), st.text())
def test_any_text_comes_out_as_it_went_in(child: str, value: str) -> None:
    found = read(h("p", {"title": value}, child))
    assert [tag for tag, _ in found.tags] == ["p"]
    assert found.tags[0][1] == {"title": value}
    assert html.unescape(html.escape(child)) == child
    assert child.replace("\0", "") in (found.text, child.replace("\0", "")) or found.text == child


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_make_no_element(payload: str) -> None:
    made = join(
        h("div", {"data-x": payload}, payload), empty(payload), notice(payload),
        facts([(payload, payload)]),
        shown(
            Document(
                cards=(Card("n", payload, payload, payload),),
                parts=(Section("s", payload, Table((payload,), ((payload,),)), payload),),
                remarks=(payload,),
            ),
            "/ui/api/x",
        ),
    )  # fmt: skip
    found = read(made)
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "img", "iframe"})
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert found.text.count(payload) >= 8


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", "//evil.example", "/\\evil.example", "https://a", "data:x", " /x"],
)
def test_links_lead_nowhere_else(href: str) -> None:
    with pytest.raises(ValueError, match="must"):
        h("a", {"href": href}, "x")
    with pytest.raises(ValueError, match="must"):
        shown(
            Document(parts=(Section("s", "t", Table(("a",), ((Link("x", href),),))),)), "/ui/api/x"
        )


def test_attributes_that_are_off_are_left_out() -> None:
    assert h("input", {"a": None, "b": False, "c": True, "d": 0}) == '<input c d="0">'
    assert h("p", {}, Markup("<b>x</b>"), None, ["y", 1]) == "<p><b>x</b>y1</p>"


@pytest.mark.parametrize(
    ("amount", "told"),
    [(None, "–"), (float("nan"), "–"), (0, "$0"), (0.000123, "$0.00012"), (0.5, "$0.50"),
     (12.3, "$12.30"), (-0.004, "−\u2060$0.0040"), (123456, "$123,456"), (1e-15, "$0.000000000000")],
)  # fmt: skip
def test_dollars_in_words(amount: float | None, told: str) -> None:
    assert words.usd(amount) == told


@pytest.mark.parametrize(
    ("duration", "told"),
    [
        (None, "–"),
        (0.00031, "0.31 ms"),
        (0.042, "42 ms"),
        (1.234, "1.2 s"),
        (0.9997, "1.0 s"),
        (250, "250 s"),
    ],
)
def test_durations_in_words(duration: float | None, told: str) -> None:
    assert words.seconds(duration) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [(-0.0001, "0.000"), (0.0, "0.000"), (-0.25, "−0.250"), (0.5, "+0.500"), (None, "–")],
)
def test_differences_in_words(value: float | None, told: str) -> None:
    assert words.signed(value) == told
    assert words.share(-0.0001) == "0.0%"
