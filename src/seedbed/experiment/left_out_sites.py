"""What a model does at sites that are left out of training, and what to expect at a new one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.data.splits import Split
from seedbed.data.table import Table
from seedbed.evaluation.calibration import calibration_line
from seedbed.evaluation.estimates import Interval, student_quantile
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.sites import FEWEST_SITES, NewSite, Site, Sites, new_site
from seedbed.evaluation.summaries import Conclusion
from seedbed.scoring import Result
from seedbed.typing import Ints

_ONE_SITE = Protocol(kind="held_out", locked_share=1.0, reason="one site")
_OF_A_LOSS = 0.2  # spread between sites, as a share of a loss without a largest value
_RANKINGS = ("roc_auc", "uno_c")


def sites_of(table: Table, result: Result, conclusion: Conclusion) -> Sites:
    """Return the scores of a result at each site of a table, and the range of a new one.

    Scores are those that the first screen shows, and the one that decides.
    """
    assert table.folds is not None
    own = (conclusion.metric.name, table.outcome.in_words, *_RANKINGS)
    names = [name for name in dict.fromkeys(own) if name in result.scores]
    sites = []
    for split in result.tested.splits:
        number = int(table.folds[split.test[0]])
        sites.append(_site(table.fold_names[number], split.test, result, names))
    new = {name: site for name in names for site in _new(name, sites, conclusion)}
    return Sites(column=table.folded_by, model=result.name, sites=tuple(sites), new=new)


def _site(name: str, rows: Ints, result: Result, scores: list[str]) -> Site:
    """Return what a result is worth on the rows of one site."""
    splits = (Split(0, 0, rows, rows),)
    tested = replace(result.tested, design=_ONE_SITE, splits=splits)
    part = Result(tested=tested, name=result.name, predictions=result.predictions)
    found = {}
    for score in scores:
        of_site = part.scores[score]
        if of_site.mean is not None and of_site.low is not None:
            found[score] = Interval(
                mean=of_site.mean, low=of_site.low, high=of_site.high or of_site.mean
            )
    line: Any = (None, None)
    forecasts = part.forecasts()
    if tested.outcome.has_threshold and forecasts is not None:
        line = calibration_line(
            *forecasts, alpha=tested.alpha, groups=tested.groups_of_rows
        )
    slope, intercept = (None if one is None else one.times(1) for one in line)
    return Site(
        name=name, n_rows=len(rows), scores=found, slope=slope, intercept=intercept
    )


def _new(name: str, sites: list[Site], conclusion: Conclusion) -> Iterator[NewSite]:
    """Yield the range of a score at a new site; nothing if too few sites have this score."""
    known = [site for site in sites if name in site.scores]
    if len(known) < FEWEST_SITES:
        return
    metric = METRICS[name]
    scores = np.array([site.scores[name].mean for site in known])
    optimism = conclusion.optimism.get(name, 0.0)
    gained = optimism if metric.greater_is_better else -optimism
    ranges = [site.scores[name] for site in known]
    per_error = 2 * student_quantile(1 - conclusion.alpha / 2, None)
    about = {"unit": 1.0}
    if not np.isfinite(metric.high):
        about = {"unit": float(scores.mean()), "spread": _OF_A_LOSS}
    yield new_site(
        np.clip(scores - gained, metric.low, metric.high),
        [(one.high - one.low) / per_error for one in ranges],
        [site.n_rows for site in known],
        low=metric.low,
        high=metric.high,
        **about,
    )
