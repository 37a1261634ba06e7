"""All charts of a summary, and what draws them in a browser."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert
from platformdirs import user_cache_dir

from seedbed.errors import OptionError, did_you_mean
from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.analysis_charts import row_curves, site_scores
from seedbed.figures.curves import learning_curves
from seedbed.figures.drawing import Chart, drawable, save_chart
from seedbed.figures.grammar import VEGA_LITE
from seedbed.figures.lottery import seed_lottery
from seedbed.figures.panels import colour_channel
from seedbed.figures.reliability import benefit_curves, calibration, prediction_ranges
from seedbed.figures.survival_curves import survival_curves
from seedbed.figures.theme import LIGHT, Theme
from seedbed.files import write_whole

PICTURES = ("png", "svg", "pdf")
_OF_KIND = {
    "comparison": (
        "survival",
        "curves",
        "lottery",
        "calibration",
        "sites",
        "ranges",
        "benefit",
        "rows",
    ),
    "judgement": ("calibration",),
    "evaluation": ("calibration",),
}


def script_json(value: Any) -> str:
    """Return JSON that can't end the script element of a page that contains it, nor reorder the
    page's text."""
    text = json.dumps(
        drawable(value), separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )
    text = (
        text.replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
    return text.encode(
        "utf-8", "backslashreplace"
    ).decode()  # a file can't hold a lone surrogate


@functools.cache
def browser_library() -> str:
    """Return a script (0.9 MB) that defines `vegaEmbed` for the whole page; safe to stand in a
    script element.

    It takes over a second to make, so it is kept in the user's cache folder.
    """
    folder = Path(user_cache_dir("seedbed")) / "report"
    cached = folder / f"vega-{VEGA_LITE}-{version('vl-convert-python')}.js"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return cached.read_text(encoding="utf-8")
    # vl-convert's bundle gives vegaEmbed only: vega and vegaLite are null in it.
    bundle: str = vl_convert.javascript_bundle(
        "window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE
    )
    library = bundle.replace("</script", "<\\/script")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(cached, lambda path: path.write_text(library, encoding="utf-8"))
    return library


@functools.cache
def csv_library() -> str:
    """Return a script (2 kB) that defines the function `dsvFormat` of d3-dsv: it splits delimited
    text into cells.

    vl-convert contains d3-dsv, as Vega loads data with it. The address is the module's name there:
    nothing is fetched.
    """
    address = "https://cdn.jsdelivr.net/npm/d3-dsv@3.0.1/+esm"
    snippet = (
        f'import {{ dsvFormat }} from "{address}"; globalThis.dsvFormat = dsvFormat;'
    )
    return f"/* d3-dsv, Copyright 2013-2021 Mike Bostock, ISC */ {{{vl_convert.javascript_bundle(snippet)}}}\n"


def _curves(summary: Conclusion, *, theme: Theme = LIGHT) -> Chart | None:
    """Draw learning curves; None if no network has any, as when a blend is compared with baselines
    only."""
    curves = summary.curves
    if curves is None or not curves.candidates:
        return None
    return learning_curves(curves, theme=theme, colour=colour_channel(summary, theme))


_CHARTS: Mapping[str, Callable[..., Chart | None]] = {
    "survival": survival_curves,
    "curves": _curves,
    "lottery": seed_lottery,
    "calibration": calibration,
    "sites": site_scores,
    "ranges": prediction_ranges,
    "benefit": benefit_curves,
    "rows": row_curves,
}


def all_charts(
    summary: Conclusion, theme: Theme = LIGHT, *, only: Sequence[str] = tuple(_CHARTS)
) -> dict[str, Chart]:
    """Return the charts of a summary that have something to show, by name; or `only` the named
    ones, in that order. Models without some columns have none."""
    possible_names = (
        () if getattr(summary, "columns", None) is not None else _OF_KIND[summary.kind]
    )
    charts = {
        name: _CHARTS[name](summary, theme=theme)
        for name in only
        if name in possible_names
    }
    return {name: chart for name, chart in charts.items() if chart is not None}


def chart_of(summary: Conclusion, name: str) -> Chart:
    """Return one chart of a summary: `survival`, `curves`, `lottery`, `calibration`, `ranges`, `benefit`
    or `rows`. OptionError if the name is unknown, or the chart would be empty."""
    names = _OF_KIND[summary.kind]
    if name not in names:
        raise OptionError(f"there is no chart '{name}'", did_you_mean(name, names))
    chart = _CHARTS[name](summary)
    if chart is None:
        raise OptionError(
            f"this run has nothing that the chart '{name}' could show",
            "Draw another one.",
        )
    return chart


def save_pictures(
    summary: Conclusion, folder: str | os.PathLike[str], format: str
) -> list[Path]:
    """Draw the charts of a summary into a folder as `png`, `svg` or `pdf`; return the paths.
    OptionError if the format is unknown, or the folder doesn't exist."""
    if format not in PICTURES:
        raise OptionError(
            f"pictures can't be written as '{format}'", did_you_mean(format, PICTURES)
        )
    return [
        save_chart(chart, Path(folder) / f"{name}.{format}")
        for name, chart in all_charts(summary).items()
    ]
