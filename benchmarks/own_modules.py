"""Modules of a user's own, 100 networks on one core: by a plain loop, by `train_many`, by vmap
written by hand, by JAX.

    make bench                                       among other sections
    python benchmarks/own_modules.py                 alone, some minutes
    python benchmarks/own_modules.py --rounds 2

All ways take turns in each round. Times are processor time of the best round: from building the
networks to loss and accuracy on both parts at each of 100 epochs. JAX's leave out compiling and the
start values.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import speed_peers
import torch
from plain import tensors
from rounds import Contender, Task, UnavailableError, say, threads
from tables import Table, machine, number
from torch import Tensor, nn
from torch.nn import functional as F
from workload import EPOCHS, OWN_EPOCHS, OWN_LR, OWN_NETWORKS, Rows, load_own_rows

from seedbed.training.many import train_many

_LOOPED = 10  # networks of the plain loop, whose times are all alike
_CHUNKS = (OWN_NETWORKS, 32, 16)  # networks at once by hand, at most
_WORDS = "relu:5"

Build = Callable[[], nn.Module]


class Squeeze(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 5), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.first(x))).squeeze(-1)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 16), nn.Linear(16, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(torch.relu(x))


class SwiGLU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(12, 32), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.first(x).chunk(2, -1)
        return self.last(F.silu(gate) * value)


class Cross(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers, self.last = (
            nn.ModuleList(nn.Linear(12, 12) for _ in range(2)),
            nn.Linear(12, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        crossed = x
        for layer in self.layers:
            crossed = 0.1 * x * layer(crossed) + crossed
        return self.last(crossed)


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(12, 4)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1))
            for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        return (
            torch.stack([expert(x) for expert in self.experts], -1)
            * self.gate(x).softmax(-1)[:, None]
        ).sum(-1)


def sequence() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 1))


# By the names of `jax_peer.OWN`.
MODULES: dict[str, tuple[str, Build]] = {
    "squeeze": ("two layers and a squeeze", Squeeze),
    "residual": ("residual MLP", Residual),
    "swiglu": ("SwiGLU", SwiGLU),
    "cross": ("cross network", Cross),
    "experts": ("soft mixture of experts", Experts),
}
SIMPLE: dict[str, Build | str] = {
    f"{_WORDS} in words": _WORDS,
    "a function that returns nn.Sequential": sequence,
    "a class with .squeeze(-1)": Squeeze,
}


def built(build: Build, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build()


def loop(build: Build, rows: Rows) -> np.ndarray:
    """Train some networks one after the other; return their last test losses."""
    X_train, y_train, X_test, y_test = (
        part.reshape(len(part), -1) for part in tensors(rows)
    )
    criterion, last = nn.BCEWithLogitsLoss(), []
    for seed in range(_LOOPED):
        network, curves = built(build, seed), []
        optimizer = torch.optim.SGD(network.parameters(), lr=OWN_LR)
        for _ in range(OWN_EPOCHS):
            network.train()
            z = network(X_train).reshape(-1, 1)
            loss = criterion(z, y_train)
            accuracy = ((z > 0) == (y_train > 0)).float().mean().item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            network.eval()
            with torch.inference_mode():
                z = network(X_test).reshape(-1, 1)
                test = (
                    criterion(z, y_test).item(),
                    ((z > 0) == (y_test > 0)).float().mean().item(),
                )
            curves.append((loss.item(), accuracy, *test))
        last.append(curves[-1][2])
    return np.array(last)


def by_package(build: Build | str, rows: Rows) -> np.ndarray:
    parts = rows.X_train, rows.y_train, rows.X_test, rows.y_test
    options = {"epochs": OWN_EPOCHS, "lr": OWN_LR, "task": "binary", "n_jobs": 1}
    return train_many(build, *parts, seeds=OWN_NETWORKS, **options).test_loss[-1]


def by_hand(build: Build, rows: Rows, most: int) -> np.ndarray:
    """Train networks by `torch.func.vmap` over stacked states, so many at a time."""
    data, last = tensors(rows), []
    for seeds in np.array_split(
        np.arange(OWN_NETWORKS), math.ceil(OWN_NETWORKS / most)
    ):
        networks = [built(build, int(seed)) for seed in seeds]
        params, _ = torch.func.stack_module_state(networks)
        params = {name: value.detach() for name, value in params.items()}
        step = speed_peers.vmap_step(networks[0], data, OWN_LR)
        with torch.no_grad():
            last.append(speed_peers.run_steps(step, params, OWN_EPOCHS)[-1, 2].numpy())
    return np.concatenate(last)


def timed(
    work: Callable[[], np.ndarray], n_networks: int
) -> Callable[[], tuple[float, np.ndarray]]:
    """Return what works, and returns milliseconds of processor time for a network and the last test
    losses."""

    def run() -> tuple[float, np.ndarray]:
        start = time.process_time()
        losses = work()
        return (time.process_time() - start) * 1000 / n_networks, losses

    return run


def measured(
    ways: dict[str, Callable[[], tuple[float, np.ndarray]]], rounds: int
) -> dict[str, tuple[float, np.ndarray]]:
    """Run all ways in turn; return each one's best round. In the first one, libraries also load."""
    best = {key: run() for key, run in ways.items()}
    for _ in range(1, rounds):
        best = {
            key: min(best[key], run(), key=lambda pair: pair[0])
            for key, run in ways.items()
        }
    return best


@contextlib.contextmanager
def jax_peer(name: str, rows: Rows) -> Iterator[Contender | None]:
    """JAX's process, where it is installed."""
    try:
        peer = speed_peers.jax_scan(Task(f"own:{name}", rows), epochs=OWN_EPOCHS)
    except (ModuleNotFoundError, UnavailableError):
        yield None
        return
    try:
        yield peer
    finally:
        peer.close()


def module_row(name: str, rows: Rows, rounds: int) -> Sequence[str]:
    label, build = MODULES[name]
    say(f"own modules: {label}")
    ways = {
        "loop": timed(partial(loop, build, rows), _LOOPED),
        "seedbed": timed(partial(by_package, build, rows), OWN_NETWORKS),
        **{
            str(most): timed(partial(by_hand, build, rows, most), OWN_NETWORKS)
            for most in _CHUNKS
        },
    }
    with jax_peer(name, rows) as peer:
        if peer is not None:
            ways["jax"] = lambda: (peer.run() * OWN_EPOCHS / EPOCHS, np.zeros(0))
        best = measured(ways, rounds)
    hand = min(map(str, _CHUNKS), key=lambda key: best[key][0])
    ms = {key: best[key][0] for key in ("loop", "seedbed")} | {"hand": best[hand][0]}
    jax = best["jax"][0] if "jax" in best else math.nan
    expected = best["loop"][1]
    gap = max(
        float(np.abs(best[key][1][:_LOOPED] - expected).max())
        for key in ("seedbed", hand)
    )
    ratios = (
        ms["seedbed"] / ms["loop"],
        ms["seedbed"] / ms["hand"],
        ms["seedbed"] / jax,
    )
    return (
        label,
        *(number(value) for value in (*ms.values(), jax)),
        *(number(value) for value in ratios),
        f"by hand at most {hand} at once; losses differ by {gap:.0e} at most",
    )


def own_tables(rounds: int) -> list[Table]:
    """Measure; return the tables of the five modules, and of one network written in three ways."""
    rows = load_own_rows()
    header = (
        "module",
        "loop",
        "seedbed",
        "vmap by hand",
        "JAX",
        "of the loop",
        "of by hand",
        "of JAX",
        "note",
    )
    with threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modules = [module_row(name, rows, rounds) for name in MODULES]
        say("own modules: one network in three ways")
        ways = {
            label: timed(partial(by_package, build, rows), OWN_NETWORKS)
            for label, build in SIMPLE.items()
        }
        best = measured(ways, 3 * rounds)
    words, _ = next(iter(best.values()))
    simple = [
        (label, number(ms), f"{ms / words:.2f}", "") for label, (ms, _) in best.items()
    ]
    what = f"{OWN_EPOCHS} epochs, {OWN_NETWORKS} networks, {rows.source}"
    remarks = [
        "Milliseconds of processor time for a network, and seedbed's in times of the others'.",
        "Wanted: 0.1 of the loop for the first and 0.25 for others; 1.1 of by hand; nn.Sequential 1.15 of the words.",
    ]
    return [
        Table(f"Own modules: {what}", header, modules, remarks),
        Table(
            f"One network in three ways: {what}",
            ("written as", "ms a network", "of the words", ""),
            simple,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="how often each way is timed"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="tables for benchmarks/LOG.md"
    )
    options = parser.parse_args()
    tables = [
        Table("Machine", ("fact", "value"), list(machine().items())),
        *own_tables(options.rounds),
    ]
    print(
        "\n\n".join(
            table.markdown() if options.markdown else table.text() for table in tables
        )
    )


if __name__ == "__main__":
    main()
