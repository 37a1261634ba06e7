"""Rules by which choosing an epoch may end, tried on the deciding half of the real tables.

python benchmarks/patience.py                                all tables, printed as Markdown
python benchmarks/patience.py --tables heart_failure,kc1     some

Every table, at most 1,500 rows of it, is split by one 10-fold; each split has three inner splits and three learning
rates. The networks that choose are trained for all 1000 epochs; then each rule is applied to their validation losses.
A rule's share of epochs is that of the pure rule; the kernel trains a block of networks until the last of them ends.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from peer_tables import DECIDING, path_of
from tables import Table

import seedbed as sb
from seedbed.evaluation import Waiting, choose
from seedbed.experiment import make_plan, specify
from seedbed.settings import Compute, Design, recipe_named
from seedbed.training import train_chunks

CANDIDATES = ("relu:5", "linear:5", "relu:20,20")
RULES = {
    "1.25 x best + 50": (1.25, 50),
    "1.5 x best + 25": (1.5, 25),
    "1.5 x best + 50": (1.5, 50),
    "1.5 x best + 100": (1.5, 100),
    "2 x best + 50": (2.0, 50),
    "best + 50": (1.0, 50),
    "best + 100": (1.0, 100),
    "best + 200": (1.0, 200),
}
MOST_ROWS, SEEDS = 1_500, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=lambda text: text.split(","), default=list(DECIDING))
    found: dict[str, list[tuple[bool, bool, float, float]]] = {name: [] for name in RULES}
    names = parser.parse_args().tables
    for table in names:
        for losses in validation_losses(table):
            for name, rule in RULES.items():
                found[name].append(judged(losses, rule))
        print(table, *(f"{name}: {np.mean([one[3] for one in own]):.0%}" for name, own in found.items()), flush=True)
    header = ("rule", "choices", "changed", "other rate", "loss up", "of 1 in 100", "worst", "epochs trained")
    rows = []
    for name, own in found.items():
        changed, other, up, share = (np.array(values, dtype=float) for values in zip(*own, strict=True))
        rows.append((name, f"{len(own):,}", f"{changed.mean():.1%}", f"{other.mean():.1%}", f"{up.mean():.5f}",
                     f"{np.quantile(up, 0.99):.4f}", f"{up.max():.4f}", f"{share.mean():.0%}"))  # fmt: skip
    print(Table("Rules by which choosing ends", header, rows).markdown())


def validation_losses(name: str) -> list[np.ndarray]:
    """[lr, network, epoch] of each candidate and split of a table."""
    columns = sb.read_table(path_of(name), target=str(pd.read_csv(path_of(name), nrows=1).columns[-1]))
    rows = np.sort(np.random.default_rng(0).permutation(columns.n_rows)[:MOST_ROWS])
    table = columns.of_rows(rows)
    design = Design(baselines=(), repeats=1, seeds=SEEDS)
    spec = specify(table, CANDIDATES, recipe=recipe_named("trained", patience=1000), design=design)
    plan, losses = make_plan(spec, Compute()), {}
    assert plan.choosing is not None
    for stack in plan.choosing.stacks:
        for number, result in train_chunks(stack.plan.chunks, plan.choosing.data, plan.jobs):
            for column, member in enumerate(stack.plan.chunks[number].members):
                losses[stack.owners[member]] = result.curves[2, :, column]
    by_candidate = [[losses[key] for key in sorted(losses) if key[0] == number] for number in range(len(CANDIDATES))]
    shape = (len(plan.inner), 3, len(plan.inner[0]), -1)
    return [one for own in by_candidate for one in np.array(own).reshape(shape)]


def judged(losses: np.ndarray, rule: tuple[float, float]) -> tuple[bool, bool, float, float]:
    """Whether the choice is another, whether the rate is, by how much its loss is higher, and the share of epochs."""
    best, found = choose(losses), choose(losses, rule)
    waiting = Waiting(len(losses), rule)
    waiting.see(losses)
    epochs = np.where(waiting.ends, waiting.ends, losses.shape[2])
    assert best.loss is not None
    assert found.loss is not None
    up = found.loss - best.loss
    return best != found, best.lr != found.lr, up, float(epochs.mean() / losses.shape[2])


if __name__ == "__main__":
    main()
