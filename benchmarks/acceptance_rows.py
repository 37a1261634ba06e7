"""The rows of the acceptance table: what is simulated for each, what is counted, and the bound it must keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from simulated import SETTINGS
from trials import BATCH, CORRECTED, FRESH_ROWS, LOOKS, Protocol, Record, Task

from seedbed.evaluation import count_range, wilson

LEVEL = 0.05
TRUTH_SETS = 250
"""Training sets that a truth is made of; with fresh rows for each they are a million rows."""

_DIFFERENT = ("better_by_margin", "better", "worse")
_GAIN = ("better_by_margin", "better")


@dataclass(frozen=True)
class Truth:
    """What is true of a setting, with standard errors.

    Attributes:
        setting: its name.
        n_train: rows that the networks were trained on.
        brier, brier_error: how much lower the second candidate's Brier score is.
        points, points_error: how many points more its accuracy has.
        reference_accuracy: of the first candidate.
        n_fresh: rows they were scored on.
    """

    setting: str
    n_train: int
    brier: float
    brier_error: float
    points: float
    points_error: float
    reference_accuracy: float
    n_fresh: int


@dataclass(frozen=True)
class Stops:
    """What stopping when decided comes to on the tables of one setting.

    Attributes:
        what: is compared.
        n_sets: tables that were simulated.
        after: which share stops after each of `trials.LOOKS`.
        any_look, at_stop, at_end: on which share a verdict says better or worse at any look, at the stop, and after all
            repeats.
        same: on which share all verdicts at the stop are those after all repeats.
        width: of the first verdict's interval at the stop, over that after all repeats, mean.
    """

    what: str
    n_sets: int
    after: tuple[float, ...]
    any_look: float
    at_stop: float
    at_end: float
    same: float
    width: float


@dataclass(frozen=True)
class Measured:
    """A share or a mean with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        name, what: of the row.
        n_sets: tables that were simulated.
        rate, low, high: what was found, with its 95 % interval.
        signed: whether it is a difference of two rates.
        bound: in words.
        met: whether the rate keeps it. may_be_met: whether some rate in the interval does.
        width: of the verdicts' intervals, mean, in units of the Brier score.
        seconds: of a comparison, median, so that making the kernel once isn't counted.
    """

    name: str
    what: str
    n_sets: int
    rate: float
    low: float
    high: float
    signed: bool
    bound: str
    met: bool
    may_be_met: bool
    width: float
    seconds: float


Measure = Callable[[Sequence[Record], float], Measured]
"""From the records of a row's tables and the true difference to what the row reports."""


def share(holds: Callable[[Record, float], bool]) -> Measure:
    """The share of tables of which something holds."""

    def measure(records: Sequence[Record], truth: float) -> Measured:
        hits = sum(bool(holds(record, truth)) for record in records)
        return Measured(hits / len(records), *wilson(hits, len(records)))

    return measure


def at_stop(record: Record) -> Record:
    """What the look says at which a run stops: the first one that allows it, or the last one."""
    looks: Sequence[Record] = record["looks"]
    return next((look for look in looks if look["stop"]), looks[-1])


def _at_any_look(rules: Sequence[str]) -> Measure:
    """The share of tables on which any verdict of any look is one of some rules."""
    return share(lambda record, truth: any(rule in rules for look in record["looks"] for rule in look["rules"]))


def _mean(values: Sequence[float]) -> Measured:
    mean, error = mean_and_error(values)
    return Measured(mean, mean - 1.96 * error, mean + 1.96 * error)


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1) / np.sqrt(len(array)))


def rise(records: Sequence[Record], truth: float) -> Measured:
    """How much higher the rate of false winners is with all seeds than with one, table by table."""
    return _mean([(one["rules"][0] in _DIFFERENT) - float(one["one_seed_rule"] in _DIFFERENT) for one in records])


def accuracy(records: Sequence[Record], truth: float) -> Measured:
    """Mean accuracy out of fold."""
    return _mean([record["accuracy"] for record in records])


def any_of(key: str, rules: Sequence[str]) -> Measure:
    """The share of tables on which any of the verdicts under `key` is one of some rules."""
    return share(lambda record, truth: any(rule in rules for rule in record[key]))


def below(key: str) -> Measure:
    """The share of tables on which a p-value is below the level."""
    return share(lambda record, truth: record[key] < LEVEL)


def _in_range(record: Record, truth: float) -> bool:
    """Whether the right ones among the next rows are as many as the first screen says."""
    low, high = record["models"]["means_accuracy"]
    least, most = count_range((low + high) / 2, low, high, of=BATCH, alpha=LEVEL)
    return least <= record["right"] <= most


def model_covered(key: str) -> Measure:
    """The share of tables on which the interval of one model's score holds its truth."""
    return share(lambda record, truth: record["models"][key][0] <= truth <= record["models"][key][1])


false_winner, means_false_winner = any_of("rules", _DIFFERENT), any_of("means_rules", _DIFFERENT)
called_better, means_called_better = any_of("rules", _GAIN), any_of("means_rules", _GAIN)
one_seed_false_winner = share(lambda record, truth: record["one_seed_rule"] in _DIFFERENT)
margin_is_a_tenth = share(lambda record, truth: record["margin_source"] == "tenth_of_error")
covered = share(lambda record, truth: record["low"] <= truth <= record["high"])
means_covered = share(lambda record, truth: record["means_low"] <= truth <= record["means_high"])


@dataclass(frozen=True)
class Bound:
    """What a rate must keep: it lies from `least` to `most`.

    With `by_chance` it may lie above `most` by chance: its interval must reach down there.
    """

    words: str
    least: float = -np.inf
    most: float = np.inf
    by_chance: bool = False

    def met(self, found: Measured) -> bool:
        return self.least <= (found.low if self.by_chance else found.value) <= self.most


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name, what: for the table.
        setting: what is simulated.
        measure: what is counted.
        bound: what must come out.
        truth: what must be simulated as well, of those in `trials.truths`: the gain of the second candidate in a Brier
            score, or a score of the first one after a dot; empty where the truth is no difference.
        sets: of tables, at most.
        protocol: how each table is judged.
        looks: whether it is judged after some of the repeats as well. `measure` is then of the look at which it stops.
    """

    name: str
    what: str
    setting: str
    measure: Measure
    bound: Bound
    truth: str = ""
    sets: int = 400
    protocol: Protocol = CORRECTED
    looks: bool = False

    @property
    def shows_stops(self) -> bool:
        """Whether the table of stops has a line on it; the other rows with looks are on the same tables."""
        return self.looks and self.name.startswith("s-") and not self.name.endswith("-any")

    @property
    def n_train(self) -> int:
        """What the interval is about: training sets of the folds' size."""
        return round(SETTINGS[self.setting].n_rows * (self.protocol.folds - 1) / self.protocol.folds)

    def judging(self, n_sets: int) -> list[Task]:
        """The tables to be judged."""
        numbers = range(min(self.sets, n_sets))
        return [Task(self.setting, number, self.protocol, looks=self.looks) for number in numbers]

    def records(self, records: Mapping[str, Record], n_sets: int) -> list[Record]:
        """What the tables that were simulated showed."""
        kept = [records[task.key] for task in self.judging(n_sets) if task.key in records]
        return [record | at_stop(record) for record in kept] if self.looks else kept

    def stops(self, records: Mapping[str, Record], n_sets: int) -> Stops:
        """Where the runs of a row with looks stop."""
        kept = self.records(records, n_sets)
        ends = [record["looks"][-1] for record in kept]
        repeats = [record["repeats"] for record in kept]

        def differ(looks: Sequence[Record]) -> float:
            return any_of("rules", _DIFFERENT)(looks, 0.0).value

        return Stops(
            what=self.what.partition(", ")[2],
            n_sets=len(kept),
            after=tuple(repeats.count(n) / len(kept) for n in LOOKS),
            any_look=_at_any_look(_DIFFERENT)(kept, 0.0).value,
            at_stop=differ(kept),
            at_end=differ(ends),
            same=float(np.mean([one["rules"] == end["rules"] for one, end in zip(kept, ends, strict=True)])),
            width=float(
                np.mean([(a["high"] - a["low"]) / (b["high"] - b["low"]) for a, b in zip(kept, ends, strict=True)])
            ),
        )

    def truth_tasks(self, n_sets: int) -> list[Task]:
        """The training sets that the truth is made of, fewer where the row itself is only a rough look."""
        wanted = min(TRUTH_SETS, 3 * n_sets) if self.truth else 0
        return [Task(self.setting, number, n_train=self.n_train) for number in range(wanted)]

    def tasks(self, n_sets: int) -> list[Task]:
        """All that has to be simulated."""
        return self.judging(n_sets) + self.truth_tasks(n_sets)

    def true_value(self, records: Mapping[str, Record], n_sets: int) -> float:
        """What the measure compares with."""
        found = [records[task.key] for task in self.truth_tasks(n_sets) if task.key in records]
        if not self.truth:
            return 0.0
        if "." in self.truth:
            name, key = self.truth.split(".")
            return float(np.mean([one[name][key] for one in found]))
        return float(np.mean([one["first"][self.truth] - one["second"][self.truth] for one in found]))

    def gains(self, records: Mapping[str, Record], n_sets: int) -> Truth:
        """The true gain of single networks, with its error."""
        found = [records[task.key] for task in self.truth_tasks(n_sets) if task.key in records]
        brier = mean_and_error([one["first"]["brier"] - one["second"]["brier"] for one in found])
        points = mean_and_error([one["second"]["accuracy"] - one["first"]["accuracy"] for one in found])
        reference = float(np.mean([one["first"]["accuracy"] for one in found]))
        n_fresh = FRESH_ROWS * len(found)
        return Truth(self.setting, self.n_train, *brier, 100 * points[0], 100 * points[1], reference, n_fresh)

    def result(self, records: Mapping[str, Record], n_sets: int) -> Result:
        """What came out, from the records of its tasks."""
        own = self.records(records, n_sets)
        found = self.measure(own, self.true_value(records, n_sets))
        return Result(
            name=self.name,
            what=self.what,
            n_sets=len(own),
            rate=found.value,
            low=found.low,
            high=found.high,
            signed=self.bound.by_chance,
            bound=self.bound.words,
            met=self.bound.met(found),
            may_be_met=found.low <= self.bound.most and found.high >= self.bound.least,
            width=float(np.mean([record["high"] - record["low"] for record in own])),
            seconds=float(np.median([record["seconds"] for record in own])),
        )


AT_MOST = Bound("at most 7.3 %", most=0.073)
NOT_RISING = Bound("no higher, beyond chance", most=0.0, by_chance=True)
HALF = Bound("49 to 51 %", least=0.49, most=0.51)
COVERAGE = Bound("93 to 99 %", least=0.93, most=0.99)


def at_least(percent: int) -> Bound:
    return Bound(f"at least {percent} %", least=percent / 100)


SHOWN = Bound("shown only")


def _seeds(number: int) -> Protocol:
    return replace(CORRECTED, seeds=number)


def _rows() -> Iterator[Row]:
    false, true, means = "false winners", "true difference covered", "means of ten networks"
    blocks = {"100": "100 rows", "300": "300 rows", "minority": "300 rows, a tenth of class 1"}
    for name, words in blocks.items():
        yield Row(f"a-{name}", f"{false}, two equal blocks, {words}", f"blocks-{name}", false_winner, AT_MOST)
    yield Row("b-300", f"{false}, a network against itself, 300 rows", "itself-300", false_winner, AT_MOST)
    others = {
        "inner": "300 rows, epoch chosen by inner splits",
        "easy": "300 rows, hardly any errors",
        "groups": "300 rows in groups of three",
        "classes": "300 rows, three classes",
        "numbers": "300 rows, regression",
        "in-time": "500 rows split by time, independent",
        "serial": "500 rows split by time, correlation of neighbours 0.8",
    }
    for name, words in others.items():
        yield Row(f"a-{name}", f"{false}, two equal blocks, {words}", f"blocks-{name}", false_winner, AT_MOST)
    for number, words in (("three", "three"), ("six", "six")):
        what = f"any false winner among {words} candidates, 100 rows"
        yield Row(f"a-{number}", what, f"{number}-100", false_winner, AT_MOST)
    for seeds in (2, 5, 20):
        what, protocol = f"a network against itself, 100 rows, {seeds} seeds", _seeds(seeds)
        yield Row(f"b-{seeds}", f"{false}, {what}", "itself-100", false_winner, AT_MOST, protocol=protocol)
        yield Row(f"f-b-{seeds}", f"{true}, {what}", "itself-100", covered, COVERAGE, protocol=protocol)
    what = "called better than the prior, shuffled labels, 300 rows"
    yield Row("c-300", what, "shuffled-300", called_better, AT_MOST)
    yield Row("d-300", "accuracy on noise at the chosen epoch, 300 rows", "noise-300", accuracy, HALF)
    gain = {"truth": "brier"}
    yield from (
        Row("e-300", "a gain of 6 points found, 300 rows", "gain-300", called_better, at_least(90), **gain),
        Row("e-1000", "a gain of 1.7 points found, 1000 rows", "gain-1000", called_better, at_least(70), **gain),
        Row("f-a-100", f"{true}, two equal blocks, 100 rows", "blocks-100", covered, COVERAGE),
        Row("f-a-300", f"{true}, two equal blocks, 300 rows", "blocks-300", covered, COVERAGE),
        Row("f-e-300", f"{true}, 6 points, 300 rows", "gain-300", covered, COVERAGE, **gain),
        Row("f-e-1000", f"{true}, 1.7 points, 1000 rows", "gain-1000", covered, COVERAGE, **gain),
    )
    yield Row("f-widths", f"{true}, 5 and 10 units, 100 rows", "widths-100", covered, COVERAGE, **gain)
    for name, words in others.items():
        if name != "inner":
            yield Row(f"f-a-{name}", f"{true}, two equal blocks, {words}", f"blocks-{name}", covered, COVERAGE)
    for name, words in blocks.items():
        what = f"{false} of a t-test over the folds, {words}"
        yield Row(f"g-{name}", what, f"blocks-{name}", below("naive_p"), at_least(40))
    for name, words in blocks.items():
        what = f"{false} of a t-test over the ten folds of one repeat, {words}"
        yield Row(f"g-{name}-repeat", what, f"blocks-{name}", below("naive_repeat_p"), SHOWN)
    what = f"{false} of a t-test over all runs, 300 rows"
    yield Row("g-300-runs", what, "blocks-300", below("naive_runs_p"), at_least(40))
    what = f"{false} of a t-test over the locked rows, {others['serial']}"
    yield Row("g-serial", what, "blocks-serial", below("naive_p"), SHOWN)
    what = f"{false} from one seed, two equal blocks, 300 rows"
    yield Row("h-300-one", what, "blocks-300", one_seed_false_winner, AT_MOST)
    yield Row("h-300", "how many more of them from five seeds", "blocks-300", rise, NOT_RISING)
    what = "the margin is a tenth of the reference's error, 300 rows"
    yield Row("i-easy", f"{what}, hardly any errors", "blocks-easy", margin_is_a_tenth, at_least(95))
    yield Row("i-300", what, "blocks-300", margin_is_a_tenth, Bound("at most 1 %", most=0.01))
    for name, words in (blocks | others).items():
        what = f"{false}, {means}, two equal blocks, {words}"
        yield Row(f"m-{name}", what, f"blocks-{name}", means_false_winner, AT_MOST)
    for number in ("three", "six"):
        what = f"any false winner among {number} candidates, {means}, 100 rows"
        yield Row(f"m-{number}", what, f"{number}-100", means_false_winner, AT_MOST)
    for seeds in (2, 5, 20):
        what, protocol = f"{means} against themselves, 100 rows, {seeds} seeds", _seeds(seeds)
        yield Row(f"m-b-{seeds}", f"{false}, {what}", "itself-100", means_false_winner, AT_MOST, protocol=protocol)
        yield Row(f"f-m-b-{seeds}", f"{true}, {what}", "itself-100", means_covered, COVERAGE, protocol=protocol)
    what = f"a gain of about 6 points found, {means}, 300 rows"
    yield Row("m-e-300", what, "gain-300", means_called_better, at_least(90))
    gain = {"truth": "means_brier"}
    for name, words in {"blocks-100": "two equal blocks, 100 rows", "blocks-300": "two equal blocks, 300 rows"}.items():
        yield Row(f"f-m-{name}", f"{true}, {means}, {words}", name, means_covered, COVERAGE)
    yield Row("f-m-e-300", f"{true}, {means}, 6 points, 300 rows", "gain-300", means_covered, COVERAGE, **gain)
    yield Row("f-m-e-1000", f"{true}, {means}, 1.7 points, 1000 rows", "gain-1000", means_covered, COVERAGE, **gain)
    yield Row("f-m-widths", f"{true}, {means}, 5 and 10 units, 100 rows", "widths-100", means_covered, COVERAGE, **gain)
    for name, words in {"blocks-100": "100 rows", "gain-300": "300 rows"}.items():
        short = f"k-{name.rpartition('-')[2]}"
        for score in ("brier", "accuracy"):
            key = f"means_{score}"
            what = f"{score.replace('brier', 'Brier score')} of one model covered, {means}, {words}"
            yield Row(f"{short}-{score}", what, name, model_covered(key), COVERAGE, truth=f"first.{key}")
        what = f"right ones among the next 100 rows within the range, {means}, {words}"
        yield Row(f"{short}-count", what, name, share(_in_range), COVERAGE)
    yield from _looks()


def _looks() -> Iterator[Row]:
    """Rows that are judged after 1, 2, 3, 5 and 10 repeats, as means of ten networks."""
    blocks = "two equal blocks"
    nulls = {
        "100": ("blocks-100", f"{blocks}, 100 rows", CORRECTED),
        "300": ("blocks-300", f"{blocks}, 300 rows", CORRECTED),
        "minority": ("blocks-minority", f"{blocks}, 300 rows, a tenth of class 1", CORRECTED),
        "groups": ("blocks-groups", f"{blocks}, 300 rows in groups of three", CORRECTED),
        "numbers": ("blocks-numbers", f"{blocks}, 300 rows, regression", CORRECTED),
        "one-seed": ("blocks-300", f"{blocks}, 300 rows, 1 seed", _seeds(1)),
        "plain-100": ("plain-100", f"{blocks}, logistic regression, 100 rows", CORRECTED),
        "plain-300": ("plain-300", f"{blocks}, logistic regression, 300 rows", CORRECTED),
        "six": ("six-100", "six equal blocks, 100 rows", CORRECTED),
        "b-2": ("itself-100", "networks against themselves, 100 rows, 2 seeds", _seeds(2)),
        "b-100": ("itself-100", "networks against themselves, 100 rows", CORRECTED),
        "b-300": ("itself-300", "networks against themselves, 300 rows", CORRECTED),
        "c-300": ("shuffled-300", "shuffled labels against the prior, 300 rows", CORRECTED),
    }
    for name, (setting, words, protocol) in nulls.items():
        rules, false = (_GAIN, "called better") if name == "c-300" else (_DIFFERENT, "false winners")
        how = {"setting": setting, "bound": AT_MOST, "protocol": protocol, "looks": True}
        yield Row(f"s-{name}", f"{false} at the stop, {words}", measure=any_of("rules", rules), **how)
        yield Row(f"s-{name}-any", f"{false} at any look, {words}", measure=_at_any_look(rules), **how)
    gains = {"300": ("a gain of 6 points", 80), "1000": ("a gain of 1.7 points", 70)}
    for n, (words, percent) in gains.items():
        how = {"setting": f"gain-{n}", "looks": True, "truth": "means_brier"}
        words = f"{words}, {n} rows"
        yield Row(f"s-e-{n}", f"found at the stop, {words}", measure=called_better, bound=at_least(percent), **how)
        yield Row(f"f-s-e-{n}", f"covered at the stop, {words}", measure=covered, bound=COVERAGE, **how)
    for name in ("100", "300", "plain-100", "plain-300"):
        setting, words, _ = nulls[name]
        what = f"covered at the stop, {words}"
        yield Row(f"f-s-{name}", what, setting, covered, COVERAGE, looks=True)


ROWS = {row.name: row for row in _rows()}


def truths_of(rows: Sequence[Row], records: Mapping[str, Record], n_sets: int) -> list[Truth]:
    """The truths behind some rows, each once."""
    found = {(row.setting, row.n_train): row.gains(records, n_sets) for row in rows if row.truth == "brier"}
    return list(found.values())
