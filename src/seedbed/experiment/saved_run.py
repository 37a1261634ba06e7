"""A finished comparison in a folder: its conclusion, and its experiment, made again from
`experiment.json` and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedbed.data.reading import read_table
from seedbed.data.table import Table
from seedbed.errors import CandidateError, DataError, OptionError, spell
from seedbed.evaluation.summaries import Conclusion
from seedbed.experiment.columns import columns_of_comparison
from seedbed.experiment.spec import Experiment, specify
from seedbed.experiment.specification_file import (
    SPECIFICATION,
    SPECIFICATION_VERSION,
    differences,
    read_specification,
    table_specification,
)
from seedbed.networks.candidate import Candidate, candidate_from
from seedbed.networks.mlp import MLP, architecture_from_values
from seedbed.networks.user import UserArchitecture
from seedbed.report.stored import command_hint, read_summary
from seedbed.settings.design import Design
from seedbed.settings.fields import settings_in
from seedbed.settings.recipe import Recipe


def open_run(
    folder: Path, name: str | None = None, *, trusts_code: bool = False
) -> tuple[Conclusion, Experiment]:
    """Return the conclusion of a finished comparison and its experiment, without its scikit-learn
    models. The table is read again from its source.

    OptionError if the folder holds no comparison, or one of an earlier version; DataError if the
    table has changed.

    Args:
        name: a model that takes the place of all others if it wasn't compared.
        trusts_code: whether networks that are code in a file may be built.
    """
    conclusion = read_summary(folder)
    stored = read_specification(folder)
    if conclusion.kind != "comparison":
        raise OptionError(
            f"{folder} holds no comparison",
            "Name the folder that seedbed compare has made, or a table.",
        )
    if conclusion.columns is not None:
        raise OptionError(
            f"{folder} compares columns, not models",
            "Name the folder that seedbed compare has made.",
        )
    if stored.get("schema_version") != SPECIFICATION_VERSION:
        raise OptionError(
            f"the run in {folder} was written by an older seedbed", command_hint(folder)
        )
    if differing := differences(stored, conclusion.specification):
        raise OptionError(
            f"{folder / SPECIFICATION} and comparison.json belong to two runs: {differing[0]}",
            f"Run compare again with {spell('overwrite', True)}.",
        )
    table = _table_of_run(folder, conclusion, stored["reading"])
    candidates = _candidates_of(stored["request"]["candidates"], trusts_code)
    recipe = settings_in(Recipe, stored["request"]["recipe"])
    design = settings_in(Design, stored["request"]["design"])
    if stored["estimators"]:
        design = replace(design, reference=None)
    experiment = specify(table, candidates, recipe=recipe, design=design)
    if name is not None and name not in experiment.names:
        design = replace(design, baselines=["prior"], reference=None)
        experiment = specify(table, [name], recipe=recipe, design=design)
    return conclusion, experiment


def columns_of_run(
    folder: Path, name: str | None, columns: Sequence[str], command: str
) -> Experiment:
    """Return the experiment that asks about the columns of a finished comparison."""
    conclusion, experiment = open_run(folder, name, trusts_code=True)
    experiment = columns_of_comparison(experiment, conclusion, name, columns)
    return replace(experiment, command=command)


def _candidates_of(spec: Any, trusts_code: bool, name: str | None = None) -> Any:
    """Return candidates of a run, or one. A network that isn't in the folder, or that is code
    without permission to run it, raises an error when it is built."""
    if isinstance(spec, list):
        return [_candidates_of(part, trusts_code) for part in spec]
    if isinstance(spec, dict) and not isinstance(spec.get("overrides"), list):
        return {
            key: _candidates_of(part, trusts_code, key) for key, part in spec.items()
        }
    if not isinstance(spec, dict):
        if trusts_code or ".py:" not in (spec or ""):
            return spec
        candidate = candidate_from(spec, name)
        named = spell("candidate", candidate.name)
        error = CandidateError(
            f"it is Python code, {spec}", f"If you trust it, name it: {named}."
        )
        return _unbuildable(candidate, error)
    network = architecture_from_values(spec["architecture"])
    candidate = Candidate(
        spec["name"],
        MLP((), ()) if isinstance(network, str) else network,
        overrides=tuple(map(tuple, spec["overrides"])),
        defaults=tuple(map(tuple, spec["defaults"])),
    )
    error = CandidateError(
        f"it is your own network, {network}, which isn't in the run's folder",
        "In Python, the comparison itself has it: comparison.model(...).",
    )
    return _unbuildable(candidate, error) if isinstance(network, str) else candidate


def _unbuildable(candidate: Candidate, error: CandidateError) -> Candidate:
    """Return a candidate that raises an error when its network is built."""

    def build(n_features: int, n_outputs: int) -> None:
        raise error

    return replace(candidate, architecture=UserArchitecture(build, candidate.name))


def _table_of_run(
    folder: Path, conclusion: Conclusion, reading: Mapping[str, Any] | None
) -> Table:
    """Read the table of a run again, and check that it is the one that was compared."""
    if reading is None:
        raise OptionError(
            "the table of this run was given in Python, and isn't in its folder",
            "In Python, use comparison.model(...), or save the table as a file.",
        )
    source = reading["source"]
    # The default folder of a run is two levels below the folder in which the command was started.
    parents = folder.resolve().parents[:3]
    paths = [Path(source), *(parent / source for parent in parents)]
    path = next((str(path) for path in paths if path.is_file()), source)
    table = read_table(**{**reading, "source": path})
    compared = conclusion.specification["table"]
    current = table_specification(table, compared["n_inputs"])
    # What was compared may be a sample of it.
    compared = compared | (compared.get("sample") or {})
    if any(current[key] != compared[key] for key in ("sha256", "features", "labels")):
        raise DataError(
            f"{path} isn't the table that was compared: its cells have changed",
            "Run compare again.",
        )
    return table
