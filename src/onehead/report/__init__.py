"""Reports: the pictures and tables of an evaluation, as files and as one page."""

from onehead.report.write import write_report

__all__ = ["write_report"]
