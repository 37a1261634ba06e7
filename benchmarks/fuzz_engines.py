"""Modules of users whose forward() changes their state, trained as seedbed trains them and by a plain
loop.

    python benchmarks/fuzz_engines.py 0 500    modules 0 to 499; the number is the seed of everything in one

Losses, parameters and buffers of every seed in float64 must equal those of the loop.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.training.many import train_many
from seedbed.training.stack import shuffle_rows


class Changing(nn.Module):
    """A layer whose state `forward` changes, in a way given by its kind."""

    KINDS = (
        "average",
        "replaced",
        "steps",
        "count",
        "list",
        "tensor",
        "array",
        "object",
        "codes",
        "clamp",
    )

    def __init__(
        self,
        kind: str,
        size: int,
        *,
        scales: bool,
        used: bool,
        kept: bool,
        always: bool,
    ) -> None:
        super().__init__()
        self.kind, self.scales, self.used, self.always = kind, scales, used, always
        self.weight = nn.Parameter(torch.rand(size) + 0.5)
        self.register_buffer(
            "state",
            torch.rand(4, size) if kind == "codes" else torch.zeros(size),
            persistent=kept,
        )
        self.count, self.seen, self.tensor, self.array = (
            0,
            list[float](),
            torch.zeros(size),
            np.zeros(size),
        )
        self.object = types.SimpleNamespace(count=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training or self.always:
            with torch.no_grad():
                self.change(x)
        x = x * self.weight if self.scales else x
        return x - self.shift(x) if self.used else x

    def change(self, x: torch.Tensor) -> None:
        mean = x.mean(0)
        if self.kind == "average":
            self.state.lerp_(mean, 0.1)
        elif self.kind == "replaced":
            self.state = 0.9 * self.state + 0.1 * mean
        elif self.kind == "steps":
            self.state += 1
        elif self.kind == "count":
            self.count += 1
        elif self.kind == "list":
            self.seen.append(float(len(x)))
        elif self.kind == "tensor":
            self.tensor = self.tensor + 0.01
        elif self.kind == "array":
            self.array += 0.01
        elif self.kind == "object":
            self.object.count += 1
        elif self.kind == "codes":
            self.state[torch.cdist(mean[None], self.state).argmin()] += 0.1 * mean
        else:
            self.weight.clamp_(0.6, 1.2)

    def shift(self, x: torch.Tensor) -> Any:
        if self.kind == "codes":
            return 0.1 * self.state[torch.cdist(x, self.state).argmin(1)]
        attributes = (self.count + self.object.count) / 100 + sum(self.seen) / 1e4
        return (
            self.state / 10
            + self.tensor.to(x)
            + torch.from_numpy(self.array).to(x)
            + attributes
        )


def own_case(
    number: int,
) -> tuple[Callable[[], nn.Module], dict[str, Any], tuple[np.ndarray, ...]]:
    """Return a builder of modules with one or two changing layers, a recipe, and a table."""
    rng = np.random.default_rng([number, 1])
    size, n_layers, batch_size = (
        int(rng.integers(2, 6)),
        int(rng.integers(1, 3)),
        (0, 16)[rng.integers(2)],
    )
    layers = [
        (
            str(rng.choice(Changing.KINDS)),
            dict(
                zip(
                    ("scales", "used", "kept", "always"),
                    rng.random(4) < 0.6,
                    strict=True,
                )
            ),
        )
        for _ in range(n_layers)
    ]
    X, residual = rng.normal(size=(80, 4)), rng.random() < 0.3
    y = (X[:, 0] + rng.normal(size=80) > 0).astype(float)

    class Skips(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + super().forward(x)

    def build() -> nn.Module:
        changing = [Changing(kind, size, **options) for kind, options in layers]
        inner = (Skips if residual else nn.Sequential)(
            changing[0], nn.Tanh(), nn.Linear(size, size)
        )
        return nn.Sequential(
            nn.Linear(4, size), inner, *changing[1:], nn.ReLU(), nn.Linear(size, 1)
        ).double()

    return (
        build,
        {"epochs": 8, "lr": 0.05, "momentum": 0.9, "batch_size": batch_size},
        (X[:60], y[:60], X[60:], y[60:]),
    )


def own_gap(number: int) -> float:
    """Return the largest difference of losses, parameters and buffers from a plain loop, over all
    seeds."""
    build, recipe, parts = own_case(number)
    history = train_many(
        build, *parts, seeds=(3, 8, 5), loss="bce", n_jobs=1, dtype="float64", **recipe
    )
    gaps, (X, y, X_test, y_test) = [0.0], (torch.from_numpy(part) for part in parts)
    for place, seed in enumerate(history.seeds):
        torch.manual_seed(seed)
        network, criterion = build(), nn.BCEWithLogitsLoss()
        optimizer = torch.optim.SGD(
            network.parameters(), lr=recipe["lr"], momentum=recipe["momentum"]
        )
        losses = np.zeros((2, recipe["epochs"]))
        for epoch in range(recipe["epochs"]):
            rows = (
                torch.arange(60)
                if not recipe["batch_size"]
                else torch.from_numpy(shuffle_rows(60, seed, epoch))
            )
            network.train()
            for some in torch.split(rows, recipe["batch_size"] or 60):
                loss = criterion(network(X[some])[:, 0], y[some])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses[0, epoch] += loss.item() * len(some) / 60
            network.eval()
            with torch.inference_mode():
                losses[1, epoch] = criterion(network(X_test)[:, 0], y_test).item()
        stacked = np.stack([history.train_loss[:, place], history.test_loss[:, place]])
        gaps.append(float(np.abs(stacked - losses).max()))
        mine = history.networks()[place]
        pairs = zip(
            [*mine.parameters(), *mine.buffers()],
            [*network.parameters(), *network.buffers()],
            strict=True,
        )
        gaps += [float((one - other).detach().abs().max()) for one, other in pairs]
    return max(gaps)


if __name__ == "__main__":
    gaps = {number: own_gap(number) for number in range(*map(int, sys.argv[1:]))}
    wrong = {number: gap for number, gap in gaps.items() if not gap < 1e-9}
    print(f"{len(wrong)} of {len(gaps)} modules differ from the plain loop: {wrong}")
    sys.exit(bool(wrong))
