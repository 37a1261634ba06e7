"""All charts of a summary, and each as a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from seedbed.errors import OptionError, did_you_mean
from seedbed.figures.calibration import calibration
from seedbed.figures.curves import learning_curves
from seedbed.figures.intervals import verdict_intervals
from seedbed.figures.lottery import seed_lottery
from seedbed.figures.mean_ranks import mean_rank_chart
from seedbed.figures.save import save_chart
from seedbed.figures.theme import LIGHT, Theme

__all__ = ["all_charts", "chart_of", "save_pictures"]

PICTURES = ("png", "svg", "pdf")


def _curves(summary: Mapping[str, Any], *, theme: Theme = LIGHT) -> alt.ConcatChart | None:
    """Learning curves; none where no network has any, as where a blend is compared with baselines alone."""
    return learning_curves(summary, theme=theme) if summary["curves"]["candidates"] else None


_CHARTS: Mapping[str, Callable[..., alt.ConcatChart | None]] = {
    "curves": _curves,
    "intervals": verdict_intervals,
    "lottery": seed_lottery,
    "calibration": calibration,
    "ranks": mean_rank_chart,
}
_OF_KIND = {
    "comparison": ("curves", "intervals", "lottery", "calibration"),
    "training": ("curves", "lottery"),
    "judgement": ("intervals", "calibration"),
    "tables": ("ranks",),
}


def all_charts(
    summary: Mapping[str, Any], theme: Theme = LIGHT, *, only: Sequence[str] = tuple(_CHARTS)
) -> dict[str, alt.ConcatChart]:
    """Every chart of a summary that has something to show, by its name; or `only` those named, in that order."""
    drawn = {name: _CHARTS[name](summary, theme=theme) for name in only if name in _OF_KIND[summary["kind"]]}
    return {name: chart for name, chart in drawn.items() if chart is not None}


def chart_of(summary: Mapping[str, Any], name: str) -> alt.ConcatChart:
    """One chart of a summary: `curves`, `intervals`, `lottery` or `calibration`.

    Raises:
        OptionError: there is no chart of this name, or nothing for it to show.
    """
    names = _OF_KIND[summary["kind"]]
    if name not in names:
        raise OptionError(f"there is no chart '{name}'", did_you_mean(name, names))
    chart = _CHARTS[name](summary)
    if chart is None:
        raise OptionError(f"this run has nothing that the chart '{name}' could show", "Draw another one.")
    return chart


def save_pictures(summary: Mapping[str, Any], folder: str | os.PathLike[str], format: str | None = None) -> list[Path]:
    """Draw the charts of a summary into a folder; return the paths.

    Args:
        format: `png`, `svg` or `pdf` for all charts; None for `curves.png` alone, since each takes a while.

    Raises:
        OptionError: the format is unknown, or the folder doesn't exist.
    """
    if format is not None and format not in PICTURES:
        raise OptionError(f"pictures can't be written as '{format}'", did_you_mean(format, PICTURES))
    charts = all_charts(summary) if format is not None else all_charts(summary, only=("curves",))
    return [save_chart(chart, Path(folder) / f"{name}.{format or 'png'}") for name, chart in charts.items()]
