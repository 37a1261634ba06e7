"""The report: one self-contained HTML file, made of a plain summary dict and of nothing else."""

from seedbed.report.page.build import notebook_page, report_page

__all__ = ["notebook_page", "report_page"]
