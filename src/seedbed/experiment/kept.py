"""What a run has finished, kept in its folder, so that the same run, started again, goes on from there.

A file is named by a hash of all that decides its contents. So nothing has to be compared or believed: what doesn't fit
has another name, and is trained anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seedbed.experiment.fitted import Fitted
from seedbed.experiment.frozen import origin
from seedbed.experiment.plan import Plan
from seedbed.experiment.spec import hashed
from seedbed.files import remove_parts, write_whole
from seedbed.fitting import Round
from seedbed.training import Chunk, ChunkResult, Savepoint, TrainingData, processor

__all__ = ["Kept"]

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class _Key:
    """What a file is called by.

    Attributes:
        name: a hash of all that decides what is in it.
        task: the same but for what is chosen while the run is on its way, so that it can be told before.
    """

    name: str
    task: str


class Kept:
    """The finished chunks and baselines of an unfinished run, in `unfinished/` of its folder.

    What can't be read, or isn't whole, isn't there. Where something can't be written, on a full disk say, the run goes
    on without.

    Args:
        plan: of the run.
        folder: of the run.

    Attributes:
        others: how many files are there of other runs.
        trouble: why something couldn't be kept; empty where all could.
    """

    def __init__(self, plan: Plan, folder: str | Path) -> None:
        self.folder, self._plan = Path(folder), plan
        self._place = self.folder / "unfinished"
        self._origins: dict[int, tuple[object, str | None]] = {}
        self.others, self.trouble = 0, ""
        self._there = self._found() if self._place.is_dir() else {}

    @property
    def networks(self) -> int:
        """How many networks of this run are there."""
        return sum(self._there.values())

    @property
    def fits(self) -> int:
        """How many fits of baselines of this run are there."""
        return sum(not n_networks for n_networks in self._there.values())

    @property
    def begun(self) -> bool:
        """Whether there are chunks that aren't finished, kept with how far they are."""
        return any(self._place.glob("*.state"))

    def chunk(self, which: Round, chunk: Chunk) -> ChunkResult | None:
        """What came of a chunk of a round, if it is there."""
        key = self._of_chunk(which, chunk)
        if key is None or (arrays := self._read(key)) is None:
            return None
        if (found := _unpacked(arrays, which, chunk, self._plan)) is None:
            self._forget(key)
        return found

    def keep_chunk(self, which: Round, chunk: Chunk, result: ChunkResult) -> None:
        """Write down what came of a chunk. Of the choosing round that is its validation losses and nothing else."""
        if (key := self._of_chunk(which, chunk)) is not None:
            self._write(key, _packed(result, which, chunk, self._plan), len(chunk.members))
            Savepoint(self._place / key.name).remove()

    def savepoint(self, which: Round, chunk: Chunk) -> Savepoint | None:
        """Where it is kept how far a chunk is that isn't finished; none where it can't be known what decides it."""
        key = self._of_chunk(which, chunk)
        if key is None:
            return None
        with contextlib.suppress(OSError):
            self._place.mkdir(parents=True, exist_ok=True)
        return Savepoint((self._place / key.name).absolute())

    def fit(self, model: Fitted, split: int) -> npt.NDArray[np.floating] | None:
        """What a baseline predicted for the test rows of a split, if it is there."""
        key = self._of_fit(model, split)
        if key is None or (arrays := self._read(key)) is None:
            return None
        found, table = arrays.get("predictions"), self._plan.experiment.table
        shape = (len(self._plan.all_splits[split].test), *((table.n_outputs,) if table.task == "multiclass" else ()))
        if found is None or found.shape != shape:
            self._forget(key)
            return None
        return found

    def keep_fit(self, model: Fitted, split: int, predictions: npt.NDArray[np.floating]) -> None:
        """Write down what a baseline predicted for the test rows of a split."""
        if (key := self._of_fit(model, split)) is not None:
            self._write(key, {"predictions": predictions}, 0)

    def remove(self) -> None:
        """Take away what is kept, also of other runs in this folder: its results are written."""
        remove_parts(self._place)
        for path in (*self._place.glob("*.safetensors"), *self._place.glob("*.state")):
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):  # it isn't there, or something else is in it
            self._place.rmdir()
        self._there = {}

    @functools.cached_property
    def _run(self) -> str:
        """A hash of what all tasks of the run share: the specification, the very numbers that are trained on, and the
        processor, as another one rounds differently; a cluster's nodes have the same, or they refuse."""
        plan = self._plan
        rounds = [plan.fitting.data] + ([plan.choosing.data] if plan.choosing else [])
        return _hash([dict(plan.specification), [_of_data(data) for data in rounds], processor()])

    def _of_chunk(self, which: Round, chunk: Chunk) -> _Key | None:
        code = self._origin(chunk.build)
        if code is None or chunk.keep_networks:
            return None
        device = torch.cuda.get_device_name(chunk.device) if chunk.device.startswith("cuda") else chunk.device
        stage = self._plan.stage(which)
        own = {field.name: getattr(chunk, field.name) for field in fields(chunk) if field.name != "build"}
        chosen = own.pop("stops"), own.pop("lr") if stage == "fitting" else ()
        # Written out by repr, a number is exact.
        task = _hash([self._run, stage, code, device, repr(own)])
        return _Key(_hash([task, repr(chosen)]), task)

    def _of_fit(self, model: Fitted, split: int) -> _Key | None:
        if (code := self._origin(model.estimator)) is None:
            return None
        name = _hash([self._run, code, model.name, split])
        return _Key(name, name)

    def _origin(self, thing: object) -> str | None:
        if id(thing) not in self._origins:
            self._origins[id(thing)] = thing, origin(thing)  # the thing as well, lest another get its id
        return self._origins[id(thing)][1]

    def _found(self) -> dict[str, int]:
        """Files of this run, by name, and how many networks each has."""
        plan = self._plan
        rounds = (plan.fitting,) if plan.choosing is None else (plan.choosing, plan.fitting)
        keys = [
            self._of_chunk(which, chunk) for which in rounds for stack in which.stacks for chunk in stack.plan.chunks
        ]
        keys += [self._of_fit(one, split) for one in plan.experiment.fitted for split in range(len(plan.all_splits))]
        tasks = {key.task for key in keys if key is not None}
        found = {}
        for path in self._place.glob("*.safetensors"):
            about = _about(path)
            if about.get("task") in tasks and about.get("networks", "").isdecimal():
                found[path.stem] = int(about["networks"])
            else:
                self.others += 1
        return found

    def _path(self, key: _Key) -> Path:
        return self._place / f"{key.name}.safetensors"

    def _read(self, key: _Key) -> dict[str, npt.NDArray[Any]] | None:
        if key.name not in self._there:
            return None
        from safetensors.numpy import load_file

        about, arrays = _about(self._path(key)), None
        with contextlib.suppress(Exception):  # whatever is wrong with it, it is trained anew
            arrays = load_file(self._path(key))
        if arrays is None or about.get("sha256") != _of_arrays(arrays):
            self._forget(key)
            return None
        return arrays

    def _forget(self, key: _Key) -> None:
        self._there.pop(key.name, None)

    def _write(self, key: _Key, arrays: Arrays, n_networks: int) -> None:
        from safetensors.numpy import save  # its save_file would write a temporary file of its own beside ours

        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        about = {"task": key.task, "networks": str(n_networks), "sha256": _of_arrays(whole)}
        try:
            self._place.mkdir(parents=True, exist_ok=True)
            write_whole(self._path(key), lambda path: path.write_bytes(save(whole, metadata=about)))
        except Exception as error:  # noqa: BLE001 - a full disk has more than one name; the run matters more
            self.trouble = getattr(error, "strerror", None) or str(error)
        else:
            self._there[key.name] = n_networks


def _packed(result: ChunkResult, which: Round, chunk: Chunk, plan: Plan) -> Arrays:
    if which.chooses:
        return {"validation_loss": result.curves[2]}
    return {"curves": result.curves, "outputs": result.outputs.transpose(2, 0, 1)[_tested(which.data, chunk)],
            "dead": result.dead}  # fmt: skip


def _unpacked(arrays: Arrays, which: Round, chunk: Chunk, plan: Plan) -> ChunkResult | None:
    """The result that was packed; what the choosing round has no use for is NaN. None if it isn't one of this chunk."""
    data, n, epochs, n_outputs = which.data, len(chunk.members), chunk.recipe.epochs, plan.experiment.table.n_outputs
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
    """[network, row]: the rows that each network has outputs for."""
    return np.stack([data.tested(split) for split in chunk.splits[: len(chunk.members)]])


def _about(path: Path) -> dict[str, str]:
    """What a file says of itself; nothing if it is damaged."""
    from safetensors import safe_open

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
