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


_USUAL_SHARE = 0.35  # of its epochs, as long as networks that choose are trained by default (see benchmarks/LOG.md)


@dataclass(frozen=True)
class Chunk:
    """Networks that are trained together: one architecture and one kind of optimizer.

    Attributes:
        build: builds one network.
        recipe: what they have in common; its learning rate and weight decay are overruled by the next two.
        seeds: one a network; the last may be repeated to fill the chunk up to the common shape.
        splits: the number of the split that each network trains on.
        lr, decay: one a network.
        members: positions of the networks in the plan; what follows them in the chunk is filling.
        stops: after how many epochs each network's outputs are taken; none takes them after the last. Training goes on
            to the last in any case, so the curves are whole.
        together: how many networks in a row, the inner splits of one learning rate, choose an epoch together: they are
            trained until `Waiting` ends them by the recipe's patience, and figures after that are NaN. 0 trains all
            networks to the last epoch.
        patience: where it is given, networks and outputs are those after the epoch that was best for all of them, and
            training ends after so many epochs without a better one; the curves end there, too. The best has the least
            loss on test rows: that of mean predictions, `WholeTable.ensemble_loss`, or of modules that take the general
            way, and of tables in a file, the mean loss.
        seconds: after which a training with patience ends in any case, one epoch done; none for no limit.
        engine: what trains them: `native` is the kernel of `training.native`, for networks that it covers; `torch`
            takes all.
        keep_networks: whether trained parameters are part of the result.
        keep_outputs: whether outputs are; where nobody looks at them they are many.
        dtype, device: as torch names them.
    """

    build: Callable[[], nn.Module]
    recipe: Recipe
    seeds: tuple[int, ...]
    splits: tuple[int, ...]
    lr: tuple[float, ...]
    decay: tuple[float, ...]
    members: tuple[int, ...]
    stops: tuple[int, ...] | None = None
    together: int = 0
    patience: int | None = None
    seconds: float | None = None
    engine: Literal["native", "torch"] = "torch"
    keep_networks: bool = False
    keep_outputs: bool = True
    dtype: str = "float32"
    device: str = "cpu"

    @property
    def usual_epochs(self) -> float:
        """About how many epochs its networks are trained; known before only where none ends early."""
        return (_USUAL_SHARE if self.together else 1.0) * self.recipe.epochs


@dataclass(frozen=True)
class ChunkResult:
    """What came of a chunk.

    Attributes:
        curves: [4, epoch, network], in the order of `CURVES`.
        outputs: float32 [row, output, network]; of a network's test rows, NaN elsewhere. No rows if they aren't kept.
        dead: [network], the share of ReLU units that are zero for all training rows after the last epoch; NaN where
            that isn't known.
        states: a state dict a network, or none.
        best: of a training with patience, after how many epochs outputs and states are.
    """

    curves: npt.NDArray[np.floating]
    outputs: npt.NDArray[np.float32]
    dead: npt.NDArray[np.float32]
    states: tuple[dict[str, Tensor], ...] | None
    best: int | None = None


NOT_BEGUN = -1

Counts = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Place:
    """The place of one chunk on a board; it can travel to another process.

    Attributes:
        path: the board's file.
        number: of the chunk.
    """

    path: str
    number: int

    def pen(self) -> Callable[[int], None]:
        """What writes down how many epochs are done. Where the board is gone it writes nothing: a training mustn't end
        for want of somebody to watch it."""
        try:
            counts, number = _mapped(self.path), self.number
        except (OSError, ValueError):
            return lambda epochs: None

        def write(epochs: int) -> None:
            counts[number] = epochs

        return write


class Board:
    """A number for each chunk that is being trained: how many epochs are done, `NOT_BEGUN` before the first.

    It is a file that all processes map into memory. So writing is a store, and nobody waits for anybody.
    """

    def __init__(self) -> None:
        self._counts: Counts = np.empty(0, dtype=np.int32)

    def epochs(self) -> list[int]:
        """How far each chunk is; empty before the first is trained. Any thread may ask, also when all is over."""
        return self._counts.tolist()  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def laid_out(self, n_chunks: int) -> Iterator[list[Place]]:
        """A place for each chunk, for as long as the block lasts. Without room for a file nothing is written down."""
        self._counts, path = np.full(n_chunks, NOT_BEGUN, dtype=np.int32), ""
        with contextlib.ExitStack() as last:
            with contextlib.suppress(OSError):
                file = last.enter_context(temporary_folder()) / "epochs"
                file.write_bytes(self._counts.tobytes())  # a hole in a file, on a full disk, ends who writes into it
                self._counts, path = _mapped(str(file)), str(file)
            try:
                yield [Place(path, number) for number in range(n_chunks)]
            finally:
                self._counts = self._counts.copy()


def _mapped(path: str) -> Counts:
    # As a plain array, into which a number is stored three times as fast.
    return np.asarray(np.memmap(path, dtype=np.int32, mode="r+"))


_SECONDS = 30.0  # between two savings


class Savepoint:
    """Two files, written in turn: where one is damaged there is the other.

    What a training draws at random depends on the number of its step alone, so all there is to keep are its tensors and
    how many epochs are done. It can travel to another process.

    Args:
        path: of the files, which add `.0.state` and `.1.state` to it; it stands for all that decides the training.
    """

    def __init__(self, path: str | Path) -> None:
        self.files = tuple(Path(f"{path}.{generation}.state") for generation in range(2))
        self._next, self._last = 0, time.monotonic()

    def load(self) -> tuple[int, dict[str, Tensor]] | None:
        """Epochs done and tensors, laid out in memory as they were, of the later file that is whole; none where neither
        is. From now on the time counts."""
        found = [_read(path) for path in self.files]
        done = [one[0] if one else -1 for one in found]
        self._next, self._last = int(done[0] > done[1]), time.monotonic()
        return found[1 - self._next]

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._last > _SECONDS

    def save(self, epochs: int, tensors: Mapping[str, Tensor]) -> None:
        """Write down where the training stands. Where that fails, on a full disk say, the training goes on."""
        with contextlib.suppress(Exception):  # a full disk has more than one name
            write_whole(self.files[self._next], lambda path: _write(path, epochs, tensors))
            self._next = 1 - self._next
        self._last = time.monotonic()

    def remove(self) -> None:
        """The training is done."""
        for path in self.files:
            with contextlib.suppress(OSError):
                path.unlink()


def _write(path: Path, epochs: int, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save  # its save_file would write a temporary file of its own beside ours

    # Of its own, as safetensors refuses tensors that share memory.
    whole = {name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items()}
    about = {
        "epochs": str(epochs),
        # A product of the same numbers may round otherwise where they lie in another order.
        "strides": json.dumps({name: tensor.stride() for name, tensor in tensors.items()}),
        "sha256": _hashed(epochs, whole),
    }
    path.write_bytes(save(whole, metadata=about))


def _read(path: Path) -> tuple[int, dict[str, Tensor]] | None:
    from safetensors import safe_open

    with contextlib.suppress(Exception), safe_open(path, framework="pt") as file:  # whatever is wrong with it
        about = file.metadata()
        whole = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
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
