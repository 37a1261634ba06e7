"""Random networks, recipes and tables, each trained by the kernel, by torch's stacks and by the
plain loop.

    python benchmarks/fuzz_engines.py                          cases 0 to 199
    python benchmarks/fuzz_engines.py --cases 1000:2000        others
    python benchmarks/fuzz_engines.py --cases 17:18            one, with the figures of each pair
    python benchmarks/fuzz_engines.py --own --cases 0:500      modules of a user's whose forward() changes their state

The number of a case is the seed of everything in it. The gap of two trainings is the largest
difference of a loss, as a share of the larger loss, over epochs, networks, training and test rows.
Cases whose gap exceeds a bound are printed. For them, torch trains again from a start in which each
parameter is changed by about one rounding error. If that alone gives a tenth of the gap, training
amplifies rounding, and no engine is wrong. Any other difference is a defect, and the status is 1.

With --own, losses, parameters and buffers of every seed in float64 must equal those of a loop that
is written here.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import types
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import nn

from seedbed.errors import SeedbedError
from seedbed.networks.activations import ACTIVATIONS
from seedbed.networks.layers import Arrays
from seedbed.networks.network import Network
from seedbed.settings.optimizers import OPTIMIZERS
from seedbed.training.many import History, train_many
from seedbed.training.stack import shuffle_rows

BOUNDS = {"float32": 0.02, "float64": 1e-6}
SEEDS, EPOCHS = (3, 8), 60
_SMALL = 1e-3  # losses below this share of the first loss count as this share


@dataclass(frozen=True)
class Case:
    """What is trained.

    Attributes:
        words: the candidate.
        recipe: options of `train_many`.
        kind: the kind of the table.
        parts: X_train, y_train, X_test, y_test.
    """

    words: str
    recipe: dict[str, Any]
    kind: str
    parts: tuple[np.ndarray, ...]


def random_case(number: int) -> Case:
    rng = np.random.default_rng(number)

    def pick(*options: Any) -> Any:
        return options[rng.integers(len(options))]

    loss, kind = (
        pick("bce", "cross_entropy", "mse"),
        pick("normal", "heavy tails", "zeros and ones", "tiny", "offset"),
    )
    n, n_features = int(rng.integers(20, 200)), int(rng.integers(1, 12))
    X = (
        rng.standard_t(1.5, size=(n, n_features))
        if kind == "heavy tails"
        else rng.normal(size=(n, n_features))
    )
    z = X[:, 0] + X[:, -1] ** 2 + rng.normal(size=n)
    if kind == "zeros and ones":
        X = (X > 0).astype(float)
    X = X * {"tiny": 1e-4}.get(kind, 1.0) + {"offset": 30.0}.get(kind, 0.0)
    y = {
        "bce": z > np.median(z),
        "cross_entropy": np.digitize(z, np.quantile(z, [0.3, 0.7])),
        "mse": z / z.std(),
    }[loss]
    n_train = n * 3 // 4
    widths = [int(pick(1, 3, 5, 8, 17, 48, 70)) for _ in range(rng.integers(1, 4))]
    name = pick(*ACTIVATIONS)
    norm = pick("", "", "", "layernorm", "batchnorm")
    options = [norm] * bool(norm) + ["dropout=0.2"] * (rng.random() < 0.2)
    options += (
        ["residual"]
        if len(set(widths)) == 1 < len(widths) and rng.random() < 0.5
        else []
    )
    options += [pick("plr=3", "ple=4")] if rng.random() < 0.2 else []
    words = f"{name}:{','.join(map(str, widths))}" + (
        "@" + ",".join(options) if options else ""
    )
    optimizer = pick(*OPTIMIZERS)
    recipe: dict[str, Any] = {
        "optimizer": optimizer,
        "lr": float(10 ** rng.uniform(-3.5, -0.7)),
        "loss": loss,
    }
    for chance, more in (
        (0.3, {"weight_decay": float(10 ** rng.uniform(-4, -0.5))}),
        (0.2, {"clip_norm": pick(0.05, 1.0)}),
        (0.3, {"schedule": pick("cosine", "onecycle")}),
        (0.5 * (norm != "batchnorm"), {"batch_size": pick(16, 64)}),
        (0.2 * (optimizer == "sgd"), {"momentum": 0.9}),
        (0.2 * (loss != "mse"), {"label_smoothing": 0.1}),
    ):
        recipe |= more if rng.random() < chance else {}
    parts = (
        X[:n_train],
        y[:n_train].astype(float),
        X[n_train:],
        y[n_train:].astype(float),
    )
    return Case(words, recipe, kind, parts)


def trained(case: Case, engine: str, dtype: str, shift: float = 0.0) -> np.ndarray:
    """Return losses [2, epoch, network] of an engine: "native", "torch" or "loop". `shift` changes
    the start."""
    draw = Network.start

    def start(network: Network, seeds: Sequence[int], rows: Any = None) -> Arrays:
        source = np.random.default_rng(0)
        return {
            name: value * (1 + shift * source.normal(size=value.shape))
            if name in network.parameters
            else value
            for name, value in draw(network, seeds, rows).items()
        }

    def train(seeds: tuple[int, ...], **options: Any) -> History:
        options |= {"epochs": EPOCHS, "dtype": dtype, "n_jobs": 1, **case.recipe}
        return train_many(case.words, *case.parts, seeds=seeds, **options)

    loop = engine == "loop"
    with mock.patch.object(Network, "start", start if shift else draw):
        histories = (
            [train((seed,)) for seed in SEEDS]
            if loop
            else [train(SEEDS, engine=engine)]
        )
    return np.concatenate(
        [np.stack([one.train_loss, one.test_loss]) for one in histories], 2
    ).astype(float)


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


def gap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest relative difference of two losses [2, epoch, network], up to the first
    that isn't finite."""
    kept = [np.isfinite(x).cumprod(1).astype(bool) for x in (a, b)]
    if np.abs(kept[0].sum(1) - kept[1].sum(1)).max() > 1:
        return np.inf  # they diverge in different epochs
    a, b = (np.where(kept[0] & kept[1], x, np.nan) for x in (a, b))
    least = _SMALL * np.maximum(np.abs(a[:, :1]), np.abs(b[:, :1]))
    found = np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), least)
    return float(np.nanmax(found)) if np.isfinite(found).any() else 0.0


def judged(case: Case, dtype: str, say: Callable[..., None]) -> tuple[str, float]:
    """Return whether the engines agree: "equal", "amplified" or "DEFECT"; and their largest gap."""
    losses = {
        "torch": trained(case, "torch", dtype),
        "loop": trained(case, "loop", dtype),
    }
    with contextlib.suppress(SeedbedError):  # the kernel lacks one of its layers
        losses["native"] = trained(case, "native", dtype)
    gaps = {
        f"{a}-{b}": gap(losses[a], losses[b]) for a in losses for b in losses if a < b
    }
    say(dtype, {pair: f"{value:.2g}" for pair, value in gaps.items()})
    worst = max(gaps.values())
    if worst <= BOUNDS[dtype]:
        return "equal", worst
    rounding = float(torch.finfo(getattr(torch, dtype)).eps)
    moved = max(
        gap(trained(case, "torch", dtype, rounding * factor), losses["torch"])
        for factor in (1, -1, 2)
    )
    say(dtype, f"a start moved by {rounding:.0e}: {moved:.2g}")
    return "amplified" if moved > min(worst, 1.0) / 10 else "DEFECT", worst


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default="0:200", help="FIRST:END")
    parser.add_argument(
        "--own", action="store_true", help="train modules that change their own state"
    )
    options = parser.parse_args()
    first, end = map(int, options.cases.split(":"))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if options.own:
        gaps = {number: own_gap(number) for number in range(first, end)}
        wrong = {number: value for number, value in gaps.items() if not value < 1e-9}
        print(
            f"{len(wrong)} of {end - first} modules differ from the plain loop: {wrong}"
        )
        sys.exit(bool(wrong))
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(first, end):
        case = random_case(number)
        for dtype in BOUNDS:
            verdict, worst = judged(
                case, dtype, print if end - first == 1 else lambda *_: None
            )
            counts[dtype, verdict] += 1
            if verdict != "equal":
                print(
                    f"{number} {dtype} {verdict} {worst:.2g}: {case.words} on {case.kind}, {case.recipe}",
                    flush=True,
                )
    for (dtype, verdict), count in sorted(counts.items()):
        print(f"{dtype}: {count} of {end - first} {verdict}")
    sys.exit(any(verdict == "DEFECT" for _, verdict in counts))


if __name__ == "__main__":
    main()
