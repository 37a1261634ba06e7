"""What the terminal shows. Everything is drawn from plain values: nothing here knows how they came about."""

from seedbed.report.lines import epoch_lines
from seedbed.report.overview import overview_text
from seedbed.report.progress import Progress, ProgressDisplay, duration
from seedbed.report.terminal import comparison_text, counted

__all__ = [
    "Progress",
    "ProgressDisplay",
    "comparison_text",
    "counted",
    "duration",
    "epoch_lines",
    "overview_text",
]
