"""How often the intervals of differences in net benefit hold the true difference: forecasts of two
models that nothing trains, in ten folds, beside treating all and none. Writes a line for each
threshold; `benchmarks/LOG.md` has them.

    python benchmarks/net_benefit.py [tables]
"""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np

from seedbed.data.splits import repeated_folds
from seedbed.evaluation.estimates import simultaneous_quantile
from seedbed.experiment.summary import net_benefit_of

WORLDS = (
    (300, -1, 1),
    (300, -1, 5),
    (2000, -3, 1),
)  # rows, shift of the logits, repeats
TRUE_ROWS, FOLDS = 2_000_000, 10


def drawn(n: int, shift: float, seed: int) -> tuple[Any, dict[str, Any]]:
    """Return classes, and the forecasts of a good and of a worse model."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logits - shift))).astype(np.int64)
    ways = {"good": (0.8, 0.5), "worse": (0.6, 0.9)}
    noisy = {
        name: slope * logits + rng.normal(0, noise, n) + shift
        for name, (slope, noise) in ways.items()
    }
    return y, {name: 1 / (1 + np.exp(-of)) for name, of in noisy.items()}


def coverage(n: int, shift: float, repeats: int, tables: int) -> None:
    everyone, forecasts = drawn(TRUE_ROWS, shift, 10**6)
    forecasts |= {
        "treating all": np.ones(TRUE_ROWS),
        "treating none": np.zeros(TRUE_ROWS),
    }
    held: dict[float, list[list[bool]]] = {}
    truth: dict[tuple[float, str], float] = {}
    for seed in range(tables):
        y, of = drawn(n, shift, seed)
        about = {
            "finite": True,
            "n_classes": 2,
            "alpha": 0.05,
            "tested_groups": None,
            "target": y,
            "tested": np.arange(n),
            "design": SimpleNamespace(has_verdict=True, kind="cross_validation"),
            "splits": repeated_folds(
                y, repeats=repeats, folds=FOLDS, random_state=seed
            ),
        }
        results: Any = [
            SimpleNamespace(
                name=name,
                predictions=np.broadcast_to(p, (repeats, 1, n)).astype(np.float32),
                **about,
            )
            for name, p in of.items()
        ]
        found = net_benefit_of(results, "good")
        assert found is not None
        for place, at in enumerate(found.at):
            rows = []
            for name, differences in found.differences.items():
                if (at, name) not in truth:
                    treated = (forecasts[name] > at).astype(float) - (
                        forecasts["good"] > at
                    )
                    truth[at, name] = float(
                        (np.where(everyone == 1, 1, -at / (1 - at)) * treated).mean()
                    )
                one, quantile = (
                    differences[place],
                    simultaneous_quantile(0.05, len(forecasts) - 1, FOLDS - 1),
                )
                added = (1 + (at / (1 - at)) ** 2) / n**2
                without = quantile * max(0.0, (one.half / quantile) ** 2 - added) ** 0.5
                off = abs(one.mean - truth[at, name])
                rows += [off <= one.half, off <= without]
            held.setdefault(at, []).append([all(rows[::2]), all(rows[1::2])])
    for at, pairs in sorted(held.items()):
        shares = np.mean(pairs, axis=0)
        print(
            f"| {n:,} | {everyone.mean():.0%} | {repeats} | {at:.0%} | {shares[0]:.1%} | {shares[1]:.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    for world in WORLDS:
        coverage(*world, int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
