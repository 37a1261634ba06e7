"""Random small tables, as people have them, each through the default comparison and what follows
it.

    python benchmarks/fuzz_tables.py 0 300    tables 0 to 299

The number of a table is the seed of everything in it: 30 to 400 rows, levels that are there once,
columns that are constant or missing nearly everywhere, a rare class, only categories, one column,
numbers with missing cells; classes, numbers or survival; groups. A comparison has one repeat, and
networks have few epochs, as only failures matter. For every fifth table, `columns`, `rows`, `by`,
`fit_model`, an estimator and `train_on_one_split` follow. An error that isn't a SeedbedError is a defect;
SeedbedErrors are counted by their message, for a reader to judge.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

import seedbed as sb
from seedbed.errors import SeedbedError
from seedbed.experiment.one_split import train_on_one_split
from seedbed.networks.candidate import candidate_from

EPOCHS, NETWORKS, FOLDS, SHARE = 3, 2, 3, 5
KINDS = ("two", "two", "rare", "several", "number", "survival")
"""Of targets."""


def draw_table(number: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a table and the arguments of `read_table`."""
    rng = np.random.default_rng([54, number])
    n = int(rng.integers(30, 401))
    kind = KINDS[int(rng.integers(len(KINDS)))]
    shape = rng.choice(["mixed", "mixed", "mixed", "categories", "one column"])
    n_columns = 1 if shape == "one column" else int(rng.integers(2, 9))
    makers = (
        [_category, _rare_levels, _many_levels] if shape == "categories" else _MAKERS
    )
    columns = {
        f"x{place}": makers[int(rng.integers(len(makers)))](rng, n)
        for place in range(n_columns)
    }
    if shape == "mixed":
        columns["z"] = rng.normal(size=n)
    frame = pd.DataFrame(columns)
    signal = sum(_codes(frame[name]) for name in frame.columns[:3]) + rng.normal(size=n)
    options: dict[str, Any] = {"target": "y"}
    if kind == "number":
        frame["y"] = signal.round(3) if rng.random() < 0.7 else np.exp(signal)
    elif kind == "survival":
        times = rng.exponential(size=n) * np.exp(-signal / 2) * 100
        ends = rng.exponential(size=n) * 150
        frame["died"] = (times <= ends).astype(int)
        frame["days"] = np.minimum(times, ends).round(rng.choice([0, 2])) + 1
        options = {"event": "died", "time": "days"}
    elif kind == "several":
        cuts = np.quantile(signal, np.sort(rng.random(int(rng.integers(2, 6)))))
        frame["y"] = np.char.add("c", np.digitize(signal, cuts).astype(str))
    else:
        share = (
            rng.choice([0.02, 0.04, 0.06]) if kind == "rare" else rng.uniform(0.2, 0.5)
        )
        frame["y"] = np.where(signal > np.quantile(signal, 1 - share), "yes", "no")
    if rng.random() < 0.2:
        frame["site"] = rng.integers(0, max(6, n // int(rng.integers(2, 9))), n)
        options["group"] = "site"
    return frame, options


def _codes(column: pd.Series) -> Any:
    values = (
        pd.factorize(column)[0]
        if column.dtype == object or str(column.dtype) == "str"
        else column
    )
    values = np.nan_to_num(np.asarray(values, dtype=np.float64))
    return (values - values.mean()) / (values.std() or 1.0)


def _number(rng: np.random.Generator, n: int) -> Any:
    return rng.normal(size=n) * 10.0 ** int(rng.integers(-3, 6))


def _whole(rng: np.random.Generator, n: int) -> Any:
    return rng.poisson(rng.choice([0.02, 0.3, 4.0]), size=n)


def _missing(rng: np.random.Generator, n: int) -> Any:
    """A number with missing cells: one, few or nearly all."""
    values = rng.normal(size=n)
    values[rng.permutation(n)[: int(rng.choice([1, 2, n // 10, n - 2, n - 5]))]] = (
        np.nan
    )
    return values


def _nearly_constant(rng: np.random.Generator, n: int) -> Any:
    values = np.full(n, 7.0)
    values[rng.integers(n, size=int(rng.integers(1, 4)))] = rng.choice([8.0, 1e6, -3.5])
    return values


def _flag(rng: np.random.Generator, n: int) -> Any:
    return np.where(rng.random(n) < rng.choice([0.01, 0.1, 0.5]), "yes", "no")


def _category(rng: np.random.Generator, n: int) -> Any:
    values = rng.choice(list("abcd"), n).astype(object)
    values[rng.permutation(n)[: int(rng.choice([0, 0, 1, n // 8]))]] = None
    return values


def _rare_levels(rng: np.random.Generator, n: int) -> Any:
    """Two common levels, and some that are there once or twice."""
    values = rng.choice(["left", "right"], n).astype(object)
    for level in range(int(rng.integers(1, 8))):
        values[rng.integers(n, size=int(rng.integers(1, 3)))] = f"rare {level}"
    return values


def _many_levels(rng: np.random.Generator, n: int) -> Any:
    """Levels of about as many rows as a level needs."""
    return np.char.add(
        "town ",
        rng.integers(0, max(2, n // int(rng.choice([3, 6, 10]))), n).astype(str),
    ).astype(object)


def _date(rng: np.random.Generator, n: int) -> Any:
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(
        rng.integers(0, 900, n), unit="D"
    )
    return np.where(
        rng.random(n) < rng.choice([0.0, 0.02]), None, days.strftime("%Y-%m-%d")
    )


_MAKERS = (
    _number,
    _number,
    _whole,
    _missing,
    _nearly_constant,
    _flag,
    _category,
    _rare_levels,
    _many_levels,
    _date,
)


def steps_of(number: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each step and what does it; a later step needs the results of earlier
    ones."""
    frame, options = draw_table(number)
    recipe, compute = sb.Recipe(epochs=EPOCHS), sb.Compute(n_jobs=1)
    design = sb.Design(folds=FOLDS, repeats=1, n_networks=NETWORKS)
    done: dict[str, Any] = {}

    def read() -> None:
        done["table"] = sb.read_table(frame, **options)

    def compare() -> None:
        done["comparison"] = sb.compare(
            done["table"], recipe=recipe, design=design, compute=compute
        )
        done["texts"] = (
            str(done["comparison"]),
            done["comparison"].details(),
            done["comparison"].to_dict(),
        )
        for result in done["comparison"].results:
            if not result.finite:
                raise AssertionError(f"{result.name}: {result.failure or 'not finite'}")

    yield "read_table", read
    if "table" not in done:  # no feature is left, or the target is refused
        return
    yield "compare", compare
    if number % SHARE or "comparison" not in done:
        return
    table, comparison = done["table"], done["comparison"]
    names = [
        name
        for name in ("network-2-bins", "network-2-waves", "boosted-trees")
        if name in comparison.experiment.names
    ]
    name = names[number // SHARE % len(names)] if names else "network-1"
    yield "columns", lambda: str(comparison.columns(name, compute=compute))
    yield "rows", lambda: str(comparison.rows(compute=compute))
    yield "by", lambda: str(comparison.by(table.feature_names[0]))

    def fit() -> None:
        model = sb.fit_model(
            table, "auto", recipe=recipe, n_networks=NETWORKS, compute=compute
        )
        assert len(model.predict(frame)) == len(frame)
        assert len(model.predict(frame[:0])) == 0

    yield "fit_model", fit
    yield "model", lambda: comparison.model(name, compute=compute).predict(frame[:5])
    X = frame[
        [
            column
            for column in frame.columns
            if column not in ("y", "died", "days", "site")
        ]
    ]
    kinds = {"survival": sb.SeedbedSurvival, "regression": sb.SeedbedRegressor}
    common: dict[str, Any] = {
        "n_networks": NETWORKS,
        "epochs": EPOCHS,
        "n_jobs": 1,
        "random_state": number,
    }

    def estimate() -> None:
        estimator: Any = kinds.get(table.task, sb.SeedbedClassifier)(**common)
        y: Any = frame.get("y")
        if table.task == "survival":
            fields = [("died", bool), ("days", float)]
            y = np.array(
                list(zip(frame["died"] == 1, frame["days"], strict=True)), dtype=fields
            )
        estimator.fit(X, y)
        for name in ("predict", "predict_proba", "predict_survival_function"):
            if hasattr(estimator, name):
                assert len(getattr(estimator, name)(X)) == len(X)
                assert len(getattr(estimator, name)(X[:0])) == 0

    yield "estimator", estimate
    if table.task != "survival":
        words = ("relu:4@ple=4", "relu:4@plr=2", "relu:4@embed=2")[number // SHARE % 3]
        recipe = sb.Recipe.tutorial(epochs=3)
        candidate = candidate_from(words)
        yield (
            "train",
            lambda: train_on_one_split(table, candidate, seeds=[42], recipe=recipe),
        )


def run(number: int, *, loud: bool = False) -> dict[str, Any]:
    """Return what happened to a table: of each step "ok" or its error."""
    found: dict[str, Any] = {"table": number, "steps": {}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, step in steps_of(number):
            try:
                step()
                found["steps"][name] = "ok"
            except SeedbedError as error:
                found["steps"][name] = f"SeedbedError: {error}"
            except Exception as error:  # noqa: BLE001 - it is what is looked for
                found["steps"][name] = f"DEFECT: {type(error).__name__}: {error}"
                if loud:
                    traceback.print_exc()
    return found


if __name__ == "__main__":
    counts = Counter[tuple[str, str]]()
    for number in range(*map(int, sys.argv[1:])):
        steps = run(number, loud=True)["steps"]
        print(number, steps, flush=True)
        counts.update((step, said.partition(":")[0]) for step, said in steps.items())
    for (step, said), count in sorted(counts.items()):
        print(f"{step:12} {said:14} {count}")
    sys.exit(any(said == "DEFECT" for _, said in counts))
