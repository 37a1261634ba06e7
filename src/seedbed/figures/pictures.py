"""All charts of a summary, each as a file, as SVG, or for a browser; without a browser and without a network."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from seedbed.errors import OptionError, did_you_mean, visible
from seedbed.evaluation import AnySummary
from seedbed.figures.calibration import calibration
from seedbed.figures.curves import learning_curves
from seedbed.figures.effects import effect_curves
from seedbed.figures.intervals import verdict_intervals
from seedbed.figures.lottery import seed_lottery
from seedbed.figures.rows import row_curves
from seedbed.figures.theme import LIGHT, Theme
from seedbed.files import private_cache, write_whole

__all__ = [
    "all_charts",
    "browser_library",
    "chart_of",
    "csv_library",
    "for_notebooks",
    "save_chart",
    "save_pictures",
    "script_json",
    "spec_of",
    "svg_of",
]


_ADDRESSES = 80 << 30  # bytes that the engine of JavaScript reserves, and of which it uses little
VEGA_LITE_VERSION = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
PICTURES = ("png", "svg", "pdf")
_OF_KIND = {
    "comparison": ("curves", "intervals", "lottery", "calibration", "rows", "effects"),
    "training": ("curves", "lottery"),
    "judgement": ("intervals", "calibration"),
    "tables": (),
}


def save_chart(chart: alt.TopLevelMixin, path: str | os.PathLike[str], *, scale: float = 2.0) -> Path:
    """Write the chart to a file; its suffix says the format: `.png`, `.svg`, `.pdf`, `.json` or `.html`.

    The HTML page is self-contained and interactive. The file appears whole or not at all.

    Args:
        scale: pixels per point of a PNG; the other formats have no pixels.

    Raises:
        OptionError: the suffix is unknown, or the folder doesn't exist.
    """
    path = Path(path)
    write = _FORMATS.get(path.suffix.lower())
    if write is None:
        message = f"can't draw to '{path}': unknown suffix '{path.suffix}'"
        raise OptionError(message, f"Known: {', '.join(_FORMATS)}")
    if not path.parent.is_dir():
        raise OptionError(f"can't draw to '{path}': there is no folder '{path.parent}'", "Make the folder first")
    _check_room()
    content = write(_drawable(spec_of(chart)), scale)
    write_whole(path, lambda where: where.write_bytes(content))
    return path


def svg_of(chart: alt.TopLevelMixin) -> str:
    """Return a chart as SVG for a page or a notebook."""
    _check_room()
    return _svg(_drawable(spec_of(chart)), 1.0).decode()


def spec_of(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """Return a chart as a plain dict. Its data are passed as they are: Altair would copy them number by number."""
    plain: Any = chart
    data, plain.datasets = plain.datasets, alt.Undefined
    try:
        spec: dict[str, Any] = plain.to_dict(validate=False)
    finally:
        plain.datasets = data
    return spec | {"datasets": spec.get("datasets", {}) | (data if isinstance(data, dict) else {})}


def _check_room() -> None:
    """Raise OptionError if the limit of address space is too low: drawing would end the process."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if 0 <= limit < _ADDRESSES:  # below 0 is none
        message = f"pictures can't be drawn: the limit of address space is {limit >> 20:,} MiB"
        raise OptionError(message, f"Raise it to {_ADDRESSES >> 20:,} MiB or more (ulimit -v), or lift it.")


def _drawable(spec: Any) -> Any:
    """Return a chart with all its texts escaped. A control character would end the process that draws it."""
    if isinstance(spec, dict):
        return {_drawable(key): _drawable(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return list(map(_drawable, spec))
    return visible(spec) if isinstance(spec, str) else spec


def _png(spec: dict[str, Any], scale: float) -> bytes:
    return vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE_VERSION, scale=scale, allowed_base_urls=[])


def _svg(spec: dict[str, Any], scale: float) -> bytes:
    return vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE_VERSION, allowed_base_urls=[]).encode()


def _pdf(spec: dict[str, Any], scale: float) -> bytes:
    return vl_convert.vegalite_to_pdf(spec, vl_version=VEGA_LITE_VERSION, allowed_base_urls=[])


def _json(spec: dict[str, Any], scale: float) -> bytes:
    return json.dumps(spec, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def _html(spec: dict[str, Any], scale: float) -> bytes:
    return vl_convert.vegalite_to_html(spec, vl_version=VEGA_LITE_VERSION, bundle=True, renderer="svg").encode()


_FORMATS = {".png": _png, ".svg": _svg, ".pdf": _pdf, ".json": _json, ".html": _html}


def script_json(value: Any) -> str:
    """Return JSON that can't end the script element of a page that contains it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text.encode("utf-8", "backslashreplace").decode()  # a file can't hold a lone surrogate


@functools.cache
def browser_library() -> str:
    """Return a script (0.9 MB) that defines `vegaEmbed` for the whole page; safe to stand in a script element.

    It takes over a second to make, so it is kept in the user's cache folder.
    """
    folder = private_cache("report")
    kept = folder and folder / f"vega-{VEGA_LITE_VERSION}-{version('vl-convert-python')}.js"
    try:
        if kept is not None:
            return kept.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    # vl-convert's bundle gives vegaEmbed only: vega and vegaLite are null in it.
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE_VERSION)
    library = bundle.replace("</script", "<\\/script")
    if kept is not None:
        with contextlib.suppress(OSError):
            write_whole(kept, lambda path: path.write_text(library, encoding="utf-8"))
    return library


@functools.cache
def csv_library() -> str:
    """Return a script (2 kB) that defines the function `dsvFormat` of d3-dsv: it splits delimited text into cells.

    vl-convert contains d3-dsv, as Vega loads data with it. The address is the module's name there: nothing is fetched.
    """
    address = "https://cdn.jsdelivr.net/npm/d3-dsv@3.0.1/+esm"
    snippet = f'import {{ dsvFormat }} from "{address}"; globalThis.dsvFormat = dsvFormat;'
    return f"/* d3-dsv, Copyright 2013-2021 Mike Bostock, ISC */ {{{vl_convert.javascript_bundle(snippet)}}}\n"


def _curves(summary: AnySummary, *, theme: Theme = LIGHT) -> alt.ConcatChart | None:
    """Draw learning curves; None if no network has any, as when a blend is compared with baselines only."""
    curves = summary.curves
    return learning_curves(curves, theme=theme) if curves is not None and curves.candidates else None


_CHARTS: Mapping[str, Callable[..., alt.ConcatChart | None]] = {
    "curves": _curves,
    "intervals": verdict_intervals,
    "lottery": seed_lottery,
    "calibration": calibration,
    "rows": row_curves,
    "effects": effect_curves,
}


class ConcatChart(alt.ConcatChart):
    """A chart that a notebook shows as SVG, because Altair's own display loads a script from another host."""

    def _repr_mimebundle_(self, *args: Any, **options: Any) -> dict[str, str]:
        return {"image/svg+xml": svg_of(self)}


def all_charts(
    summary: AnySummary, theme: Theme = LIGHT, *, only: Sequence[str] = tuple(_CHARTS)
) -> dict[str, alt.ConcatChart]:
    """Return the charts of a summary that have something to show, by name; or `only` the named ones, in that order.
    Of models without some columns, that is `intervals` alone."""
    known = ("intervals",) if getattr(summary, "columns", None) is not None else _OF_KIND[summary.kind]
    drawn = {name: _CHARTS[name](summary, theme=theme) for name in only if name in known}
    return {name: chart for name, chart in drawn.items() if chart is not None}


def chart_of(summary: AnySummary, name: str) -> alt.ConcatChart:
    """Return one chart of a summary: `curves`, `intervals`, `lottery`, `calibration` or `effects`.

    Raises:
        OptionError: there is no chart of this name, or nothing for it to show.
    """
    names = _OF_KIND[summary.kind]
    if name not in names:
        raise OptionError(f"there is no chart '{name}'", did_you_mean(name, names))
    chart = _CHARTS[name](summary)
    if chart is None:
        raise OptionError(f"this run has nothing that the chart '{name}' could show", "Draw another one.")
    return for_notebooks(chart)


def for_notebooks(chart: alt.ConcatChart) -> alt.ConcatChart:
    """Return the chart as one that a notebook shows as SVG."""
    # A new chart would copy and check the data number by number; Altair takes an ordinary assignment for a property.
    object.__setattr__(chart, "__class__", ConcatChart)
    return chart


def save_pictures(summary: AnySummary, folder: str | os.PathLike[str], format: str) -> list[Path]:
    """Draw the charts of a summary into a folder; return the paths.

    Args:
        format: `png`, `svg` or `pdf`.

    Raises:
        OptionError: the format is unknown, or the folder doesn't exist.
    """
    if format not in PICTURES:
        raise OptionError(f"pictures can't be written as '{format}'", did_you_mean(format, PICTURES))
    return [save_chart(chart, Path(folder) / f"{name}.{format}") for name, chart in all_charts(summary).items()]
