"""Random networks, recipes and tables, each trained by the kernel, by torch's stacks and by the plain loop.

python benchmarks/fuzz_engines.py                          cases 0 to 199
python benchmarks/fuzz_engines.py --cases 1000:2000        others
python benchmarks/fuzz_engines.py --cases 17:18            one, with the figures of each pair

The number of a case is the seed of everything in it. The gap of two trainings is the largest difference of a loss, as
a share of the larger loss, over epochs, networks, training and test rows. Cases whose gap exceeds a bound are printed.
For them, torch trains again from a start in which each parameter is changed by about one rounding error. If that alone
gives a tenth of the gap, training amplifies rounding, and no engine is wrong. Any other difference is a defect, and the
status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.errors import SeedbedError
from seedbed.networks import ACTIVATIONS, parse_candidate
from seedbed.settings import OPTIMIZERS
from seedbed.training import History, train_many

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

    loss, kind = pick("bce", "cross_entropy", "mse"), pick("normal", "heavy tails", "zeros and ones", "tiny", "offset")
    n, n_features = int(rng.integers(20, 200)), int(rng.integers(1, 12))
    X = rng.standard_t(1.5, size=(n, n_features)) if kind == "heavy tails" else rng.normal(size=(n, n_features))
    z = X[:, 0] + X[:, -1] ** 2 + rng.normal(size=n)
    if kind == "zeros and ones":
        X = (X > 0).astype(float)
    X = X * {"tiny": 1e-4}.get(kind, 1.0) + {"offset": 30.0}.get(kind, 0.0)
    y = {"bce": z > np.median(z), "cross_entropy": np.digitize(z, np.quantile(z, [0.3, 0.7])), "mse": z / z.std()}[loss]
    n_train = n * 3 // 4
    widths = [int(pick(1, 3, 5, 8, 17, 48, 70)) for _ in range(rng.integers(1, 4))]
    name = pick(*(name for name, entry in ACTIVATIONS.items() if entry.elementwise and name != "rrelu"))
    norm = pick("", "", "", "layernorm", "batchnorm")
    options = [norm] * bool(norm) + ["dropout=0.2"] * (rng.random() < 0.2)
    options += ["residual"] if len(set(widths)) == 1 < len(widths) and rng.random() < 0.5 else []
    options += [pick("plr=3", "ple=4")] if rng.random() < 0.2 else []
    words = f"{name}:{','.join(map(str, widths))}" + ("@" + ",".join(options) if options else "")
    optimizer = pick(*OPTIMIZERS)
    recipe: dict[str, Any] = {"optimizer": optimizer, "lr": float(10 ** rng.uniform(-3.5, -0.7)), "loss": loss}
    for chance, more in (
        (0.3, {"weight_decay": float(10 ** rng.uniform(-4, -0.5))}), (0.2, {"clip_norm": pick(0.05, 1.0)}),
        (0.3, {"schedule": pick("cosine", "onecycle")}), (0.5 * (norm != "batchnorm"), {"batch_size": pick(16, 64)}),
        (0.2 * (optimizer == "sgd"), {"momentum": 0.9}), (0.2 * (loss != "mse"), {"label_smoothing": 0.1}),
    ):  # fmt: skip
        recipe |= more if rng.random() < chance else {}
    parts = X[:n_train], y[:n_train].astype(float), X[n_train:], y[n_train:].astype(float)
    return Case(words, recipe, kind, parts)


def trained(case: Case, engine: str, dtype: str, shift: float = 0.0) -> np.ndarray:
    """Return losses [2, epoch, network] of an engine: "native", "torch" or "loop". `shift` changes the start."""
    architecture = parse_candidate(case.words).architecture

    def build(n_features: int, n_outputs: int) -> nn.Module:
        network = architecture(n_features, n_outputs).to(getattr(torch, dtype))
        source = torch.Generator().manual_seed(0)  # dropout continues the global one
        for parameter in network.parameters() if shift else ():
            parameter.data.mul_(1 + shift * torch.randn(parameter.shape, dtype=torch.float64, generator=source))
        return network

    def train(seeds: tuple[int, ...], **options: Any) -> History:
        return train_many(build, *case.parts, seeds=seeds, epochs=EPOCHS, dtype=dtype, jobs=1, **case.recipe, **options)

    loop = engine == "loop"
    histories = [train((seed,)) for seed in SEEDS] if loop else [train(SEEDS, engine=engine)]
    return np.concatenate([np.stack([one.train_loss, one.test_loss]) for one in histories], 2).astype(float)


def gap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest relative difference of two losses [2, epoch, network], up to the first that isn't finite."""
    kept = [np.isfinite(x).cumprod(1).astype(bool) for x in (a, b)]
    if np.abs(kept[0].sum(1) - kept[1].sum(1)).max() > 1:
        return np.inf  # they diverge in different epochs
    a, b = (np.where(kept[0] & kept[1], x, np.nan) for x in (a, b))
    least = _SMALL * np.maximum(np.abs(a[:, :1]), np.abs(b[:, :1]))
    found = np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), least)
    return float(np.nanmax(found)) if np.isfinite(found).any() else 0.0


def judged(case: Case, dtype: str, say: Callable[..., None]) -> tuple[str, float]:
    """Return whether the engines agree: "equal", "amplified" or "DEFECT"; and their largest gap."""
    losses = {"torch": trained(case, "torch", dtype), "loop": trained(case, "loop", dtype)}
    with contextlib.suppress(SeedbedError):  # the kernel lacks one of its layers
        losses["native"] = trained(case, "native", dtype)
    gaps = {f"{a}-{b}": gap(losses[a], losses[b]) for a in losses for b in losses if a < b}
    say(dtype, {pair: f"{value:.2g}" for pair, value in gaps.items()})
    worst = max(gaps.values())
    if worst <= BOUNDS[dtype]:
        return "equal", worst
    rounding = float(torch.finfo(getattr(torch, dtype)).eps)
    moved = max(gap(trained(case, "torch", dtype, rounding * factor), losses["torch"]) for factor in (1, -1, 2))
    say(dtype, f"a start moved by {rounding:.0e}: {moved:.2g}")
    return "amplified" if moved > min(worst, 1.0) / 10 else "DEFECT", worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="0:200", help="FIRST:END")
    first, end = map(int, parser.parse_args().cases.split(":"))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(first, end):
        case = random_case(number)
        for dtype in BOUNDS:
            verdict, worst = judged(case, dtype, print if end - first == 1 else lambda *_: None)
            counts[dtype, verdict] += 1
            if verdict != "equal":
                print(f"{number} {dtype} {verdict} {worst:.2g}: {case.words} on {case.kind}, {case.recipe}", flush=True)
    for (dtype, verdict), count in sorted(counts.items()):
        print(f"{dtype}: {count} of {end - first} {verdict}")
    sys.exit(any(verdict == "DEFECT" for _, verdict in counts))


if __name__ == "__main__":
    main()
