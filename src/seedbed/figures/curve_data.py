"""The numbers that learning curves are drawn from: one record a line, with lists in it.

The chart unfolds them, so the file is a tenth of what one record a point would take; and epochs, which many lines
share, stand in it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.figures.limits import Line
from seedbed.figures.theme import PART_NAMES

__all__ = ["BANDS", "MEASURES", "ghosts_of", "grids_of", "line_records", "lines_of", "network_records"]

MEASURES = ("score", "loss")

BANDS = {"middle": ("low", "high"), "wide": ("p05", "p95"), "mean": ("mean_low", "mean_high")}
"""A band by its word: the two lines of a summary that bound it."""


def grids_of(candidates: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The lists of epochs that occur; a record says by its place in here which one is its own."""
    grids: list[list[int]] = []
    for candidate in candidates:
        for key in ("epochs", "ghost_epochs"):
            if candidate[key] not in grids:
                grids.append(candidate[key])
    return grids


def line_records(candidates: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The means, and on test rows the bands around them.

    Training rows come first, so that the lines that matter are drawn over the others.
    """
    grids = grids_of(candidates)
    records = []
    for part, part_name in PART_NAMES.items():
        for candidate in candidates:
            record = {"candidate": candidate["name"], "part": part_name, "grid": grids.index(candidate["epochs"])}
            # One network has no middle half; and a band on training rows too would hide more than it shows.
            banded = part == "test" and candidate["n_networks"] - candidate["n_diverged"] > 1
            for measure in MEASURES:
                curve = candidate["curves"][f"{part}_{measure}"]
                record[measure] = curve["mean"]
                if banded:
                    for band, keys in BANDS.items():
                        for side, key in zip(("low", "high"), keys, strict=True):
                            record[f"{measure}_{band}_{side}"] = curve[key]
            records.append(record)
    return records


def network_records(candidates: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The single networks on test rows; those on training rows too would hide the means."""
    grids = grids_of(candidates)
    return [
        {
            "candidate": candidate["name"],
            "network": number,
            "grid": grids.index(candidate["ghost_epochs"]),
            "score": score,
            "loss": loss,
        }
        for candidate in candidates
        for number, (score, loss) in enumerate(
            zip(ghosts_of(candidate, "score"), ghosts_of(candidate, "loss"), strict=True)
        )
    ]


def ghosts_of(candidate: Mapping[str, Any], measure: str) -> list[list[float]]:
    """The curves of single networks on test rows."""
    ghosts: list[list[float]] = candidate["curves"][f"test_{measure}"]["ghosts"]
    return ghosts


def lines_of(candidate: Mapping[str, Any], measure: str) -> list[Line]:
    """Mean and middle half on training rows, then on test rows."""
    curves = [candidate["curves"][f"{part}_{measure}"] for part in PART_NAMES]
    return [Line(curve["mean"], curve["low"], curve["high"]) for curve in curves]
