"""A finished comparison from the files that it has left, so that the same run isn't trained twice."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from seedbed.evaluation import CURVES
from seedbed.experiment.comparison import Comparison, conclude
from seedbed.experiment.frozen import code_of
from seedbed.experiment.gathering import GatheredBaseline, GatheredCandidate
from seedbed.experiment.plan import Plan
from seedbed.experiment.results import BaselineResult, CandidateResult, Results

__all__ = ["restored"]

Arrays = Mapping[str, npt.NDArray[Any]]
R = TypeVar("R", CandidateResult, BaselineResult)


def restored(plan: Plan, frozen: Mapping[str, Any], folder: Path) -> Comparison | None:
    """Return the comparison that a plan has come to before; None where the files don't hold it.

    Args:
        frozen: what `experiment.json` in the folder says. Its specification must be the plan's own.
        folder: of the finished run.
    """
    code = code_of(plan)
    if frozen.get("code") != code or None in code.values():
        return None  # a network or a baseline of the user's own has changed, or can't be known
    from safetensors.numpy import load_file

    with contextlib.suppress(Exception):  # whatever is wrong with the files, the run is trained again
        document = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "curves.safetensors")
        notes = {one["name"]: one.get("note", "") for one in document["candidates"]}
        spec = plan.experiment
        networks = [
            _network(GatheredCandidate(plan, number, None).result(), arrays, notes[one.name])
            for number, one in enumerate(spec.candidates)
        ]
        baselines = [_with(GatheredBaseline(plan, one).result(), arrays) for one in spec.baselines]
        found = Results(spec, plan.splits, (*networks, *baselines), document["seconds"], document["specification"])
        return dataclasses.replace(conclude(found), document=document)
    return None


def _network(empty: CandidateResult, arrays: Arrays, note: str) -> CandidateResult:
    curves = np.stack([arrays[f"{empty.name}/{name}"] for name in CURVES])
    if curves.shape != empty.curves.shape:
        raise ValueError("curves of another plan")
    own: dict[str, Any] = {name: arrays[f"{empty.name}/{name}"] for name in ("epochs", "lrs", "dead")}
    diverged = np.asarray(~np.isfinite(curves[[0, 2]]).all(axis=(0, 1)))
    return dataclasses.replace(_with(empty, arrays), curves=curves, diverged=diverged, note=note, **own)


def _with(empty: R, arrays: Arrays) -> R:
    """A result with its predictions in place of none."""
    found: dict[str, Any] = {"predictions": arrays[f"{empty.name}/predictions"]}
    if empty.pairs is not None:
        found["pairs"] = arrays[f"{empty.name}/pairs"]
    if any(array.shape != getattr(empty, name).shape for name, array in found.items()):
        raise ValueError("predictions of another plan")
    return dataclasses.replace(empty, **found)
