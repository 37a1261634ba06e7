"""Where a long training stands, written to files from time to time, so that it goes on from there after a kill."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from seedbed.files import write_whole

__all__ = ["Savepoint"]

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
