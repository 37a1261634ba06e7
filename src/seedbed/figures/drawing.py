"""A chart, its files and its SVG; without a browser and without a network."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import vl_convert

from seedbed.errors import OptionError, visible, writing
from seedbed.figures.grammar import VEGA_LITE
from seedbed.files import write_whole

_PROPERTIES = re.compile(
    r'"(__\w+__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|to(?:Locale)?String|valueOf)"'
)
_ADDRESSES = (
    80 << 30
)  # bytes that the engine of JavaScript reserves, and of which it uses little


class Chart(dict[str, Any]):
    """A chart by the grammar of Vega-Lite, a plain dict that a notebook shows as SVG.
    `altair.ConcatChart.from_dict` takes it."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(
            {
                "$schema": f"https://vega.github.io/schema/vega-lite/v{VEGA_LITE}.1.json",
                **parts,
            }
        )

    def _repr_mimebundle_(self, *args: Any, **options: Any) -> dict[str, str]:
        return {"image/svg+xml": svg_of(self)}


def save_chart(chart: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write the chart to a file; its suffix says the format: `.png`, `.svg`, `.pdf`, `.json` or
    `.html`.

    The HTML page is self-contained and interactive. The file appears whole or not at all.
    OptionError if the suffix is unknown, or the folder doesn't exist.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise OptionError(
            f"can't draw to '{path}': unknown suffix '{path.suffix}'",
            f"Known: {', '.join(_FORMATS)}",
        )
    if not path.parent.is_dir():
        raise OptionError(
            f"can't draw to '{path}': there is no folder '{path.parent}'",
            "Make the folder first",
        )
    content = _content(chart, suffix)
    with writing(path):
        write_whole(path, lambda where: where.write_bytes(content))
    return path


def svg_of(chart: Mapping[str, Any]) -> str:
    """Return a chart as SVG for a page or a notebook."""
    return _content(chart, ".svg").decode()


def drawable(spec: Any) -> Any:
    """Return plain values with all texts escaped. A control character would end the process that
    draws a chart, and a mark of direction reorders the page."""
    if isinstance(spec, dict):
        return {drawable(key): drawable(value) for key, value in spec.items()}
    if isinstance(spec, list):
        return list(map(drawable, spec))
    return visible(spec) if isinstance(spec, str) else spec


def groupable(text: str) -> str:
    """Return the JSON of a chart with a space after texts such as `constructor`: all objects of
    JavaScript have a property of that name, so Vega can't group by it."""
    return _PROPERTIES.sub('"\\1\u00a0"', text)


_FORMATS: dict[str, Callable[..., str | bytes]] = {
    ".png": functools.partial(
        vl_convert.vegalite_to_png, allowed_base_urls=[], scale=2.0
    ),
    ".svg": functools.partial(vl_convert.vegalite_to_svg, allowed_base_urls=[]),
    ".pdf": functools.partial(vl_convert.vegalite_to_pdf, allowed_base_urls=[]),
    ".json": lambda text, vl_version: text,
    ".html": functools.partial(
        vl_convert.vegalite_to_html, bundle=True, renderer="svg"
    ),
}


def _content(chart: Mapping[str, Any], suffix: str) -> bytes:
    """Return a chart as the content of a file. OptionError if the limit of address space is too low
    for drawing, which would end the process."""
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if 0 <= limit < _ADDRESSES:  # below 0 is none
            raise OptionError(
                f"pictures can't be drawn: the limit of address space is {limit >> 20:,} MiB",
                f"Raise it to {_ADDRESSES >> 20:,} MiB or more (ulimit -v), or lift it.",
            )
    text = json.dumps(
        drawable(chart), separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )
    content = _FORMATS[suffix](groupable(text), vl_version=VEGA_LITE)
    return content.encode() if isinstance(content, str) else content
