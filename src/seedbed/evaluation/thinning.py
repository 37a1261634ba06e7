"""Fewer points of many, so that a picture or a page can hold them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["evenly"]


def evenly(n: int, most: int) -> NDArray[np.intp]:
    """At most `most` of the numbers 0..n-1, evenly spread, first and last among them (where `most` is 2 or more)."""
    return np.unique(np.linspace(0, n - 1, min(n, max(0, most))).round().astype(np.intp))
