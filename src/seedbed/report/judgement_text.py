"""What only judgements say: p-values, one test set, one split, several tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from seedbed.errors import counted, visible
from seedbed.evaluation.metrics import find_metric, measure, p_words, signed
from seedbed.evaluation.summaries import Conclusion, Note, TablesConclusion
from seedbed.report.advice import join_words, rows_to_tell
from seedbed.report.sentences import weak_points
from seedbed.report.tables import WIDTH, NumberTable, fold_text, table_lines
from seedbed.typing import Floats

_MOST_TABLES = 40
_MOST_NAMED = 20
_A_TENTH = 1 - 0.9**2  # of an error, as a share of its square


def judgement_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield what the verdicts of a judgement rest on, what is known without one, and what was found
    in the file."""
    plan, verdicts, metric = conclusion.plan, conclusion.verdicts, conclusion.metric
    if verdicts:
        n = max(verdict.comparisons for verdict in verdicts)
        discarded = (
            f", {counted(plan.tried, 'discarded attempt')} among them"
            if plan.tried
            else ""
        )
        holm = f", adjusted for {n} comparisons{discarded}" if n > 1 else ""
        p_of = {
            one.candidate: p_words(one.p_adjusted) for one in verdicts[:_MOST_NAMED]
        }
        others = {name: p for name, p in p_of.items() if p != "1"}
        if len(p_of) > len(others) + 2:
            p_of = others | {"the others" if others else "all": "1"}
        yield f"p{holm}: {', '.join(f'{name} {p}' for name, p in p_of.items())}."
        if plan.kind == "random_splits":
            yield f"Random splits: corrected for their overlap, Student's t with {plan.df} degrees of freedom."
        if plan.kind == "held_out":
            models = "these fitted models"
            if plan.seeds > 1:
                models = (
                    "models trained on these training rows, with these or other seeds"
                )
            size, like = (
                (conclusion.n_rows, "rows")
                if plan.n_groups is None
                else (plan.n_groups, "groups")
            )
            yield (
                f"If all rows are of one test set, this holds for {models}, on {like} like these {size:,}. "
                "It doesn't say what training again on other rows would give: for that, judge a cross-validation."
            )
            if metric.name == "accuracy" and plan.seeds == 1 and plan.n_groups is None:
                yield "Differences in accuracy: p of McNemar's exact test, with Tango's score interval."
        if plan.kind == "items":
            yield f"This holds for other items like these {conclusion.n_rows:,}, if they don't depend on each other."
        yield from weak_points(conclusion)
        yield from (
            f"To be sure: {text}."
            for text in ["; ".join(rows_to_tell(conclusion))]
            if text
        )
    scale = metric.shown
    for one in conclusion.on_these_rows:
        gain = f"{scale.signed(one.difference)}{' points' * scale.in_points}"
        words = f"{one.candidate} against {one.reference}, on this test set: {metric.words} improved by {gain}"
        if one.low is None or one.high is None:
            yield f"{words}; a single run doesn't show the effect of seeds."
        else:
            low, high = scale.signed(one.low), scale.signed(one.high)
            yield f"{words}, and with other seeds on the same rows plausibly by {low} to {high}."
    if conclusion.on_these_rows:
        yield (
            "For a verdict, score the candidates by cross-validation, 10 repeats of 10 folds say, and give a row for "
            "each fold. Or give the predictions of each row: they tell these fitted models apart."
        )
    yield from (f"Note: {note.message}" for note in conclusion.notes)


def attempts_note(attempts: Mapping[str, Floats], reference: str) -> tuple[Note, ...]:
    """Return a note on how much of the error is the noise of attempts [item, attempt], NaN where
    there is none, and what more of them would do, of the candidate for which it is the largest
    part; none of single attempts."""
    means = {name: np.nanmean(values, axis=1) for name, values in attempts.items()}
    noise, counts = dict[str, float](), dict[str, float]()
    for name, values in attempts.items():
        n = np.isfinite(values).sum(axis=1)
        variances = np.nanvar(values[n > 1], axis=1, ddof=1)
        noise[name] = (
            float(variances.mean() * (1 / n).mean()) if len(variances) else 0.0
        )
        counts[name] = float(n.mean())
    found = list[tuple[float, str]]()
    for name in attempts:
        total = float(np.var(means[reference] - means[name], ddof=1))
        part = noise[reference] + noise[name]
        if name != reference and total > 0 and part > 0:
            found.append((min(1.0, part / total), name))
    if not found:
        return ()
    share, name = max(found)
    words = f"The noise of attempts is {100 * share:.0f}% of the squared error of {name} against {reference}"
    if share <= _A_TENTH:
        most = 100 * (1 - math.sqrt(1 - share))
        return (
            Note(
                f"{words}; more attempts would narrow its range by at most {most:.0f}%."
            ),
        )
    n_now = (counts[reference] + counts[name]) / 2
    more = math.ceil(n_now / (1 - _A_TENTH / share) - n_now)
    return (
        Note(
            f"{words}; {more} more attempt{'s' * (more > 1)} of each item would narrow its range by a tenth."
        ),
    )


# ---- several tables


def tables_text(conclusion: TablesConclusion, *, width: int = WIDTH) -> str:
    """Return what was understood, mean ranks with the verdicts over tables, and the verdicts on
    each table as text."""
    head = [
        f"{conclusion.table}: {' '.join(conclusion.understood)}",
        f"The reference is {conclusion.reference}.",
        "",
    ]
    lines = [
        line
        for text in (*head, tables_headline(conclusion))
        for line in fold_text(text, width)
    ]
    for numbers in (rank_numbers(conclusion), table_numbers(conclusion)):
        lines += table_lines(
            numbers.columns, numbers.rows, left=["verdict"], width=width
        )
    if (more := len(conclusion.tables) - _MOST_TABLES) > 0:
        lines.append(f"and {more} more tables: the JSON lists all.")
    lines += [
        line
        for sentence in tables_sentences(conclusion)
        for line in fold_text(sentence, width)
    ]
    return visible("\n".join(lines).rstrip())


def tables_headline(conclusion: TablesConclusion) -> str:
    """Return which candidate has the best mean rank, and whether a verdict is due."""
    best = conclusion.ranking[0]
    ranks = conclusion.ranks
    first = f"{best} has the best mean rank over {ranks.n_tables} tables, {ranks.mean[best]:.2f}"
    if conclusion.no_verdict:
        return f"No verdict over tables: {conclusion.no_verdict[0].reason}. {first}."
    better = [
        verdict.candidate for verdict in conclusion.verdicts if verdict.rule == "better"
    ]
    better_words = (
        f"{join_words(better, 4)} {'is' if len(better) == 1 else 'are'}"
        if better
        else "no candidate is"
    )
    return f"{first}; {better_words} shown to be better than {conclusion.reference}."


def tables_sentences(conclusion: TablesConclusion) -> Iterator[str]:
    """Yield what else a reader should know."""
    if conclusion.relative:
        yield "Improvements are shares of the reference's error on each table."
    if conclusion.verdicts:
        yield "p: of the signed-rank test, adjusted for the number of comparisons."
    yield "A verdict over tables is about tables like these; each table's own verdict is about rows like its own."
    yield from (f"Note: {note.message}" for note in conclusion.notes)


def rank_numbers(conclusion: TablesConclusion) -> NumberTable:
    """Return mean ranks, tables won and lost, and verdicts as a table of texts."""
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    rows = []
    metric = find_metric(conclusion.metric.name)
    for name in conclusion.ranking:
        cells = [
            "",
            "",
            "",
            "",
            "reference" if name == conclusion.reference else "no verdict",
        ]
        if (one := verdicts.get(name)) is not None:
            gain = (
                f"{signed(100 * one.difference, 1)}%"
                if one.relative
                else metric.signed(one.difference)
            )
            cells = [
                str(one.wins),
                str(one.losses),
                gain,
                p_words(one.p_adjusted),
                one.short,
            ]
        rows.append([name, f"{conclusion.ranks.mean[name]:.2f}", *cells])
    unit = " (points)" if metric.percent and not conclusion.relative else ""
    columns = [
        "ranking",
        "mean rank",
        "ahead on",
        "behind on",
        f"median improvement{unit}",
        "p",
        "verdict",
    ]
    return NumberTable(columns, rows)


def table_numbers(conclusion: TablesConclusion) -> NumberTable:
    """Return each table's mean scores, with the verdicts on that table alone."""
    rows = []
    for table in conclusion.tables[:_MOST_TABLES]:
        words = {verdict.candidate: f" {verdict.short}" for verdict in table.verdicts}
        means = {
            name: measure(table.metric.name, table.score(name).mean or 0.0)
            for name in conclusion.ranking
        }
        rows.append(
            [
                table.table,
                *(f"{mean}{words.get(name, '')}" for name, mean in means.items()),
            ]
        )
    return NumberTable(
        [f"{conclusion.metric.words} by table", *conclusion.ranking], rows
    )
