"""Scores by candidate, split and seed, and the kind of the splits: folds, random splits, or a single split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seedbed.errors import DataError, OptionError, spell
from seedbed.evaluation.summaries import PlanSummary
from seedbed.judgement.score_columns import Factor, ScoreFile
from seedbed.typing import Floats, Ints

_MOST_CELLS, _MOST_ROWS = 50_000_000, 1e15
_MOST_NAMED = 4
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
        test_share: share of test rows in each split, from the columns `n_train` and `n_test`; None without them.
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
        return ", ".join(f"{part.name} {part.labels[code]}" for part, code in parts if part.labels) or "the split"


def read_lines(file: ScoreFile, *, in_order: bool = False) -> FileLines:
    """Return the candidate, split and seed of each line. With `in_order`, a candidate's lines are its splits, if no
    column names these. ColumnError for an empty cell, OptionError for bootstrap samples."""
    for role in [role for role in ("bootstrap", "repeat", "fold", "seed") if role in file.roles]:
        texts = file.frame.texts(file.roles[role]).texts
        if role == "bootstrap" or any(text.lower().startswith(("boot", "oob")) for text in texts):
            message = f"column '{file.name(role)}' says that the splits are bootstrap samples, which repeat rows; "
            message += "no corrected test is known to keep its error level with them"
            raise file.error(OptionError, message, "Score the candidates by repeated k-fold cross-validation.")
    test_share = None
    if {"n_test", "n_train"} <= file.roles.keys():
        trained, tested = (file.numbers(file.roles[role]) for role in ("n_train", "n_test"))
        if not all(((counts >= 1) & (counts <= _MOST_ROWS)).all() for counts in (tested, trained)):
            message = f"'{file.name('n_train')}' and '{file.name('n_test')}' aren't numbers of rows above 0 in all rows"
            raise file.error(DataError, message, "Correct or drop them.")
        test_share = float(1 - np.mean(trained / (tested + trained)))
    candidate, repeat, fold, seed = (file.factor(role) for role in ("candidate", "repeat", "fold", "seed"))
    order = np.argsort(candidate.codes, kind="stable")
    of_candidate = np.split(order, np.cumsum(np.bincount(candidate.codes))[:-1])
    if in_order and not file.roles.keys() & {"repeat", "fold"}:
        number = np.empty_like(order)
        number[order] = np.concatenate([np.arange(len(lines)) for lines in of_candidate])
        fold = Factor("", number, tuple(str(i + 1) for i in range(int(number.max()) + 1)))
    n_folds, n_seeds = max(1, len(fold.labels)), max(1, len(seed.labels))
    splits, split = np.unique(repeat.codes * n_folds + fold.codes, return_inverse=True)
    seeds, inverse = np.unique((candidate.codes * len(splits) + split) * n_seeds + seed.codes, return_inverse=True)
    group = seeds // n_seeds  # candidate and split of each seed
    position = np.arange(len(seeds)) - np.searchsorted(group, group)
    counts = np.bincount(group, minlength=len(of_candidate) * len(splits)).reshape(-1, len(splits))
    pairs, place = tuple(divmod(key, n_folds) for key in splits.tolist()), position[inverse].astype(np.int64)
    columns, split = (candidate, repeat, fold, seed), split.astype(np.int64)
    return FileLines(file, *columns, split, pairs, test_share, of_candidate, place, counts.max(axis=1).tolist())


def scores_by_candidate(lines: FileLines, values: Sequence[int]) -> dict[str, Floats]:
    """Return the scores of each candidate [split, seed], NaN where there is none, from the column of scores; of the
    wide form, from one for each candidate. DataError if two lines are about one candidate, split and seed."""
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
            unless = "" if of_seed else "; if they are different seeds, add a column 'seed'"
            hint = f"Keep one of them{unless}."
            if not which:
                which = "and no column says whether they are folds, random splits or seeds"
                hint = "Add a column 'fold', 'split' or 'seed'; if the rows are folds in order, give "
                hint += f"{spell('folds', 10)}."
            raise file.error(DataError, f"{message}, {which}", hint)
        by_name[name] = np.full((n_splits, width), np.nan)
        by_name[name].flat[cells] = scores[of_name]
    return by_name


def align(lines: FileLines, scores: Mapping[str, Floats]) -> tuple[dict[str, Floats], str]:
    """Return scores [split, seed] on the splits that all candidates have, and in words what was left out. DataError if
    scores are missing and may not be dropped, or no split is left."""
    file, compact = lines.file, dict[str, Floats]()
    for name, values in scores.items():  # splits may have different seeds, so scores are moved to the left
        has_score = np.isfinite(values)
        packed = np.take_along_axis(values, np.argsort(~has_score, axis=1, kind="stable"), axis=1)
        compact[name] = packed[:, : int(has_score.sum(axis=1).max())]
    if empty := [name for name, values in compact.items() if not values.size]:
        raise file.error(DataError, f"{_list_words(empty)} has no score at all", "Leave it out.")
    complete = np.array([np.isfinite(values).all(axis=1) for values in compact.values()])
    kept_splits, names = np.logical_and.reduce(complete), [*compact]
    if kept_splits.all():
        return compact, ""
    missing = np.argwhere(~complete).tolist()
    missing_scores = _list_words([f"{names[place]} in {lines.split_name(split)}" for place, split in missing])
    if not file.options.drop_incomplete:
        seeds = ", with all of their seeds" if any(values.shape[1] > 1 for values in compact.values()) else ""
        hint = f"All candidates need all splits{seeds}. If a run failed, report that; "
        hint += "'drop_incomplete' leaves out the splits in which a score is missing."
        raise file.error(DataError, f"scores are missing: {missing_scores}", hint)
    if kept_splits.sum() < 2:
        message = f"{'a single split has' if kept_splits.any() else 'no split has'} the scores of all candidates"
        raise file.error(DataError, message, "Score them on the same splits.")
    n = int((~kept_splits).sum())
    dropped = (
        f"{n} of {len(kept_splits)} splits {'is' if n == 1 else 'are'} left out, as scores are missing there "
        f"({missing_scores}). If they are missing because a candidate failed, it looks better than it is."
    )
    return {name: values[kept_splits] for name, values in compact.items()}, dropped


def _list_words(words: Sequence[str]) -> str:
    """Return a, b, c and 4 more."""
    return "; ".join(words[:_MOST_NAMED]) + (f" and {len(words) - _MOST_NAMED} more" if words[_MOST_NAMED:] else "")


def split_plan(
    lines: FileLines, *, folds: int | None, test_share: float | None, predicted: bool = False
) -> PlanSummary:
    """Return how the splits were made; `reason` is what was understood, as a sentence. The kind is repeated k-fold,
    random splits, predictions of one test set or, without verdicts, scores of one split.

    If no column says it, `folds` are those of each repeat, and `test_share` is that of random splits. A single split is
    of predictions (`predicted`) or scores. OptionError if columns allow several answers, or options contradict them.
    """
    if folds is not None and test_share is not None:
        raise OptionError("folds and a test share are given", "Splits are folds or random; give one of the two.")
    if test_share is not None and not 0 < test_share < 1:
        raise OptionError(f"the test share is {test_share}", "Give the share of test rows: 0.2, say.")
    n, seed, named = len(lines.splits), lines.seed, [part.name for part in (lines.repeat, lines.fold) if part.name]
    if n == 1:
        runs = f" and {len(seed.labels)} seeds (column '{seed.name}')" if len(seed.labels) > 1 else ""
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
            hint += f"n_train and n_test; for folds give how many a repeat has: {spell('folds', 10)}."
            raise lines.file.error(OptionError, f"{n:,} splits ({which}) may be random splits or folds", hint)
        words = f"{n} random splits ({which}), {100 * share:.3g} % of the rows tested in each."
        words += f" They aren't folds, which would test one row in {k}." if no_folds else ""
        return PlanSummary(kind="random_splits", folds=n, test_share=share, df=min(n - 1, _MOST_DF), reason=words)
    repeats = n // k
    if k < 2 or repeats * k != n:
        hint = f"Give {spell('folds', 'K')}, or {spell('test_share', 'S')} if the splits are random."
        raise lines.file.error(OptionError, f"{n} splits aren't repeats of {k} folds", hint)
    times = f"{repeats} repeats of {k} folds" if repeats > 1 else f"{k} folds"
    words = f"Cross-validation: {times} ({which})."
    return PlanSummary(kind="cross_validation", repeats=repeats, folds=k, test_share=1 / k, df=k - 1, reason=words)


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
