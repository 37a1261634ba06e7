"""The page benchmarks/grades.md, from the lines of benchmarks/grades.jsonl alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from tables import Table, machine

from seedbed.evaluation.verdicts import LIKELY, LIKELY_BEHIND_BLEND, LIKELY_HELPS, SHORT

INTRO = """\
# How good is the recommended model, and how often is a grade right?

Real tables are cut into tables of 100, 300 and 1,000 rows. A cut gets the default comparison, `sb.compare(table)`, whose
reference is `auto`. The truth is what its models, fitted to all rows of the cut, do on up to 10,000 other rows of the
table (at least 500), without those that equal a row of the cut.

- Differences are in points of the score: 0 is always answering the same, 100 is perfect. A model is truly better if its
  score on the other rows is higher, however little.
- A figure is followed by its standard error, by the sandwich formula with whole files as clusters, as cuts of a table
  and two targets of one file aren't independent. Few files make it rough; where all cases agree it is unknown.
- *p* is the one-sided probability of the corrected *t* of one pair, as if it were the only one.
- The best model of a cut is the best one on the other rows. If few rows are left, the best one is a matter of chance,
  too, and everything else looks worse than it is.
- Cuts of a table are disjoint until the table is used up.

Of wine_quality, classes 5, 6 and 7 are kept; its quality as a number has all rows. Rows of electricity are in the order of
time, and are drawn at random here. Copies are left out of kc1, mammography, wine_quality and fair. fair is of statsmodels,
the tables of survival are of SurvSet. `python benchmarks/grades.py collect` repeats all of it, in hours."""

SIZES = (100, 300, 1000)
TASKS = {"classes": "classes", "numbers": "numbers", "survival": "survival"}
BINS = (0.5, 0.8, 0.9, 0.95, 0.975, 1.01)
Case = tuple[str, float]
"""A table, and a figure of one of its cuts."""


def clustered(cases: Sequence[Case]) -> tuple[float, float]:
    """Return a mean and its standard error, with files as clusters; NaN of fewer than two."""
    values = pd.DataFrame([(table.split()[0], value) for table, value in cases])
    mean = float(values[1].mean())
    sums = (values[1] - mean).groupby(values[0]).sum()
    n_files = len(sums)
    if n_files < 2:
        return mean, float("nan")
    return mean, float(np.sqrt(n_files / (n_files - 1) * (sums**2).sum()) / len(values))


def amount(cases: Sequence[Case]) -> str:
    """Return a mean with its standard error: `1.33 ±0.26`."""
    if not cases:
        return ""
    mean, se = clustered(cases)
    return f"{mean:.2f} ±{se:.2f}" if se > 0 else f"{mean:.2f}"


def share(cases: Sequence[Case]) -> str:
    """Return a share with its standard error, `93 % ±2.1`; a count where all or none agree."""
    if not cases:
        return ""
    mean, se = clustered(cases)
    if mean in (0, 1) or not se > 0:
        return f"{sum(value for _, value in cases):.0f} of {len(cases)}"
    return f"{100 * mean:.0f} % ±{100 * se:.1f}"


def by_size(
    cuts: Sequence[dict[str, Any]],
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each number of rows in words, and its cuts, if there are any."""
    for n in SIZES:
        if part := [cut for cut in cuts if cut["rows"] == n]:
            yield f"{n:,} rows", part


def regret(cut: dict[str, Any], name: str) -> float:
    """Return by how many points a model is truly behind the truly best one."""
    return max(cut["true"].values()) - cut["true"][name]


def linear(cut: dict[str, Any]) -> str:
    return next(name for name in cut["true"] if name in ("linear", "logistic"))


USED: dict[str, Callable[[dict[str, Any]], str]] = {
    "*Use*": lambda cut: cut["use"],
    "the lowest loss": lambda cut: max(cut["shown"], key=cut["shown"].__getitem__),
    "*Simpler*, or *Use* without one": lambda cut: cut["simpler"] or cut["use"],
    "logistic, or linear": linear,
    "boosted-trees": lambda cut: "boosted-trees",
}


def of_use(
    words: str, cuts: Sequence[dict[str, Any]], name_of: Callable[[Any], str]
) -> list[str]:
    behind = [(cut["table"], regret(cut, name_of(cut))) for cut in cuts]
    within = [
        share([(table, value <= most) for table, value in behind]) for most in (1, 2)
    ]
    return [words, f"{len(cuts)}", amount(behind), *within]


def recommended(cuts: Sequence[dict[str, Any]]) -> list[Table]:
    """Return how far behind the truly best model *Use* and other choices are, and *Use* by task."""
    header = (
        "cuts",
        "points behind the truly best model",
        "within 1 point",
        "within 2 points",
    )
    choices, tasks = list[list[str]](), list[list[str]]()
    for size, part in by_size(cuts):
        choices += [
            of_use(f"{size}, {name}", part, name_of) for name, name_of in USED.items()
        ]
        for task in TASKS:
            if some := [cut for cut in part if cut["task"] == task]:
                tasks.append(of_use(f"{size}, {task}", some, USED["*Use*"]))
    return [
        Table("Use, and other choices", ("choice", *header), choices),
        Table("Use, by task", ("cuts of", *header), tasks),
    ]


def simpler(cuts: Sequence[dict[str, Any]]) -> Table:
    """Return what the model costs that *Simpler* names, by its kind."""
    kinds = {"logistic": "linear", "linear": "linear", "prior": "prior"}
    kinds |= {"boosted-trees": "trees", "extra-trees": "trees"}
    rows = []
    for size, part in by_size(cuts):
        for kind in ("any", "prior", "linear", "trees", "a network"):
            costs = [
                (cut["table"], cut["true"][cut["use"]] - cut["true"][cut["simpler"]])
                for cut in part
                if cut["simpler"]
                and kind in ("any", kinds.get(cut["simpler"], "a network"))
            ]
            fine = [
                share([(table, cost <= most) for table, cost in costs])
                for most in (0, 2)
            ]
            if costs:
                counts = f"{len(costs)} of {len(part)}"
                rows.append([f"{size}, {kind}", counts, amount(costs), *fine])
    header = (
        "model named",
        "cuts",
        "points behind *Use*",
        "no worse",
        "within 2 points",
    )
    return Table("Simpler: the model that may be as good", header, rows)


def pairs_of(cuts: Sequence[dict[str, Any]], key: str = "verdicts") -> pd.DataFrame:
    """Return pairs of a reference and another model, the prior apart: table, points by which the
    other is ahead, p, the rule, the same points in truth, and the margin."""
    rows = []
    for cut in cuts:
        reference = cut["reference"] if key == "verdicts" else linear(cut)
        for name, (gain, p, *rule) in cut[key].items():
            if name != "prior":
                truth = cut["true"][name] - cut["true"][reference]
                rule = SHORT[rule[0]] if rule else ""
                rows.append((cut["table"], gain, p, rule, truth, cut["margin"]))
    return pd.DataFrame(rows, columns=["table", "gain", "p", "rule", "truth", "margin"])


def right(pairs: pd.DataFrame, slack: float = 0.0) -> str:
    """Return how often the model that is ahead is truly better, or not worse by more than a share
    of the margin."""
    ahead = np.sign(pairs["gain"]) * pairs["truth"] > -slack * pairs["margin"]
    return share(list(zip(pairs["table"], ahead, strict=True)))


def grades(cuts: Sequence[dict[str, Any]]) -> Table:
    """Return how often each grade against the reference is given, and right."""
    rows = []
    for size, part in by_size(cuts):
        pairs = pairs_of(part)
        for rule in SHORT.values():
            some = pairs[pairs["rule"] == rule]
            if not some.empty:
                if rule == SHORT["no_practical_difference"]:
                    is_right = some["truth"].abs() < some["margin"]
                    words = [share(list(zip(some["table"], is_right, strict=True))), ""]
                else:
                    words = [right(some), right(some, 1.0)]
                given = f"{100 * len(some) / len(pairs):.0f} %"
                rows.append([f"{size}, {rule}", f"{len(some)}", given, *words])
    header = (
        "grade against auto, prior apart",
        "pairs",
        "of all",
        "right",
        "right, or within the margin",
    )
    return Table("Grades", header, rows)


def by_p(title: str, cuts: Sequence[dict[str, Any]], key: str) -> Table:
    """Return how often the model that is ahead is truly better, by p."""
    rows = []
    for size, part in by_size(cuts):
        pairs = pairs_of(part, key)
        for words, sign in (("behind", -1), ("ahead", 1)):
            of_sign = pairs[np.sign(pairs["gain"]) == sign]
            cells = [f"{size}, {words}"]
            for low, high in itertools.pairwise(BINS):
                some = of_sign[(of_sign["p"] >= low) & (of_sign["p"] < high)]
                cells.append(f"{right(some)} ({len(some)})" if len(some) else "none")
            rows.append(cells)
    return Table(title, ("other models", *bins_in_words()), rows)


def bins_in_words() -> list[str]:
    last = len(BINS) - 2
    return [
        f"p from {low:g}" if place == last else f"{low:g} to {BINS[place + 1]:g}"
        for place, low in enumerate(BINS[:-1])
    ]


def helping(cuts: Sequence[dict[str, Any]]) -> Table:
    """Return how often what helps, or hurts, does so in truth."""
    rows = []
    for size, part in by_size(cuts):
        found = [
            (cut["table"], *one[1:], cut["margin"])
            for cut in part
            for one in cut["helps"]
        ]
        pairs = pd.DataFrame(
            found, columns=["table", "gain", "p", "rule", "truth", "margin"]
        )
        kinds = {
            "helps or hurts": pairs["rule"].isin(["helps", "hurts"]),
            "likely helps or hurts": pairs["rule"].str.startswith("likely"),
            "open, p from 0.95 to 0.975": pairs["rule"].eq("can't tell")
            & pairs["p"].between(0.95, 0.975),
            "open, p from 0.9 to 0.95": pairs["rule"].eq("can't tell")
            & pairs["p"].between(0.9, 0.95),
        }
        for words, is_kind in kinds.items():
            some = pairs[is_kind]
            if len(some):
                given = f"{100 * len(some) / len(pairs):.0f} %"
                cells = [f"{len(some)}", given, right(some), right(some, 1.0)]
                rows.append([f"{size}, {words}", *cells])
    header = ("verdict", "pairs", "of all", "right", "right, or within the margin")
    return Table("What helps", header, rows)


def expectations(cuts: Sequence[dict[str, Any]]) -> Table:
    """Return how often the range of *Expect* holds the truth, and how far its centre is off."""
    rows = []
    said = [cut for cut in cuts if cut["expect"]]
    for size, part in (("any number of rows", said), *by_size(said)):
        kinds = {"all": part}
        for name in ("accuracy", "recall", "mae", "uno_c"):
            kinds[name] = [cut for cut in part if cut["expect"][0] == name]
        for words, some in kinds.items():
            if some:
                held, off = list[Case](), list[Case]()
                for cut in some:
                    _, mean, low, high, truth = cut["expect"]
                    held.append((cut["table"], low <= truth <= high))
                    off.append((cut["table"], 2 * (truth - mean) / (high - low)))
                rows.append(
                    [f"{size}, {words}", f"{len(some)}", share(held), amount(off)]
                )
    header = (
        "score of *Expect*",
        "cuts",
        "the 95 % range holds",
        "truth minus centre, in half ranges",
    )
    return Table("Expect", header, rows)


def by_table(cuts: Sequence[dict[str, Any]]) -> Table:
    """Return the figures of each table, those of its sizes side by side."""
    rows = []
    for name in dict.fromkeys(cut["table"] for cut in cuts):
        part = [cut for cut in cuts if cut["table"] == name]
        cells = [name]
        for n in SIZES:
            behind = [regret(cut, cut["use"]) for cut in part if cut["rows"] == n]
            cells.append(f"{np.mean(behind):.1f} ({len(behind)})" if behind else "none")
        pairs = pairs_of(part)
        worse = pairs[pairs["rule"].isin(["worse", "likely worse"])]
        said = [cut["expect"] for cut in part if cut["expect"]]
        n_held = sum(low <= truth <= high for _, _, low, high, truth in said)
        counts = [
            f"{(worse['truth'] < 0).sum()} of {len(worse)}",
            f"{n_held} of {len(said)}",
        ]
        rows.append([*cells, *counts])
    behind_best = [f"points behind the best, {n:,} rows (cuts)" for n in SIZES]
    header = (
        "table",
        *behind_best,
        "*worse* or *likely worse*: right",
        "*Expect* holds",
    )
    return Table("Each table", header, rows)


def page(lines: Sequence[dict[str, Any]]) -> str:
    """Return the page that the lines of the file give."""
    cuts = [line for line in lines if "true" in line]
    counts = ", ".join(f"{len(part)} of {size}" for size, part in by_size(cuts))
    files = {cut["table"].split()[0] for cut in cuts}
    none = pd.Series(
        [f"{one['table']}, {one['rows']:,} rows" for one in lines if "true" not in one]
    )
    left_out = "; ".join(
        f"{name}: {n}" for name, n in none.value_counts(sort=False).items()
    )
    other = [cut for cut in cuts if cut["use"] != cut["reference"]]
    tables = [
        *recommended(cuts),
        simpler(cuts),
        grades(cuts),
        by_p(
            "Against auto, by p: how often the one that is ahead is better",
            cuts,
            "verdicts",
        ),
        by_p("Against logistic or linear, as if it had been named", cuts, "named"),
        helping(cuts),
        expectations(cuts),
        by_table(cuts),
    ]
    law = (
        f"Cuts: {counts}, of {len(files)} files. Another model than `auto` was recommended in "
        f"{len(other)}. *Likely* starts at {LIKELY_BEHIND_BLEND:g} behind `auto`, at {LIKELY:g} "
        f"beside a named reference, and at {LIKELY_HELPS:g} for what helps."
    )
    none_of = f"Cuts without a verdict (a class has too few rows, or none): {left_out or 'none'}."
    shown = [table.markdown() for table in tables]
    return "\n\n".join([INTRO, law, *shown, none_of, f"{machine()['processor']}\n"])
