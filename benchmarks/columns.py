"""Does `seedbed columns` say "helps" of useless columns, and does it find those that help?

    python benchmarks/columns.py                                   all worlds, printed as Markdown
    python benchmarks/columns.py --sets 50 --worlds 'linear-*'     a rough look at some
    TQDM_DISABLE=1 python benchmarks/columns.py --methods '*CV *'  hidimstat on the same tables; '*' is all methods

Each table has 300 rows and six columns, standard normal, of which some decide the log-odds of class
1. All is as the command does it, with its default model: groups of columns that stand for each
other, intervals that hold together, a model of eight networks that leave out rows in turn; after
three repeats of ten folds. "Found by loss" counts the verdicts on the model without the column,
which the comparison alone gives.

The classes of hidimstat test the same questions, with the Brier score, their default tests and
their own Bonferroni correction: LOCO and PFI on one split of 70 to 30, LOCOCV and PFICV on ten
folds. They don't look for groups, so the group of copies is given. The model is scikit-learn's
logistic regression, or seedbed's.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from tables import say

import seedbed as sb
from seedbed.data.reading import table_from_arrays
from seedbed.evaluation.estimates import wilson
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


def ask_hidimstat(kind: str, model: str, world: World, key: Sequence[int]) -> Said:
    """Return what a class of hidimstat says of a table; what it selects "helps"."""
    import hidimstat

    X, y = draw(world, key)
    questions = [
        *((column,) for column in range(N_COLUMNS)),
        *(q for q in world.useful if len(q) > 1),
    ]
    options: dict[str, Any] = {
        "method": "predict_proba",
        "loss": lambda y, p: np.mean((p[:, 1] - y) ** 2),
    }
    options["features_groups"] = {question: list(question) for question in questions}
    if kind.startswith("PFI"):
        options["random_state"] = key[-1]
    started = time.process_time()
    estimator = LogisticRegression()
    if model != "logistic":
        estimator = sb.SeedbedClassifier(MODEL, random_state=0)
    if kind.endswith("CV"):
        folds = StratifiedKFold(10, shuffle=True, random_state=key[-1])
        method = getattr(hidimstat, kind)(estimator, folds, **options)
        method.fit_importance(X, y)
    else:
        X, X_test, y, y_test = train_test_split(
            X, y, test_size=0.3, stratify=y, random_state=key[-1]
        )
        method = getattr(hidimstat, kind)(estimator.fit(X, y), **options).fit(X, y)
        method.importance(X_test, y_test)
    chosen = method.fwer_selection(0.05, n_tests=len(questions))
    verdicts = {
        question: "helps"
        for question, one in zip(questions, chosen, strict=True)
        if one
    }
    return Said(verdicts, set(), time.process_time() - started)


METHODS: dict[str, Callable[[World, Sequence[int]], Said]] = {"seedbed": ask} | {
    f"{kind} {model}": partial(ask_hidimstat, kind, model)
    for kind in ("LOCO", "LOCOCV", "PFI", "PFICV")
    for model in ("logistic", MODEL)
}


def share(hits: Sequence[bool]) -> str:
    """Return a share with Wilson's interval, in percent."""
    low, high = wilson(sum(hits), len(hits))
    return f"{100 * sum(hits) / len(hits):.1f} ({100 * low:.0f}-{100 * high:.0f})"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=400, help="tables of each world")
    parser.add_argument("--worlds", default="*", help="a pattern of names")
    parser.add_argument("--methods", default="seedbed", help="a pattern of names")
    options = parser.parse_args(arguments)
    print(
        "| world | method | tables | a useless column helps [%] | found [%] | found by loss [%] | seconds |"
    )
    print("|---|---|---:|---:|---|---|---:|")
    failed = False
    for (number, (name, world)), method in itertools.product(
        enumerate(WORLDS.items()), METHODS
    ):
        if not (
            fnmatch.fnmatch(name, options.worlds)
            and fnmatch.fnmatch(method, options.methods)
        ):
            continue
        said = []
        for table in range(options.sets):
            said.append(METHODS[method](world, (41, number, table)))
            if table % 20 == 19:
                say(f"{name}, {method}: {table + 1} tables")
        helping = {column for question in world.useful for column in question}
        useless = [(column,) for column in range(N_COLUMNS) if column not in helping]
        false = [
            any(one.verdicts.get(question) == "helps" for question in useless)
            for one in said
        ]
        shown = [
            *world.useful,
            *(
                (column,)
                for question in world.useful
                if len(question) > 1
                for column in question
            ),
        ]
        power = "; ".join(
            f"{_name(q)}: {share([one.verdicts.get(q) == 'helps' for one in said])}"
            for q in shown
        )
        ours = method == "seedbed"
        by_loss = "; ".join(
            f"{_name(q)}: {share([q in one.by_loss for one in said])}"
            for q in shown
            if ours
        )
        seconds = float(np.median([one.seconds for one in said]))
        row = (
            f"{name}: {world.words}",
            method,
            len(said),
            share(false),
            power,
            by_loss,
            f"{seconds:.2f}",
        )
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        failed |= ours and sum(false) / len(false) > BOUND
    return int(failed)


def _name(question: tuple[int, ...]) -> str:
    return "+".join(f"x{column}" for column in question)


if __name__ == "__main__":
    sys.exit(main())
