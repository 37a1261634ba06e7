"""What only judgements say: p-values, one test set, one split, several tables."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.errors import counted, visible
from seedbed.evaluation.metrics import find_metric, measure, p_words, signed
from seedbed.evaluation.summaries import Conclusion, TablesConclusion
from seedbed.report.advice import join_words, rows_to_tell
from seedbed.report.sentences import weak_points
from seedbed.report.tables import WIDTH, NumberTable, fold_text, table_lines

_MOST_TABLES = 40
_MOST_NAMED = 20


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
    if plan.kind == "one_split":
        yield (
            "For a verdict, score the candidates by cross-validation, 10 repeats of 10 folds say, and give a row for "
            "each fold. Or give the predictions of each row: they tell these fitted models apart."
        )
    yield from (f"Note: {note.message}" for note in conclusion.notes)


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
