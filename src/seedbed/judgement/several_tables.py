"""Several tables at once: the verdicts on each, and conclusions over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from seedbed.errors import DataError, counted
from seedbed.evaluation.estimates import holm
from seedbed.evaluation.ranking import signed_rank
from seedbed.evaluation.summaries import (
    CandidateSummary,
    Conclusion,
    Note,
    NoVerdict,
    PlanSummary,
    Ranks,
    TablesConclusion,
    TableVerdict,
)
from seedbed.evaluation.verdicts import SHORT
from seedbed.judgement.score_columns import Question

_FEWEST = 5


def over_tables(tables: Sequence[Conclusion], question: Question, *, column: str) -> TablesConclusion:
    """Return the conclusion from several tables.

    The difference of the mean scores on a table is one number. Errors are compared as shares of the reference's error,
    since tables may have errors of any size. Wilcoxon's signed-rank test with Holm's adjustment decides (Demsar 2006).

    Raises:
        DataError: the tables have different candidates, or the reference's error is 0 on one of them.
    """
    from scipy.stats import rankdata  # it loads slowly, and one table does without

    first, name = tables[0], question.table
    metric, reference, n = first.metric, first.reference, len(tables)
    names = [candidate.name for candidate in first.candidates]
    others, enough = [other for other in names if other != reference], n >= _FEWEST
    scores = np.array([_means(table, names, name) for table in tables])
    losses = -scores if metric.greater_is_better else scores
    ours = losses[:, [names.index(reference)]]
    gains, relative = ours - losses, not metric.greater_is_better
    if relative:
        if (ours <= 0).any():
            table = tables[int((ours <= 0).ravel().argmax())].table
            raise DataError(f"{name}: the error of {reference} is 0 or less on {table}", "Leave that table out.")
        gains = gains / ours
    ranks, verdicts = rankdata(losses, axis=1).mean(axis=0).tolist(), list[TableVerdict]()
    if enough:
        by_name = {other: gains[:, names.index(other)] for other in others}
        tests = {other: signed_rank(gain) for other, gain in by_name.items()}
        adjusted = holm([p for p, _ in tests.values()], tried=question.tried).tolist()
        for (other, (p, balance)), p_adjusted in zip(tests.items(), adjusted, strict=True):
            rule: Literal["better", "worse", "cannot_tell"] = "cannot_tell"
            if p_adjusted < question.alpha:
                rule = "better" if balance > 0 else "worse"
            verdicts.append(
                TableVerdict(
                    candidate=other,
                    reference=reference,
                    rule=rule,
                    short=SHORT[rule],
                    difference=float(np.median(by_name[other])),
                    relative=relative,
                    wins=int((by_name[other] > 0).sum()),
                    losses=int((by_name[other] < 0).sum()),
                    n_tables=n,
                    p=p,
                    p_adjusted=p_adjusted,
                )
            )
    together, notes = len(others) + question.tried, []
    if enough and 2.0 ** (1 - n) * together > question.alpha:
        notes.append(
            f"With {n} tables and {counted(together, 'comparison')} no signed-rank test can reach p = "
            f"{question.alpha:g}, however clear the difference: more tables are needed."
        )
    reason = f"{n} tables are too few for a verdict over tables, which needs {_FEWEST}"
    return TablesConclusion(
        kind="tables",
        command=question.command,
        table=name,
        specification=first.specification,
        reference=reference,
        metric=metric,
        alpha=first.alpha,
        plan=PlanSummary(kind="tables", tried=question.tried),
        understood=(f"{n} tables (column '{column}').", *first.understood),
        relative=relative,
        verdicts=tuple(verdicts),
        no_verdict=() if enough else tuple(NoVerdict(other, reason) for other in others),
        ranking=tuple(names[place] for place in np.argsort(ranks, kind="stable").tolist()),
        ranks=Ranks(mean=dict(zip(names, ranks, strict=True)), n_tables=n),
        candidates=tuple(CandidateSummary(name=each, kind="scores") for each in names),
        tables=tuple(tables),
        notes=tuple(Note(message=note) for note in notes),
    )


def _means(table: Conclusion, names: Sequence[str], where: str) -> list[float]:
    """Return the mean score of each candidate on one table."""
    scores = {candidate.name: candidate.scores[table.metric.name].mean for candidate in table.candidates}
    means = [mean for name in names if (mean := scores.get(name)) is not None]
    lacking = [name for name in names if scores.get(name) is None] or [name for name in scores if name not in names]
    if lacking:
        raise DataError(
            f"{where}: {lacking[0]} doesn't have scores on all tables ({table.table})",
            "Give the scores of all candidates on all tables, or leave out what is incomplete.",
        )
    return means
