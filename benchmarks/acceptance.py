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

import argparse
import fnmatch
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from simulated import SETTINGS
from tables import Table, machine, number, print_or_write
from trials import BATCH, FRESH_ROWS, Record, Task, run_tasks

from seedbed.evaluation.estimates import wilson
from seedbed.evaluation.verdicts import count_range
from seedbed.experiment.plan import STOPS

HERE = Path(__file__).resolve().parent
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
        """Return the `gain` in the Brier score, the scores of the first model, the `points` of
        accuracy that the second gains, and the standard errors of both gains."""
        found = [
            records[task.key] for task in self.truth_tasks(draws) if task.key in records
        ]
        if not found:
            return {"gain": 0.0}
        gains = np.array(
            [one["first"]["brier"] - one["second"]["brier"] for one in found]
        )
        points = np.array(
            [
                100 * (one["second"]["accuracy"] - one["first"]["accuracy"])
                for one in found
            ]
        )
        errors = {
            f"{name}_error": float(values.std(ddof=1) / len(found) ** 0.5)
            for name, values in (("gain", gains), ("points", points))
        }
        firsts = {
            name: float(np.mean([one["first"][name] for one in found]))
            for name in ("brier", "accuracy")
        }
        return {
            "gain": float(gains.mean()),
            "points": float(points.mean()),
            "sets": len(found),
            **errors,
            **firsts,
        }

    def measured(self, records: Mapping[str, Record], draws: int) -> Measured:
        """Return what came out."""
        return self.measure(self.records(records, draws), self.truth(records, draws))


def _rows() -> Iterator[Row]:
    false, blocks = "false winners", "two equal blocks"
    sizes = {
        "100": "100 rows",
        "300": "300 rows",
        "minority": "300 rows, a tenth of class 1",
    }
    for model in ("logistic", "network-1", "network-2"):
        for name, words in sizes.items():
            setting, where = f"blocks-{name}-{model}", f"{blocks}, {words}, {model}"
            yield Row(
                f"a-{name}-{model}",
                f"{false}, {where}",
                setting,
                winners(_DIFFERENT),
                AT_MOST,
            )
            yield Row(
                f"a-{name}-{model}-any",
                f"{false} at any look, {where}",
                setting,
                at_any_look,
                AT_MOST,
            )
            yield Row(
                f"f-{name}-{model}",
                f"true difference covered, {where}",
                setting,
                covered,
                COVERAGE,
            )
    for model in ("boosted-trees", "auto"):
        setting, where = f"blocks-100-{model}", f"{blocks}, 100 rows, {model}"
        yield Row(
            f"a-100-{model}", f"{false}, {where}", setting, winners(_DIFFERENT), AT_MOST
        )
        yield Row(
            f"f-100-{model}",
            f"true difference covered, {where}",
            setting,
            covered,
            COVERAGE,
        )
    others = {
        "300-roc_auc": "300 rows, logistic, by ROC AUC",
        "minority-recall": "300 rows, a tenth of class 1, logistic, by recall",
        "groups": "300 rows in groups of three",
        "classes": "300 rows, three classes",
        "numbers": "300 rows, regression",
        "in-time": "500 rows split by time, independent",
        "serial": "500 rows split by time, correlation of neighbours 0.8",
    }
    for name, words in others.items():
        yield Row(
            f"a-{name}",
            f"{false}, {blocks}, {words}",
            f"blocks-{name}",
            winners(_DIFFERENT),
            AT_MOST,
        )
        yield Row(
            f"f-{name}",
            f"true difference covered, {blocks}, {words}",
            f"blocks-{name}",
            covered,
            COVERAGE,
        )
    for share_censored in (30, 60, 90):
        for which, model in (
            ("100", "logistic"),
            ("300", "logistic"),
            ("300", "network-1"),
        ):
            name = f"{share_censored}-{which}-{model}"
            words = f"{blocks}, survival, {which} rows, {share_censored} % censored, {model}"
            setting = f"survival-{name}"
            yield Row(
                f"a-survival-{name}",
                f"{false}, {words}",
                setting,
                winners(_DIFFERENT),
                AT_MOST,
            )
            yield Row(
                f"f-survival-{name}",
                f"true difference covered, {words}",
                setting,
                judged_covered,
                COVERAGE,
            )
    yield Row(
        "a-six",
        "any false winner among six candidates, 100 rows",
        "six-100",
        winners(_DIFFERENT),
        AT_MOST,
    )
    for n in (100, 300):
        what = f"{false}, a candidate against itself, {n} rows"
        yield Row(f"b-{n}", what, f"itself-{n}", winners(_DIFFERENT), AT_MOST)
        what = f"called better than the prior, shuffled labels, {n} rows"
        yield Row(f"c-{n}", what, f"shuffled-{n}", winners(_GAIN), AT_MOST)
    for n, points, percent in ((300, 6, 80), (1000, 1.7, 70)):
        what, setting = f"a gain of about {points} points, {n} rows", f"gain-{n}"
        yield Row(
            f"e-{n}",
            f"found at the stop, {what}",
            setting,
            winners(_GAIN),
            at_least(percent),
            has_truth=True,
        )
        yield Row(
            f"f-e-{n}",
            f"true difference covered, {what}",
            setting,
            covered,
            COVERAGE,
            has_truth=True,
        )
        for name, words in (("brier", "Brier score"), ("accuracy", "accuracy")):
            what = f"{words} of one model covered, {n} rows"
            yield Row(
                f"k-{n}-{name}",
                what,
                setting,
                model_covered(name),
                COVERAGE,
                has_truth=True,
            )
        what = f"right ones among the next 100 rows within the range, {n} rows"
        yield Row(f"k-{n}-count", what, setting, share(_in_range), COVERAGE)
    for name, words in sizes.items():
        what = f"{false} of a t-test over the folds of ten repeats, {words}"
        yield Row(f"g-{name}", what, f"blocks-{name}-logistic", naive, at_least(40))


ROWS = {row.name: row for row in _rows()}


def main() -> None:
    options = parse_options()
    chosen = rows_named(options.rows)
    tasks = [task for row in chosen for task in row.tasks(options.draws)]
    records = run_tasks(tasks, jobs=options.jobs, cache=options.cache)
    fewest = min(FEWEST_SHOWN, options.draws)
    rows = [row for row in chosen if len(row.records(records, options.draws)) >= fewest]
    tables = (
        results_table(rows, records, options.draws),
        stops_table(rows, records, options.draws),
        truths_table(rows, records, options.draws),
    )
    minutes = number(sum(record["seconds"] for record in records.values()) / 60)
    repeat = REPEAT.format(minutes=minutes, processor=machine()["processor"])
    print_or_write(
        "\n".join(
            [
                INTRO,
                *(f"{table.markdown()}\n" for table in tables if table.rows),
                repeat,
            ]
        ),
        options.out,
    )
    missed = [line[0] for line in tables[0].rows if line[-1] == "missed"]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--draws", type=int, default=DRAWS, help=f"tables a row ({DRAWS})"
    )
    parser.add_argument(
        "--rows", default="*", help=f"names or patterns, with commas: {', '.join(ROWS)}"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="processes (2); 0 simulates nothing"
    )
    parser.add_argument(
        "--out", type=Path, default=HERE / "acceptance.md", help="a file, or - to print"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        help="a file that keeps every table's result; begin a new one when seedbed has changed",
    )
    options = parser.parse_args()
    if options.draws < 2:
        parser.error("--draws must be at least 2")
    if not rows_named(options.rows):
        parser.error(f"no row is named {options.rows}")
    return options


def rows_named(patterns: str) -> list[Row]:
    """Return the rows whose names match one of the patterns."""
    wanted = patterns.split(",")
    return [
        row
        for name, row in ROWS.items()
        if any(fnmatch.fnmatchcase(name, one.strip()) for one in wanted)
    ]


def results_table(
    rows: Sequence[Row], records: Mapping[str, Record], draws: int
) -> Table:
    lines, fewest = list[tuple[str, ...]](), DRAWS
    for row in rows:
        own, found = row.records(records, draws), row.measured(records, draws)
        seconds, fewest = (
            float(np.median([record["seconds"] for record in own])),
            min(fewest, len(own)),
        )
        interval = f"{100 * found.low:.1f} to {100 * found.high:.1f}"
        lines.append(
            (
                row.name,
                row.what,
                str(len(own)),
                f"{100 * found.value:.1f} %",
                interval,
                row.bound.words,
                f"{seconds:.2f} s",
                row.bound.judge(found, len(own)),
            )
        )
    remarks = ["Time: processor time of one table, median."]
    if fewest < DRAWS:
        remarks.append(
            f"Fewer than {DRAWS} tables: a rough look. Open: more tables may show that the bound is met."
        )
    return Table(
        "The table",
        ("row", "what", "tables", "rate", "95 % interval", "bound", "time", "so"),
        lines,
        remarks,
    )


def stops_table(
    rows: Sequence[Row], records: Mapping[str, Record], draws: int
) -> Table:
    """Return where runs stop, and what they would say after all repeats where these were run."""
    lines = []
    for setting in dict.fromkeys(
        row.setting for row in rows if not SETTINGS[row.setting].in_time
    ):
        own = next(row for row in rows if row.setting == setting).records(
            records, draws
        )
        stops, ends = (
            [at_stop(record) for record in own],
            [record["looks"][-1] for record in own],
        )
        repeats = [stop["repeats"] for stop in stops]
        after = " / ".join(f"{100 * repeats.count(n) / len(own):.0f}" for n in STOPS)
        same = [
            stop["rules"] == end["rules"] for stop, end in zip(stops, ends, strict=True)
        ]
        of_all = ("", "")
        if SETTINGS[setting].to_the_end:
            of_all = tuple(
                f"{100 * np.mean(values):.1f} %"
                for values in ([says(end, _DIFFERENT) for end in ends], same)
            )
        differ = f"{100 * np.mean([says(stop, _DIFFERENT) for stop in stops]):.1f} %"
        lines.append(
            (setting, str(len(own)), after, f"{np.mean(repeats):.1f}", differ, *of_all)
        )
    after = f"% that stop after {' / '.join(map(str, STOPS))}"
    header = (
        "setting",
        "tables",
        after,
        "mean repeats",
        "winners at the stop",
        "after all",
        "same verdicts",
    )
    remark = (
        "Winners: tables with a verdict that says better or worse; on shuffled labels a model is indeed worse. After\n"
        "all, and same verdicts: of settings that run to the last repeat."
    )
    return Table("Stopping when decided", header, lines, [remark])


def truths_table(
    rows: Sequence[Row], records: Mapping[str, Record], draws: int
) -> Table:
    lines = []
    for setting, row in {row.setting: row for row in rows if row.has_truth}.items():
        one = row.truth(records, draws)
        if "points" in one:
            gain = f"{one['gain']:.5f} ± {one['gain_error']:.5f}"
            points, fresh = (
                f"{one['points']:+.2f} ± {one['points_error']:.2f}",
                f"{int(one['sets']) * FRESH_ROWS:,}",
            )
            lines.append(
                (
                    setting,
                    str(row.n_train),
                    f"{100 * one['accuracy']:.1f} %",
                    points,
                    gain,
                    fresh,
                )
            )
    header = (
        "setting",
        "trained on",
        "accuracy without",
        "points gained",
        "lower Brier score",
        "fresh rows",
    )
    return Table("The true gains", header, lines, ["With standard errors."])


def rates(*names: str, draws: int, repeats: int | None = None) -> list[float]:
    """Return the rates of rows, for tests: few repeats make a rough answer quick."""
    rows = [replace(ROWS[name], repeats=repeats) for name in names]
    records = run_tasks(
        itertools.chain.from_iterable(row.tasks(draws) for row in rows)
    )  # a table of two rows once
    return [row.measured(records, draws).value for row in rows]


if __name__ == "__main__":
    main()
