"""How the splits of a file were made, by its columns: folds, random splits, or one split with several seeds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seedbed.errors import OptionError
from seedbed.evaluation import CorrectedT, corrected_t
from seedbed.judgement.columns import Factor
from seedbed.judgement.scores import Runs

__all__ = ["Layout", "layout_of", "numbered"]

_MOST_FOLDS = 20
_MOST_DF = 9
"""Of random splits: more splits of the same rows don't make more evidence; see docs/judge.md."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the splits were made.

    Attributes:
        kind: repeated k-fold; random splits; one look at many locked rows; or one split, which has no verdict.
        repeats, folds: of k-fold; of random splits 1 and their number.
        overlap: test rows over training rows.
        df: degrees of freedom of the corrected t; None of one split.
        words: what was understood, as a sentence.
    """

    kind: Literal["cross_validation", "random_splits", "held_out", "one_split"]
    repeats: int
    folds: int
    overlap: float
    df: int | None
    words: str

    def difference(
        self, reference: np.ndarray, candidate: np.ndarray, *, alpha: float, comparisons: int = 1
    ) -> CorrectedT:
        """Return the corrected t of two candidates' losses [split, seed]; seeds are averaged within a split first."""
        x = (reference.mean(axis=1) - candidate.mean(axis=1))[None]
        return corrected_t(x, alpha=alpha, comparisons=comparisons, n_test_over_n_train=self.overlap, df=self.df)


def layout_of(runs: Runs, *, folds: int | None = None, test_share: float | None = None) -> Layout:
    """Return how the splits were made.

    Args:
        folds: of each repeat, where no column says it.
        test_share: of random splits.

    Raises:
        OptionError: the columns allow for several answers, or the options contradict them.
    """
    if folds is not None and test_share is not None:
        raise OptionError("folds and a test share are given", "Splits are folds or random; give one of the two.")
    if test_share is not None and not 0 < test_share < 1:
        raise OptionError(f"the test share is {test_share}", "Give the share of test rows: 0.2, say.")
    n = len(runs.splits)
    if n == 1:
        return _one_split(runs)
    share = runs.test_share if test_share is None else test_share
    per_repeat = Counter(repeat for repeat, _ in runs.splits)
    found = _folds_of(runs, per_repeat, folds)
    if found is None or (test_share is not None):
        return _random_splits(runs, share)
    if share is not None and not 0.8 < share * found < 1.25:
        layout = _random_splits(runs, share)
        return replace(layout, words=f"{layout.words} They aren't folds, which would test one row in {found}.")
    repeats = n // found
    if found < 2 or repeats * found != n:
        message = f"{runs.where}: {n} splits aren't repeats of {found} folds"
        raise OptionError(message, "Give --folds K, or --test-share S if the splits are random.")
    times = f"{repeats} repeats of {found} folds" if repeats > 1 else f"{found} folds"
    return Layout(
        kind="cross_validation",
        repeats=repeats,
        folds=found,
        overlap=1 / (found - 1),
        df=found - 1,
        words=f"Cross-validation: {times} ({_columns(runs.repeat, runs.fold)}).",
    )


def _folds_of(runs: Runs, per_repeat: Counter[int], given: int | None) -> int | None:
    """Return the folds of a repeat; None where the splits are random."""
    sizes = set(per_repeat.values())
    if given is not None:
        if given < 2 or (runs.repeat.labels and sizes != {given}):
            raise OptionError(f"folds is {given}, and the file has {max(sizes)} in a repeat", "Leave --folds out.")
        return given
    if runs.repeat.labels and len(per_repeat) > 1:
        if sizes == {1}:
            return None
        if len(sizes) > 1:
            repeat = runs.repeat.labels[min(per_repeat, key=lambda one: per_repeat[one])]
            message = f"{runs.where}: repeats have {min(sizes)} to {max(sizes)} folds (fewest: {repeat})"
            raise OptionError(message, "Complete them; if the splits are random: --test-share S.")
        return sizes.pop()
    n = len(runs.splits)
    if "split" in runs.fold.name.lower():
        return None
    if not runs.fold.labels:
        return None
    if n > _MOST_FOLDS:
        raise OptionError(
            f"{runs.where}: {n:,} different values of '{runs.fold.name}' may be {n:,} folds or repeats of fewer",
            "Give the folds of a repeat, --folds 10 say; if the splits are random: --test-share 0.2.",
        )
    return n


def _random_splits(runs: Runs, share: float | None) -> Layout:
    n = len(runs.splits)
    if share is None:
        what = _columns(runs.repeat, runs.fold)
        raise OptionError(
            f"{runs.where}: {n:,} splits ({what}) may be random splits or folds",
            "For random splits give the share of test rows, --test-share 0.2 say, or columns n_train and n_test; for "
            "folds give how many a repeat has: --folds 10.",
        )
    which = _columns(runs.repeat, runs.fold)
    return Layout(
        kind="random_splits",
        repeats=1,
        folds=n,
        overlap=share / (1 - share),
        df=min(n - 1, _MOST_DF),
        words=f"{n} random splits ({which}), {100 * share:.3g} % of the rows tested in each.",
    )


def _one_split(runs: Runs) -> Layout:
    seeds = len(runs.seed.labels)
    what = f"{seeds} seeds (column '{runs.seed.name}')" if seeds > 1 else "one run of each candidate"
    return Layout(
        kind="one_split", repeats=1, folds=1, overlap=0.0, df=None, words=f"One split of the rows and {what}."
    )


def _columns(*factors: Factor) -> str:
    names = [f"'{one.name}'" for one in factors if one.name]
    return f"column{'s' * (len(names) > 1)} {' and '.join(names)}" if names else "the rows in order"


def numbered(runs: Runs, *, wide: bool) -> Runs:
    """Return the runs with the rows of each candidate numbered as splits, in order."""
    codes = runs.candidate.codes
    if wide or not len(codes):
        split = np.arange(len(codes), dtype=np.int64)
    else:
        order = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[order], np.arange(codes.max() + 1))
        split = np.empty(len(codes), dtype=np.int64)
        split[order] = np.arange(len(codes)) - starts[codes[order]]
    labels = tuple(str(number + 1) for number in range(int(split.max()) + 1))
    fold = Factor("", split, labels)
    return replace(runs, fold=replace(fold, name=""), split=split, splits=tuple((0, i) for i in range(len(labels))))
