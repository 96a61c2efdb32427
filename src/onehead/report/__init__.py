"""Reports: the pictures and tables of an evaluation, as files and as one page."""

from onehead.report.write import check_report_target, write_report

__all__ = ["check_report_target", "write_report"]
