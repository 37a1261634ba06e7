"""Scores by candidate, split or item, and seed, and how they came about: folds, random splits, one
split, or items."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits import untestable
from seedbed.errors import DataError, OptionError, SeedbedError, counted, spell
from seedbed.evaluation.protocol import FEWEST_TESTED, FEWEST_TESTED_GROUPS
from seedbed.evaluation.summaries import PlanSummary
from seedbed.judgement.score_columns import Factor, ScoreFile
from seedbed.typing import Floats, Ints

_MOST_CELLS = 50_000_000
_MOST_NAMED = 4
_REPEAT = re.compile(r"(?i)rep(?:eat)?[\W_]?\d+")
_MOST_FOLDS = 20
_MOST_DF = 9
"""For random splits. More splits of the same rows don't add evidence; see docs/judge.md."""


@dataclass(frozen=True, eq=False)
class FileLines:
    """The candidate, split and seed of each line of a file.

    Attributes:
        file: whose lines these are.
        candidate, repeat, fold, seed: of each line; without labels if there is no such column.
        split: codes [line] of (repeat, fold).
        splits: (repeat, fold) of each split, as codes.
        test_share: share of test rows in each split, from the columns `n_train` and `n_test`; None
            without them.
        of_candidate: the lines of each candidate; of the wide form all lines, once.
        place: position of each line's seed among those of its candidate and split.
        n_seeds: the most seeds in a split, for each of `of_candidate`.
    """

    file: ScoreFile
    candidate: Factor
    repeat: Factor
    fold: Factor
    seed: Factor
    split: Ints
    splits: tuple[tuple[int, int], ...]
    test_share: float | None
    of_candidate: list[Ints]
    place: Ints
    n_seeds: list[int]

    def split_name(self, split: int) -> str:
        return (
            ", ".join(
                f"{part.name} {part.labels[code]}"
                for part, code in zip(
                    (self.repeat, self.fold), self.splits[split], strict=True
                )
                if part.labels
            )
            or "the split"
        )


def read_lines(file: ScoreFile, *, in_order: bool = False) -> FileLines:
    """Return the candidate, split and seed of each line. With `in_order`, a candidate's lines are
    its splits, if no column names these. ColumnError for an empty cell, OptionError for bootstrap
    samples."""
    for role in [
        role for role in ("bootstrap", "repeat", "fold", "seed") if role in file.roles
    ]:
        if role == "bootstrap" or any(
            text.lower().startswith(("boot", "oob"))
            for text in file.frame.texts(file.roles[role]).texts
        ):
            raise untestable(f"{file.frame.where} (column '{file.name(role)}')")
    test_share = None
    if {"n_test", "n_train"} <= file.roles.keys():
        trained = file.numbers(file.roles["n_train"])
        tested = file.numbers(file.roles["n_test"])
        test_share = float(1 - np.mean(trained / (tested + trained)))
    roles = ("candidate", "repeat", "row" if file.of_items else "fold", "seed")
    candidate, repeat, fold, seed = map(file.factor, roles)
    order = np.argsort(candidate.codes, kind="stable")
    of_candidate = np.split(order, np.cumsum(np.bincount(candidate.codes))[:-1])
    if in_order and not fold.labels and not repeat.labels:
        number = np.empty_like(order)
        number[order] = np.concatenate(
            [np.arange(len(lines)) for lines in of_candidate]
        )
        fold = Factor(
            "", number, tuple(str(i + 1) for i in range(int(number.max()) + 1))
        )
    n_folds, n_seeds = max(1, len(fold.labels)), max(1, len(seed.labels))
    splits, split = np.unique(repeat.codes * n_folds + fold.codes, return_inverse=True)
    seeds, inverse = np.unique(
        (candidate.codes * len(splits) + split) * n_seeds + seed.codes,
        return_inverse=True,
    )
    group = seeds // n_seeds  # candidate and split of each seed
    position = np.arange(len(seeds)) - np.searchsorted(group, group)
    counts = np.bincount(group, minlength=len(of_candidate) * len(splits)).reshape(
        -1, len(splits)
    )
    pairs = tuple(divmod(key, n_folds) for key in splits.tolist())
    return FileLines(
        file,
        candidate,
        repeat,
        fold,
        seed,
        split.astype(np.int64),
        pairs,
        test_share,
        of_candidate,
        position[inverse].astype(np.int64),
        counts.max(axis=1).tolist(),
    )


def scores_by_candidate(lines: FileLines, values: Sequence[int]) -> dict[str, Floats]:
    """Return the scores of each candidate [split, seed], NaN where there is none, from the column
    of scores; of the wide form, from one for each candidate. DataError if two lines are about one
    candidate, split and seed."""
    file = lines.file
    n_splits = len(lines.splits)
    n_seeds = lines.n_seeds
    names = lines.candidate.labels
    columns = [*values] * len(names)
    groups = [*range(len(names))]
    if file.is_wide:
        names = tuple(file.frame.names[i] for i in values)
        columns = [*values]
        groups = [0] * len(names)
    if n_splits * sum(n_seeds[group] for group in groups) > _MOST_CELLS:
        raise file.error(
            DataError,
            f"{len(names):,} candidates on {n_splits:,} splits with up to {max(n_seeds):,} seeds are too many scores",
            "Name the columns of candidates, folds and seeds: 'candidate', 'fold', 'seed'.",
        )
    scores = {column: file.numbers(column) for column in {*columns}}
    by_name = {}
    for name, column, group in zip(names, columns, groups, strict=True):
        of_name = lines.of_candidate[group]
        width = n_seeds[group]
        cells = lines.split[of_name] * width + lines.place[of_name]
        counts = np.bincount(cells)
        if counts.max() > 1:
            double = of_name[np.flatnonzero(cells == counts.argmax())[:2]].tolist()
            raise _double_score(lines, name, double)
        by_name[name] = np.full((n_splits, width), np.nan)
        by_name[name].flat[cells] = scores[column][of_name]
    return by_name


def _double_score(
    lines: FileLines, candidate: str, double: Sequence[int]
) -> SeedbedError:
    """Return the error for two lines with scores of one candidate, split and seed."""
    seed = lines.seed
    words = [lines.split_name(lines.split[double[0]])] * (len(lines.splits) > 1)
    words += [f"seed {seed.labels[seed.codes[double[0]]]}"] if seed.labels else []
    more = "attempt" if lines.file.of_items else "seed"
    unless = f"; if they are different {more}s, add a column '{more}'"
    hint = f"Keep one of them{'' if seed.labels else unless}."
    if not words:
        words = ["and no column says whether they are folds, random splits or seeds"]
        hint = (
            "Add a column 'fold', 'split' or 'seed'; if the rows are folds in order, give "
            f"{spell('folds', 10)}."
        )
    places = lines.file.frame.places(double)
    return lines.file.error(
        DataError,
        f"{places[double[0]]} and {places[double[1]]} are both scores of {candidate}, {', '.join(words)}",
        hint,
    )


def align(lines: FileLines, scores: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return scores [split, seed] with those that aren't there at the end of each split. Items may
    have different numbers of attempts, and the others are NaN then. DataError if scores are
    missing."""
    file = lines.file
    aligned = {}
    missing = []
    for name, values in scores.items():
        n_seeds = max(1, int(np.isfinite(values).sum(axis=1).max()))
        # Splits may have different seeds; NaN is sorted to the end.
        aligned[name] = np.sort(values, axis=1)[:, :n_seeds]
        needed = aligned[name][:, :1] if file.of_items else aligned[name]
        incomplete = np.flatnonzero(~np.isfinite(needed).all(axis=1)).tolist()
        missing += [f"{name} in {lines.split_name(split)}" for split in incomplete]
    if missing:
        more = (
            f" and {len(missing) - _MOST_NAMED} more" if missing[_MOST_NAMED:] else ""
        )
        raise file.error(
            DataError,
            f"scores are missing: {'; '.join(missing[:_MOST_NAMED])}{more}",
            f"All candidates need all {'items' if file.of_items else 'splits, with all of their seeds'}. "
            "If you leave out those that one lacks because a run failed, report that: it looks better "
            "than it is.",
        )
    return aligned


def of_each(
    file: ScoreFile, split: Factor, values: NDArray[Any], what: str
) -> NDArray[Any]:
    """Return the value of each row or item, checked to be the same in all lines; `what` they are,
    for the error."""
    of_split = np.empty(len(split.labels), dtype=values.dtype)
    of_split[split.codes] = values
    for line in np.flatnonzero(of_split[split.codes] != values)[:1].tolist():
        unit = "item" if file.of_items else "row"
        raise file.error(
            DataError,
            f"{unit} {split.labels[split.codes[line]]} has two different {what} ({file.frame.places([line])[line]})",
            f"The column '{split.name}' must name one {unit}, the same everywhere.",
        )
    return of_split


def too_few_tested(n: int, n_groups: int | None, unit: str) -> str:
    """Return why the rows of one test set, or items, have no verdict; empty if they are enough."""
    on = "" if unit == "item" else " on a test set"
    for number, what, fewest in (
        (n, unit, FEWEST_TESTED),
        (n_groups, "group", FEWEST_TESTED_GROUPS),
    ):
        if number is not None and number < fewest:
            return f"{counted(number, what)} {'is' if number == 1 else 'are'} too few for a verdict{on} (it needs {fewest})"
    return ""


def items_of(
    lines: FileLines, attempts: Mapping[str, Floats]
) -> tuple[PlanSummary, Ints | None]:
    """Return how items were scored, by the attempts of each candidate [item, attempt], NaN where
    there is none; and the groups of the items, if they have some. DataError for a single item, or
    one in two groups."""
    file = lines.file
    n = len(lines.splits)
    if n < 2:
        raise file.error(
            DataError, "there are scores of one item", "Give those of 30 items or more."
        )
    group = file.factor("group")
    groups = None
    n_groups = None
    words = f"{n:,} items (column '{lines.fold.name}')"
    if group.labels:
        groups = of_each(file, lines.fold, group.codes, "groups")
        n_groups = len(np.unique(groups))
        words += f" in {counted(n_groups, 'group')} (column '{group.name}')"
    n_attempts = max(values.shape[1] for values in attempts.values())
    if n_attempts > 1:
        words += f", up to {n_attempts} attempts of each (column '{lines.seed.name}'), averaged within it"
    return PlanSummary(
        kind="items",
        df=(n_groups or n) - 1,
        seeds=n_attempts,
        n_groups=n_groups,
        reason=f"{words}.",
    ), groups


def split_plan(
    lines: FileLines,
    *,
    folds: int | None,
    test_share: float | None,
    predicted: bool = False,
) -> PlanSummary:
    """Return how the splits were made; `reason` is what was understood, as a sentence. The kind is
    repeated k-fold, random splits, predictions of one test set or, without verdicts, scores of one
    split.

    If no column says it, `folds` are those of each repeat, and `test_share` is that of random
    splits. A single split is of predictions (`predicted`) or scores. OptionError if columns allow
    several answers, or options contradict them.
    """
    if folds is not None and test_share is not None:
        raise OptionError(
            "folds and a test share are given",
            "Splits are folds or random; give one of the two.",
        )
    share = lines.test_share if test_share is None else test_share
    if share is not None and not 0 < share < 1:
        raise OptionError(
            f"the test share is {share:g}", "Give the share of test rows: 0.2, say."
        )
    n = len(lines.splits)
    names = [f"'{part.name}'" for part in (lines.repeat, lines.fold) if part.name]
    if n == 1:
        return _one_split(lines, is_named=bool(names), predicted=predicted)
    which = f"column{'s' * (len(names) > 1)} {' and '.join(names)}"
    which = which if names else "the rows in order"
    k = _folds_of(lines, folds) if test_share is None else None
    no_folds = k is not None and share is not None and not 0.8 < share * k < 1.25
    if k is None or no_folds:
        if share is None:
            raise lines.file.error(
                OptionError,
                f"{n:,} splits ({which}) may be random splits or folds",
                f"For random splits give the share of test rows, such as {spell('test_share', 0.2)}, or columns "
                f"n_train and n_test; for folds give how many a repeat has: {spell('folds', 10)}.",
            )
        unlike = f" They aren't folds, which would test one row in {k}." * no_folds
        return PlanSummary(
            kind="random_splits",
            folds=n,
            test_share=share,
            df=min(n - 1, _MOST_DF),
            reason=f"{n} random splits ({which}), {100 * share:.3g} % of the rows tested in each.{unlike}",
        )
    repeats = n // k
    if k < 2 or repeats * k != n:
        raise lines.file.error(
            OptionError,
            f"{n} splits aren't repeats of {k} folds",
            f"Give {spell('folds', 'K')}, or {spell('test_share', 'S')} if the splits are random.",
        )
    times = f"{repeats} repeats of {k} folds" if repeats > 1 else f"{k} folds"
    return PlanSummary(
        kind="cross_validation",
        repeats=repeats,
        folds=k,
        test_share=1 / k,
        df=k - 1,
        reason=f"Cross-validation: {times} ({which}).",
    )


def _one_split(lines: FileLines, *, is_named: bool, predicted: bool) -> PlanSummary:
    """Return the plan of a single split, of predictions or of scores."""
    seed = lines.seed
    runs = f" and {len(seed.labels)} seeds (column '{seed.name}')" * (
        len(seed.labels) > 1
    )
    if not predicted:
        reason = f"One split of the rows{runs or ' and one run of each candidate'}."
        return PlanSummary(kind="one_split", reason=reason)
    return PlanSummary(
        kind="held_out",
        reason=f"One test set{runs}."
        if is_named
        else f"No column names folds: read as one test set{runs}. If these are out-of-fold "
        "predictions, add a column 'fold'.",
    )


def _folds_of(lines: FileLines, folds: int | None) -> int | None:
    """Return the folds of a repeat; None for random splits."""
    per_repeat = Counter(repeat for repeat, _ in lines.splits)
    sizes = set(per_repeat.values())
    n = len(lines.splits)
    name = lines.fold.name
    if folds is not None:
        if folds < 2 or (lines.repeat.labels and sizes != {folds}):
            raise OptionError(
                f"folds is {folds}, and the file has {max(sizes)} in a repeat",
                f"Leave {spell('folds')} out.",
            )
        return folds
    if len(per_repeat) > 1:
        if len(sizes) > 1:
            repeat = lines.repeat.labels[
                min(per_repeat, key=lambda code: per_repeat[code])
            ]
            raise lines.file.error(
                OptionError,
                f"repeats have {min(sizes)} to {max(sizes)} folds (fewest: {repeat})",
                f"Complete them; if the splits are random, give {spell('test_share', 'S')}.",
            )
        return None if sizes == {1} else sizes.pop()
    if "split" in name.lower() or not lines.fold.labels:
        return None
    named_repeats = {tuple(_REPEAT.findall(label)) for label in lines.fold.labels}
    if () not in named_repeats:  # Fold01.Rep1
        return n // len(named_repeats)
    if n > _MOST_FOLDS:
        raise lines.file.error(
            OptionError,
            f"{n:,} different values of '{name}' may be {n:,} folds or repeats of fewer",
            f"Give the folds of a repeat, such as {spell('folds', 10)}; if the splits are random, give "
            f"{spell('test_share', 0.2)}.",
        )
    return n
