"""Charts: plain summary dicts in, Altair charts out, and files of them."""

from seedbed.figures.browser import browser_library
from seedbed.figures.calibration import calibration
from seedbed.figures.curves import learning_curves
from seedbed.figures.intervals import verdict_intervals
from seedbed.figures.lottery import seed_lottery
from seedbed.figures.pictures import PICTURES, all_charts, chart_of, save_pictures
from seedbed.figures.save import save_chart, svg_of

__all__ = [
    "PICTURES",
    "all_charts",
    "browser_library",
    "calibration",
    "chart_of",
    "learning_curves",
    "save_chart",
    "save_pictures",
    "seed_lottery",
    "svg_of",
    "verdict_intervals",
]
