"""Are seedbed's verdicts honest? Tables of which the truth is known are simulated and compared, hundreds a row.

python benchmarks/acceptance.py                             all rows, written to docs/acceptance.md
python benchmarks/acceptance.py --rows 'a-*,h-300' --out -  some, printed; with --sets 50 a rough look at them
python benchmarks/acceptance.py --cache build/acceptance.jsonl
                                                            an interrupted run goes on where it was; with --jobs 0
                                                            the page is made of what there is

Columns are independent and normal, and the log-odds of class 1 are a weighted sum of them. Networks have one hidden
layer of 5 ReLU units. They are trained by 40 full-batch steps of SGD and used after the last, except in the rows that
are about choosing the epoch (a-inner, c, d): a short recipe makes hundreds of tables a row affordable.

(a) Two blocks of three columns are equally informative; "first" sees one, "second" the other. Every "better" or "worse"
    is a false winner. Over all tables the two are equal; on a single one, one block happens to look more useful. This
    is the hardest case for the test, because their predictions hardly correlate. With three and six blocks there are as
    many candidates, and any false winner counts. Rows may come in groups of three, or in the order of time.
(b) One network under two names. (c) Labels in random order, against predicting the class frequencies. (d) Noise for
    labels.
(e) "second" sees the columns of "first" and three more, each of which adds a little. That is how gains come about in
    practice: from weak information on top of what is known. By that the two predictions stay correlated, and the
    difference has a small error; a gain of the same size from unrelated blocks would be far harder to see. Without the
    gain accuracy is about 77 % at 300 rows and 81 % at 1000; where it is lower, as many points are harder to see.
(f) The interval against the truth: the mean difference over many training sets, each scored on fresh rows. In (a) it
    is zero, by symmetry. The corrected t is about training sets of the folds' size.
(g) What a t-test makes of the trainings of (a). If it didn't find false winners, the simulation couldn't show any.
(h) The trainings of (a), from the first seed alone and from all five.
(m) The trainings of (a), (b) and (e) again, judged as means of ten networks, which is what a model is. In (a) and (b)
    the truth is zero for them as well.
(k) The interval of one model's score against its truth, and the range for the number of right ones among the next 100
    rows against one such batch, predicted by networks trained on the whole table.
(s) Means of ten networks again, or logistic regressions, judged after 1, 2, 3, 5 and 10 repeats, which are those of one
    training. A run stops at the first look where all verdicts are decided, or where the repeats that remain could
    hardly narrow the intervals of the others.
(i) Whether the margin is a tenth of the reference's error, which is known only after the run (a-easy), or the default.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from acceptance_rows import ROWS, Result, Row, Stops, Truth, truths_of
from rounds import say
from tables import Table, machine, number, print_or_write
from trials import CORRECTED, LOOKS, RECIPE, Protocol, run_tasks

FEWEST_SETS, FEWEST_SHOWN = 400, 50

INTRO = """\
# Are the verdicts honest?

seedbed compares simulated tables, hundreds for each row below, where the truth is known. Each rate must keep its bound;
otherwise `python benchmarks/acceptance.py`, which writes this page, fails.

Columns are independent and normal, and the log-odds of class 1 are a weighted sum of them. The networks have one hidden
layer of 5 ReLU units and are trained by {epochs} full-batch steps of SGD with learning rate {lr:g} (0.1 in regression).
Rows of a group, or that follow in time, share part of the columns and an effect. Rows a-inner, c and d choose
the epoch by inner splits; all others use the last step. The Brier score is tested at a level of 5 %.

- a: two blocks of three columns are equally informative. Each candidate sees one block, so every "better" or "worse" is
  a false winner. With three and six candidates, one for each block, any false winner counts. b: a network against
  itself. c: shuffled labels against predicting the class frequencies. d: labels that are noise.
- e: one candidate sees three more columns than the other, each of which adds a little; a table below has the true gain.
  f: how often the interval covers the true difference, which is zero in a.
- g: a plain t-test on the networks of a. It must fail, or the simulation is too easy. h: the networks of a, from one
  seed and from all.
- m: the trainings of a, b and e, judged as means of ten networks, as `compare` does by default; all other rows except
  k and s judge single networks.
- k: how often the interval of one model's score covers its truth, and how often the number of right ones among the next
  100 rows is within its range.
- s: the settings of a, b, c and e again, as means of ten networks, or with logistic regression in the place of
  networks. Each is judged after 1, 2, 3, 5 and 10 repeats of one training, and stops when decided
  ([decision 36](decisions/0036-stop-when-decided.md)); a table below says when.
- i: whether the margin is a tenth of the reference's error, as in a-easy, where each block predicts 97 of 100 rows
  correctly, or the default, as in all other rows. This choice depends on the run and must not add false winners.

For each candidate and table, the interval comes from {corrected}.
"""

REPEAT = """\
### How to repeat it

`python benchmarks/acceptance.py` writes this page; `--help` lists its options and explains the design.
The tables of this page took {minutes} minutes on a core that other work shared ({processor}).
"""


def main() -> None:
    options = parse_options()
    rows = chosen(options.rows)
    tasks = [task for row in rows for task in row.tasks(options.sets)]
    records = run_tasks(tasks, jobs=options.jobs, cache=options.cache)
    rows = [row for row in rows if len(row.records(records, options.sets)) >= min(FEWEST_SHOWN, options.sets)]
    results = [row.result(records, options.sets) for row in rows]
    work = sum(record["seconds"] for record in records.values())
    stops = [row.stops(records, options.sets) for row in rows if row.shows_stops]
    text = page(results, truths_of(rows, records, options.sets), stops, seconds=work)
    print_or_write(text, options.out)
    missed = [result.name for result in results if _so(result) == "missed"]
    if missed:
        say(f"missed: {', '.join(missed)}")
    sys.exit(1 if missed else 0)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=FEWEST_SETS, help=f"tables a row ({FEWEST_SETS})")
    parser.add_argument("--rows", help=f"names or patterns, with commas: {', '.join(ROWS)}")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2); 0 simulates nothing")
    parser.add_argument("--out", type=Path, default=Path("docs/acceptance.md"), help="a file, or - to print")
    parser.add_argument(
        "--cache", type=Path, help="a file that keeps every table's result; begin a new one when seedbed has changed"
    )
    options = parser.parse_args()
    if options.sets < 2:
        parser.error("--sets must be at least 2")
    if not chosen(options.rows):
        parser.error(f"no row is named {options.rows}")
    return options


def chosen(patterns: str | None) -> list[Row]:
    """The rows whose names match one of the patterns; all if there are none."""
    wanted = (patterns or "*").split(",")
    return [row for name, row in ROWS.items() if any(fnmatch.fnmatchcase(name, one.strip()) for one in wanted)]


def page(results: Sequence[Result], truths: Sequence[Truth], stops: Sequence[Stops], *, seconds: float) -> str:
    """The table as a page in Markdown, with what it means and what it took."""
    intro = INTRO.format(epochs=RECIPE["epochs"], lr=RECIPE["lr"], corrected=networks(CORRECTED))
    tables = (results_table(results), stops_table(stops), truths_table(truths))
    repeat = REPEAT.format(minutes=number(seconds / 60), processor=machine()["processor"])
    return "\n".join([intro, *(f"{table.markdown()}\n" for table in tables if table.rows), repeat])


def networks(protocol: Protocol) -> str:
    """How many networks a protocol trains for a candidate, in words."""
    total = protocol.repeats * protocol.folds * protocol.seeds
    return (
        f"{total:,} networks ({protocol.repeats} x {protocol.folds} folds, "
        f"{protocol.seeds} {'seed' if protocol.seeds == 1 else 'seeds'})"
    )


def results_table(results: Sequence[Result]) -> Table:
    rows = [
        (
            one.name,
            one.what,
            str(one.n_sets),
            *shares(one),
            one.bound,
            f"{one.seconds:.2f} s",
            _so(one),
        )
        for one in results
    ]
    remarks = ["Time: median for one table, with another process running."]
    if any(one.n_sets < FEWEST_SETS for one in results):
        remarks.append(
            f"Fewer than {FEWEST_SETS} tables: a rough look. Open: more tables may show that the bound is met."
        )
    return Table("The table", ("row", "what", "tables", "rate", "95 % interval", "bound", "time", "so"), rows, remarks)


def _so(one: Result) -> str:
    """Whether the bound is kept; open where few tables don't show that it isn't."""
    return "met" if one.met else "open" if one.n_sets < FEWEST_SETS and one.may_be_met else "missed"


def shares(one: Result) -> tuple[str, str]:
    """The rate and its interval in per cent; differences of rates with their sign."""
    rate, low, high = (f"{100 * value:{'+' if one.signed else ''}.1f}" for value in (one.rate, one.low, one.high))
    return f"{rate} %", f"{low} to {high}"


def stops_table(stops: Sequence[Stops]) -> Table:
    rows = [
        (
            one.what,
            str(one.n_sets),
            " / ".join(f"{100 * share:.0f}" for share in one.after),
            f"{float(np.dot(one.after, LOOKS)):.1f}",
            *(f"{100 * share:.1f} %" for share in (one.at_stop, one.any_look, one.at_end, one.same)),
            f"{one.width:.2f}",
        )
        for one in stops
    ]
    after = ", ".join(map(str, LOOKS[:-1]))
    header = (
        "what",
        "tables",
        f"% that stop after {after} / {LOOKS[-1]}".replace(", ", " / "),
        "mean repeats",
        "winners at the stop",
        "at any look",
        "after all",
        "same verdicts",
        "width",
    )
    remark = (
        "Winners: tables with a verdict that says better or worse; on shuffled labels a network is indeed worse. Same\n"
        "verdicts: at the stop as after all repeats. Width: of the interval at the stop over that after all, mean."
    )
    return Table("Stopping when decided", header, rows, [remark])


def truths_table(truths: Sequence[Truth]) -> Table:
    rows = [
        (
            one.setting,
            str(one.n_train),
            f"{100 * one.reference_accuracy:.1f} %",
            f"{one.points:+.2f} ± {one.points_error:.2f}",
            f"{one.brier:.5f} ± {one.brier_error:.5f}",
            f"{one.n_fresh:,}",
        )
        for one in truths
    ]
    header = ("setting", "trained on", "accuracy without", "points gained", "lower Brier score", "fresh rows")
    return Table("The true gains", header, rows, ["With standard errors; several networks for each training set."])


def rates(*names: str, n_sets: int, protocol: Protocol, jobs: int = 1) -> list[float]:
    """Rates of rows that need no true gain, for tests: a smaller protocol makes a rough answer quick."""
    rows = [replace(ROWS[name], protocol=protocol) for name in names]
    tasks = {row.name: row.judging(n_sets) for row in rows}
    records = run_tasks(itertools.chain.from_iterable(tasks.values()), jobs=jobs)  # a table of two rows once
    return [row.measure(row.records(records, n_sets), math.nan).value for row in rows]


if __name__ == "__main__":
    main()
