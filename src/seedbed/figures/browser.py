"""The JavaScript that draws a chart in a browser, out of the installed packages."""

from __future__ import annotations

import functools

import vl_convert

from seedbed.figures.save import VEGA_LITE_VERSION

__all__ = ["browser_library"]


@functools.cache
def browser_library() -> str:
    """A script (0.9 MB) that defines `vegaEmbed` for the whole page; safe to stand in a script element."""
    # Of vl-convert's bundle vegaEmbed alone can be had: asked for vega or vegaLite by themselves it gives null.
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE_VERSION)
    return bundle.replace("</script", "<\\/script")
