"""Scores by candidate, split and seed, and the kind of the splits: folds, random splits, or a single split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seedbed.data.frame import Frame
from seedbed.errors import DataError, OptionError, spell
from seedbed.judgement.score_columns import Factor, factor, numbers
from seedbed.typing import Floats, Ints

_MOST_CELLS, _MOST_ROWS = 50_000_000, 1e15
_MOST_NAMED = 4
_MOST_FOLDS = 20
_MOST_DF = 9
"""For random splits. More splits of the same rows don't add evidence; see docs/judge.md."""


@dataclass(frozen=True, eq=False)
class FileRows:
    """The candidate, split and seed of each row of a file.

    Attributes:
        where: the name of the file in messages.
        candidate, repeat, fold, seed: of each row; without labels if there is no such column.
        split: codes [row] of (repeat, fold).
        splits: (repeat, fold) of each split, as codes.
        test_share: share of test rows in each split, from the columns `n_train` and `n_test`; None without them.
    """

    where: str
    candidate: Factor
    repeat: Factor
    fold: Factor
    seed: Factor
    split: Ints
    splits: tuple[tuple[int, int], ...]
    test_share: float | None

    def split_name(self, split: int) -> str:
        parts = zip((self.repeat, self.fold), self.splits[split], strict=True)
        return ", ".join(f"{part.name} {part.labels[code]}" for part, code in parts if part.labels) or "the split"


def read_rows(
    columns: Frame, roles: Mapping[str, int], wide_names: Sequence[str] = (), *, in_order: bool = False
) -> FileRows:
    """Return the candidate, split and seed of each row.

    Args:
        wide_names: the candidates of the wide form.
        in_order: whether the rows of each candidate are its splits, in order, if no column names these.

    Raises:
        ColumnError: a cell is empty.
        OptionError: bootstrap samples.
    """
    for role in [role for role in ("bootstrap", "repeat", "fold", "seed") if role in roles]:
        texts = columns.texts(roles[role]).texts
        if role != "bootstrap" and not any(text.lower().startswith(("boot", "oob")) for text in texts):
            continue
        name = columns.names[roles[role]]
        raise OptionError(
            f"{columns.where}: column '{name}' says that the splits are bootstrap samples, which repeat rows; "
            "no corrected test is known to keep its error level with them",
            "Score the candidates by repeated k-fold cross-validation.",
        )
    test_share = None
    if {"n_test", "n_train"} <= roles.keys():
        tested, trained = (numbers(columns, roles[role]) for role in ("n_test", "n_train"))
        if not all(((counts >= 1) & (counts <= _MOST_ROWS)).all() for counts in (tested, trained)):
            both = " and ".join(f"'{columns.names[roles[role]]}'" for role in ("n_train", "n_test"))
            message = f"{columns.where}: {both} aren't numbers of rows above 0 in all rows"
            raise DataError(message, "Correct or drop them.")
        test_share = float(1 - np.mean(trained / (tested + trained)))
    nothing = np.zeros(columns.n_rows, dtype=np.int64)
    factors = {
        role: factor(columns, roles[role], role) if role in roles else Factor("", nothing, ())
        for role in ("candidate", "repeat", "fold", "seed")
    }
    if wide_names:
        factors["candidate"] = Factor("", nothing, tuple(wide_names))
    if in_order and not roles.keys() & {"repeat", "fold"}:
        codes = factors["candidate"].codes
        order, number = np.argsort(codes, kind="stable"), np.empty_like(codes)
        number[order] = np.arange(len(codes)) - np.searchsorted(codes[order], codes[order])
        factors["fold"] = Factor("", number, tuple(str(i + 1) for i in range(int(number.max()) + 1)))
    n_folds = max(1, len(factors["fold"].labels))
    keys, split = np.unique(factors["repeat"].codes * n_folds + factors["fold"].codes, return_inverse=True)
    return FileRows(
        where=columns.where,
        **factors,
        split=split.astype(np.int64),
        splits=tuple(divmod(key, n_folds) for key in keys.tolist()),
        test_share=test_share,
    )


def scores_by_candidate(columns: Frame, values: Sequence[int], rows: FileRows) -> dict[str, Floats]:
    """Return the scores of each candidate [split, seed], NaN where there is none.

    Args:
        values: the column of scores; of the wide form, one for each candidate.

    Raises:
        DataError: two rows are about one candidate, split and seed.
    """
    n_splits, (place, n_seeds) = len(rows.splits), seed_places(rows)
    names, wide = rows.candidate.labels, len(values) > 1
    if n_splits * (len(names) * n_seeds[0] if wide else sum(n_seeds)) > _MOST_CELLS:
        raise DataError(
            f"{rows.where}: {len(names):,} candidates on {n_splits:,} splits with up to {max(n_seeds):,} seeds are too "
            "many scores",
            "Name the columns of candidates, folds and seeds: 'candidate', 'fold', 'seed'.",
        )
    order = np.argsort(rows.candidate.codes, kind="stable")
    lines_of = np.split(order, np.cumsum(np.bincount(rows.candidate.codes))[:-1])
    scores, by_name = numbers(columns, values[0]), {}
    for number, name in enumerate(names):
        if wide:
            scores = numbers(columns, values[number])
        group = 0 if wide else number
        lines, width = lines_of[group], n_seeds[group]
        cells = rows.split[lines] * width + place[lines]
        counts = np.bincount(cells)
        if counts.max() > 1:
            raise _copies(columns, rows, name, lines[np.flatnonzero(cells == counts.argmax())[:2]])
        table = np.full(n_splits * width, np.nan)
        table[cells] = scores[lines]
        by_name[name] = table.reshape(n_splits, width)
    return by_name


def seed_places(rows: FileRows) -> tuple[Ints, list[int]]:
    """Return the position of each line's seed among those of its candidate and split, and the seeds per candidate."""
    n_splits, n_seeds = len(rows.splits), max(1, len(rows.seed.labels))
    key = (rows.candidate.codes * n_splits + rows.split) * n_seeds + rows.seed.codes
    keys, inverse = np.unique(key, return_inverse=True)
    group = keys // n_seeds
    position = np.arange(len(keys)) - np.searchsorted(group, group)
    n_candidates = int(rows.candidate.codes.max()) + 1
    counts = np.bincount(group, minlength=n_candidates * n_splits).reshape(-1, n_splits)
    return position[inverse].astype(np.int64), counts.max(axis=1).tolist()


def _copies(columns: Frame, rows: FileRows, name: str, lines: Ints) -> DataError:
    """Return the error of two lines about one candidate, split and seed."""
    first, second = lines.tolist()
    places = columns.places([first, second])
    seed = f"seed {rows.seed.labels[rows.seed.codes[first]]}" if rows.seed.labels else ""
    which = [rows.split_name(rows.split[first])] * (len(rows.splits) > 1) + [seed] * bool(seed)
    message = f"{rows.where}: {places[first]} and {places[second]} are both scores of {name}"
    if not which:
        return DataError(
            f"{message}, and no column says whether they are folds, random splits or seeds",
            f"Add a column 'fold', 'split' or 'seed'; if the rows are folds in order, give {spell('folds', 10)}.",
        )
    hint = "Keep one of them." if seed else "Keep one of them; if they are different seeds, add a column 'seed'."
    return DataError(f"{message}, {', '.join(which)}", hint)


def align(scores: Mapping[str, Floats], rows: FileRows, *, drop_incomplete: bool) -> tuple[dict[str, Floats], str]:
    """Return scores [split, seed] on the splits that all candidates have, and in words what was left out.

    Raises:
        DataError: scores are missing and `drop_incomplete` is False, or no split is left.
    """
    compact = {}
    for name, values in scores.items():  # splits may have different seeds, so scores are moved to the left
        has_score = np.isfinite(values)
        packed = np.take_along_axis(values, np.argsort(~has_score, axis=1, kind="stable"), axis=1)
        compact[name] = packed[:, : int(has_score.sum(axis=1).max())]
    if empty := [name for name, values in compact.items() if not values.size]:
        raise DataError(f"{rows.where}: {_list_words(empty)} has no score at all", "Leave it out.")
    complete = {name: np.isfinite(values).all(axis=1) for name, values in compact.items()}
    kept_splits = np.logical_and.reduce(list(complete.values()))
    if kept_splits.all():
        return compact, ""
    missing_scores = [
        f"{name} in {rows.split_name(split)}"
        for name, is_complete in complete.items()
        for split in np.flatnonzero(~is_complete).tolist()
    ]
    if not drop_incomplete:
        several = any(values.shape[1] > 1 for values in compact.values())
        raise DataError(
            f"{rows.where}: scores are missing: {_list_words(missing_scores)}",
            f"All candidates need all splits{', with all of their seeds' * several}. If a run failed, report that; "
            "'drop_incomplete' leaves out the splits in which a score is missing.",
        )
    if kept_splits.sum() < 2:
        left_over = "no split has" if not kept_splits.any() else "a single split has"
        raise DataError(f"{rows.where}: {left_over} the scores of all candidates", "Score them on the same splits.")
    n = int((~kept_splits).sum())
    dropped = (
        f"{n} of {len(kept_splits)} splits {'is' if n == 1 else 'are'} left out, as scores are missing there "
        f"({_list_words(missing_scores)}). If they are missing because a candidate failed, it looks better than it is."
    )
    return {name: values[kept_splits] for name, values in compact.items()}, dropped


def _list_words(words: Sequence[str]) -> str:
    """Return a, b, c and 4 more."""
    return "; ".join(words[:_MOST_NAMED]) + (f" and {len(words) - _MOST_NAMED} more" if words[_MOST_NAMED:] else "")


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """How the splits were made.

    Attributes:
        kind: repeated k-fold; random splits; predictions of one test set; or, without verdicts, scores of one split.
        repeats, folds: of k-fold; for random splits 1 and their number.
        overlap: test rows over training rows.
        df: degrees of freedom of the corrected t; None for a single split.
        n_groups: of a column of groups; None without one.
        words: what was understood, as a sentence.
    """

    kind: Literal["cross_validation", "random_splits", "held_out", "one_split"]
    repeats: int = 1
    folds: int = 1
    overlap: float = 0.0
    df: int | None = None
    n_groups: int | None = None
    words: str


def split_plan(rows: FileRows, *, folds: int | None, test_share: float | None, predicted: bool = False) -> SplitPlan:
    """Return how the splits were made.

    Args:
        folds: of each repeat, if no column says it.
        test_share: of random splits.
        predicted: whether the file has predictions of a single split, not scores.

    Raises:
        OptionError: the columns allow several answers, or the options contradict them.
    """
    if folds is not None and test_share is not None:
        raise OptionError("folds and a test share are given", "Splits are folds or random; give one of the two.")
    if test_share is not None and not 0 < test_share < 1:
        raise OptionError(f"the test share is {test_share}", "Give the share of test rows: 0.2, say.")
    n = len(rows.splits)
    if n == 1:
        seeds = len(rows.seed.labels)
        runs = f" and {seeds} seeds (column '{rows.seed.name}')" if seeds > 1 else ""
        if not predicted:
            words = f"One split of the rows{runs or ' and one run of each candidate'}."
            return SplitPlan(kind="one_split", words=words)
        words = f"One test set{runs}."
        if not (rows.repeat.name or rows.fold.name):
            words = f"No column names folds: read as one test set{runs}. "
            words += "If these are out-of-fold predictions, add a column 'fold'."
        return SplitPlan(kind="held_out", words=words)
    share = rows.test_share if test_share is None else test_share
    k = _folds_of(rows, folds)
    if k is None or test_share is not None:
        return _random_splits(rows, share)
    if share is not None and not 0.8 < share * k < 1.25:
        plan = _random_splits(rows, share)
        return replace(plan, words=f"{plan.words} They aren't folds, which would test one row in {k}.")
    repeats = n // k
    if k < 2 or repeats * k != n:
        hint = f"Give {spell('folds', 'K')}, or {spell('test_share', 'S')} if the splits are random."
        raise OptionError(f"{rows.where}: {n} splits aren't repeats of {k} folds", hint)
    times = f"{repeats} repeats of {k} folds" if repeats > 1 else f"{k} folds"
    words = f"Cross-validation: {times} ({_columns(rows)})."
    return SplitPlan(kind="cross_validation", repeats=repeats, folds=k, overlap=1 / (k - 1), df=k - 1, words=words)


def _folds_of(rows: FileRows, folds: int | None) -> int | None:
    """Return the folds of a repeat; None for random splits."""
    per_repeat = Counter(repeat for repeat, _ in rows.splits)
    sizes, n = set(per_repeat.values()), len(rows.splits)
    if folds is not None:
        if folds < 2 or (rows.repeat.labels and sizes != {folds}):
            message = f"folds is {folds}, and the file has {max(sizes)} in a repeat"
            raise OptionError(message, f"Leave {spell('folds')} out.")
        return folds
    if len(per_repeat) > 1:
        if len(sizes) > 1:
            repeat = rows.repeat.labels[min(per_repeat, key=lambda code: per_repeat[code])]
            message = f"{rows.where}: repeats have {min(sizes)} to {max(sizes)} folds (fewest: {repeat})"
            raise OptionError(message, f"Complete them; if the splits are random, give {spell('test_share', 'S')}.")
        return None if sizes == {1} else sizes.pop()
    if "split" in rows.fold.name.lower() or not rows.fold.labels:
        return None
    if n > _MOST_FOLDS:
        raise OptionError(
            f"{rows.where}: {n:,} different values of '{rows.fold.name}' may be {n:,} folds or repeats of fewer",
            f"Give the folds of a repeat, such as {spell('folds', 10)}; if the splits are random, give "
            f"{spell('test_share', 0.2)}.",
        )
    return n


def _random_splits(rows: FileRows, share: float | None) -> SplitPlan:
    n, which = len(rows.splits), _columns(rows)
    if share is None:
        raise OptionError(
            f"{rows.where}: {n:,} splits ({which}) may be random splits or folds",
            f"For random splits give the share of test rows, such as {spell('test_share', 0.2)}, or columns n_train "
            f"and n_test; for folds give how many a repeat has: {spell('folds', 10)}.",
        )
    words = f"{n} random splits ({which}), {100 * share:.3g} % of the rows tested in each."
    overlap = share / (1 - share)
    return SplitPlan(kind="random_splits", folds=n, overlap=overlap, df=min(n - 1, _MOST_DF), words=words)


def _columns(rows: FileRows) -> str:
    names = [f"'{part.name}'" for part in (rows.repeat, rows.fold) if part.name]
    return f"column{'s' * (len(names) > 1)} {' and '.join(names)}" if names else "the rows in order"
