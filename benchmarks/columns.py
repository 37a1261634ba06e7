"""Does `seedbed columns` say "helps" of useless columns, and does it find those that help?

    python benchmarks/columns.py                                   all worlds, printed as Markdown
    python benchmarks/columns.py --draws 50 --rows 'linear-*'      a rough look at some

Each table has 300 rows and six columns, standard normal, of which some decide the log-odds of class
1. All is as the command does it, with its default model: groups of columns that stand for each
other, intervals that hold together, a model of eight networks that leave out rows in turn; after
three repeats of ten folds. "Found by loss" counts the verdicts on the model without the column,
which the comparison alone gives.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from simulation import matching, parser_of, rate, write_page
from tables import Table, say

import seedbed as sb
from seedbed.data.reading import table_from_arrays
from seedbed.experiment.columns import specify_columns
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run
from seedbed.experiment.summary import conclude_results

Floats = NDArray[np.float64]
MODEL = "network-1"
N_ROWS, N_COLUMNS, BOUND = 300, 6, 0.073


@dataclass(frozen=True)
class World:
    """Where tables come from.

    Attributes:
        words: what it is.
        logit: the log-odds of class 1 from the columns [row, column].
        useful: numbers of the columns that help, alone or together.
        mix: changes the standard normal columns, for instance correlates them.
    """

    words: str
    logit: Callable[[Floats], Floats]
    useful: tuple[tuple[int, ...], ...]
    mix: Callable[[Floats], None] = lambda X: None


def _correlated(X: Floats) -> None:
    X[:, 2] = 0.7 * X[:, 0] + np.sqrt(1 - 0.7**2) * X[:, 2]


def _copied(X: Floats) -> None:
    X[:, 2] = X[:, 1]


WORLDS = {
    "null": World("no column helps; labels by chance", lambda X: 0 * X[:, 0], ()),
    "linear-3": World(
        "two help, one worth 3 points; a useless one has correlation 0.7 with the other",
        lambda X: 1.5 * X[:, 0] + 0.7 * X[:, 1],
        ((0,), (1,)),
        _correlated,
    ),
    "copies": World(
        "two copies and another one help",
        lambda X: 1.5 * X[:, 0] + 1.2 * X[:, 1],
        ((0,), (1, 2)),
        _copied,
    ),
    "interaction": World(
        "two help by their product",
        lambda X: 1.2 * X[:, 0] + 1.8 * X[:, 1] * X[:, 3],
        ((0,), (1,), (3,)),
    ),
}


@dataclass(frozen=True)
class Said:
    """What was said of one table.

    Attributes:
        verdicts: on each question, by the numbers of its columns.
        by_loss: the questions on which the loss alone shows that its columns help.
        seconds: of processor time.
    """

    verdicts: dict[tuple[int, ...], str]
    by_loss: set[tuple[int, ...]]
    seconds: float


def draw(world: World, key: Sequence[int]) -> tuple[Floats, NDArray[np.int64]]:
    """Return features and labels that depend on the key alone."""
    rng = np.random.default_rng(key)
    X = rng.normal(size=(N_ROWS, N_COLUMNS))
    world.mix(X)
    return X, (rng.random(N_ROWS) < expit(world.logit(X))).astype(np.int64)


def ask(world: World, key: Sequence[int]) -> Said:
    """Return what seedbed says of a table."""
    table = table_from_arrays(*draw(world, key))
    started = time.process_time()
    experiment = specify_columns(
        table, MODEL, recipe=sb.Recipe(), design=sb.Design(repeats=3)
    )
    conclusion = conclude_results(run(make_plan(experiment, sb.Compute(n_jobs=1))))
    assert conclusion.columns is not None
    verdicts, by_loss = {}, set()
    for effect in conclusion.columns.effects:
        question = tuple(table.feature_names.index(name) for name in effect.columns)
        verdicts[question] = effect.verdict
        if (
            verdict := conclusion.verdict(effect.without)
        ) is not None and verdict.rule == "worse":
            by_loss.add(question)
    return Said(verdicts, by_loss, time.process_time() - started)


def _name(question: tuple[int, ...]) -> str:
    return "+".join(f"x{column}" for column in question)


def main() -> int:
    options = parser_of(__doc__, draws=400).parse_args()
    lines, failed = [], False
    for name in matching(WORLDS, options.rows):
        world, number = WORLDS[name], list(WORLDS).index(name)
        said = [ask(world, (41, number, table)) for table in range(options.draws)]
        helping = {column for question in world.useful for column in question}
        useless = [(column,) for column in range(N_COLUMNS) if column not in helping]
        false = [
            any(one.verdicts.get(question) == "helps" for question in useless)
            for one in said
        ]
        groups = [question for question in world.useful if len(question) > 1]
        shown = [*world.useful, *((column,) for q in groups for column in q)]
        power, by_loss = [], []
        for q in shown:
            power.append(
                f"{_name(q)}: {rate([one.verdicts.get(q) == 'helps' for one in said])}"
            )
            by_loss.append(f"{_name(q)}: {rate([q in one.by_loss for one in said])}")
        seconds = float(np.median([one.seconds for one in said]))
        cells = (rate(false), "; ".join(power), "; ".join(by_loss), f"{seconds:.2f}")
        lines.append((f"{name}: {world.words}", str(len(said)), *cells))
        say(f"{name}: {rate(false)}")
        failed |= sum(false) / len(false) > BOUND
    header = ("a useless column helps", "found", "found by loss", "seconds")
    table = Table("Columns", ("world", "tables", *header), lines)
    write_page(table.markdown(), options.out)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
