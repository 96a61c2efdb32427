"""The playground's page: a prompt, the trade-off, and who would win it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.dashboard import words
from onehead.dashboard.markup import Markup, h, join
from onehead.dashboard.shell import Frame, page
from onehead.policy import parse_willingness_to_pay

if TYPE_CHECKING:
    from onehead.dashboard.visit import Visit

_EXAMPLE = "Write a function that merges two sorted lists, and prove that it is correct."
_SPAN = 100.0
"""The slider reaches from the lowest preset divided by this to the highest times this."""
_COLUMNS = ("model", "quality", "cost", "exponential reward", "linear reward", "what speaks for it")


def playground_page(visit: Visit) -> str:
    """The page; its script asks for estimates and decides on its own."""
    context = visit.context
    presets = dict(context.fleet.presets)
    now = parse_willingness_to_pay(context.state.config.routing.willingness_to_pay, presets)
    lead = (
        "Type a prompt and move the willingness to pay: estimates come once for each prompt, the "
        "choice follows at once. Nothing is sent to a model, and nothing is logged."
    )
    return page(
        Frame(
            "playground", "Playground", lead, scripts=("policy.js", "playground.js"), key=visit.name
        ),
        h(
            "div",
            {
                "id": "playground",
                "data-base": visit.base,
                "data-keyed": "1" if context.app.config.keys else "0",
                "data-low": min(presets.values()) / _SPAN,
                "data-high": max(presets.values()) * _SPAN,
                "data-wtp": now,
            },
            h("p", {"id": "trouble", "class": "notice bad", "role": "status", "hidden": True}),
            h("div", {"class": "trade"}, _prompt(presets), _limits(context.fleet.ids)),
            h(
                "div", {"class": "winners", "role": "status", "aria-live": "polite"},
                _winner("exponential", "Exponential reward: quality · exp(−cost / λ)"),
                _winner("linear", "Linear reward: quality − cost / λ"),
            ),
            h("p", {"id": "mix", "class": "muted small"}),
            _bars(),
        ),
        h("noscript", {}, h("p", {"class": "notice bad"}, "The playground needs its script.")),
    )  # fmt: skip


def _prompt(presets: dict[str, float]) -> Markup:
    """The prompt and the slider."""
    marks = [
        h(
            "button",
            {"type": "button", "class": "quiet", "data-preset": name, "data-usd": usd},
            f"{name} {words.usd(usd)}",
        )
        for name, usd in presets.items()
    ]  # fmt: skip
    return h(
        "div", {},
        h("label", {"for": "prompt"}, "Prompt"),
        h("textarea", {"id": "prompt", "spellcheck": "false"}, _EXAMPLE),
        h("label", {"for": "wtp"}, "Willingness to pay λ: what one good answer is worth"),
        h("input", {"id": "wtp", "type": "range", "min": 0, "max": 1000, "step": 1, "list": "presets"}),
        h("datalist", {"id": "presets"}),
        h("div", {"class": "marks"}, marks),
        h("label", {"for": "usd"}, "or in USD"),
        h("input", {"id": "usd", "inputmode": "decimal", "autocomplete": "off"}),
    )  # fmt: skip


def _limits(ids: tuple[str, ...]) -> Markup:
    """Constraints, and the request to copy."""
    checks = [
        h("label", {}, h("input", {"type": "checkbox", "name": "model", "value": name, "checked": True}),
          " ", name)
        for name in ids
    ]  # fmt: skip
    return h(
        "div", {},
        h(
            "fieldset", {},
            h("legend", {}, "Constraints"),
            h(
                "div", {"class": "two"},
                h("div", {}, h("label", {"for": "max-cost"}, "Cost at most, USD"),
                  h("input", {"id": "max-cost", "inputmode": "decimal", "autocomplete": "off"})),
                h("div", {}, h("label", {"for": "min-quality"}, "Quality at least, 0 to 1"),
                  h("input", {"id": "min-quality", "inputmode": "decimal", "autocomplete": "off"})),
            ),
            h("p", {"class": "small muted"}, "Models ",
              h("button", {"type": "button", "class": "quiet", "id": "all"}, "all"), " ",
              h("button", {"type": "button", "class": "quiet", "id": "none"}, "none")),
            h("div", {"class": "checks", "role": "group", "aria-label": "Models", "tabindex": "0"}, checks),
        ),
        h(
            "div", {"class": "marks"},
            h("button", {"type": "button", "class": "quiet", "id": "copy-curl"}, "copy as curl"),
            h("button", {"type": "button", "class": "quiet", "id": "copy-python"}, "copy as Python"),
            h("span", {"id": "copied", "role": "status", "class": "muted small"}),
        ),
        h("pre", {"id": "snippet", "hidden": True, "tabindex": "0"}),
    )  # fmt: skip


def _winner(kind: str, title: str) -> Markup:
    return h(
        "div", {"data-winner": kind},
        h("h2", {}, title), h("strong", {}, words.NOTHING), h("p", {"class": "small muted"}, ""),
    )  # fmt: skip


def _bars() -> Markup:
    """The table that the script fills: bars in cells, with their figures as text."""
    sort = [
        h("option", {"value": value}, label)
        for value, label in (
            ("cost", "cost"), ("quality", "quality"), ("exponential", "exponential reward"),
            ("linear", "linear reward"), ("name", "name"),
        )
    ]  # fmt: skip
    head = [h("th", {"scope": "col"}, name) for name in _COLUMNS]
    return join(
        h("div", {"class": "bar"}, h("label", {"for": "sort"}, "Sort by"),
          h("div", {}, h("select", {"id": "sort"}, sort))),
        h(
            "div", {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Every model"},
            h("table", {"class": "bars", "id": "bars"}, h("thead", {}, h("tr", {}, head)), h("tbody", {})),
        ),
        h("p", {"id": "evidence", "class": "muted small"}),
    )  # fmt: skip
