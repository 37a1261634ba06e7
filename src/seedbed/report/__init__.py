"""What the terminal shows. Everything is drawn from plain values: nothing here knows how they came about."""

from seedbed.report.lines import epoch_lines
from seedbed.report.overview import overview_text
from seedbed.report.progress import ProgressDisplay
from seedbed.report.sentences import counted
from seedbed.report.terminal import comparison_text

__all__ = ["ProgressDisplay", "comparison_text", "counted", "epoch_lines", "overview_text"]
