"""The JavaScript that draws a chart in a browser, out of the installed packages."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
from importlib.metadata import version
from pathlib import Path

import vl_convert

from seedbed.figures.save import VEGA_LITE_VERSION
from seedbed.files import is_private, write_whole

__all__ = ["browser_library"]


@functools.cache
def browser_library() -> str:
    """Return a script (0.9 MB) that defines `vegaEmbed` for the whole page; safe to stand in a script element.

    It takes over a second to make, so it is kept in the user's cache folder.
    """
    kept = _kept()
    try:
        if kept is not None:
            return kept.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    # Of vl-convert's bundle vegaEmbed alone can be had: asked for vega or vegaLite by themselves it gives null.
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE_VERSION)
    library = bundle.replace("</script", "<\\/script")
    if kept is not None:
        with contextlib.suppress(OSError):
            write_whole(kept, lambda path: path.write_text(library, encoding="utf-8"))
    return library


def _kept() -> Path | None:
    """Return where the script is kept; None where another user could put a script of theirs."""
    folder = Path(importlib.import_module("pooch").os_cache("seedbed")) / "report"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (is_private(folder) and os.access(folder, os.W_OK)):
            return None
    except OSError:
        return None
    return folder / f"vega-{VEGA_LITE_VERSION}-{version('vl-convert-python')}.js"
