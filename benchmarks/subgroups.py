"""Does `--by` find differences between subgroups where there are none, and those that are there?

    python benchmarks/subgroups.py                               all rows, printed as Markdown
    python benchmarks/subgroups.py --draws 50 --rows 'gain-*'     a rough look at some

The tables and models are those of benchmarks/acceptance.py: `network-1`, judged by three repeats of
ten folds. The last block of columns, which no model sees and no label depends on, divides the rows
into halves, quarters, or a fifth and the rest. So the true gain of "second" over "first" is the
same in all subgroups, except in the rows "planted": there the second block has an effect in one
half of the rows only.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from simulated import BLOCK, Rows, Sees, Setting, World
from simulation import matching, parser_of, rate, write_page
from tables import Table, say
from trials import TABLES

import seedbed as sb
from seedbed.evaluation.analyses import Subgroups
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run
from seedbed.experiment.subgroups import Grouping, subgroups_of
from seedbed.experiment.summary import conclude_results

REPEATS = 3
BOUND = 0.073


@dataclass(frozen=True)
class Planted(World):
    """A world whose second block has an effect only where the first column of the last block is
    positive."""

    def draw(self, n_rows: int, *key: int) -> Rows:
        rng = np.random.default_rng(key)
        X = rng.normal(size=(n_rows, BLOCK * len(self.weights)))
        parts = X.reshape(n_rows, -1, BLOCK).sum(axis=2) * np.array(self.weights)
        z = parts[:, 0] + parts[:, 1] * (X[:, -BLOCK] > 0)
        return X, (rng.random(n_rows) < expit(z)).astype(np.int64)


_EQUAL, _MORE = (
    {"first": Sees((0,)), "second": Sees((1,))},
    {"first": Sees((0,)), "second": Sees((0, 1))},
)
ALL = ("halves", "quarters", "a fifth")
SETTINGS = {
    "equal-300": (Setting("equal", World((0.8, 0.8, 0.0)), 300, _EQUAL), ALL),
    "three-300": (
        Setting(
            "three", World((0.8, 0.8, 0.8, 0.0)), 300, _EQUAL | {"third": Sees((2,))}
        ),
        ALL,
    ),
    "gain-300": (Setting("gain", World((1.6, 0.881, 0.0)), 300, _MORE), ALL),
    "gain-1000": (Setting("gain", World((1.6, 0.423, 0.0)), 1000, _MORE), ALL),
    "patients-300": (
        Setting("patients", World((0.8, 0.8, 0.0), group_size=3), 300, _EQUAL),
        ("halves",),
    ),
    "locked-1000": (
        Setting("locked", World((0.8, 0.8, 0.0)), 1000, _EQUAL, in_time=True),
        ("halves",),
    ),
    "planted-300": (
        Setting("planted", Planted((1.0, 0.8, 0.0)), 300, _MORE),
        ("halves",),
    ),
    "planted-less-300": (
        Setting("planted", Planted((1.0, 0.5, 0.0)), 300, _MORE),
        ("halves",),
    ),
    "planted-less-1000": (
        Setting("planted", Planted((1.0, 0.5, 0.0)), 1000, _MORE),
        ("halves",),
    ),
    "planted-least-1000": (
        Setting("planted", Planted((1.0, 0.3, 0.0)), 1000, _MORE),
        ("halves",),
    ),
}


def grouping_of(kind: str, X: NDArray[np.float64], size: int) -> Grouping:
    """The subgroups of rows; rows of one patient are in one."""
    column = {"halves": 0, "quarters": 1, "a fifth": 2}[kind]
    values = X[::size, column - BLOCK].repeat(size)[: len(X)]
    edges = {
        "halves": [0.0],
        "quarters": np.quantile(values, (0.25, 0.5, 0.75)),
        "a fifth": np.quantile(values, [0.2]),
    }
    codes = np.searchsorted(edges[kind], values)
    return Grouping(
        kind, tuple(f"part {code}" for code in range(codes.max() + 1)), codes
    )


def judged(
    setting: Setting, kinds: tuple[str, ...], number: int
) -> dict[str, tuple[Subgroups, list[float]]]:
    """What is said of the subgroups of one table, and the gain in accuracy within each, by kind of
    subgroups."""
    rows = setting.world.draw(setting.n_rows, TABLES, number)
    design = {} if setting.in_time else {"repeats": REPEATS}
    results = run(
        make_plan(setting.experiment(rows, number, **design), sb.Compute(n_jobs=1))
    )
    conclusion, models = conclude_results(results), results.results
    found = {}
    for kind in kinds:
        grouping = grouping_of(kind, rows[0], setting.world.group_size)
        losses = [one.row_losses("accuracy").mean(axis=(0, 1)) for one in models]
        gains = [
            float(np.nanmean((losses[0] - losses[1])[grouping.codes == code]))
            for code in range(2)
        ]
        found[kind] = subgroups_of(models, grouping, conclusion), gains
    return found


def main() -> None:
    options = parser_of(__doc__, draws=400).parse_args()
    rows, missed = [], []
    for name in matching(SETTINGS, options.rows):
        setting, kinds = SETTINGS[name]
        tables = [judged(setting, kinds, number) for number in range(options.draws)]
        for kind in kinds:
            found = [table[kind] for table in tables]
            hits = [any(gap.rule == "differs" for gap in one.gaps) for one, _ in found]
            apart = [_apart(one) for one, _ in found]
            if sum(hits) > BOUND * len(found) and not name.startswith("planted"):
                missed.append(name)
            means = np.mean([one for _, one in found], axis=0)
            gains = " and ".join(f"{100 * value:+.1f}" for value in means)
            rows.append((name, kind, str(len(found)), rate(hits), rate(apart), gains))
        say(f"{name}: {rows[-len(kinds) :]}")
    header = (
        "tables",
        "subgroups",
        "number",
        "differs",
        "two verdicts differ",
        "gains in points",
    )
    remark = f"Rows without `planted` have no difference, so at most {100 * BOUND:.1f} % may differ at a nominal 5 %."
    write_page(Table("Subgroups", header, rows, [remark]).markdown(), options.out)
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


def _apart(found: Subgroups) -> bool:
    """Whether "second" is better in one subgroup and not in another, as two verdicts side by side
    may say."""
    rules = [
        group.verdicts[0].rule.startswith("better")
        for group in found.subgroups
        if group.verdicts
    ]
    return len(set(rules)) > 1


if __name__ == "__main__":
    main()
