"""Scores by candidate, split and seed, and the kind of the splits: folds, random splits, or a single split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Frame
from seedbed.errors import DataError, OptionError
from seedbed.evaluation import Estimate, corrected_t, corrected_ts, seed_noise
from seedbed.judgement.columns import Factor, Recognised, factor, numbers
from seedbed.typing import Floats

__all__ = ["Layout", "Runs", "SplitMeans", "cube_of", "layout_of", "numbered", "paired", "read_runs", "seed_places"]


_MOST_CELLS = 50_000_000
_MOST_NAMED = 4


@dataclass(frozen=True, eq=False)
class Runs:
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
    split: NDArray[np.int64]
    splits: tuple[tuple[int, int], ...]
    test_share: float | None

    def split_name(self, split: int) -> str:
        """Return the name of a split in the file."""
        repeat, fold = self.splits[split]
        parts = [(self.repeat, repeat), (self.fold, fold)]
        return ", ".join(f"{part.name} {part.labels[code]}" for part, code in parts if part.labels) or "the split"


def read_runs(columns: Frame, roles: Mapping[str, int], wide_names: Sequence[str] = ()) -> Runs:
    """Return the candidate, split and seed of each row.

    Raises:
        ColumnError: a cell is empty.
        OptionError: bootstrap samples.
    """
    if "bootstrap" in roles:
        raise _bootstrap(columns.where, columns.names[roles["bootstrap"]])
    n = columns.n_rows
    found = {
        role: factor(columns, roles[role], role) if role in roles else Factor("", np.zeros(n, dtype=np.int64), ())
        for role in ("candidate", "repeat", "fold", "seed")
    }
    for role in ("repeat", "fold", "seed"):
        if any(label.lower().startswith(("boot", "oob")) for label in found[role].labels):
            raise _bootstrap(columns.where, found[role].name)
    if wide_names:
        found["candidate"] = Factor("", found["candidate"].codes, tuple(wide_names))
    n_folds = max(1, len(found["fold"].labels))
    keys, split = np.unique(found["repeat"].codes * n_folds + found["fold"].codes, return_inverse=True)
    return Runs(
        where=columns.where,
        **found,
        split=split.astype(np.int64),
        splits=tuple((int(key) // n_folds, int(key) % n_folds) for key in keys),
        test_share=_test_share(columns, roles),
    )


def _bootstrap(where: str, name: str) -> OptionError:
    return OptionError(
        f"{where}: column '{name}' says that the splits are bootstrap samples, which repeat rows; no corrected test is "
        "known to keep its error level with them",
        "Score the candidates by repeated k-fold cross-validation.",
    )


def _test_share(columns: Frame, roles: Mapping[str, int]) -> float | None:
    """Return the mean share of test rows by the columns that count rows."""
    if "n_test" not in roles or "n_train" not in roles:
        return None
    tested, trained = (numbers(columns, roles[role]) for role in ("n_test", "n_train"))
    if not (np.isfinite(tested).all() and np.isfinite(trained).all() and (tested > 0).all() and (trained > 0).all()):
        names = " and ".join(f"'{columns.names[roles[role]]}'" for role in ("n_train", "n_test"))
        raise DataError(f"{columns.where}: {names} aren't numbers of rows above 0 in all rows", "Correct or drop them.")
    return float(np.mean(tested / (tested + trained)))


def cube_of(columns: Frame, found: Recognised, runs: Runs) -> dict[str, Floats]:
    """Return the scores of each candidate [split, seed], NaN where there is none.

    Raises:
        DataError: two rows are about one candidate, split and seed.
    """
    n_splits, (place, n_seeds) = len(runs.splits), seed_places(runs)
    names = runs.candidate.labels
    if n_splits * (len(names) * n_seeds[0] if found.wide else sum(n_seeds)) > _MOST_CELLS:
        raise DataError(
            f"{runs.where}: {len(names):,} candidates on {n_splits:,} splits with up to {max(n_seeds):,} seeds are too "
            "many scores",
            "Name the columns of candidates, folds and seeds: --candidate, --fold, --seed.",
        )
    order = np.argsort(runs.candidate.codes, kind="stable")
    by_candidate = np.split(order, np.cumsum(np.bincount(runs.candidate.codes))[:-1])
    values = numbers(columns, found.values[0])
    by_name = {}
    for number, name in enumerate(names):
        group = 0 if found.wide else number
        if found.wide:
            values = numbers(columns, found.values[number])
        rows, width = by_candidate[group], n_seeds[group]
        cells = runs.split[rows] * width + place[rows]
        _refuse_copies(columns, runs, name, rows, cells)
        table = np.full(n_splits * width, np.nan)
        table[cells] = values[rows]
        by_name[name] = table.reshape(n_splits, width)
    return by_name


def seed_places(runs: Runs) -> tuple[NDArray[np.int64], list[int]]:
    """Return the position of each line's seed among those of its candidate and split, and the seeds per candidate."""
    n_splits, n_seeds = len(runs.splits), max(1, len(runs.seed.labels))
    key = (runs.candidate.codes * n_splits + runs.split) * n_seeds + runs.seed.codes
    keys, inverse = np.unique(key, return_inverse=True)
    group = keys // n_seeds
    starts = np.searchsorted(group, group)
    rank = np.arange(len(keys)) - starts
    n_candidates = int(runs.candidate.codes.max(initial=0)) + 1
    counts = np.bincount(group, minlength=n_candidates * n_splits).reshape(-1, n_splits)
    return rank[inverse].astype(np.int64), counts.max(axis=1).tolist()


def _refuse_copies(columns: Frame, runs: Runs, name: str, rows: NDArray[np.int64], cells: NDArray[np.int64]) -> None:
    counts = np.bincount(cells)
    if counts.max(initial=0) < 2:
        return
    one, other = rows[np.flatnonzero(cells == counts.argmax())[:2]].tolist()
    places = columns.places([one, other])
    what = runs.split_name(runs.split[one]) if len(runs.splits) > 1 else ""
    seed = f"seed {runs.seed.labels[runs.seed.codes[one]]}" if runs.seed.labels else ""
    which = ", ".join(filter(None, (what, seed)))
    message = f"{runs.where}: {places[one]} and {places[other]} are both scores of {name}"
    if not which:
        raise DataError(
            f"{message}, and no column says whether they are folds, random splits or seeds",
            "Add a column 'fold', 'split' or 'seed'; if the rows are folds in order: --folds 10.",
        )
    hint = "Keep one of them." if seed else "Keep one of them; if they are different seeds, add a column 'seed'."
    raise DataError(f"{message}, {which}", hint)


def paired(scores: Mapping[str, Floats], runs: Runs, *, drop_incomplete: bool) -> tuple[dict[str, Floats], str]:
    """Return scores [split, seed] on the splits that all candidates have, and in words what was left out.

    Raises:
        DataError: scores are missing and `drop_incomplete` is False, or no split is left.
    """
    own = {name: _compact(values) for name, values in scores.items()}
    if empty := [name for name, values in own.items() if not values.size]:
        raise DataError(f"{runs.where}: {listed_runs(empty)} has no score at all", "Leave it out.")
    complete = {name: np.isfinite(values).all(axis=1) for name, values in own.items()}
    keep = np.logical_and.reduce(list(complete.values()))
    if keep.all():
        return own, ""
    lacking = [
        f"{name} in {runs.split_name(split)}" for name in own for split in np.flatnonzero(~complete[name]).tolist()
    ]
    if not drop_incomplete:
        several = any(values.shape[1] > 1 for values in own.values())
        raise DataError(
            f"{runs.where}: scores are missing: {listed_runs(lacking)}",
            f"All candidates need all splits{', with all of their seeds' * several}. If a run failed, report that; "
            "--drop-incomplete leaves out the splits in which a score is missing.",
        )
    if keep.sum() < 2:
        left = "no split has" if not keep.any() else "a single split has"
        raise DataError(f"{runs.where}: {left} the scores of all candidates", "Score them on the same splits.")
    n = int((~keep).sum())
    dropped = (
        f"{n} of {len(keep)} splits {'is' if n == 1 else 'are'} left out, as scores are missing there "
        f"({listed_runs(lacking)}). If they are missing because a candidate failed, it looks better than it is."
    )
    return {name: values[keep] for name, values in own.items()}, dropped


def _compact(values: Floats) -> Floats:
    """Return the scores of each split, moved to the left [split, run]. Splits may have different seeds."""
    there = np.isfinite(values)
    order = np.argsort(~there, axis=1, kind="stable")
    return np.asarray(np.take_along_axis(values, order, axis=1)[:, : int(there.sum(axis=1).max(initial=0))])


def listed_runs(words: Sequence[Any]) -> str:
    """Return a, b, c and 4 more."""
    shown = "; ".join(str(word) for word in words[:_MOST_NAMED])
    return shown + (f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else "")


_MOST_FOLDS = 20
_MOST_DF = 9
"""For random splits. More splits of the same rows don't add evidence; see docs/judge.md."""


class SplitMeans(NamedTuple):
    """A candidate's losses: means over seeds [split], and how much of their variance comes from seeds; None for a
    single seed.
    """

    values: Floats
    noise: float | None

    @classmethod
    def of(cls, losses: Floats) -> SplitMeans:
        """Return the means of losses [split, seed]."""
        return cls(losses.mean(axis=1), next(iter(seed_noise(losses[None])), None))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the splits were made.

    Attributes:
        kind: repeated k-fold; random splits; predictions of one test set; or, without verdicts, scores of one split,
            and means with deviations.
        repeats, folds: of k-fold; for random splits 1 and their number.
        overlap: test rows over training rows.
        df: degrees of freedom of the corrected t; None for a single split.
        words: what was understood, as a sentence.
    """

    kind: Literal["cross_validation", "random_splits", "held_out", "one_split", "means"]
    repeats: int
    folds: int
    overlap: float
    df: int | None
    words: str

    def difference(
        self, reference: SplitMeans, candidate: SplitMeans, *, alpha: float, comparisons: int = 1
    ) -> Estimate:
        """Return the corrected t of two candidates."""
        noises = (reference.noise, candidate.noise)
        return corrected_t(
            (reference.values - candidate.values)[None],
            alpha=alpha,
            comparisons=comparisons,
            n_test_over_n_train=self.overlap,
            df=self.df,
            seed_noise=() if noises == (None, None) else tuple(noise or 0.0 for noise in noises),
        )

    def differences(
        self, reference: SplitMeans, candidates: Sequence[SplitMeans], *, alpha: float, comparisons: int
    ) -> Floats:
        """Return `low`, `high` and `p` of the same for many candidates [candidate, 3]."""
        return corrected_ts(
            reference.values - np.stack([one.values for one in candidates]),
            alpha=alpha,
            comparisons=comparisons,
            n_test_over_n_train=self.overlap,
            df=self.df,
            seed_noise=np.array([min(reference.noise or 0.0, one.noise or 0.0) for one in candidates]),
        )


def layout_of(runs: Runs, *, folds: int | None = None, test_share: float | None = None) -> Layout:
    """Return how the splits were made.

    Args:
        folds: of each repeat, if no column says it.
        test_share: of random splits.

    Raises:
        OptionError: the columns allow several answers, or the options contradict them.
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
    if found is None or test_share is not None:
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
    """Return the folds of a repeat; None for random splits."""
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
    if "split" in runs.fold.name.lower() or not runs.fold.labels:
        return None
    if n > _MOST_FOLDS:
        raise OptionError(
            f"{runs.where}: {n:,} different values of '{runs.fold.name}' may be {n:,} folds or repeats of fewer",
            "Give the folds of a repeat, --folds 10 say; if the splits are random: --test-share 0.2.",
        )
    return n


def _random_splits(runs: Runs, share: float | None) -> Layout:
    n, which = len(runs.splits), _columns(runs.repeat, runs.fold)
    if share is None:
        raise OptionError(
            f"{runs.where}: {n:,} splits ({which}) may be random splits or folds",
            "For random splits give the share of test rows, --test-share 0.2 say, or columns n_train and n_test; for "
            "folds give how many a repeat has: --folds 10.",
        )
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
    return replace(runs, fold=Factor("", split, labels), split=split, splits=tuple((0, i) for i in range(len(labels))))
