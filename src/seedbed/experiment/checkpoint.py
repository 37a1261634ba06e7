"""The finished parts of an unfinished run, kept in its folder, so that the same run can continue.

A file is named by a hash of everything that decides its contents. A part of another run has another name, and is not
used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seedbed.experiment.baseline_fits import FittedModel
from seedbed.experiment.plan import Plan
from seedbed.experiment.spec import hashed
from seedbed.experiment.specification_file import code_hash
from seedbed.files import make_folder, remove_parts, write_whole
from seedbed.training import Chunk, ChunkResult, Savepoint, TrainingData, processor
from seedbed.tuning import Round

__all__ = ["EARLIER", "Checkpoint"]

EARLIER = "earlier"
"""The folder of a run that is taken along, among what is kept."""

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class _Key:
    """The name of a file.

    Attributes:
        name: a hash of everything that decides its contents.
        task: the same without the learning rates and epochs that the run chooses, so it is known in advance.
    """

    name: str
    task: str


class Checkpoint:
    """The finished chunks and fits of an unfinished run, in `unfinished/` of its folder.

    Damaged files are ignored. If a file can't be written, for instance on a full disk, the run continues without it.

    Args:
        plan: the plan of the run.
        folder: the folder of the run.

    Attributes:
        earlier: the arrays of a finished run of fewer repeats, as `Comparison.save` writes them, which this run takes
            along; empty if there is none.
        trouble: why a file couldn't be written; empty if all could.
    """

    def __init__(self, plan: Plan, folder: str | Path) -> None:
        self.folder, self._plan = Path(folder), plan
        self._place = self.folder / "unfinished"
        self._origins: dict[int, tuple[object, str | None]] = {}
        self.earlier: Arrays = {}
        self.trouble = ""
        self._there = self._kept_files() if self._place.is_dir() else {}

    @property
    def networks(self) -> int:
        """The number of networks of this run that are kept."""
        return sum(self._there.values())

    @property
    def fits(self) -> int:
        """The number of fits of this run that are kept."""
        return sum(not n_networks for n_networks in self._there.values())

    def repeats(self, name: str) -> int:
        """Return how many repeats of a model are taken along from an earlier run."""
        return len(self.earlier.get(f"{name}/predictions", ()))

    @property
    def begun(self) -> bool:
        """Whether the state of an unfinished chunk is kept, or finished parts of other runs, as of smaller tables."""
        return any(path.stem not in self._there for path in self._place.glob("*.s*"))

    def chunk(self, which: Round, chunk: Chunk) -> ChunkResult | None:
        """Return the result of a chunk of a round, or None if it isn't kept."""
        key = self._of_chunk(which, chunk)
        if key is None or (arrays := self._read(key)) is None:
            return None
        if (result := _unpacked(arrays, which, chunk, self._plan.experiment.table.n_outputs)) is None:
            self._forget(key)
        return result

    def keep_chunk(self, which: Round, chunk: Chunk, result: ChunkResult) -> None:
        """Write the result of a chunk; of the choosing round, its validation losses only."""
        if (key := self._of_chunk(which, chunk)) is not None:
            self._write(key, _packed(result, which, chunk), len(chunk.members))
            Savepoint(self._place / key.name).remove()

    def savepoint(self, which: Round, chunk: Chunk) -> Savepoint | None:
        """Return where the state of an unfinished chunk is kept; None if the code of its network is unknown."""
        key = self._of_chunk(which, chunk)
        if key is None:
            return None
        with contextlib.suppress(OSError):
            make_folder(self._place)
        return Savepoint((self._place / key.name).absolute())

    def fit(self, model: FittedModel, split: int) -> npt.NDArray[np.floating] | None:
        """Return the predictions of a model for the test rows of a split, or None if they aren't kept."""
        key = self._of_fit(model, split)
        if key is None or (arrays := self._read(key)) is None:
            return None
        predictions, table = arrays.get("predictions"), self._plan.experiment.table
        shape = (len(self._plan.splits[split].test), *((table.n_outputs,) if table.task == "multiclass" else ()))
        if predictions is None or predictions.shape != shape:
            self._forget(key)
            return None
        return predictions

    def keep_fit(self, model: FittedModel, split: int, predictions: npt.NDArray[np.floating]) -> None:
        """Write the predictions of a model for the test rows of a split."""
        if (key := self._of_fit(model, split)) is not None:
            self._write(key, {"predictions": predictions}, 0)

    def remove(self) -> None:
        """Remove everything that is kept, also of other runs in this folder; the results are written."""
        remove_parts(self._place)
        shutil.rmtree(self._place / EARLIER, ignore_errors=True)
        for path in (*self._place.glob("*.safetensors"), *self._place.glob("*.state")):
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):  # it doesn't exist, or holds other files
            self._place.rmdir()
        self._there = {}

    @functools.cached_property
    def _run(self) -> str:
        """A hash of what all parts of the run share: the specification, the training data, and the processor, as others
        round differently. The nodes of a cluster must have the same processor."""
        plan = self._plan
        rounds = [plan.fitting.data] + ([plan.choosing.data] if plan.choosing else [])
        return _hash([dict(plan.specification), [_of_data(data) for data in rounds], processor()])

    def _of_chunk(self, which: Round, chunk: Chunk) -> _Key | None:
        code = self._origin(chunk.build)
        if code is None or chunk.keep_networks:
            return None
        device = torch.cuda.get_device_name(chunk.device) if chunk.device.startswith("cuda") else chunk.device
        stage = self._plan.stage(which)
        settings = {one.name: getattr(chunk, one.name) for one in fields(chunk) if one.name not in ("build", "name")}
        chosen = settings.pop("stops"), settings.pop("lr") if stage == "fitting" else ()
        # repr writes numbers exactly.
        task = _hash([self._run, stage, code, device, repr(settings)])
        return _Key(_hash([task, repr(chosen)]), task)

    def _of_fit(self, model: FittedModel, split: int) -> _Key | None:
        if (code := self._origin(model.estimator)) is None:
            return None
        name = _hash([self._run, code, model.name, split])
        return _Key(name, name)

    def _origin(self, thing: object) -> str | None:
        if id(thing) not in self._origins:
            self._origins[id(thing)] = thing, code_hash(thing)  # keeps the object alive, so that its id isn't reused
        return self._origins[id(thing)][1]

    def _kept_files(self) -> dict[str, int]:
        """Return the files of this run by name, with the number of networks of each."""
        plan = self._plan
        rounds = (plan.fitting,) if plan.choosing is None else (plan.choosing, plan.fitting)
        keys = [
            self._of_chunk(which, chunk) for which in rounds for stack in which.stacks for chunk in stack.plan.chunks
        ]
        keys += [self._of_fit(one, split) for one in plan.experiment.fitted for split in range(len(plan.splits))]
        tasks = {key.task for key in keys if key is not None}
        networks = {}
        for path in self._place.glob("*.safetensors"):
            about = _about(path)
            if about.get("task") in tasks and about.get("networks", "").isdecimal():
                networks[path.stem] = int(about["networks"])
        return networks

    def _path(self, key: _Key) -> Path:
        return self._place / f"{key.name}.safetensors"

    def _read(self, key: _Key) -> dict[str, npt.NDArray[Any]] | None:
        if key.name not in self._there:
            return None
        from safetensors.numpy import load_file

        about, arrays = _about(self._path(key)), None
        with contextlib.suppress(Exception):  # a damaged file in any way: train again
            arrays = load_file(self._path(key))
        if arrays is None or about.get("sha256") != _of_arrays(arrays):
            self._forget(key)
            return None
        return arrays

    def _forget(self, key: _Key) -> None:
        self._there.pop(key.name, None)

    def _write(self, key: _Key, arrays: Arrays, n_networks: int) -> None:
        from safetensors.numpy import save  # save_file would write another temporary file

        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        about = {"task": key.task, "networks": str(n_networks), "sha256": _of_arrays(whole)}
        try:
            make_folder(self._place)
            write_whole(self._path(key), lambda path: path.write_bytes(save(whole, metadata=about)))
        except Exception as error:  # noqa: BLE001 - a full disk raises several errors; the run continues
            self.trouble = getattr(error, "strerror", None) or str(error)
        else:
            self._there[key.name] = n_networks


def _packed(result: ChunkResult, which: Round, chunk: Chunk) -> Arrays:
    if which.chooses:
        return {"validation_loss": result.curves[2]}
    return {"curves": result.curves, "outputs": result.outputs.transpose(2, 0, 1)[_tested(which.data, chunk)],
            "dead": result.dead}  # fmt: skip


def _unpacked(arrays: Arrays, which: Round, chunk: Chunk, n_outputs: int) -> ChunkResult | None:
    """Return a packed result; None if it has other shapes. Curves that the choosing round doesn't need are NaN."""
    data, n, epochs = which.data, len(chunk.members), chunk.recipe.epochs
    tested = _tested(data, chunk)
    wanted: dict[str, tuple[int, ...]] = {"validation_loss": (epochs, n)}
    if not which.chooses:
        wanted = {"curves": (4, epochs, n), "outputs": (int(tested.sum()), n_outputs), "dead": (n,)}
    if {name: array.shape for name, array in arrays.items()} != wanted:
        return None
    outputs = np.full((n, len(data.X) if chunk.keep_outputs else 0, n_outputs), np.nan, dtype=np.float32)
    if which.chooses:
        curves = np.full((4, epochs, n), np.nan, dtype=arrays["validation_loss"].dtype)
        curves[2] = arrays["validation_loss"]
        return ChunkResult(curves, outputs.transpose(1, 2, 0), np.full(n, np.nan, dtype=np.float32), None)
    outputs[tested] = arrays["outputs"]
    return ChunkResult(arrays["curves"], outputs.transpose(1, 2, 0), arrays["dead"], None)


def _tested(data: TrainingData, chunk: Chunk) -> npt.NDArray[np.bool_]:
    """Return which rows each network has outputs for [network, row]."""
    return np.asarray(data.test[:, list(chunk.splits)].T != 0)


def _about(path: Path) -> dict[str, str]:
    """Return the metadata of a file; empty if it is damaged."""
    from safetensors import safe_open

    if not path.is_file():  # a device or a pipe may have no end
        return {}
    with contextlib.suppress(Exception), safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})
    return {}


def _of_arrays(arrays: Arrays) -> str:
    return _hash([[name, str(a.dtype), list(a.shape), hashed(a)] for name, a in sorted(arrays.items())])


def _of_data(data: TrainingData) -> str:
    values = {field.name: getattr(data, field.name) for field in fields(data)}
    return _of_arrays({name: value for name, value in values.items() if value is not None})


def _hash(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
