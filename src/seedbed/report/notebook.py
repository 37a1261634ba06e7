"""A summary in a notebook: what matters and a picture, without JavaScript and without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["notebook_fragment"]

_SHOWN = ("curves",)


def notebook_fragment(summary: Mapping[str, Any]) -> str:
    """HTML for the output of a cell, from the `summary()` of a comparison or of one candidate's training."""
    from seedbed.figures import all_charts, svg_of  # load what draws
    from seedbed.report.page import notebook_page

    pictures = [svg_of(chart) for chart in all_charts(summary, only=_SHOWN).values()]
    return notebook_page(summary, pictures)
