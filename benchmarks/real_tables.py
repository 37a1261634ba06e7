"""Every real table in the folder SEEDBED_DATA, compared as a user would: nothing is said but the target.

python benchmarks/real_tables.py --cache build/real_tables         all, smallest first, written to docs/real_tables.md
python benchmarks/real_tables.py --tables 'heart_*,adult' --out -  some, printed

The target is the last column. Each table's JSON is kept in the cache, so that an interrupted run goes on where it was.
All are first looks, with `--quick`, the largest with fewer epochs: whole comparisons of 31 tables take hours.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rounds import say
from tables import Table, machine, print_or_write

LARGE = 20_000  # rows

INTRO = """\
# 31 real tables

Well-known tables, each compared by one command that names only the target (the last column):

    seedbed compare TABLE --target COLUMN --reference logistic-regression --quick

No table was prepared: text, missing cells, codes and several classes are read as they are. `--quick` runs one repeat of
ten folds. Above 20,000 rows a fifth is locked away as a test set, and `--epochs 200` was added.

The accuracy is out of fold: of `relu:5` with the default recipe, of logistic regression and boosted trees, and of
predicting the most frequent class. The verdict compares `relu:5` with logistic regression on the Brier score. No model
is tuned; the page shows that every table is read correctly.
"""


def main() -> None:
    options = parse_options()
    options.cache.mkdir(parents=True, exist_ok=True)
    paths = [path for path in tables() if any(fnmatch.fnmatchcase(stem(path), one) for one in options.tables)]
    documents = [compared(path, options.cache) for path in paths]
    text = page([document for document in documents if document is not None])
    print_or_write(text, options.out)
    sys.exit(1 if None in documents else 0)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=lambda text: text.split(","), default=["*"], help="names or patterns")
    parser.add_argument("--cache", type=Path, default=Path("build/real_tables"), help="where finished tables are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/real_tables.md"), help="a file, or - to print")
    return parser.parse_args()


def tables() -> list[Path]:
    """From the smallest to the largest."""
    folder = Path(os.environ.get("SEEDBED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    paths = [path for pattern in ("*.csv", "*.csv.gz") for path in folder.glob(pattern)]
    return sorted(paths, key=lambda path: rows_of(path)[1])


def rows_of(path: Path) -> tuple[str, int]:
    """The name of the last column, and the number of rows."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as text:
        rows = csv.reader(text)
        return next(rows)[-1], sum(1 for _ in rows)


def stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")


def compared(path: Path, cache: Path) -> dict[str, Any] | None:
    """The JSON of a table's comparison, with the time that the command took; None where it failed."""
    kept = cache / f"{stem(path)}.json"
    frozen = cache / stem(path) / "experiment.json"
    if kept.exists():
        return json.loads(kept.read_text()) | {"n_inputs": json.loads(frozen.read_text())["table"]["n_inputs"]}
    target, n_rows = rows_of(path)
    command = ["compare", str(path), "--target", target, "--reference", "logistic-regression"]
    command += ["--quick", "--json", "--quiet", "--out", str(cache / stem(path))]
    if n_rows > LARGE:
        command += ["--epochs", "200"]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "seedbed", *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        say(f"{stem(path)}: exit status {done.returncode}: {done.stdout}{done.stderr}")
        return None
    document = json.loads(done.stdout) | {"whole_seconds": seconds}
    kept.write_text(json.dumps(document))
    say(f"{stem(path)}: {seconds:.0f} s")
    return compared(path, cache)


def page(documents: Sequence[Mapping[str, Any]]) -> str:
    header = (
        *(
            "table",
            "rows",
            "features",
            "inputs",
            "relu:5",
            "logistic regression",
            "boosted trees",
            "most frequent class",
        ),
        *("relu:5 against the regression", "seconds", "warnings"),
    )
    rows = [row(document) for document in documents]
    facts = machine()
    torch = facts["torch"].partition("+")[0]
    about = f"On {facts['processor']}, {facts['cores']} cores that other work shared; PyTorch {torch}."
    table = Table("Accuracy", header, rows, [f"{about} Made by `python benchmarks/real_tables.py`."])
    return "\n".join([INTRO, table.markdown()]) + "\n"


def row(document: Mapping[str, Any]) -> tuple[str, ...]:
    found = {one["name"]: one["scores"] for one in document["candidates"]}
    words = {verdict["candidate"]: verdict["short"] for verdict in document["verdicts"]}
    codes = sorted({note["code"] for note in document["notes"] if note["code"]})
    return (
        document["table"],
        f"{document['n_rows']:,}",
        str(document["n_features"]),
        str(document["n_inputs"]),
        *(accuracy(found.get(name)) for name in ("relu:5", "logistic-regression", "boosted-trees")),
        f"{document['majority_share']:.1%}",
        words.get("relu:5", "no verdict"),
        f"{document['whole_seconds']:.0f}",
        ", ".join(codes) or "-",
    )


def accuracy(scores: Mapping[str, Any] | None) -> str:
    if scores is None or scores["accuracy"]["mean"] is None:
        return "-"
    return f"{scores['accuracy']['mean']:.1%}"


if __name__ == "__main__":
    main()
