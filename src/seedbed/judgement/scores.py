"""Scores by candidate, split or item, and seed, and how they came about: folds, random splits, one
split, or items."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import DataError, OptionError, counted, spell
from seedbed.evaluation.protocol import FEWEST_TESTED, FEWEST_TESTED_GROUPS
from seedbed.evaluation.summaries import Note, PlanSummary
from seedbed.judgement.score_columns import Factor, ScoreFile
from seedbed.typing import Bools, Floats, Ints

_MOST_CELLS, _MOST_ROWS = 50_000_000, 1e15
_MOST_NAMED = 4
_MOST_FOLDS = 20
_A_TENTH = 1 - 0.9**2  # of an error, as a share of its square
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
        parts = zip((self.repeat, self.fold), self.splits[split], strict=True)
        return (
            ", ".join(f"{part.name} {part.labels[code]}" for part, code in parts if part.labels)
            or "the split"
        )


def read_lines(file: ScoreFile, *, in_order: bool = False) -> FileLines:
    """Return the candidate, split and seed of each line. With `in_order`, a candidate's lines are
    its splits, if no column names these. ColumnError for an empty cell, OptionError for bootstrap
    samples."""
    for role in [role for role in ("bootstrap", "repeat", "fold", "seed") if role in file.roles]:
        texts = file.frame.texts(file.roles[role]).texts
        if role == "bootstrap" or any(text.lower().startswith(("boot", "oob")) for text in texts):
            message = f"column '{file.name(role)}' says that the splits are bootstrap samples, which repeat rows; "
            message += "no corrected test is known to keep its error level with them"
            raise file.error(
                OptionError, message, "Score the candidates by repeated k-fold cross-validation."
            )
    test_share = None
    if {"n_test", "n_train"} <= file.roles.keys():
        trained, tested = (file.numbers(file.roles[role]) for role in ("n_train", "n_test"))
        if not all(((counts >= 1) & (counts <= _MOST_ROWS)).all() for counts in (tested, trained)):
            message = f"'{file.name('n_train')}' and '{file.name('n_test')}' aren't numbers of rows above 0 in all rows"
            raise file.error(DataError, message, "Correct or drop them.")
        test_share = float(1 - np.mean(trained / (tested + trained)))
    roles = ("candidate", "repeat", "row" if file.of_items else "fold", "seed")
    candidate, repeat, fold, seed = map(file.factor, roles)
    order = np.argsort(candidate.codes, kind="stable")
    of_candidate = np.split(order, np.cumsum(np.bincount(candidate.codes))[:-1])
    if in_order and not fold.labels and not repeat.labels:
        number = np.empty_like(order)
        number[order] = np.concatenate([np.arange(len(lines)) for lines in of_candidate])
        fold = Factor("", number, tuple(str(i + 1) for i in range(int(number.max()) + 1)))
    n_folds, n_seeds = max(1, len(fold.labels)), max(1, len(seed.labels))
    splits, split = np.unique(repeat.codes * n_folds + fold.codes, return_inverse=True)
    seeds, inverse = np.unique(
        (candidate.codes * len(splits) + split) * n_seeds + seed.codes, return_inverse=True
    )
    group = seeds // n_seeds  # candidate and split of each seed
    position = np.arange(len(seeds)) - np.searchsorted(group, group)
    counts = np.bincount(group, minlength=len(of_candidate) * len(splits)).reshape(-1, len(splits))
    pairs, place = (
        tuple(divmod(key, n_folds) for key in splits.tolist()),
        position[inverse].astype(np.int64),
    )
    columns, n_seeds_of = (candidate, repeat, fold, seed), counts.max(axis=1).tolist()
    return FileLines(
        file, *columns, split.astype(np.int64), pairs, test_share, of_candidate, place, n_seeds_of
    )


def scores_by_candidate(lines: FileLines, values: Sequence[int]) -> dict[str, Floats]:
    """Return the scores of each candidate [split, seed], NaN where there is none, from the column
    of scores; of the wide form, from one for each candidate. DataError if two lines are about one
    candidate, split and seed."""
    file, n_splits, n_seeds = lines.file, len(lines.splits), lines.n_seeds
    names = [file.frame.names[i] for i in values] if file.is_wide else list(lines.candidate.labels)
    if n_splits * (len(names) * n_seeds[0] if file.is_wide else sum(n_seeds)) > _MOST_CELLS:
        message = f"{len(names):,} candidates on {n_splits:,} splits with up to {max(n_seeds):,} seeds are too many"
        hint = "Name the columns of candidates, folds and seeds: 'candidate', 'fold', 'seed'."
        raise file.error(DataError, f"{message} scores", hint)
    scores, by_name = file.numbers(values[0]), {}
    for number, name in enumerate(names):
        if file.is_wide:
            scores = file.numbers(values[number])
        group = 0 if file.is_wide else number
        of_name, width = lines.of_candidate[group], n_seeds[group]
        cells = lines.split[of_name] * width + lines.place[of_name]
        counts = np.bincount(cells)
        if counts.max() > 1:
            first, second = of_name[np.flatnonzero(cells == counts.argmax())[:2]].tolist()
            places, seed = file.frame.places([first, second]), lines.seed
            of_seed = [f"seed {seed.labels[seed.codes[first]]}"] if seed.labels else []
            which = ", ".join([lines.split_name(lines.split[first])] * (n_splits > 1) + of_seed)
            message = f"{places[first]} and {places[second]} are both scores of {name}"
            more = "attempt" if file.of_items else "seed"
            unless = "" if of_seed else f"; if they are different {more}s, add a column '{more}'"
            hint = f"Keep one of them{unless}."
            if not which:
                which = "and no column says whether they are folds, random splits or seeds"
                hint = (
                    "Add a column 'fold', 'split' or 'seed'; if the rows are folds in order, give "
                )
                hint += f"{spell('folds', 10)}."
            at = cells * file.frame.n_rows
            for name, codes in file.free_labels(values):  # that make the rows unique
                if len(np.unique(codes)) < len(codes) and len(
                    np.unique(at + codes[of_name])
                ) == len(of_name):
                    hint = f"The values of column '{name}' differ there: say what it is, as in dataset: {name}, "
                    hint += f"fold: {name} or seed: {name}."
            raise file.error(DataError, f"{message}, {which}", hint)
        by_name[name] = np.full((n_splits, width), np.nan)
        by_name[name].flat[cells] = scores[of_name]
    return by_name


def align(lines: FileLines, scores: Mapping[str, Floats]) -> tuple[dict[str, Floats], Bools, str]:
    """Return scores [split, seed] on the splits that all candidates have, which of the splits these
    are, and in words what was left out. Items may have different numbers of attempts, and the
    others are NaN then. DataError if scores are missing and may not be dropped, or no split is
    left."""
    file, compact = lines.file, dict[str, Floats]()
    for (
        name,
        values,
    ) in scores.items():  # splits may have different seeds, so scores are moved to the left
        has_score = np.isfinite(values)
        packed = np.take_along_axis(values, np.argsort(~has_score, axis=1, kind="stable"), axis=1)
        compact[name] = packed[:, : max(1, int(has_score.sum(axis=1).max()))]
    needed = {name: values[:, :1] if file.of_items else values for name, values in compact.items()}
    complete = np.array([np.isfinite(values).all(axis=1) for values in needed.values()])
    kept, names = np.logical_and.reduce(complete), [*compact]
    if kept.all():
        return compact, kept, ""
    missing, unit = np.argwhere(~complete).tolist(), "item" if file.of_items else "split"
    missing_scores = _list_words(
        [f"{names[place]} in {lines.split_name(split)}" for place, split in missing]
    )
    if not file.options.drop_incomplete:
        seeds = (
            ", with all of their seeds"
            if any(values.shape[1] > 1 for values in needed.values())
            else ""
        )
        hint = f"All candidates need all {unit}s{seeds}. If a run failed, report that; "
        hint += f"'drop_incomplete' leaves out the {unit}s in which a score is missing."
        raise file.error(DataError, f"scores are missing: {missing_scores}", hint)
    if kept.sum() < 2:
        message = f"{'a single' if kept.any() else 'no'} {unit} has the scores of all candidates"
        raise file.error(DataError, message, f"Score them on the same {unit}s.")
    n = int((~kept).sum())
    dropped = (
        f"{n} of {len(kept)} {unit}s {'is' if n == 1 else 'are'} left out, as scores are missing there "
        f"({missing_scores}). If they are missing because a candidate failed, it looks better than it is."
    )
    return {name: values[kept] for name, values in compact.items()}, kept, dropped


def of_each(file: ScoreFile, split: Factor, values: NDArray[Any], what: str) -> NDArray[Any]:
    """Return the value of each row or item, checked to be the same in all lines; `what` they are,
    for the error."""
    of_split = np.empty(len(split.labels), dtype=values.dtype)
    of_split[split.codes] = values
    for line in np.flatnonzero(of_split[split.codes] != values)[:1].tolist():
        unit = "item" if file.of_items else "row"
        message = f"{unit} {split.labels[split.codes[line]]} has two different {what}"
        hint = f"The column '{split.name}' must name one {unit}, the same everywhere."
        raise file.error(DataError, f"{message} ({file.frame.places([line])[line]})", hint)
    return of_split


def too_few_tested(n: int, n_groups: int | None, unit: str) -> str:
    """Return why the rows of one test set, or items, have no verdict; empty if they are enough."""
    on = "" if unit == "item" else " on a test set"
    for number, what, fewest in (
        (n, unit, FEWEST_TESTED),
        (n_groups, "group", FEWEST_TESTED_GROUPS),
    ):
        if number is not None and number < fewest:
            return f"{counted(number, what)} are too few for a verdict{on} (it needs {fewest})"
    return ""


def _list_words(words: Sequence[str]) -> str:
    """Return a, b, c and 4 more."""
    return "; ".join(words[:_MOST_NAMED]) + (
        f" and {len(words) - _MOST_NAMED} more" if words[_MOST_NAMED:] else ""
    )


def items_of(
    lines: FileLines, attempts: Mapping[str, Floats], kept: Bools
) -> tuple[PlanSummary, Ints | None]:
    """Return how items were scored, by the attempts of each candidate [kept item, attempt], NaN
    where there is none; and the groups of these items, if they have some. DataError for a single
    item, or one in two groups."""
    file, n = lines.file, int(kept.sum())
    if n < 2:
        raise file.error(
            DataError, "there are scores of one item", "Give those of 30 items or more."
        )
    group, groups, n_groups, words = (
        file.factor("group"),
        None,
        None,
        f"{n:,} items (column '{lines.fold.name}')",
    )
    if group.labels:
        groups = of_each(file, lines.fold, group.codes, "groups")[kept]
        n_groups = len(np.unique(groups))
        words += f" in {counted(n_groups, 'group')} (column '{group.name}')"
    n_attempts = max(values.shape[1] for values in attempts.values())
    if n_attempts > 1:
        words += f", up to {n_attempts} attempts of each (column '{lines.seed.name}'), averaged within it"
    plan = PlanSummary(
        kind="items",
        df=(n_groups or n) - 1,
        seeds=n_attempts,
        n_groups=n_groups,
        reason=f"{words}.",
    )
    return plan, groups


def attempts_note(attempts: Mapping[str, Floats], reference: str) -> tuple[Note, ...]:
    """Return a note on how much of the error is the noise of attempts [item, attempt], NaN where
    there is none, and what more of them would do, of the candidate for which it is the largest
    part; none of single attempts."""
    means = {name: np.nanmean(values, axis=1) for name, values in attempts.items()}
    noise, counts = dict[str, float](), dict[str, float]()
    for name, values in attempts.items():
        n = np.isfinite(values).sum(axis=1)
        variances = np.nanvar(values[n > 1], axis=1, ddof=1)
        noise[name] = float(variances.mean() * (1 / n).mean()) if len(variances) else 0.0
        counts[name] = float(n.mean())
    found = list[tuple[float, str]]()
    for name in attempts:
        total, part = (
            float(np.var(means[reference] - means[name], ddof=1)),
            noise[reference] + noise[name],
        )
        if name != reference and total > 0 and part > 0:
            found.append((min(1.0, part / total), name))
    if not found:
        return ()
    share, name = max(found)
    words = f"The noise of attempts is {100 * share:.0f}% of the squared error of {name} against {reference}"
    if share <= _A_TENTH:
        most = 100 * (1 - math.sqrt(1 - share))
        return (Note(f"{words}; more attempts would narrow its range by at most {most:.0f}%."),)
    n_now = (counts[reference] + counts[name]) / 2
    more = math.ceil(n_now / (1 - _A_TENTH / share) - n_now)
    return (
        Note(
            f"{words}; {more} more attempt{'s' * (more > 1)} of each item would narrow its range by a tenth."
        ),
    )


def split_plan(
    lines: FileLines, *, folds: int | None, test_share: float | None, predicted: bool = False
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
            "folds and a test share are given", "Splits are folds or random; give one of the two."
        )
    if test_share is not None and not 0 < test_share < 1:
        raise OptionError(
            f"the test share is {test_share}", "Give the share of test rows: 0.2, say."
        )
    n, seed, named = (
        len(lines.splits),
        lines.seed,
        [part.name for part in (lines.repeat, lines.fold) if part.name],
    )
    if n == 1:
        runs = (
            f" and {len(seed.labels)} seeds (column '{seed.name}')" if len(seed.labels) > 1 else ""
        )
        if not predicted:
            words = f"One split of the rows{runs or ' and one run of each candidate'}."
            return PlanSummary(kind="one_split", reason=words)
        words = f"One test set{runs}."
        if not named:
            words = f"No column names folds: read as one test set{runs}. "
            words += "If these are out-of-fold predictions, add a column 'fold'."
        return PlanSummary(kind="held_out", reason=words)
    which = f"column{'s' * (len(named) > 1)} " + " and ".join(f"'{name}'" for name in named)
    which = which if named else "the rows in order"
    share = lines.test_share if test_share is None else test_share
    k = _folds_of(lines, folds) if test_share is None else None
    no_folds = k is not None and share is not None and not 0.8 < share * k < 1.25
    if k is None or no_folds:
        if share is None:
            hint = f"For random splits give the share of test rows, such as {spell('test_share', 0.2)}, or columns "
            hint += (
                f"n_train and n_test; for folds give how many a repeat has: {spell('folds', 10)}."
            )
            raise lines.file.error(
                OptionError, f"{n:,} splits ({which}) may be random splits or folds", hint
            )
        words = f"{n} random splits ({which}), {100 * share:.3g} % of the rows tested in each."
        words += f" They aren't folds, which would test one row in {k}." if no_folds else ""
        return PlanSummary(
            kind="random_splits", folds=n, test_share=share, df=min(n - 1, _MOST_DF), reason=words
        )
    repeats = n // k
    if k < 2 or repeats * k != n:
        hint = (
            f"Give {spell('folds', 'K')}, or {spell('test_share', 'S')} if the splits are random."
        )
        raise lines.file.error(OptionError, f"{n} splits aren't repeats of {k} folds", hint)
    times = f"{repeats} repeats of {k} folds" if repeats > 1 else f"{k} folds"
    words = f"Cross-validation: {times} ({which})."
    return PlanSummary(
        kind="cross_validation", repeats=repeats, folds=k, test_share=1 / k, df=k - 1, reason=words
    )


def _folds_of(lines: FileLines, folds: int | None) -> int | None:
    """Return the folds of a repeat; None for random splits."""
    per_repeat = Counter(repeat for repeat, _ in lines.splits)
    sizes, n, name = set(per_repeat.values()), len(lines.splits), lines.fold.name
    if folds is not None:
        if folds < 2 or (lines.repeat.labels and sizes != {folds}):
            message = f"folds is {folds}, and the file has {max(sizes)} in a repeat"
            raise OptionError(message, f"Leave {spell('folds')} out.")
        return folds
    if len(per_repeat) > 1:
        if len(sizes) > 1:
            repeat = lines.repeat.labels[min(per_repeat, key=lambda code: per_repeat[code])]
            message = f"repeats have {min(sizes)} to {max(sizes)} folds (fewest: {repeat})"
            hint = f"Complete them; if the splits are random, give {spell('test_share', 'S')}."
            raise lines.file.error(OptionError, message, hint)
        return None if sizes == {1} else sizes.pop()
    if "split" in name.lower() or not lines.fold.labels:
        return None
    if n > _MOST_FOLDS:
        message = f"{n:,} different values of '{name}' may be {n:,} folds or repeats of fewer"
        hint = f"Give the folds of a repeat, such as {spell('folds', 10)}; if the splits are random, give "
        raise lines.file.error(OptionError, message, f"{hint}{spell('test_share', 0.2)}.")
    return n
