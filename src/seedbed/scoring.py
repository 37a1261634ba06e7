"""Out-of-fold predictions of candidates and baselines: scores and verdicts, with intervals that
suit the design."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from seedbed.evaluation.bootstrap import row_mean_se, score_interval
from seedbed.evaluation.calibration import (
    CalibrationSummary,
    calibration_line,
    calibration_of,
)
from seedbed.evaluation.classification import confusion_matrix
from seedbed.evaluation.conclusion import Evidence
from seedbed.evaluation.estimates import (
    Estimate,
    corrected_t,
    paired_hold_out,
    paired_shares,
    share_interval,
    wilson,
)
from seedbed.evaluation.metrics import (
    METRICS,
    Metric,
    fold_losses,
    row_losses,
)
from seedbed.evaluation.summaries import CandidateSummary, Score, Task
from seedbed.evaluation.verdicts import fold_differences, seed_noise
from seedbed.tested import Tested
from seedbed.typing import Floats

SCORES: dict[Task, tuple[str, ...]] = {
    task: tuple(name for name, metric in METRICS.items() if task in metric.tasks)
    for task in get_args(Task)
}
"""The scores of a candidate, by task."""

_TINY = 1e-12
_RESAMPLES = ((5_000, 2000), (50_000, 500), (np.inf, 40))
"""(rows, resamples): how many resamples a bootstrap of up to so many rows has. With more rows a
resample takes longer and the interval is narrower. The normal interval of 40 has ends that are off
by a fifth of a standard error, about 0.0002 of an AUC."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """One candidate or baseline, predicted on rows that it wasn't trained on.

    Attributes:
        tested: what it is tested on.
        name: as in the table.
        predictions: NaN where there is no finite one. The probability of class 1, float32 [repeat,
            seed, row], of each of several classes, float32 [repeat, seed, row, class], numbers in
            the target's own units, float64 [repeat, seed, row], or the probability of survival
            until each time, float32 [repeat, seed, row, time].
        singles: the predictions of the single networks of each model, in the shape of `predictions`
            with a network in place of a seed; None without networks.
        kind: as in `CandidateSummary`.
        description: what it is, in a few words; empty if that isn't known.
        failure: why it can't be fitted on some splits; else empty.
        parts: of a blend, the mean weight of each model, the largest first.
        known: losses of rows that parts of the same result share.
    """

    tested: Tested
    name: str
    predictions: npt.NDArray[np.floating]
    singles: npt.NDArray[np.floating] | None = None
    kind: str = "predictions"
    description: str = ""
    failure: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    known: dict[tuple[str, bool], Floats] = field(default_factory=dict)
    _losses: dict[tuple[str, bool], Floats] = field(default_factory=dict, init=False)

    @functools.cached_property
    def finite(self) -> bool:
        """Whether every network has a finite prediction for every row that it is tested on."""
        return bool(np.isfinite(self.predictions[:, :, self.tested.rows]).all())

    def sets(self, *, single: bool) -> npt.NDArray[np.floating]:
        """Return the predictions, or those of each single network, if there are any."""
        return self.singles if single and self.singles is not None else self.predictions

    def row_losses(self, metric: str | None = None, *, single: bool = False) -> Floats:
        """Return losses [repeat, seed, row], by default of the task's metric; with `single`, of
        each single network, if there are any."""
        name = metric or self.tested.outcome.metric
        key = (name, single and self.singles is not None)
        if key in self.known:
            return self.known[key]
        pairs = (
            (np.broadcast_to(truth, p.shape[:1] + truth.shape), p)
            for truth, p in zip(
                itertools.cycle(self.tested.truths),
                self.sets(single=single),
                strict=False,
            )
        )
        losses = np.stack(
            [
                row_losses(name, truth, p, variance=self.tested.target_variance)
                for truth, p in pairs
            ]
        )
        if self.tested.part is not None:
            self.known[key] = losses
        return losses

    def losses(self, metric: str | None = None, *, single: bool = False) -> Floats:
        """Return the mean of `row_losses` over the test rows of each split [repeat, fold, seed];
        smaller is better.

        Of a score that rows don't have, it is 1 - the score of the test rows.

        A fold may have few rows of a part, or none, so their mean can't be the value of a fold. It
        is c + F / n * sum (loss - c) over the fold's rows of the part, with c the mean loss in the
        part, which has n tested rows in F folds. Its mean over folds is the mean loss of the part,
        and its spread that of a mean over a number of rows that varies as well: the linearised
        ratio (Cochran 1977, Sampling Techniques, ch. 6).
        """
        name = metric or self.tested.outcome.metric
        key = (name, single and self.singles is not None)
        if key in self._losses:
            return self._losses[key]
        sets = self.sets(single=single)
        if self.tested.part is not None:
            centre, shares = self.shares(metric, single=single)
            losses = self._by_split(shares, np.sum)
            losses = centre + losses.shape[1] * losses
        elif METRICS[name].concordance and self.tested.followed is not None:
            losses = self.tested.followed.discordances(sets[..., -1].astype(np.float64))
        elif METRICS[name].row_loss is None:
            tests = [
                [split.test for split in self.tested.splits if split.repeat == repeat]
                for repeat in range(len(sets))
            ]
            losses = np.stack(
                [
                    fold_losses(name, self.tested.target, p, folds)
                    for p, folds in zip(sets, tests, strict=True)
                ]
            )
        else:
            losses = self._by_split(self.row_losses(metric, single=single), np.mean)
        return self._losses.setdefault(key, losses)

    def shares(
        self, metric: str | None = None, *, single: bool = False
    ) -> tuple[float, Floats]:
        """Return the mean loss c of a part, and (loss - c) / n of each of its rows, 0 of others
        [repeat, seed, row]."""
        by_row = self.row_losses(metric, single=single)
        rows = self.tested.rows
        centre = float(by_row[:, :, rows].mean())
        return centre, np.where(
            np.asarray(self.tested.part), by_row - centre, 0.0
        ) / len(rows)

    def _by_split(self, by_row: Floats, of_rows: Callable[..., Floats]) -> Floats:
        """Return a mean or sum of values [repeat, seed, row] over the test rows of each split
        [repeat, fold, seed]."""
        folds = [
            of_rows(by_row[split.repeat][:, split.test], axis=1)
            for split in self.tested.splits
        ]
        return np.stack(folds).reshape(len(by_row), -1, by_row.shape[1])

    def complete(self) -> tuple[npt.NDArray[Any], Floats]:
        """Return the target of the tested rows [row], and the prediction sets that are finite for
        all of them: [set, row] or [set, row, class].
        """
        means = self.predictions[:, :, self.tested.rows].astype(np.float64)
        sets = means.reshape(-1, *means.shape[2:])
        return self.tested.target[self.tested.rows], sets[
            np.isfinite(sets).reshape(len(sets), -1).all(axis=1)
        ]

    @functools.cached_property
    def scores(self) -> Mapping[str, Score]:
        """All scores by name, with their spread and their intervals; each is computed when it is
        first read."""
        return _Scores(self)

    def confusion(self) -> tuple[tuple[float, ...], ...] | None:
        """Return the share of rows [true class, predicted class] over all out-of-fold predictions;
        None for numbers."""
        if not self.tested.outcome.has_classes:
            return None
        p = self.predictions[:, :, self.tested.rows]
        truth = np.broadcast_to(
            self.tested.target[self.tested.rows], p.shape[:3]
        ).reshape(-1)
        cells = confusion_matrix(truth, p.reshape(-1, *p.shape[3:]))
        return tuple(tuple(row) for row in (cells / max(1, cells.sum())).tolist())

    @functools.cached_property
    def calibration(self) -> CalibrationSummary | None:
        """The calibration of the probabilities, averaged over repeats and seeds; None without
        finite ones, or where nothing is known of the tested rows at the horizon.

        With several classes, it is the probability of the predicted class against whether that
        class was right (top-label calibration, Guo et al. 2017). The Brier score is then that of
        being right.
        """
        forecasts = self.forecasts()
        if self.tested.outcome.is_number or forecasts is None:
            return None
        if self.tested.followed is None:
            found = calibration_of(*forecasts)
            if self.tested.n_classes > 2:
                return found
            slope, intercept = calibration_line(
                *forecasts, alpha=self.tested.alpha, groups=self.tested.groups_of_rows
            )
            if slope is None or intercept is None:
                return found
            return replace(found, slope=slope.times(1), intercept=intercept.times(1))
        truth, p = (
            values[forecasts[0] != 0] for values in forecasts
        )  # without rows censored before the horizon
        return calibration_of(truth > 0, p, np.abs(truth)) if len(truth) else None

    def forecasts(self) -> tuple[npt.NDArray[Any], Floats] | None:
        """Return what was observed and what was predicted, averaged over repeats and seeds, of the
        tested rows [row]; of several classes whether the predicted one was right, and its
        probability; of survival `censored_truth` at the horizon. None without finite
        predictions."""
        y, sets = self.complete()
        if not len(sets):
            return None
        p = sets.mean(axis=0)
        if self.tested.followed is not None:
            return np.mean(self.tested.followed.truths, axis=0)[
                self.tested.rows, -1
            ], np.minimum(p[:, -1], 1.0)
        if p.ndim > 1:
            # A mean of float32 shares may pass 1 by rounding.
            y = p.argmax(axis=1) == y
            p = np.minimum(p.max(axis=1), 1.0)
        return y, p

    def summary(self, *, whole: bool = True) -> CandidateSummary:
        """Return everything as plain values; unless `whole` without confusion and calibration, and
        with `scores`, of which few may be read, as they are."""
        return CandidateSummary(
            name=self.name,
            kind=self.kind,
            description=self.description,
            note=self.failure,
            finite=self.finite,
            networks=1 if self.singles is None else self.singles.shape[1],
            repeats=len(self.predictions),
            parts=self.parts,
            scores=dict(self.scores) if whole else self.scores,
            confusion=self.confusion() if whole else None,
            calibration=self.calibration if whole else None,
        )


class _Scores(Mapping[str, Score]):
    """The scores of a result. A bootstrap takes long, so each is computed when it is first read."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._known = dict[str, Score]()

    def __getitem__(self, name: str) -> Score:
        if name not in self:
            raise KeyError(name)
        if name not in self._known:
            self._known[name] = score(name, self._result)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in SCORES[self._result.tested.task]

    def __iter__(self) -> Iterator[str]:
        return iter(SCORES[self._result.tested.task])

    def __len__(self) -> int:
        return len(SCORES[self._result.tested.task])


def score(name: str, result: Result) -> Score:
    """Return one score with its interval.

    - A mean over rows, and a concordance: the corrected t over folds; on locked rows the error of
      rows and seeds; where no verdict is due, Wilson's interval for a share.
    - A share that is 0 or 1, or nearly so: at least Wilson's interval
      (`evaluation.share_interval`).
    - A skill: from the score that it is a skill of, with what the prior costs taken as known; None
      if that is 0.
    - A function of row weights: a bootstrap of rows (`evaluation.score_interval`), widened by what
      it misses on the Brier score.
    - Any other: no interval.
    """
    metric = METRICS[name]
    if (
        result.tested.outcome.is_number
        and result.tested.target_variance is None
        and not metric.own_units
    ):
        return Score(
            None
        )  # relative to the variance of the numbers, which are constant
    if metric.skill_of is not None:
        prior = result.tested.loss_of_prior(metric.skill_of)
        if prior is None:
            return Score(None)
        of = score(metric.skill_of, result)
        mean, low, high = (
            None if value is None else 1 - value / prior
            for value in (of.mean, of.high, of.low)
        )
        return Score(mean, low, high)
    if metric.row_loss is None and not metric.concordance:
        return _of_sets(metric, result)
    losses = result.losses(name)
    low, high = _loss_interval(metric, result, losses)
    mean = mean_of(losses.reshape(-1, losses.shape[2]))
    if metric.greater_is_better:
        mean, low, high = (
            None if value is None else 1 - value for value in (mean, high, low)
        )
    return Score(mean, low, high)


def _loss_interval(
    metric: Metric, result: Result, losses: Floats
) -> tuple[float | None, float | None]:
    """Return the interval of a mean loss, within its range."""
    if not np.isfinite(losses).all():
        return None, None
    n = len(
        result.tested.rows
        if result.tested.groups_of_rows is None
        else np.unique(result.tested.groups_of_rows)
    )
    if result.tested.design.kind == "held_out":
        if metric.concordance:
            return None, None
        estimate = _held_out(result, metric.name)
    elif result.tested.design.has_verdict:
        estimate = of_one_model(result, metric.name)
    else:
        if not metric.percent:
            return None, None
        return wilson(n * float(losses.mean()), n, alpha=result.tested.alpha)
    if metric.percent and metric.row_loss is not None:
        if estimate.independent_rows is not None:
            n = min(n, estimate.independent_rows)
        return share_interval(
            estimate.mean, estimate.low, estimate.high, n=n, alpha=result.tested.alpha
        )
    return max(0.0, estimate.low), min(
        metric.largest_loss(result.tested.task), estimate.high
    )


def _held_out(result: Result, metric: str) -> Estimate:
    """Return the mean loss of the locked rows, as a difference from no loss."""
    losses = result.row_losses(metric)[0][:, result.tested.rows]
    nothing = np.zeros((1, losses.shape[1]))
    return paired_hold_out(
        losses,
        nothing,
        groups=result.tested.groups_of_rows,
        times=result.tested.times_of_rows,
        alpha=result.tested.alpha,
    )


def _of_sets(metric: Metric, result: Result) -> Score:
    y, sets = result.complete()
    if not len(sets):
        return Score(None)
    if metric.value is not None:
        values = [
            value for value in (metric.value(y, p) for p in sets) if value is not None
        ]
        return Score(float(np.mean(values)) if values else None)
    widened = _widened(result, y, sets)
    groups = result.tested.groups_of_rows
    n = resamples_for(len(y))
    interval = score_interval(
        metric.name,
        y,
        sets,
        groups=groups,
        alpha=result.tested.alpha,
        n_resamples=n,
        widened_by=widened,
    )
    value = None if interval is None else interval.mean
    pooled = False
    if metric.by_fold is not None and not result.tested.design.locked_share:
        value, pooled = _by_fold(metric.by_fold, result)
    if value is None or interval is None:
        return Score(value, pooled=pooled)
    # The resamples pool the folds, where a score within folds doesn't: the distances of their ends
    # are kept.
    low, high = (
        value - interval.mean + interval.low,
        value - interval.mean + interval.high,
    )
    if (
        metric.percent and (high >= metric.high or low <= metric.low)
    ) or low == high == metric.high:
        # It is read as a share of its range, and of the rows of the rarest class: a recall is, and
        # the variance of others, such as the ROC AUC, isn't larger (Birnbaum & Klose 1957).
        counts = np.bincount(y)
        span = metric.high - metric.low
        shares = ((end - metric.low) / span for end in (value, low, high))
        ends = share_interval(
            *shares, n=float(counts[counts > 0].min()), alpha=result.tested.alpha
        )
        low, high = (metric.low + span * end for end in ends)
    return Score(value, max(metric.low, low), min(metric.high, high), pooled=pooled)


def resamples_for(n_rows: int) -> int:
    """Return how many resamples a bootstrap of so many rows has."""
    return next(n for most, n in _RESAMPLES if n_rows <= most)


def _by_fold(
    by_fold: Callable[..., tuple[float | None, bool]], result: Result
) -> tuple[float | None, bool]:
    """Return the mean over repeats and seeds of a score within folds, and whether folds had to be
    pooled."""
    values = []
    pooled = False
    y = result.tested.target[result.tested.rows]
    for repeat, by_seed in enumerate(result.predictions[:, :, result.tested.rows]):
        folds = np.empty(len(result.tested.target), dtype=np.int64)
        for split in result.tested.splits:
            if split.repeat == repeat:
                folds[split.test] = split.fold
        for p in by_seed:
            if np.isfinite(p).all():
                value, is_pooled = by_fold(
                    y, p.astype(np.float64), folds[result.tested.rows]
                )
                pooled |= is_pooled
                values += [] if value is None else [value]
    return (float(np.mean(values)) if values else None), pooled


def _widened(result: Result, y: npt.NDArray[Any], sets: Floats) -> float:
    """Return how much wider the interval of the Brier score is than the error of a bootstrap; of
    folds, its error."""
    losses = result.losses("brier")
    cross_validated = result.tested.design.kind == "cross_validation"
    dependent = result.tested.design.kind == "held_out" and (
        result.tested.times is not None or result.tested.groups is not None
    )
    if not (cross_validated or dependent) or not np.isfinite(losses).all():
        return 1.0
    se = row_mean_se(
        row_losses("brier", np.broadcast_to(y, sets.shape[:2]), sets),
        result.tested.groups_of_rows,
    )
    corrected = (
        of_one_model(result, "brier").se
        if cross_validated
        else _held_out(result, "brier").half / 1.96
    )
    return max(1.0, corrected / se) if se > 0 else 1.0


def of_one_model(result: Result, metric: str) -> Estimate:
    """Return the mean loss of one model with its interval from cross-validation.

    Stratified folds have equal shares of the classes, so their spread lacks what other rows would
    change in those shares: sum_c pi_c (mu_c - mu)^2 / n is added to se^2, with mu_c the mean loss
    of class c and pi_c its share.
    """
    losses = result.losses(metric)
    between = 0.0
    if not result.tested.outcome.is_number and METRICS[metric].row_loss is not None:
        by_row = result.row_losses(metric)[:, :, result.tested.rows].mean(axis=(0, 1))
        y = result.tested.target[result.tested.rows]
        counts = np.bincount(y)
        shares = counts / counts.sum()
        means = np.bincount(y, weights=by_row) / np.maximum(counts, 1)
        between = float(shares @ (means - shares @ means) ** 2) / len(y)
    about: dict[str, Any] = {
        "alpha": result.tested.alpha,
        "groups": result.tested.groups_of_rows,
        "seed_noise": seed_noise(losses),
    }
    return corrected_t(losses.mean(axis=2), **about, between_classes=between)


def mean_of(values: Floats) -> float | None:
    """Return the mean over folds of the means over seeds of [fold, seed], NaN where there is no
    value; None if there is none at all."""
    usable = values[np.isfinite(values).any(axis=1)]
    return float(np.nanmean(usable, axis=1).mean()) if len(usable) else None


# Verdicts


def difference(
    reference: Result, candidate: Result, metric: str, *, comparisons: int = 1
) -> Estimate:
    """Return the loss of the reference minus that of the candidate, with the interval that suits
    the design.

    Locked rows: the error of rows and seeds. Else the corrected t. The error level is the
    reference's `alpha`. Shares of locked rows by one network each, and shares that don't vary, have
    an interval for counts (`evaluation.paired_shares`).
    """
    pair = (reference, candidate)
    groups = reference.tested.groups_of_rows
    counted = False
    level: dict[str, Any] = {
        "alpha": reference.tested.alpha,
        "comparisons": comparisons,
    }
    if reference.tested.design.kind == "held_out":
        ours, theirs = (
            result.row_losses(metric)[0][:, result.tested.rows] for result in pair
        )
        estimate = paired_hold_out(
            ours, theirs, groups=groups, times=reference.tested.times_of_rows, **level
        )
        counted = (
            len(ours) == len(theirs) == 1
            and groups is None
            and reference.tested.times is None
        )
    else:
        ours, theirs = (result.losses(metric) for result in pair)
        noise = seed_noise(ours, theirs)
        estimate = corrected_t(
            fold_differences(ours, theirs), groups=groups, seed_noise=noise, **level
        )
    if (
        METRICS[metric].percent
        and METRICS[metric].row_loss
        and (counted or estimate.se == 0)
    ):
        ours, theirs = (
            result.row_losses(metric)[:, :, result.tested.rows].mean(axis=(0, 1))
            for result in pair
        )
        at = (
            np.arange(len(ours))
            if groups is None
            else np.unique(groups, return_inverse=True)[1]
        )
        estimate = paired_shares(
            estimate, np.bincount(at, ours - theirs) / np.bincount(at)
        )
    return estimate


def evidence_of(results: Sequence[Result], metric: str) -> Evidence:
    """Return what results of the same splits say about the difference of any two, for
    `evaluation.conclude`. Those with predictions that aren't finite are left out.
    """
    usable = {result.name: result for result in results if result.finite}
    first = results[0]

    def by(metric: str) -> Callable[[str, str, int], Estimate]:
        return lambda ours, theirs, n: difference(
            usable[ours], usable[theirs], metric, comparisons=n
        )

    return Evidence(
        means={
            name: float(result.losses(metric).mean()) for name, result in usable.items()
        },
        folds={
            name: result.losses(metric).mean(axis=2) for name, result in usable.items()
        },
        difference=by(metric),
        in_accuracy=by("accuracy") if first.tested.outcome.has_classes else None,
        n_rows=len(first.tested.target),
        n_train=round(
            float(np.mean([len(split.train) for split in first.tested.splits]))
        ),
    )


def without_verdict(
    results: Sequence[Result], reference: str, metric: str
) -> dict[str, str]:
    """Return the candidates that get no verdict on a metric, and why."""
    others = [result for result in results if result.name != reference]
    design = results[0].tested.design
    if not design.has_verdict:
        return {result.name: design.reason for result in others}
    if not all(result.finite for result in results if result.name == reference):
        return {
            result.name: f"some predictions of the reference, {reference}, aren't finite"
            for result in others
        }
    finite = [result for result in results if result.finite]
    if finite and not np.isfinite(finite[0].losses(metric)).all():
        lacks = (
            "an event before the horizon" if METRICS[metric].concordance else "a class"
        )
        return {
            result.name: f"a fold lacks {lacks}, so it has no {METRICS[metric].words}"
            for result in others
        }
    not_finite = [result for result in others if not result.finite]
    return {
        result.name: result.failure or "some of its predictions aren't finite"
        for result in not_finite
    }
