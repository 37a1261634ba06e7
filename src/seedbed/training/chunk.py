"""A chunk: networks that are trained together, the result, the board of progress and the savepoint."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.files import temporary_folder, write_whole
from seedbed.settings import Recipe

__all__ = ["Board", "Chunk", "ChunkResult", "Place", "Savepoint"]


PATIENT_SHARE = 0.45  # of its epochs that a chunk with patience usually trains
NOT_BEGUN = -1
_SECONDS = 30.0  # between two savings


@dataclass(frozen=True)
class Chunk:
    """Networks that are trained together: one architecture and one kind of optimizer.

    Attributes:
        build: builds one network.
        recipe: their common settings; `lr` and `decay` override its learning rate and weight decay.
        seeds: one per network.
        splits: the number of the split that each network trains on.
        lr, decay: one per network.
        members: positions of the networks in the plan.
        together: how many consecutive networks stop together, with patience; 0 if all do.
        patience: if not None, training ends when the best epoch is half as many epochs ago as it took to reach it, but
            at least the first and at most the second of these numbers. A group is `together` consecutive networks, or
            all if that is 0. Its networks stop together, and the networks and outputs are then those of the epoch with
            the lowest loss on test rows: the loss of the mean prediction, see `Ensembles`.
        seconds: the time after which training with patience ends, with at least one epoch; None for no limit.
        engine: `native` is the kernel, for chains of layers that it covers; `torch` takes all chains; `plain` takes all
            modules, one network after the other.
        keep_networks: whether the result includes the trained parameters.
        keep_outputs: whether the result includes outputs, which may be large.
        dtype, device: as torch names them.
        name: of a blend's member, for displays of progress; otherwise empty.
    """

    build: Callable[[], nn.Module]
    recipe: Recipe
    seeds: tuple[int, ...]
    splits: tuple[int, ...]
    lr: tuple[float, ...]
    decay: tuple[float, ...]
    members: tuple[int, ...]
    together: int = 0
    patience: tuple[int, int] | None = None
    seconds: float | None = None
    engine: Literal["native", "torch", "plain"] = "torch"
    keep_networks: bool = False
    keep_outputs: bool = True
    dtype: str = "float32"
    device: str = "cpu"
    name: str = ""

    @property
    def usual_epochs(self) -> float:
        """The expected number of epochs that its networks train for; exact if none ends early."""
        return self.recipe.n_epochs * (PATIENT_SHARE if self.patience else 1.0)


@dataclass(frozen=True)
class ChunkResult:
    """The result of a chunk.

    Attributes:
        curves: [4, epoch, network], in the order of `CURVES`.
        outputs: float32 [row, output, network] for each network's test rows, NaN elsewhere; no rows if not kept.
        dead: share of ReLU units that are zero for all training rows after the last epoch [network]; NaN if unknown.
        stacked: the networks' states, by the names in a `state_dict` [network, ...], or None.
        best: with patience, the number of epochs after which outputs and states were taken, for each group of networks.
    """

    curves: npt.NDArray[np.floating]
    outputs: npt.NDArray[np.float32]
    dead: npt.NDArray[np.float32]
    stacked: dict[str, Tensor] | None
    best: tuple[int, ...] = ()

    @property
    def states(self) -> tuple[dict[str, Tensor], ...]:
        """One state dict per network; none if they weren't kept."""
        n = self.curves.shape[2] if self.stacked else 0
        return tuple({name: value[i].clone() for name, value in (self.stacked or {}).items()} for i in range(n))


Counts = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Place:
    """The place of one chunk on a board. It can be sent to another process.

    Attributes:
        path: the board's file.
        number: the chunk's number.
    """

    path: str
    number: int

    def writer(self) -> Callable[[int], None]:
        """Return a function that writes down how many epochs are done.

        It does nothing if the board no longer exists, so that training continues without it.
        """
        try:
            counts, number = _mapped(self.path), self.number
        except (OSError, ValueError):
            return lambda epochs: None

        def write(epochs: int) -> None:
            counts[number] = epochs

        return write


class Board:
    """The number of epochs done for each chunk that is being trained, `NOT_BEGUN` before the first.

    It is a file that all processes map into memory, so writing is a single store and needs no lock.
    """

    def __init__(self) -> None:
        self._counts: Counts = np.empty(0, dtype=np.int32)

    def epochs(self) -> list[int]:
        """Return the epochs done by each chunk; empty before training. Any thread may call it, also after training."""
        return self._counts.tolist()  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def laid_out(self, n_chunks: int) -> Iterator[list[Place]]:
        """Yield a place for each chunk. If no file can be written, nothing is recorded."""
        self._counts, path = np.full(n_chunks, NOT_BEGUN, dtype=np.int32), ""
        with contextlib.ExitStack() as last:
            with contextlib.suppress(OSError):
                file = last.enter_context(temporary_folder()) / "epochs"
                # Written in full: a process that stores into a hole of the file is killed if the disk is full.
                file.write_bytes(self._counts.tobytes())
                self._counts, path = _mapped(str(file)), str(file)
            try:
                yield [Place(path, number) for number in range(n_chunks)]
            finally:
                self._counts = self._counts.copy()


def _mapped(path: str) -> Counts:
    # A plain array stores a number three times as fast as a memmap.
    return np.asarray(np.memmap(path, dtype=np.int32, mode="r+"))


class Savepoint:
    """The state of a long training, saved from time to time, so that it continues after its process was killed.

    Two files are written in turn, so that one is intact if the other is damaged. Random draws depend on the number of
    the step alone, so the tensors and the number of epochs are the whole state. A savepoint can be sent to another
    process.

    Args:
        path: path of the files, without their endings `.0.state` and `.1.state`. It must identify the training.
    """

    def __init__(self, path: str | Path) -> None:
        self.files = tuple(Path(f"{path}.{generation}.state") for generation in range(2))
        self._next, self._last = 0, time.monotonic()

    def load(self) -> tuple[int, dict[str, Tensor]] | None:
        """Return the epochs done and the tensors, in their layout in memory, from the latest intact file, or None.

        The time until the next saving starts now.
        """
        contents = [_read(path) for path in self.files]
        done = [content[0] if content else -1 for content in contents]
        self._next, self._last = int(done[0] > done[1]), time.monotonic()
        return contents[1 - self._next]

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._last > _SECONDS

    def save(self, epochs: int, tensors: Mapping[str, Tensor]) -> None:
        """Save the state. If that fails, for instance on a full disk, training continues."""
        with contextlib.suppress(Exception):  # a full disk raises several types
            write_whole(self.files[self._next], lambda path: _write(path, epochs, tensors))
            self._next = 1 - self._next
        self._last = time.monotonic()

    def remove(self) -> None:
        """Delete the files."""
        for path in self.files:
            with contextlib.suppress(OSError):
                path.unlink()


def _write(path: Path, epochs: int, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save  # save_file would write a second temporary file

    # Cloned, because safetensors refuses tensors that share memory.
    whole = {name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items()}
    about = {
        "epochs": str(epochs),
        # Products of the same numbers may round differently if they lie in another order.
        "strides": json.dumps({name: tensor.stride() for name, tensor in tensors.items()}),
        "sha256": _hashed(epochs, whole),
    }
    path.write_bytes(save(whole, metadata=about))


def _read(path: Path) -> tuple[int, dict[str, Tensor]] | None:
    from safetensors import safe_open

    if not path.is_file():  # a device or a pipe may have no end
        return None
    with contextlib.suppress(Exception), safe_open(path, framework="pt") as file:  # a damaged file raises many types
        about = file.metadata()
        whole = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it isn't a mapping
        strides = json.loads(about["strides"])
        if about["sha256"] == _hashed(int(about["epochs"]), whole):
            laid = {name: torch.empty_strided(one.shape, strides[name], dtype=one.dtype).copy_(one)
                    for name, one in whole.items()}  # fmt: skip
            return int(about["epochs"]), laid
    return None


def _hashed(epochs: int, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(str(epochs).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
