"""How often does an interval hold the truth, and how often is there a false winner? Real tables are
the population.

    python benchmarks/coverage.py --draws 200 --cache build/coverage   all, written to benchmarks/coverage.md
    python benchmarks/coverage.py --tables phoneme --rows 300 --out -  one, printed

Each draw takes n rows of a table as if they were the user's and compares learners on them as
seedbed does; the other rows show the truth. The learners are cheap enough for hundreds of draws:
ridge regression, and networks whose hidden layer is random (`H` tanh units) and whose last layer is
a ridge regression. A learner is the mean of eight of them, each of which leaves out an eighth of
the training rows. "noise" is a comparison without a difference: both learners see all columns and
five more of noise, each its own five.

Two truths are compared with each interval: "tables like this", the mean difference over all draws,
and "this table", the difference for models trained on the draw's own rows.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulation import write_page
from tables import Table, rows_of, stem, tables

Floats = NDArray[np.float64]
NETWORKS, REPEATS, FOLDS = 8, 10, 10
FEWEST_OF_CLASS = 10
FRESH = 15  # fresh rows for each of the user's rows
RIDGE = 1.0
UNITS = (20, 30, 40, 60)


@dataclass(frozen=True)
class Learner:
    """`units` random units, 0 for ridge regression; `noise` picks the columns of noise that it
    sees, if any."""

    name: str
    units: int
    noise: int | None = None


LEARNERS = (
    Learner("ridge", 0),
    *(Learner(str(units), units) for units in UNITS),
    Learner("ridge, noise 1", 0, 0),
    Learner("ridge, noise 2", 0, 1),
    Learner("30, noise 1", 30, 0),
    Learner("30, noise 2", 30, 1),
)


def population(path: Path) -> tuple[Floats, Floats] | None:
    """Return inputs [row, input] and a target of 0 and 1 [row]; of several classes, the largest
    against the others."""
    import pandas as pd

    table = pd.read_csv(path)
    target = table.columns[-1]
    numbers = table.drop(columns=target).select_dtypes("number")
    texts = (
        table.drop(columns=target)
        .select_dtypes(exclude="number")
        .fillna("missing")
        .astype(str)
    )
    texts = texts[[name for name in texts if texts[name].nunique() <= 20]]
    known = numbers.fillna(numbers.median()).fillna(0).to_numpy(float)
    X = (
        np.hstack([known, pd.get_dummies(texts).to_numpy(float)])
        if len(texts.columns)
        else known
    )
    y = (table[target] == table[target].mode()[0]).to_numpy(float)
    X = (X - X.mean(0)) / (X.std(0) + 1e-9)
    return np.clip(X, -4, 4), y


def predictions(
    learner: Learner, X: Floats, y: Floats, fresh: Floats, rng: np.random.Generator
) -> Floats:
    """Return the predictions [row] for fresh rows of the mean of networks, each trained on seven
    eighths of X, y."""
    left_out = rng.permutation(len(X)) % NETWORKS
    weights = (left_out != np.arange(NETWORKS)[:, None]).astype(float)
    if not learner.units:
        features, of_fresh, weights = (
            _with_one(X)[None],
            _with_one(fresh)[None],
            np.ones((1, len(X))),
        )
    else:
        W = rng.normal(size=(NETWORKS, X.shape[1], learner.units)) / np.sqrt(X.shape[1])
        b = rng.normal(size=(NETWORKS, 1, learner.units))
        features, of_fresh = (
            _with_one(np.tanh(X @ W + b)),
            _with_one(np.tanh(fresh @ W + b)),
        )
    weighted = (features * weights[..., None]).transpose(0, 2, 1)
    gram = weighted @ features + RIDGE * np.eye(features.shape[2])
    solved = np.linalg.solve(gram, (weighted @ y)[..., None])
    return np.asarray(np.clip((of_fresh @ solved)[..., 0], 0, 1).mean(axis=0))


def _with_one(features: Floats) -> Floats:
    return np.concatenate([features, np.ones((*features.shape[:-1], 1))], axis=-1)


def draw(X: Floats, y: Floats, n: int, number: int, salt: int) -> dict[str, Floats]:
    """Return what one draw of n rows measures for each learner.

    loss is [learner, repeat, fold], truth is [learner]; rows, [learner, row], has the losses of the
    first repeat, whose folds are `fold` [row].
    """
    rng = np.random.default_rng([salt, n, number])
    order = rng.permutation(len(y))
    table, rest = order[:n], order[n : n + FRESH * n]
    extra = [rng.normal(size=(len(y), 5)) for _ in range(2)]
    inputs = {None: X, 0: np.hstack([X, extra[0]]), 1: np.hstack([X, extra[1]])}
    loss = np.empty((len(LEARNERS), REPEATS, FOLDS))
    truth, rows = np.zeros(len(LEARNERS)), np.empty((len(LEARNERS), n))
    folds_of_rows = np.empty(n, dtype=np.int64)
    for repeat in range(REPEATS):
        folds = stratified(y[table], rng)
        for fold in range(FOLDS):
            test, train = table[folds == fold], table[folds != fold]
            for number_of, learner in enumerate(LEARNERS):
                Z = inputs[learner.noise]
                fresh = np.concatenate([test, rest]) if repeat == 0 else test
                p = predictions(learner, Z[train], y[train], Z[fresh], rng)
                losses = (p - y[fresh]) ** 2
                loss[number_of, repeat, fold] = losses[: len(test)].mean()
                if repeat == 0:
                    truth[number_of] += losses[len(test) :].mean() / FOLDS
                    rows[number_of, folds == fold] = losses[: len(test)]
            if repeat == 0:
                folds_of_rows[folds == fold] = fold
    return {
        "loss": loss,
        "truth": truth,
        "rows": rows,
        "fold": folds_of_rows,
        "y": y[table],
    }


def stratified(y: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each row [row]; each class is spread evenly."""
    folds = np.empty(len(y), dtype=np.int64)
    start = 0
    for label in (0, 1):
        where = rng.permutation(np.flatnonzero(y == label))
        folds[where] = (start + np.arange(len(where))) % FOLDS
        start += len(where)
    return folds


def draws(path: Path, n: int, number: int, cache: Path) -> dict[str, Floats]:
    """Return `number` draws, [draw, ...]; those that are in the cache are read. 0 is all that the
    cache holds.

    Draws of which seedbed gives no verdict, with fewer than ten rows of a class, are left out.
    """
    name = path.name.split(".")[0]
    kept = cache / f"{name}-{n}.npz"
    found: dict[str, list[Floats]] = {}
    if kept.exists():
        with np.load(kept) as file:
            found = {key: list(file[key]) for key in file.files}
    there = len(found["loss"]) if found else 0
    if there < number:
        X, y = population(path)
        for one in range(there, number):
            for key, value in draw(X, y, n, one, zlib.crc32(name.encode())).items():
                found.setdefault(key, []).append(
                    value.astype(np.float32) if key == "rows" else value
                )
            if one % 25 == 24 or one == number - 1:
                cache.mkdir(parents=True, exist_ok=True)
                np.savez(
                    cache / f"{name}-{n}.part.npz",
                    **{key: np.stack(value) for key, value in found.items()},
                )
                (cache / f"{name}-{n}.part.npz").replace(kept)
    if not found:
        return {}
    judged = [
        one
        for one in range(number or there)
        if FEWEST_OF_CLASS <= found["y"][one].sum() <= n - FEWEST_OF_CLASS
    ]
    return (
        {key: np.stack([value[one] for one in judged]) for key, value in found.items()}
        if judged
        else {}
    )


@dataclass(frozen=True)
class Pair:
    """Two learners, and whether they are equally good by construction."""

    kind: str
    first: str
    second: str
    same: bool = False


PAIRS = (
    Pair("networks", "20", "30"),
    Pair("networks", "30", "60"),
    Pair("networks", "40", "60"),
    Pair("network and ridge", "ridge", "20"),
    Pair("network and ridge", "ridge", "40"),
    Pair("network and ridge", "ridge", "60"),
    Pair("noise, ridge", "ridge, noise 1", "ridge, noise 2", same=True),
    Pair("noise, networks", "30, noise 1", "30, noise 2", same=True),
)
Interval = Callable[[Floats, Floats, NDArray[np.int64]], tuple[float, float]]


def seedbed(x: Floats, rows: Floats, fold: NDArray[np.int64]) -> tuple[float, float]:
    from seedbed.evaluation.estimates import corrected_t

    found = corrected_t(x)
    return found.low, found.high


def _student(mean: float, se: float, df: float | None) -> tuple[float, float]:
    from scipy import stats

    half = se * (stats.norm.ppf(0.975) if df is None else stats.t.ppf(0.975, df))
    return mean - half, mean + half


def bayle(x: Floats, rows: Floats, fold: NDArray[np.int64]) -> tuple[float, float]:
    within = np.mean([rows[fold == one].var(ddof=1) for one in range(FOLDS)])
    return _student(float(rows.mean()), float(np.sqrt(within / len(rows))), None)


INTERVALS: dict[str, Interval] = {
    "seedbed": seedbed,
    "corrected t, 99 (Bouckaert and Frank 2004)": lambda x, *_: _student(
        x.mean(), x.std(ddof=1) * np.sqrt(1 / x.size + 1 / (FOLDS - 1)), x.size - 1
    ),
    "t-test over 100 folds": lambda x, *_: _student(
        x.mean(), x.std(ddof=1) / np.sqrt(x.size), x.size - 1
    ),
    "t-test over one 10-fold run": lambda x, *_: _student(
        x[0].mean(), x[0].std(ddof=1) / np.sqrt(FOLDS), FOLDS - 1
    ),
    "over rows of one 10-fold run (Bayle et al. 2020)": bayle,
}


@dataclass
class Count:
    """How many intervals hold each truth, and how wide they are beside seedbed's."""

    n: int = 0
    like_this: int = 0
    this: int = 0
    width: float = 0.0


def counted(found: dict[str, Floats], pair: Pair) -> dict[str, Count]:
    """Return the counts of each interval for one table, size and pair."""
    names = [learner.name for learner in LEARNERS]
    i, j = names.index(pair.first), names.index(pair.second)
    truth = found["truth"][:, i] - found["truth"][:, j]
    like_this = 0.0 if pair.same else truth.mean()
    counts = {name: Count() for name in INTERVALS}
    for one, this in enumerate(truth):
        x = found["loss"][one, i] - found["loss"][one, j]
        rows = (found["rows"][one, i] - found["rows"][one, j]).astype(np.float64)
        ends = {
            name: interval(x, rows, found["fold"][one])
            for name, interval in INTERVALS.items()
        }
        reference = np.diff(ends["seedbed"])[0]
        for name, (low, high) in ends.items():
            count = counts[name]
            count.n += 1
            count.like_this += low <= like_this <= high
            count.this += low <= this <= high
            count.width += (high - low) / reference if reference > 0 else 1.0
    return counts


def total(counts: list[Count]) -> Count:
    """Return the sum of several counts."""
    return Count(
        *(
            sum(getattr(one, name) for one in counts)
            for name in ("n", "like_this", "this", "width")
        )
    )


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}"


def tables_of(found: dict[tuple[str, int], dict[str, Floats]]) -> Iterator[Table]:
    """Yield a table of all methods for each size, and one of seedbed's interval on each table."""
    kinds = list(dict.fromkeys(pair.kind for pair in PAIRS))
    for n in sorted({n for _, n in found}):
        by_pair = {
            (name, pair): counted(draws, pair)
            for (name, size), draws in found.items()
            if size == n
            for pair in PAIRS
        }
        rows = []
        for method in INTERVALS:
            cells = []
            for kind in kinds:
                count = total(
                    [
                        counts[method]
                        for (_, pair), counts in by_pair.items()
                        if pair.kind == kind
                    ]
                )
                cells.append(
                    f"{percent(count.like_this, count.n)} / {percent(count.this, count.n)}"
                )
            wide = total(
                [
                    counts[method]
                    for (_, pair), counts in by_pair.items()
                    if pair.kind == "networks"
                ]
            )
            null = total(
                [counts[method] for (_, pair), counts in by_pair.items() if pair.same]
            )
            rows.append(
                (
                    method,
                    *cells,
                    f"{wide.width / wide.n:.2f}",
                    f"{percent(null.n - null.like_this, null.n)} %",
                )
            )
        header = ("interval", *kinds, "width, networks", "false winners, noise")
        names = sorted({name for name, _ in by_pair})
        n_draws = sum(
            len(draws["loss"]) for (_, size), draws in found.items() if size == n
        )
        remark = f"{len(names)} tables, {n_draws:,} draws. Coverage in percent: tables like this / this table."
        yield Table(f"{n:,} rows", header, rows, [remark])
        rows, shares = [], []
        for name in names:
            cells = []
            for kind in kinds:
                one = total(
                    [
                        counts["seedbed"]
                        for (of, pair), counts in by_pair.items()
                        if (of, pair.kind) == (name, kind)
                    ]
                )
                cells.append(
                    f"{percent(one.like_this, one.n)} / {percent(one.this, one.n)}"
                )
                shares.append(one.like_this / one.n)
            rows.append((name, *cells))
        low, high = (
            sum(missed)
            for missed in (
                [one < 0.93 for one in shares],
                [one > 0.99 for one in shares],
            )
        )
        remark = f"Tables like this: {low} of {len(shares)} cells are below 93 %, {high} above 99 %."
        yield Table(
            f"{n:,} rows, seedbed's interval on each table",
            ("table", *kinds),
            rows,
            [remark],
        )


FEWEST = 7  # a table is drawn from if it has so many times the rows of a draw

INTRO = """\
# Intervals on real tables

Each draw takes some rows of a real table, as if they were all that a user has, and compares cheap learners on them with
10 x 10 folds, as seedbed does; the other rows show the truth. A table is used if it has at least {fewest} times as many
rows. Networks have one hidden layer of 20 to 60 random tanh units and a fitted last layer; the mean of eight is judged,
each of which leaves out an eighth of the training rows. "Noise" compares a learner with itself: each side sees all
columns and five columns of noise, its own five, so no difference is the truth.

Two truths are compared with each 95 % interval. *Tables like this*: the mean difference over all draws. *This table*:
the difference of models trained on the drawn rows. The truth for this table is measured on up to {fresh} fresh rows for
each row, which costs about one point of coverage. seedbed's interval is made for the first.
Draws with fewer than ten rows of a class are left out, as seedbed gives no verdict on them.

- seedbed: the corrected *t* with 9 degrees of freedom.
- Corrected *t*, 99: with the degrees of freedom of Bouckaert and Frank (2004).
- The *t*-test over 100 folds takes all folds of ten repeats as independent; the next one takes the folds of one run.
- Bayle et al. (2020): the central limit theorem for the rows of one run.

Nested cross-validation isn't among them: it needs a model for each pair of folds, 45 in place of 10 for each run of ten
folds, and a hundred runs. Width is that of the interval between two networks, beside seedbed's. What lies outside 93 to
99 % is a miss, and stays here.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables",
        type=lambda text: text.split(","),
        default=["*"],
        help="names or patterns",
    )
    parser.add_argument(
        "--rows",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[100, 300, 1000],
    )
    parser.add_argument(
        "--draws",
        type=int,
        default=100,
        help="of each table; 0 for all that the cache holds",
    )
    parser.add_argument("--cache", type=Path, default=Path("build/coverage"))
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parent / "coverage.md"
    )
    options = parser.parse_args()
    found = {}
    for n in options.rows:
        for path in tables():
            if (
                not any(fnmatch.fnmatchcase(stem(path), one) for one in options.tables)
                or rows_of(path)[1] < FEWEST * n
            ):
                continue
            started = time.perf_counter()
            if drawn := draws(path, n, options.draws, options.cache):
                found[stem(path), n] = drawn
            print(
                f"{stem(path)}, {n} rows: {time.perf_counter() - started:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    text = INTRO.format(fewest=FEWEST, fresh=FRESH)
    text += "\n" + "\n\n".join(table.markdown() for table in tables_of(found)) + "\n"
    write_page(text, options.out)


if __name__ == "__main__":
    main()
