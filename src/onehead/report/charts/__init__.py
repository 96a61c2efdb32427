"""The charts of a report: each a pure function from rows to a Vega-Lite specification.

Nothing here draws, reads or measures; the specifications are plain dictionaries, so that a picture
in a report and a live chart in a page are the same chart.
"""

from __future__ import annotations

from onehead.report.charts.costs import cost_chart
from onehead.report.charts.curve import curve_chart
from onehead.report.charts.frontier import frontier_chart
from onehead.report.charts.heat import heat_chart
from onehead.report.charts.over_time import (
    amounts_over_time,
    band_over_time,
    lines_over_time,
    share_over_time,
)
from onehead.report.charts.reliability import reliability_chart
from onehead.report.charts.shares import share_chart
from onehead.report.charts.tasks import task_chart

__all__ = [
    "amounts_over_time",
    "band_over_time",
    "cost_chart",
    "curve_chart",
    "frontier_chart",
    "heat_chart",
    "lines_over_time",
    "reliability_chart",
    "share_chart",
    "share_over_time",
    "task_chart",
]
