"""How many threads torch may use: one a chunk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

__all__ = ["one_thread"]


@contextlib.contextmanager
def one_thread(device: str) -> Iterator[None]:
    """One thread inside, on a CPU. torch's own threads cost more than they bring to networks of this size, and while
    another process keeps a core busy they wait for each other many times longer than they work."""
    before = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
