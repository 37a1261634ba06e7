"""How much is gained by judging means of networks, with the noise of seeds taken out? Every real table, both ways.

python benchmarks/sharper.py --cache build/sharper               all, smallest first, written to docs/sharper.md
python benchmarks/sharper.py --tables 'heart_*,pima*' --out -    some, printed

One run of each table is judged twice: as single networks with the interval that treats all variance as that of rows
and with Bonferroni's quantile, and as `compare` does it now. Each table's result is kept in the cache.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from real_tables import rows_of, stem, tables
from rounds import say
from tables import Table, print_or_write

import seedbed as sb
from seedbed.evaluation import corrected_t, fold_differences, margin_beside, seed_noise
from seedbed.evaluation.verdicts import decide
from seedbed.experiment import make_plan, run, specify

MOST_ROWS, FEW_ROWS = 5_000, 2_000
CANDIDATES = ("linear:5", "relu:5", "linear:20,20")
OPEN = ("cannot_tell", "no_better")

INTRO = """\
# What does the sharper interval gain?

Each of the real tables is compared once: `linear:5`, `relu:5`, `linear:20,20` and the baselines, with the default
recipe. To save time, networks are trained on 2 x 10 folds with 5 seeds (from {few:,} rows on 1 x 10 folds, 3 seeds, at
most 200 epochs and {most:,} rows), and intervals are computed as if these were the default's repeats. The same
trainings are judged twice:

- **before**: single networks; all variance between folds counts as that of rows; Bonferroni's quantile for all
  comparisons with the reference, `linear:5`.
- **now**: means of ten networks; the noise of seeds is taken out of the correction for overlap; Dunnett's quantile,
  and the comparison with `prior` is a question of its own ([how](verdicts.md#how-a-difference-is-judged)).

*Rows needed*: the rows for an interval of the same width between two networks, now divided by before, as the square of
the ratio of widths. Open verdicts are "can't tell yet" and "as good or worse"; the latter has a name of its own since.
"""


def judged(path: Path, cache: Path) -> dict[str, Any]:
    """Return the intervals on a table, both ways."""
    kept = cache / f"{stem(path)}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    started = time.perf_counter()
    target, _ = rows_of(path)
    table = sb.read_table(path, target=target)
    if table.n_rows > MOST_ROWS:
        table = sb.read_table(pd.read_csv(path).sample(MOST_ROWS, random_state=0), target=target)
    small = table.n_rows < FEW_ROWS
    recipe = sb.Recipe.trained() if small else sb.Recipe.trained(epochs=200)
    design = sb.Design(repeats=2 if small else 1, folds=10, seeds=5 if small else 3)
    experiment = specify(table, CANDIDATES, recipe=recipe, design=design)
    results = {one.name: one for one in run(make_plan(experiment, sb.Compute(jobs=1))).results if one.finite}
    metric, reference = experiment.metric, results[experiment.reference]
    names = [name for name in results if name != reference.name]
    networks = {one.name for one in experiment.candidates}
    pairs = []
    for name in names:
        both = reference, results[name]
        single, means = ([one.losses(metric, single=way) for one in both] for way in (True, False))
        as_default = 5 if small else 3  # repeats
        before = corrected_t(np.tile(fold_differences(*single), (as_default, 1)), alpha=0.05 / len(names))  # Bonferroni
        now = corrected_t(
            np.tile(fold_differences(*means), (as_default, 1)),
            seed_noise=seed_noise(*means),
            comparisons=1 if name == "prior" else len(names) - ("prior" in names),
        )
        intervals = {"before": (before.low, before.high), "now": (now.low, now.high)}
        pairs.append({"candidate": name, "network": name in networks} | intervals)
    margin = margin_beside(metric, experiment.margin, float(reference.losses(metric).mean())).value
    document = {"table": stem(path), "n_rows": table.n_rows, "margin": margin, "pairs": pairs}
    cache.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(document))
    say(f"{stem(path)}: {time.perf_counter() - started:.0f} s")
    return document


def page(documents: list[dict[str, Any]]) -> str:
    """Return the page in Markdown."""
    rows, ratios, totals = [], [], Counter[str]()
    for one in documents:
        counts = {"pairs": len(one["pairs"])}
        for way in ("before", "now"):
            rules = [decide(low=pair[way][0], high=pair[way][1], margin=one["margin"]) for pair in one["pairs"]]
            counts |= {f"open {way}": sum(rule in OPEN for rule in rules), way: rules.count("cannot_tell")}
        totals.update(counts)
        needed = {
            pair["candidate"]: (np.ptp(pair["now"]) / np.ptp(pair["before"])) ** 2
            for pair in one["pairs"]
            if pair["network"]
        }
        ratios += needed.values()
        cells = ", ".join(f"{name} {ratio:.2f}" for name, ratio in needed.items())
        rows.append((one["table"], f"{one['n_rows']:,}", *map(str, counts.values()), cells))
    rows.append(("**all**", "", *map(str, totals.values()), f"median {statistics.median(ratios):.3f}"))
    header = (
        *("table", "rows", "comparisons", "open before", '"can\'t tell" before', "open now", '"can\'t tell" now'),
        "rows needed, now / before",
    )
    remark = f"{len(documents)} tables, {len(ratios)} pairs of networks. Made by `python benchmarks/sharper.py`."
    intro = INTRO.format(few=FEW_ROWS, most=MOST_ROWS)
    return f"{intro}\n{Table('Verdicts', header, rows, [remark]).markdown()}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=lambda text: text.split(","), default=["*"], help="names or patterns")
    parser.add_argument("--cache", type=Path, default=Path("build/sharper"), help="where finished tables are kept")
    parser.add_argument("--kept", action="store_true", help="only tables that the cache holds")
    parser.add_argument("--out", type=Path, default=Path("docs/sharper.md"), help="a file, or - to print")
    options = parser.parse_args()
    paths = [path for path in tables() if any(fnmatch.fnmatchcase(stem(path), one) for one in options.tables)]
    if options.kept:
        paths = [path for path in paths if (options.cache / f"{stem(path)}.json").exists()]
    text = page([judged(path, options.cache) for path in paths])
    print_or_write(text, options.out)


if __name__ == "__main__":
    main()
