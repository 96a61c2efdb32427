"""The charts of a report: each a pure function from rows to a Vega-Lite specification.

Nothing here draws, reads or measures; the specifications are plain dictionaries, so that a picture
in a report and a live chart in a page are the same chart.
"""

from __future__ import annotations

from onehead.report.charts.costs import cost_chart
from onehead.report.charts.curve import curve_chart
from onehead.report.charts.reliability import reliability_chart
from onehead.report.charts.shares import share_chart
from onehead.report.charts.tasks import task_chart

__all__ = ["cost_chart", "curve_chart", "reliability_chart", "share_chart", "task_chart"]
