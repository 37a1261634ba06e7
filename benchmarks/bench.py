"""Speed, side by side in one run: the tutorial's loop, seedbed's engines, modules of a user's own,
and whole commands.

    make bench                                   everything, some minutes
    python benchmarks/bench.py --only networks   one section
    taskset -c 0 python benchmarks/bench.py      on one core

All ways take turns in each round, and ratios compare each way's best round, so that whatever
disturbs the machine meets all of them. Prints, never asserts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from tables import Table, machine, number
from torch import Tensor, nn
from torch.nn import functional as F

import seedbed as sb

EPOCHS = 100
LR = 0.1
LOOPED = 5  # networks of the plain loop; their times are all alike
STACKED = 100
WORDS = ("linear:5", "relu:5", "linear:20,20", "relu:64,64", "relu:256,256")

Parts = tuple[Tensor, Tensor, Tensor, Tensor]
Build = Callable[[], nn.Module]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(30, 16)
        self.block = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))
        self.last = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(torch.relu(x + self.block(x)))


class SwiGLU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(30, 32)
        self.last = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.first(x).chunk(2, -1)
        return self.last(F.silu(gate) * value)


class Experts(nn.Module):
    """A soft mixture of four experts."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(30, 4)
        self.experts = nn.ModuleList(nn.Linear(30, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        weights = self.gate(x).softmax(-1)
        outputs = torch.cat([expert(x) for expert in self.experts], -1)
        return (outputs * weights).sum(-1, keepdim=True)


class Recurrent(nn.Module):
    """`vmap` can't run it: the plain loop trains it."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, 8, batch_first=True)
        self.last = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(x.reshape(len(x), 10, 3))
        return self.last(states[:, -1])


OWN = {"residual": Residual, "SwiGLU": SwiGLU, "experts": Experts, "GRU": Recurrent}


def parts_of_table() -> Parts:
    """Breast cancer, standardised: X_train, y_train, X_test, y_test; targets [row, 1]."""
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(0)) / X.std(0)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    X_train, X_test = (torch.tensor(part).float() for part in (X_train, X_test))
    y_train, y_test = (
        torch.tensor(part).float()[:, None] for part in (y_train, y_test)
    )
    return X_train, y_train, X_test, y_test


def network_of(words: str) -> nn.Module:
    """The network of a candidate as the tutorial writes it."""
    activation, _, widths = words.partition(":")
    sizes = [30, *map(int, widths.split(",")), 1]
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        if layers and activation == "relu":
            layers.append(nn.ReLU())
        layers.append(nn.Linear(n_in, n_out))
    return nn.Sequential(*layers)


def loop(build: Build, parts: Parts) -> int:
    """Train some networks as the tutorial does; return how many."""
    X_train, y_train, X_test, y_test = parts
    criterion = nn.BCEWithLogitsLoss()
    for seed in range(LOOPED):
        torch.manual_seed(seed)
        network = build()
        optimizer = torch.optim.SGD(network.parameters(), lr=LR)
        for _ in range(EPOCHS):
            network.train()
            z = network(X_train)
            loss = criterion(z, y_train)
            ((z > 0) == (y_train > 0)).float().mean().item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            network.eval()
            with torch.inference_mode():
                z = network(X_test)
                criterion(z, y_test).item()
                ((z > 0) == (y_test > 0)).float().mean().item()
    return LOOPED


def many(candidate: str | Build, parts: Parts, **options: Any) -> int:
    """Train networks by `train_many`; return how many."""
    arrays = [part.numpy().squeeze() for part in parts]
    options = {"loss": "bce", "epochs": EPOCHS, "lr": LR, "n_jobs": 1} | options
    sb.train_many(candidate, *arrays, seeds=STACKED, **options)
    return STACKED


def milliseconds(
    ways: Mapping[str, Callable[[], int]], rounds: int
) -> dict[str, float]:
    """Return milliseconds for a network in the best round. The first round warms up."""
    best = dict.fromkeys(ways, np.inf)
    for turn in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            n_networks = way()
            taken = (time.perf_counter() - started) * 1000 / n_networks
            if turn:
                best[name] = min(best[name], taken)
    return best


def table_of(title: str, measured: Mapping[str, Mapping[str, float]]) -> Table:
    """Milliseconds, and how many times as fast as the first column each is."""
    ways = list(next(iter(measured.values())))
    rows = []
    for name, ms in measured.items():
        base = ms[ways[0]]
        ratios = [f"{number(ms[way])} ({number(base / ms[way])}x)" for way in ways[1:]]
        rows.append((name, number(base), *ratios))
    return Table(title, ("network", *ways), rows)


def networks(rounds: int) -> Table:
    parts = parts_of_table()
    measured = {}
    for words in WORDS:
        ways = {
            "the tutorial's loop": partial(loop, partial(network_of, words), parts),
            "kernel": partial(many, words, parts, engine="native"),
            "vmap": partial(many, words, parts, engine="torch"),
            "kernel, all cores": partial(many, words, parts, n_jobs=None),
        }
        if torch.cuda.is_available():
            ways["GPU"] = partial(many, words, parts, engine="torch", device="cuda")
        measured[words] = milliseconds(ways, rounds)
    return table_of(f"Milliseconds a network, {EPOCHS} epochs", measured)


def own(rounds: int) -> Table:
    parts = parts_of_table()
    measured = {}
    for name, build in OWN.items():
        ways = {
            "the tutorial's loop": partial(loop, build, parts),
            "seedbed": partial(many, build, parts),
        }
        measured[name] = milliseconds(ways, rounds)
    return table_of("Modules of a user's own, milliseconds a network", measured)


def commands(rounds: int) -> Table:
    """Whole processes, beside a bare interpreter."""
    program = str(Path(sys.executable).with_name("seedbed"))
    shown = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import seedbed": [sys.executable, "-c", "import seedbed"],
        "seedbed --help": [program, "--help"],
        "seedbed compare example:breast-cancer": [program, "compare"],
    }
    shown["seedbed compare example:breast-cancer"].append("example:breast-cancer")
    best = dict.fromkeys(shown, np.inf)
    for _ in range(rounds):
        for label, arguments in shown.items():
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                subprocess.run(arguments, check=True, capture_output=True, cwd=folder)
                best[label] = min(best[label], time.perf_counter() - started)
    rows = [(label, f"{seconds:.2f}") for label, seconds in best.items()]
    return Table("Whole commands", ("command", "seconds"), rows)


SECTIONS = {"networks": networks, "own": own, "commands": commands}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=SECTIONS, help="one section")
    parser.add_argument("--rounds", type=int, default=3, help="times a way runs (3)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(Table("Machine", ("fact", "value"), list(machine().items())).text())
    for name in [options.only] if options.only else SECTIONS:
        print("\n" + SECTIONS[name](options.rounds).markdown(), flush=True)


if __name__ == "__main__":
    main()
