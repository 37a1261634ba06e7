"""Are seedbed's verdicts honest? Tables of which the truth is known are simulated and compared,
hundreds a row.

    python benchmarks/acceptance.py                             all rows, written to benchmarks/acceptance.md
    python benchmarks/acceptance.py --rows 'a-*,c-100' --out -  some, printed; with --draws 50 a rough look at them
    python benchmarks/acceptance.py --cache build/acceptance.jsonl
                                                                an interrupted run goes on where it was; with --jobs 0
                                                                the page is made of what there is

Columns are independent and normal, and the log-odds of class 1 are a weighted sum of them. Models
are those of a comparison and are trained as it trains them: the mean of eight networks, each of
which leaves out an eighth of the training rows. A comparison is judged after 1, 2, 3, 5 and 10
repeats of ten folds, and stops where it is decided.

(a) Two blocks of three columns are equally informative; "first" sees one, "second" the other. Every
    "better" or "worse" is a false winner. Over all tables the two are equal; on a single one, one
    block happens to look more useful. This is the hardest case for the test, because their
    predictions hardly correlate. With six blocks there are as many candidates, and any false winner
    counts. Rows may come in groups of three, or in the order of time.
(b) One candidate under two names, and so from two series of random starts.
(c) Labels in random order, against predicting the class frequencies.
(e) "second" sees the columns of "first" and three more, each of which adds a little. That is how
    gains come about in practice: from weak information on top of what is known.
(f) The interval against the truth: the mean difference over many training sets, each scored on
    fresh rows. In (a) it is zero, by symmetry. The corrected t is about training sets of the folds'
    size.
(g) What a t-test makes of all folds of (a), with logistic regression, which is run to the last
    repeat. If it didn't find false winners, the simulation couldn't show any.
(k) The interval of one model's score against its truth, and the range for the number of right ones
    among the next 100 rows against one such batch, predicted by a model of the whole table.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from simulated import SETTINGS
from simulation import Record, matching, parser_of, write_page
from tables import Table, machine, number
from trials import BATCH, Task, run_tasks

from seedbed.evaluation.estimates import wilson
from seedbed.evaluation.verdicts import count_range

LEVEL, DRAWS, FEWEST_SHOWN = 0.05, 400, 50
TRUTH_SETS = 250
"""Training sets that a truth is made of; with fresh rows for each they are a million rows."""

_DIFFERENT = ("better_by_margin", "better", "worse")
_GAIN = ("better_by_margin", "better")

INTRO = """\
# Simulated comparisons

seedbed compares simulated tables, hundreds for each row below, where the truth is known. Each rate must keep its bound;
otherwise `python benchmarks/acceptance.py`, which writes this page, fails.

Columns are independent and normal, and the log-odds of class 1 are a weighted sum of them. Models are those of a
comparison, trained with its defaults: the mean of eight networks, each of which leaves out an eighth of the training
rows. Rows of a group, or that follow in time, share part of the columns and an effect. The Brier score is tested, if
no other score is named, at a level of 5 %, after 1, 2, 3, 5 and 10 repeats of ten folds, and a comparison stops when it
is decided ([decision 36](../docs/decisions/0036-stop-when-decided.md)).

- a: two blocks of three columns are equally informative. Each candidate sees one block, so every "better" or "worse" is
  a false winner. With six candidates, one for each block, any false winner counts. b: a candidate against itself, from
  other random starts. c: shuffled labels against predicting the class frequencies.
- e: one candidate sees three more columns than the other, each of which adds a little; a table below has the true gain.
  f: how often the interval covers the true difference, which is zero in a.
- g: a plain t-test on all folds of a. It must fail, or the simulation is too easy.
- Survival: times are exponential, the weighted sum is the logarithm of their rate, and the integrated Brier score is
  tested. Where fewer than ten events come by the horizon there is no verdict; f counts the other tables.
- k: how often the interval of one model's score covers its truth, and how often the number of right ones among the next
  100 rows is within its range.
"""

REPEAT = """\
### How to repeat it

`python benchmarks/acceptance.py` writes this page; `--help` lists its options and explains the design.
The tables of this page took {minutes} minutes of processor time ({processor}).
"""


@dataclass(frozen=True)
class Measured:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


Measure = Callable[[Sequence[Record], Mapping[str, float]], Measured]
"""From the records of a row's tables and what is true to what the row reports."""


def share(holds: Callable[[Record, Mapping[str, float]], bool]) -> Measure:
    """Return the measure of the share of tables of which something holds."""

    def measure(records: Sequence[Record], truth: Mapping[str, float]) -> Measured:
        hits = sum(bool(holds(record, truth)) for record in records)
        if not records:
            return Measured(np.nan, 0.0, 1.0)
        return Measured(hits / len(records), *wilson(hits, len(records)))

    return measure


def at_stop(record: Record) -> Record:
    """Return the look at which a run stops: the first one that allows it, or the last one."""
    looks: Sequence[Record] = record["looks"]
    return next((look for look in looks if look["stop"]), looks[-1])


def says(look: Record, rules: Sequence[str]) -> bool:
    """Return whether any verdict of a look is one of some rules."""
    return any(rule in rules for rule in look["rules"])


def winners(rules: Sequence[str]) -> Measure:
    """Return the measure of verdicts at the stop."""
    return share(lambda record, truth: says(at_stop(record), rules))


def _until_stop(record: Record) -> list[Record]:
    return [
        look
        for look in record["looks"]
        if look["repeats"] <= at_stop(record)["repeats"]
    ]


def _in_range(record: Record, truth: Mapping[str, float]) -> bool:
    """Return whether the right ones among the next rows are as many as the first screen says."""
    low, high = record["models"]["accuracy"]
    least, most = count_range((low + high) / 2, low, high, of=BATCH, alpha=LEVEL)
    return least <= record["right"] <= most


def model_covered(name: str) -> Measure:
    """Return the measure of intervals of one model's score that hold its truth."""
    return share(
        lambda record, truth: (
            record["models"][name][0] <= truth[name] <= record["models"][name][1]
        )
    )


at_any_look = share(
    lambda record, truth: any(says(look, _DIFFERENT) for look in _until_stop(record))
)
covered = share(
    lambda record, truth: (
        at_stop(record)["low"] <= truth["gain"] <= at_stop(record)["high"]
    )
)


def judged_covered(records: Sequence[Record], truth: Mapping[str, float]) -> Measured:
    """Return the share of `covered` among the tables that have a verdict: not those with fewer than
    ten events."""
    return covered([record for record in records if at_stop(record)["rules"]], truth)


naive = share(lambda record, truth: record["looks"][-1]["naive_p"] < LEVEL)


@dataclass(frozen=True)
class Bound:
    """What a rate must keep: it lies from `least` to `most`."""

    words: str
    least: float = -np.inf
    most: float = np.inf

    def judge(self, found: Measured, n: int) -> str:
        """Return whether the bound is kept; open where few tables don't show that it isn't."""
        if self.least <= found.value <= self.most:
            return "met"
        return (
            "open"
            if n < DRAWS and found.low <= self.most and found.high >= self.least
            else "missed"
        )


AT_MOST = Bound("at most 7.3 %", most=0.073)
COVERAGE = Bound("at least 93 %", least=0.93)


def at_least(percent: int) -> Bound:
    return Bound(f"at least {percent} %", least=percent / 100)


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name, what: for the table.
        setting: what is simulated.
        measure: what is counted.
        bound: what must come out.
        has_truth: whether what is true must be simulated as well.
        repeats: as in `Task`.
    """

    name: str
    what: str
    setting: str
    measure: Measure
    bound: Bound
    has_truth: bool = False
    repeats: int | None = None

    @property
    def n_train(self) -> int:
        """The rows of a training set that the interval is about."""
        return round(0.9 * SETTINGS[self.setting].n_rows)

    def judging(self, draws: int) -> list[Task]:
        """Return the tables to be judged."""
        return [
            Task(self.setting, number, repeats=self.repeats) for number in range(draws)
        ]

    def truth_tasks(self, draws: int) -> list[Task]:
        """Return the training sets that the truth is made of, fewer where the row itself is only a
        rough look."""
        wanted = min(TRUTH_SETS, 3 * draws) if self.has_truth else 0
        return [
            Task(self.setting, number, n_train=self.n_train) for number in range(wanted)
        ]

    def tasks(self, draws: int) -> list[Task]:
        """Return all that has to be simulated."""
        return self.judging(draws) + self.truth_tasks(draws)

    def records(self, records: Mapping[str, Record], draws: int) -> list[Record]:
        """Return what the tables that were simulated showed."""
        return [
            records[task.key] for task in self.judging(draws) if task.key in records
        ]

    def truth(self, records: Mapping[str, Record], draws: int) -> dict[str, float]:
        """Return the `gain` in the Brier score, and the scores of the first model."""
        found = [
            records[task.key] for task in self.truth_tasks(draws) if task.key in records
        ]
        if not found:
            return {"gain": 0.0}
        gains = [one["first"]["brier"] - one["second"]["brier"] for one in found]
        firsts = {
            name: float(np.mean([one["first"][name] for one in found]))
            for name in ("brier", "accuracy")
        }
        return {"gain": float(np.mean(gains)), **firsts}

    def measured(self, records: Mapping[str, Record], draws: int) -> Measured:
        """Return what came out."""
        return self.measure(self.records(records, draws), self.truth(records, draws))


_DIFFERENT_WINNERS = winners(_DIFFERENT)


def _equal_pair(name: str, words: str, setting: str, coverage: Measure) -> list[Row]:
    """Return the rows of two equal candidates: false winners, and the interval of their difference."""
    return [
        Row(
            f"a-{name}", f"false winners, {words}", setting, _DIFFERENT_WINNERS, AT_MOST
        ),
        Row(
            f"f-{name}",
            f"true difference covered, {words}",
            setting,
            coverage,
            COVERAGE,
        ),
    ]


SIZES = {
    "100": "100 rows",
    "300": "300 rows",
    "minority": "300 rows, a tenth of class 1",
}
EQUAL = {
    **{
        f"{size}-{model}": f"{words}, {model}"
        for model in ("logistic", "network-1", "network-2")
        for size, words in SIZES.items()
    },
    "100-boosted-trees": "100 rows, boosted-trees",
    "100-auto": "100 rows, auto",
    "300-roc_auc": "300 rows, logistic, by ROC AUC",
    "minority-recall": "300 rows, a tenth of class 1, logistic, by recall",
    "groups": "300 rows in groups of three",
    "classes": "300 rows, three classes",
    "numbers": "300 rows, regression",
    "in-time": "500 rows split by time, independent",
    "serial": "500 rows split by time, correlation of neighbours 0.8",
}
"""Settings of two equal blocks, and their words."""


def _rows() -> Iterator[Row]:
    for name, words in EQUAL.items():
        setting = f"blocks-{name}"
        yield from _equal_pair(name, f"two equal blocks, {words}", setting, covered)
        if SETTINGS[setting].name.endswith(("logistic", "network-1", "network-2")):
            what = f"false winners at any look, two equal blocks, {words}"
            yield Row(f"a-{name}-any", what, setting, at_any_look, AT_MOST)
    for setting in SETTINGS:
        kind, _, name = setting.partition("-")
        if kind == "survival":
            share_censored, n, model = name.split("-", 2)
            words = f"two equal blocks, survival, {n} rows, {share_censored} % censored, {model}"
            yield from _equal_pair(setting, words, setting, judged_covered)
    what = "any false winner among six candidates, 100 rows"
    yield Row("a-six", what, "six-100", _DIFFERENT_WINNERS, AT_MOST)
    for n in (100, 300):
        what = f"false winners, a candidate against itself, {n} rows"
        yield Row(f"b-{n}", what, f"itself-{n}", _DIFFERENT_WINNERS, AT_MOST)
        what = f"called better than the prior, shuffled labels, {n} rows"
        yield Row(f"c-{n}", what, f"shuffled-{n}", winners(_GAIN), AT_MOST)
    for n, points, percent in ((300, 6, 80), (1000, 1.7, 70)):
        yield from _gain_rows(n, points, percent)
    for name, words in SIZES.items():
        what = f"false winners of a t-test over the folds of ten repeats, {words}"
        yield Row(f"g-{name}", what, f"blocks-{name}-logistic", naive, at_least(40))


def _gain_rows(n: int, points: float, percent: int) -> Iterator[Row]:
    """Yield the rows of a second candidate that is better by some points of accuracy."""
    setting = f"gain-{n}"
    rows = (
        (f"e-{n}", "found at the stop, a gain", winners(_GAIN), at_least(percent)),
        (f"f-e-{n}", "true difference covered, a gain", covered, COVERAGE),
    )
    for name, words, measure, bound in rows:
        what = f"{words} of about {points} points, {n} rows"
        yield Row(name, what, setting, measure, bound, has_truth=True)
    for name, words in (("brier", "Brier score"), ("accuracy", "accuracy")):
        what = f"{words} of one model covered, {n} rows"
        measure = model_covered(name)
        yield Row(f"k-{n}-{name}", what, setting, measure, COVERAGE, has_truth=True)
    what = f"right ones among the next 100 rows within the range, {n} rows"
    yield Row(f"k-{n}-count", what, setting, share(_in_range), COVERAGE)


ROWS = {row.name: row for row in _rows()}


def main() -> None:
    options = parser_of(__doc__, "acceptance.md", draws=DRAWS).parse_args()
    chosen = [ROWS[name] for name in matching(ROWS, options.rows)]
    tasks = [task for row in chosen for task in row.tasks(options.draws)]
    records = run_tasks(tasks, jobs=options.jobs, cache=options.cache)
    fewest = min(FEWEST_SHOWN, options.draws)
    rows = [row for row in chosen if len(row.records(records, options.draws)) >= fewest]
    table = results_table(rows, records, options.draws)
    minutes = number(sum(record["seconds"] for record in records.values()) / 60)
    repeat = REPEAT.format(minutes=minutes, processor=machine()["processor"])
    write_page("\n".join([INTRO, f"{table.markdown()}\n", repeat]), options.out)
    missed = [line[0] for line in table.rows if line[-1] == "missed"]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


def results_table(
    rows: Sequence[Row], records: Mapping[str, Record], draws: int
) -> Table:
    lines = list[tuple[str, ...]]()
    for row in rows:
        own = row.records(records, draws)
        found = row.measured(records, draws)
        seconds = float(np.median([record["seconds"] for record in own]))
        interval = f"{100 * found.low:.1f} to {100 * found.high:.1f}"
        verdict = row.bound.judge(found, len(own))
        cells = (f"{100 * found.value:.1f} %", interval, row.bound.words)
        lines.append(
            (row.name, row.what, str(len(own)), *cells, f"{seconds:.2f} s", verdict)
        )
    remarks = [
        "Time: processor time of one table, median. Open: more tables may show that the bound is met."
    ]
    header = ("row", "what", "tables", "rate", "95 % interval", "bound", "time", "so")
    return Table("The table", header, lines, remarks)


def rates(*names: str, draws: int, repeats: int | None = None) -> list[float]:
    """Return the rates of rows, for tests: few repeats make a rough answer quick."""
    rows = [replace(ROWS[name], repeats=repeats) for name in names]
    records = run_tasks(
        itertools.chain.from_iterable(row.tasks(draws) for row in rows)
    )  # a table of two rows once
    return [row.measured(records, draws).value for row in rows]


if __name__ == "__main__":
    main()
