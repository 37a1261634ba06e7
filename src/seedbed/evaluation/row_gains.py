"""What more rows would bring: losses by the size of the training set, and a power law through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from seedbed.errors import counted
from seedbed.evaluation.subgroup_tests import Interval
from seedbed.evaluation.verdicts import Verdict
from seedbed.typing import Floats

TIMES = (2, 5, 10)
"""How many times as many rows are forecast."""

_BETTER, _WORSE = ("better_by_margin", "better"), ("worse",)
_FEWEST_SIZES, _LEARNT = 4, 0.99  # share of the loss of the prior
_POWERS = np.linspace(0.2, 1.5, 27)  # -c in a + b n^-c
_DRAWS, _LEVEL = 1000, 0.9


@dataclass(frozen=True, kw_only=True)
class TrainingSize:
    """What models that are trained on so many rows come to.

    Attributes:
        n_train: rows of a training set, on average over the splits.
        losses: of each model, by the metric that decides, with the interval of one model alone.
        verdicts: on each model against the reference. The intervals of a size hold together.
    """

    n_train: int
    losses: Mapping[str, Interval]
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RowForecast:
    """What a model would come to with more rows, each with a 90 % interval.

    Attributes:
        candidate: the model.
        times: how many times as many rows.
        n_train: rows of such a training set.
        loss: by the metric that decides.
        gain: the loss with today's rows minus this one.
    """

    candidate: str
    times: int
    n_train: int
    loss: Interval
    gain: Interval


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Losses by the number of training rows, on the same test rows.

    Attributes:
        repeats: of the smaller sizes, and of the largest where the sizes are compared with each other.
        sizes: the smallest first; the last is the size of the comparison itself.
        forecasts: of each model, in the order of `TIMES`; those of refused ones are left out.
        refused: why there is no forecast, by model.
        left_out: models of the comparison without a curve.
    """

    repeats: int
    sizes: tuple[TrainingSize, ...]
    forecasts: tuple[RowForecast, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def forecasts_of(self, name: str) -> tuple[RowForecast, ...]:
        """Return the forecasts of a model."""
        return tuple(one for one in self.forecasts if one.candidate == name)

    def differs_from(self, name: str) -> tuple[int, str] | None:
        """Return from how many training rows on a model is shown to be `better` or `worse` than the reference, at that
        size and all larger ones; None if it isn't at the largest. As sizes are tested from the largest down to the
        first one without a difference, they need no adjustment for their number."""
        first: tuple[int, str] | None = None
        for size in reversed(self.sizes):
            rule = next((one.rule for one in size.verdicts if one.candidate == name), "")
            word = "better" if rule in _BETTER else "worse" if rule in _WORSE else ""
            if not word or (first is not None and first[1] != word):
                break
            first = size.n_train, word
        return first


def forecast_rows(
    n_train: Sequence[float],
    losses: Floats,
    *,
    scale: float,
    df: float,
    offset: float,
    prior: float | None = None,
    random_state: int = 0,
) -> tuple[Mapping[int, tuple[Interval, Interval]], str]:
    """Return loss and gain at `TIMES` as many rows, each with a 90 % interval, and why there are none, if so.

    The losses follow a + b n^-c with a, b >= 0 and c between 0.2 and 1.5, fitted by least squares with weights of one
    over the variance. Curves are drawn from the error of the measured ones, which the same rows and splits correlate
    between sizes, and from what the law leaves unexplained. The law has to forecast the largest size from the
    others first, within its interval. It begins where the loss is highest, as smaller training sets teach nothing, and
    leaves out sizes at which the model is no better than the prior.

    Args:
        n_train: training rows of each size, in ascending order.
        losses: of blocks of rows, such as folds [block, size].
        scale: squared standard error of a mean of blocks, over the variance between blocks.
        df: degrees of freedom of that error.
        offset: variance that all sizes have in common, of the rows that are tested.
        prior: the loss of predicting the class frequencies or the mean; None if that isn't known.
        random_state: of the draws.
    """
    by_size = losses.mean(axis=0)
    used = np.arange(len(by_size)) >= by_size.argmax()
    if prior is not None:
        used &= by_size < _LEARNT * prior
    if used.sum() < _FEWEST_SIZES:
        n = counted(int(used.sum()), "size")
        return {}, f"it learns from {n} of the training set (a curve needs {_FEWEST_SIZES})"
    sizes, losses = np.asarray(n_train, dtype=np.float64)[used], losses[:, used]
    mean, covariance = losses.mean(axis=0), np.cov(losses, rowvar=False) * scale
    weights = 1 / np.maximum(np.diag(covariance), 1e-12 * max(1e-12, float(mean.max()) ** 2))
    rng = np.random.default_rng(random_state)
    noise = rng.multivariate_normal(np.zeros(len(sizes)), covariance, size=_DRAWS, method="eigh")
    noise *= np.sqrt(df / rng.chisquare(df, size=(_DRAWS, 1)))

    def drawn(n_sizes: int) -> Floats:
        """Return curves [draw, size] with the errors of the losses, and what the law leaves unexplained of some."""
        law = _fitted(sizes[:n_sizes], mean[None, :n_sizes], weights[:n_sizes])
        left = mean[:n_sizes] - np.concatenate([law.at(n) for n in sizes[:n_sizes]])
        deviation = np.sqrt((left**2).sum() / max(1, n_sizes - 3))
        return np.asarray(mean + noise + rng.normal(scale=deviation, size=noise.shape))

    held_back = drawn(len(sizes) - 1)
    gap = _interval(_fitted(sizes[:-1], held_back[:, :-1], weights[:-1]).at(sizes[-1]) - held_back[:, -1])
    if not gap.low <= 0 <= gap.high:
        return {}, "the curve of the smaller training sets doesn't forecast the largest one"
    several, common = _fitted(sizes, drawn(len(sizes)), weights), rng.normal(scale=np.sqrt(offset), size=_DRAWS)
    now, later = several.at(sizes[-1]), {times: several.at(times * sizes[-1]) for times in TIMES}
    return {
        times: (_interval(np.maximum(loss + common, 0.0)), _interval(now - loss)) for times, loss in later.items()
    }, ""


@dataclass(frozen=True)
class _Law:
    """a + b (n / unit)^-c of each draw."""

    a: Floats
    b: Floats
    c: Floats
    unit: float

    def at(self, n: float) -> Floats:
        return np.asarray(self.a + self.b * (n / self.unit) ** -self.c)


def _fitted(sizes: Floats, losses: Floats, weights: Floats) -> _Law:
    """Fit the law to each row of losses [draw, size]: for each power a line, and the power of the smallest error."""
    unit, total = float(sizes[-1]), float(weights.sum())
    best, law = np.full(len(losses), np.inf), np.zeros((3, len(losses)))
    for power in _POWERS:
        x = (sizes / unit) ** -power
        centre = float(weights @ x) / total
        middle = losses @ weights / total
        b = np.maximum((losses * weights) @ (x - centre) / float(weights @ (x - centre) ** 2), 0.0)
        a = middle - b * centre
        through = np.maximum((losses * weights) @ x / float(weights @ x**2), 0.0)  # a line through zero
        a, b = np.maximum(a, 0.0), np.where(a < 0, through, b)
        error = ((losses - a[:, None] - b[:, None] * x) ** 2) @ weights
        better = error < best
        best = np.where(better, error, best)
        law[:, better] = np.stack([a, b, np.full(len(a), power)])[:, better]
    return _Law(law[0], law[1], law[2], unit)


def _interval(values: Floats) -> Interval:
    low, median, high = np.quantile(values, ((1 - _LEVEL) / 2, 0.5, (1 + _LEVEL) / 2)).tolist()
    return Interval(mean=median, low=low, high=high)
