"""Do prediction sets and intervals contain the truth as often as they say, and how wide are they
beside mapie's CV+?

    python benchmarks/sets.py                                        all tables, printed as Markdown
    python benchmarks/sets.py --resplits 5 --tables 'heart_*'        a rough look at some
    python benchmarks/sets.py --picture                              the picture of docs/models.md

Each resplit draws training rows (two thirds, at most --rows) from a table of the folder that
SEEDBED_DATA names, fits a model, and counts how many of the other rows have their label in the set,
or their number in the interval, at 90 %. `auto` is the blend, `relu:16` one candidate. mapie's CV+
(LAC for labels, five folds) gets the same candidate; without mapie its columns are empty.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from tables import Table

import seedbed as sb
from seedbed.figures.drawing import save_chart
from seedbed.figures.theme import LIGHT

COVERAGE, MOST_TESTED = 0.9, 3000
NUMBERS = {  # columns of numbers to predict, as most targets are labels
    "wine_quality": "quality",
    "titanic": "Fare",
    "heart_failure": "ejection_fraction",
    "pima_diabetes": "glucose",
}
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "sets.png"
CANDIDATE = "relu:16"


def tables(folder: Path) -> Iterator[tuple[str, pd.DataFrame, pd.Series[Any], bool]]:
    """Yield name, features, target, and whether it is a number."""
    for path in sorted(folder.glob("*.csv*")):
        frame, name = pd.read_csv(path), path.name.split(".")[0]
        yield name, frame.iloc[:, :-1], frame.iloc[:, -1], False
        if column := NUMBERS.get(name):
            known = frame.dropna(subset=[column])
            yield (
                f"{name}: {column}",
                known.drop(columns=column),
                known[column].astype(float),
                True,
            )


def measured(
    model: Any, X: Any, y: Any, *, is_number: bool, per_class: bool = False
) -> tuple[float, float, float]:
    """Return coverage, that of the worst label, and the mean width or number of labels."""
    if is_number:
        return of_ends(model.predict_interval(X), y)
    return of_sets(model.predict_set(X, per_class=per_class), model.classes_, y)


def of_ends(ends: Any, y: Any) -> tuple[float, float, float]:
    inside = (ends[:, 0] <= y) & (y <= ends[:, 1])
    return inside.mean(), np.nan, (ends[:, 1] - ends[:, 0]).mean()


def of_sets(sets: Any, classes: Any, y: Any) -> tuple[float, float, float]:
    codes = np.searchsorted(classes, y)
    covered = sets[np.arange(len(y)), codes]
    often = [code for code in np.unique(codes) if (codes == code).sum() >= 10]
    return (
        covered.mean(),
        min(covered[codes == code].mean() for code in often),
        sets.sum(axis=1).mean(),
    )


def by_mapie(
    model: Any, X: Any, y: Any, X_test: Any, y_test: Any, seed: int
) -> tuple[float, float, float]:
    """Return what `measured` does for mapie's CV+ around the same candidate."""
    try:
        from mapie.classification import CrossConformalClassifier
        from mapie.regression import CrossConformalRegressor
    except ImportError:
        return np.nan, np.nan, np.nan
    about = {"candidate": CANDIDATE, "random_state": seed}
    if isinstance(model, sb.SeedbedRegressor):
        peer = CrossConformalRegressor(
            sb.SeedbedRegressor(**about), confidence_level=COVERAGE, cv=5, method="plus"
        )
        _, ends = peer.fit_conformalize(X, y).predict_interval(X_test)
        return of_ends(ends[:, :, 0], y_test)
    peer = CrossConformalClassifier(
        sb.SeedbedClassifier(**about),
        confidence_level=COVERAGE,
        conformity_score="lac",
        cv=5,
        random_state=seed,
    )
    _, sets = peer.fit_conformalize(X, y).predict_set(X_test)
    return of_sets(sets[:, :, 0], model.classes_, y_test)


def row_of(
    name: str,
    X: pd.DataFrame,
    y: pd.Series[Any],
    is_number: bool,
    asked: argparse.Namespace,
) -> list[str]:
    found = []
    n_trained = min(2 * len(y) // 3, asked.rows)
    kind = sb.SeedbedRegressor if is_number else sb.SeedbedClassifier
    for seed in range(asked.resplits):
        order = np.random.default_rng(seed).permutation(len(y))
        train, test = order[:n_trained], order[n_trained : n_trained + MOST_TESTED]
        test = test if is_number else test[y.iloc[test].isin(y.iloc[train].unique())]
        rows, answers, X_test, y_test = (
            X.iloc[train],
            y.iloc[train],
            X.iloc[test],
            y.iloc[test].to_numpy(),
        )
        auto = kind(random_state=seed).fit(rows, answers)
        results = [
            measured(auto, X_test, y_test, is_number=is_number, per_class=apart)
            for apart in (False, True)
        ]
        if not asked.auto:
            relu = kind(random_state=seed, candidate=CANDIDATE).fit(rows, answers)
            results.append(measured(relu, X_test, y_test, is_number=is_number))
            try:
                results.append(by_mapie(relu, rows, answers, X_test, y_test, seed))
            except (ValueError, TypeError):  # too few rows of a class for its folds
                results.append((np.nan, np.nan, np.nan))
        found.append(np.concatenate(results))
    means = np.nanmean(np.array(found), axis=0)
    cells = [
        ("-" if np.isnan(x) else f"{x:.3g}" if i % 3 == 2 else f"{100 * x:.1f}")
        for i, x in enumerate(means)
    ]
    if is_number:
        cells[3:6] = "-" * 3
    return [name, f"{n_trained:,}", *cells]


def draw(folder: Path) -> Path:
    """Draw the sets of 100 patients that the model hasn't seen."""
    frame = pd.read_csv(folder / "heart_failure.csv").drop(columns="time")
    order = np.random.default_rng(0).permutation(len(frame))
    train, test = frame.iloc[order[:199]], frame.iloc[order[199:]]
    model = sb.fit_model(sb.read_table(train, target="DEATH_EVENT"), "relu:5")
    sets, died = model.predict_set(test), test["DEATH_EVENT"].to_numpy()
    names = np.array(["none", "survives", "dies", "both"])[sets @ np.array([1, 2])]
    shown = pd.DataFrame(
        {
            "probability of death": model.predict_proba(test)[:, 1],
            "set": names,
            "patient": np.where(died == 1, "died", "survived"),
        }
    )
    shown["place"] = shown["probability of death"].rank(method="first")
    n_sure, n_right = (
        int((sets.sum(axis=1) == 1).sum()),
        int(sets[np.arange(len(died)), died].sum()),
    )
    title = f"{n_sure} of 100 new patients get one label; {n_right} sets contain what happened"
    low, high = 1 - model.calibration.thresholds()[0], model.calibration.thresholds()[0]
    rules = (
        alt.Chart(pd.DataFrame({"y": [low, high]}))
        .mark_rule(strokeDash=[4, 4])
        .encode(y=alt.Y("y", title=""))
    )
    points = (
        alt.Chart(shown)
        .mark_point(size=60, filled=True, opacity=0.9)
        .encode(
            x=alt.X(
                "place",
                title="patients, by probability",
                axis=alt.Axis(labels=False, ticks=False, grid=False),
            ),
            y=alt.Y("probability of death", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color(
                "set",
                scale=alt.Scale(
                    domain=["survives", "both", "dies"], range=[*LIGHT.palette[:3]]
                ),
            ),
            shape=alt.Shape(
                "patient",
                scale=alt.Scale(
                    domain=["survived", "died"], range=["circle", "triangle-up"]
                ),
            ),
        )
    )
    return save_chart(
        (rules + points).properties(title=title, width=640, height=300).to_dict(),
        PICTURE,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resplits", type=int, default=20)
    parser.add_argument("--tables", default="*")
    parser.add_argument(
        "--rows", type=int, default=1500, help="most rows to train on; 1500 if left out"
    )
    parser.add_argument(
        "--auto",
        action="store_true",
        help="only the blend, which takes a fifth of the time",
    )
    parser.add_argument("--picture", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.picture:
        print(f"wrote {draw(Path(os.environ['SEEDBED_DATA']))}")
        return
    rows, started = [], time.process_time()
    for name, X, y, is_number in tables(Path(os.environ["SEEDBED_DATA"])):
        if fnmatch.fnmatch(name, asked.tables):
            rows.append(row_of(name, X, y, is_number, asked))
            print(*rows[-1], f"({time.process_time() - started:.0f} s)", flush=True)
    header = ["table", "rows"]
    for method in ("auto", "auto per class", "relu:16", "CV+ of relu:16")[
        : 2 if asked.auto else 4
    ]:
        header += [f"{method}: covered %", "worst label %", "size"]
    remark = f"{asked.resplits} resplits, {time.process_time() - started:,.0f} s of processor time."
    print(
        Table(
            "Prediction sets and intervals at 90 %", header, rows, [remark]
        ).markdown()
    )


if __name__ == "__main__":
    main()
