"""How often is a model wrongly called worse than the recommended one, and how often rightly?

python benchmarks/behind.py                  all worlds, written to benchmarks/behind.md
python benchmarks/behind.py --draws 50 --out -   a rough look

Tables are simulated. Model k is a ridge regression on its own block of three columns, a learner that is fitted in
microseconds; the Brier score of its clipped prediction is tested. Blocks of one strength are equally informative, so
each "worse" among the models of the strongest blocks is false. A table is judged after 1, 2, 3, 5 and 10 repeats of ten
folds, and an error at any of these looks counts. The rules are those of `seedbed.evaluation.behind`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tables import Table, machine, print_or_write

from seedbed.evaluation.behind import steps_behind
from seedbed.evaluation.estimates import corrected_t, wilson

LOOKS, FOLDS, BLOCK, ALPHA = (1, 2, 3, 5, 10), 10, 3, 0.05


@dataclass(frozen=True)
class World:
    """Rows, and the strength of each model's block; models of the greatest strength are the best."""

    n: int
    strengths: tuple[float, ...]

    @property
    def best(self) -> int:
        return self.strengths.count(max(self.strengths))


WORLDS = {
    **{f"{k} tied, {n} rows": World(n, (0.6,) * k) for n in (100, 300) for k in (2, 4, 7, 12)},
    **{f"2 tied best of {k}, 300 rows": World(300, (0.8,) * 2 + (0.3,) * (k - 2)) for k in (4, 7, 12)},
    **{f"one best of {k}, {n} rows": World(n, (0.9,) + (0.4,) * (k - 1)) for k in (4, 7) for n in (300, 1000)},
}


def table_of(world: World, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns [row, model, block] and labels [row]."""
    X = rng.normal(size=(world.n, len(world.strengths), BLOCK))
    odds = np.einsum("nkb,k->n", X, world.strengths)
    return X, (rng.random(world.n) < 1 / (1 + np.exp(-odds))).astype(np.float64)


def losses_of(X: NDArray[np.float64], y: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the Brier score of each fold [repeat, fold, model], with stratified folds."""
    n, losses = len(y), np.empty((LOOKS[-1], FOLDS, X.shape[1]))
    design = np.concatenate([X, np.ones((n, X.shape[1], 1))], axis=2).transpose(1, 0, 2)  # [model, row, column]
    penalty = np.diag([1.0] * BLOCK + [0.0])
    for repeat in range(LOOKS[-1]):
        fold = np.empty(n, dtype=np.int64)
        order = np.concatenate([rng.permutation(np.flatnonzero(y == label)) for label in (0, 1)])
        fold[order] = np.arange(n) % FOLDS
        for place in range(FOLDS):
            train, test = fold != place, fold == place
            A = design[:, train]
            weights = np.linalg.solve(A.transpose(0, 2, 1) @ A + penalty, (A.transpose(0, 2, 1) @ y[train])[..., None])
            p = np.clip((design[:, test] @ weights)[..., 0], 0, 1)
            losses[repeat, place] = ((p - y[test]) ** 2).mean(axis=1)
    return losses


def judged(losses: NDArray[np.float64]) -> dict[int, str]:
    """Return the rule of each model but the recommended one."""
    best = int(losses.mean(axis=(0, 1)).argmin())

    def difference(name: str, pairs: int):  # type: ignore[no-untyped-def]
        return corrected_t(losses[..., best] - losses[..., int(name)], alpha=ALPHA, comparisons=pairs)

    others = [str(k) for k in range(losses.shape[2]) if k != best]
    steps = steps_behind(others, difference, margin=1e-6, alpha=ALPHA)  # so that "worse" is never withheld
    return {int(name): rule for name, _, rule, _ in steps}


def draw(world: World, seed: int) -> tuple[bool, float, bool]:
    """Return whether a best model was called worse at any look; after three repeats the share of worse models that were
    found, and whether the headline was right: exactly the best models are left."""
    rng = np.random.default_rng(seed)
    losses = losses_of(*table_of(world, rng), rng)
    false, found, headline = False, 0.0, False
    for repeats in LOOKS:
        rules = judged(losses[:repeats])
        worse = {k for k, rule in rules.items() if rule == "worse"}
        false |= any(k < world.best for k in worse)
        if repeats == 3 and world.best < len(world.strengths):
            really = set(range(world.best, len(world.strengths)))
            found, headline = len(worse & really) / len(really), worse == really
    return false, found, headline


def rows_of(draws: int) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for place, (name, world) in enumerate(WORLDS.items()):
        results = [draw(world, 10_000 * place + seed) for seed in range(draws)]
        errors = sum(false for false, *_ in results)
        low, high = wilson(errors, draws)
        power = ["", ""]
        if world.best < len(world.strengths):
            power = [f"{100 * np.mean([part for *_, part in [r[:2] for r in results]]):.0f} %",
                     f"{100 * np.mean([right for *_, right in results]):.0f} %"]  # fmt: skip
        rate = f"{100 * errors / draws:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        rows.append([name, f"{draws}", rate, *power])
        print(*rows[-1], sep="; ", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/behind.md"))
    options = parser.parse_args()
    columns = ("world", "tables", "a best model called worse, at any look", "worse models found", "right headline")
    table = Table("Errors and power", columns, rows_of(options.draws))
    print_or_write(
        f"# Behind the recommended model\n\n{__doc__}\n{table.markdown()}\n\n{machine()['processor']}\n", options.out
    )


if __name__ == "__main__":
    main()
