"""A chart as a file, as SVG or as a plain dict; without a browser and without a network."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from seedbed.errors import OptionError, visible
from seedbed.files import write_whole

VEGA_LITE_VERSION = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
_ADDRESSES = 80 << 30  # bytes that the engine of JavaScript reserves, and of which it uses little


class ConcatChart(alt.ConcatChart):
    """A chart that a notebook shows as SVG, because Altair's own display loads a script from another host."""

    def _repr_mimebundle_(self, *args: Any, **options: Any) -> dict[str, str]:
        return {"image/svg+xml": svg_of(self)}


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
