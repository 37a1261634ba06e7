"""Charts: summaries in, Altair charts out, and files of them."""

from seedbed.figures.curves import learning_curves
from seedbed.figures.drawing import save_chart, spec_of, svg_of
from seedbed.figures.pictures import (
    all_charts,
    browser_library,
    chart_of,
    csv_library,
    save_pictures,
    script_json,
)
from seedbed.figures.theme import DARK, LIGHT, PAGE, Theme, colours, css_variables

__all__ = [
    "DARK",
    "LIGHT",
    "PAGE",
    "Theme",
    "all_charts",
    "browser_library",
    "chart_of",
    "colours",
    "css_variables",
    "csv_library",
    "learning_curves",
    "save_chart",
    "save_pictures",
    "script_json",
    "spec_of",
    "svg_of",
]
