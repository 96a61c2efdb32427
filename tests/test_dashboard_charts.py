"""The charts of what happened: valid Vega-Lite, and said in words."""

from __future__ import annotations

import altair
import pytest

from onehead.report import charts

SPANS = {"since": 1.79e9, "step_s": 1800.0, "count": 6}
SIZES = (180, 340, 900)


def point(cost: float, quality: float) -> dict[str, float]:
    return {"cost_usd": cost, "quality": quality}


def frontier(**more: object) -> dict:
    data = {
        "router": [point(1e-4, 0.6), point(1e-3, 0.7)], "hull": [point(1e-4, 0.6), point(1e-3, 0.65)],
        "models": [{"model": "a/b", **point(1e-4, 0.6)}, {"model": "c", **point(1e-3, 0.65)}],
        "presets": {"cheap": point(2e-4, 0.62)}, "traffic": [point(5e-4, 0.66)],
    }  # fmt: skip
    return {**data, **more}


MADE = {
    "shares": lambda width: charts.share_over_time({"a": [1, 0, 0.5, 0, 0, 0], "b": [0, 0, 0.5, 0, 0, 1]}, SPANS, width=width),
    "amounts": lambda width: charts.amounts_over_time({"ok": [1] * 6, "bad": [0] * 6}, {"ok": "blue", "bad": "orange"}, SPANS, title="requests", width=width),
    "nothing": lambda width: charts.amounts_over_time({"ok": [0] * 6}, {"ok": "blue"}, SPANS, title="USD", dollars=True, width=width),
    "lines": lambda width: charts.lines_over_time({"median": [None, 1, 2, None, 3, 4]}, {"median": "blue"}, SPANS, title="s", rule=1, width=width),
    "band": lambda width: charts.band_over_time([{"start": 1.79e9, "low": 0.1, "middle": 0.5, "high": 0.9}], SPANS, title="confidence", width=width),
    "heat": lambda width: charts.heat_chart({"a": [0.1] * 30, "b": [0.9] * 30}, [f"kind {i}" for i in range(30)], width=width),
    "frontier": lambda width: charts.frontier_chart(frontier(), width=width),
    "profiles": lambda width: charts.frontier_chart(frontier(router=[], traffic=[], presets={}), width=width),
}  # fmt: skip


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", list(MADE))
def test_specifications_are_valid_and_described(name: str, width: int) -> None:
    spec = MADE[name](width)
    altair.Chart.from_dict(spec, validate=True)
    assert spec["description"].endswith(".")
    assert "nan" not in repr(spec).lower().replace("finance", "")


def test_a_span_without_requests_has_no_bar() -> None:
    values = MADE["shares"](340)["data"]["values"]
    starts = {value["start"] for value in values}
    assert len(starts) == 3
    assert all(0 <= value["low"] < value["high"] <= 1 for value in values)


def test_times_are_whole_steps_of_utc() -> None:
    axis = MADE["amounts"](340)["encoding"]["x"]["axis"]
    assert len(axis["values"]) >= 2
    assert all(tick % 1_800_000 == 0 for tick in axis["values"])


def test_a_narrow_heat_map_keeps_the_kinds_that_tell_models_apart() -> None:
    quality = {"a": [0.5, 0.1, 0.5, 0.5] * 5, "b": [0.5, 0.9, 0.5, 0.6] * 5}
    values = charts.heat_chart(quality, [f"k{i}" for i in range(20)], width=200)["data"]["values"]
    shown = {value["kind"] for value in values}
    assert len(shown) < 20
    assert {f"k{i}" for i in (1, 5, 9, 13, 17)} <= shown
