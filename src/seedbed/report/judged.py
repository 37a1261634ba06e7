"""What only judgements say: p-values, pairs, one test set, means, several tables; and tables for a paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.errors import counted, phrased, visible
from seedbed.evaluation import (
    Bounds,
    Conclusion,
    DecidingScore,
    TablesConclusion,
    known_metric,
    measure,
    p_words,
    signed,
)
from seedbed.report.advice import listed
from seedbed.report.sentences import averaged_sentence
from seedbed.report.tables import NumberTable, folded, measured, table_lines

__all__ = [
    "judged_sentences",
    "judgement_latex",
    "rank_numbers",
    "table_numbers",
    "tables_headline",
    "tables_latex",
    "tables_sentences",
    "tables_text",
]

_WIDTH = 100
_MOST_TABLES = 40
_MOST_NAMED = 20


def judged_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield what the verdicts of a judgement rest on, what is known without one, and what was found in the file."""
    plan, verdicts, metric = conclusion.plan, conclusion.verdicts, conclusion.metric
    shown = conclusion.pairs or verdicts
    if shown:
        n = max(verdict.comparisons for verdict in shown)
        thrown = f", {counted(plan.tried, 'thrown away attempt')} among them" if plan.tried else ""
        holm = f", adjusted for {n} comparisons{thrown}" if n > 1 else ""
        yield f"p{holm}: {', '.join(f'{one.candidate} {p_words(one.p_adjusted)}' for one in verdicts[:_MOST_NAMED])}."
        if plan.kind == "random_splits":
            yield f"Random splits: corrected for their overlap, Student's t with {plan.df} degrees of freedom."
        if plan.kind == "held_out":
            yield from _on_one_test_set(conclusion)
        if plan.kind == "cross_validation" and plan.folds < 5:
            yield f"{plan.folds} folds give rough intervals: use 5 or more."
        if plan.networks > 1:
            yield averaged_sentence(plan)
        for without in conclusion.no_verdict:
            yield f"No verdict on {without.candidate}: {without.reason}."
    for pair in conclusion.pairs:
        if pair.reference != conclusion.reference:
            yield f"{pair.sentence}, p {p_words(pair.p_adjusted)}."
    for bounds in conclusion.on_these_rows:
        yield _known(bounds, metric, means=plan.kind == "means")
    if conclusion.on_these_rows and plan.kind != "means":
        yield (
            "For a verdict, score the candidates by cross-validation, 10 repeats of 10 folds say, and give a row for "
            "each fold. Or give the predictions of each row: they tell these fitted models apart."
        )
    if plan.kind == "means":
        yield "With the scores of each split there is a verdict: give a row for each candidate and fold."
        if plan.df is not None:
            together = " that hold together" * (len(conclusion.on_these_rows) > 1)
            yield (
                f"These are {100 * (1 - conclusion.alpha):g}% intervals{together}, corrected for overlapping training "
                "rows, if the deviations are those over splits. A negative correlation would make them wider."
            )
    yield from (f"Note: {note.message}" for note in conclusion.notes)


def _on_one_test_set(conclusion: Conclusion) -> Iterator[str]:
    """Yield what verdicts on one test set are about."""
    several = conclusion.plan.seeds > 1
    models = "models trained on these training rows, with these or other seeds" if several else "these fitted models"
    yield (
        f"If all rows are of one test set, this holds for {models}, on rows like these {conclusion.n_rows:,}. It "
        "doesn't say what training again on other rows would give: for that, judge a cross-validation."
    )
    if conclusion.metric.name == "accuracy" and not several:
        yield "Differences in accuracy: p of McNemar's exact test, with Tango's score interval."


def _known(bounds: Bounds, metric: DecidingScore, *, means: bool) -> str:
    """Return what is known of a difference without a verdict."""
    on = "" if means else ", on this test set"
    gain = f"{_size(metric, bounds.difference)}{' points' * known_metric(metric.name).percent}"
    said = f"{bounds.candidate} against {bounds.reference}{on}: {metric.words} improved by {gain}"
    if bounds.low is None or bounds.high is None:
        return f"{said}." if means else f"{said}; a single run doesn't show the effect of seeds."
    low, high = _size(metric, bounds.low), _size(metric, bounds.high)
    if bounds.correlated_low is None or bounds.correlated_high is None:
        return f"{said}, and with other seeds on the same rows plausibly by {low} to {high}."
    near = f"{_size(metric, bounds.correlated_low)} to {_size(metric, bounds.correlated_high)}"
    return (
        f"{said}; plausibly by {near} if both scores rise and fall together over the splits (correlation 1), by {low} "
        f"to {high} if they are unrelated (correlation 0)."
    )


def _size(metric: DecidingScore, value: float) -> str:
    """Return an improvement with its sign, in points if the score is a share."""
    return signed(100 * value, 1) if known_metric(metric.name).percent else signed(value)


def judgement_latex(conclusion: Conclusion) -> str:
    """Return the ranking as a LaTeX table (booktabs): score, difference from the reference with interval, verdict."""
    metric, rows = conclusion.metric, []
    for name in (model.name for model in conclusion.in_order()):
        verdict, cells = conclusion.verdict(name), ["", ""]
        word = "reference" if name == conclusion.reference else "no verdict"
        if verdict is not None:
            middle, low, high = (_size(metric, value) for value in (verdict.difference, verdict.low, verdict.high))
            cells, word = [f"${middle}$", f"$[{low}, {high}]$"], verdict.short
        score = latex_text(measured(metric.name, conclusion.score(name)))
        rows.append([latex_text(name), score, *cells, latex_text(word)])
    certain = f"{100 * (1 - conclusion.alpha):g}"
    unit = " (points)" if known_metric(metric.name).percent else ""
    head = ["Candidate", latex_text(metric.words), f"Improvement{unit}", f"{certain}\\,\\% interval", "Verdict"]
    caption = f"{conclusion.table}: {' '.join(conclusion.understood)} The reference is {conclusion.reference}."
    return _latex(caption, "lrrrl", [head, *rows])


def _latex(comment: str, columns: str, rows: Sequence[Sequence[str]], last: Sequence[str] = ()) -> str:
    head, *lines = (" & ".join(row) + r" \\" for row in rows)
    end = [r"\midrule", " & ".join(last) + r" \\"] if last else []
    return "\n".join(
        [f"% {visible(comment)}".replace("\n", " "), rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule",
         *lines, *end, r"\bottomrule", r"\end{tabular}", ""]
    )  # fmt: skip


def latex_text(text: str) -> str:
    """Return a text as LaTeX shows it."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
    escaped = {sign: f"\\{sign}" for sign in "&%$#_{}"}
    return "".join((special | escaped).get(letter, letter) for letter in visible(text))


# ---- several tables


def tables_text(conclusion: TablesConclusion, *, width: int = _WIDTH) -> str:
    """Return what was understood, mean ranks with the verdicts over tables, and the verdicts on each table as text."""
    lines = folded(f"{conclusion.table}: {' '.join(conclusion.understood)}", width)
    lines += folded(f"The reference is {conclusion.reference}.", width)
    lines += ["", *folded(tables_headline(conclusion), width)]
    for numbers in (rank_numbers(conclusion), table_numbers(conclusion)):
        lines += table_lines(numbers.columns, numbers.rows, left=["verdict"])
    if (more := len(conclusion.tables) - _MOST_TABLES) > 0:
        lines.append(phrased(f"and {more} more tables: --json lists all.", conclusion.command))
    lines += [line for sentence in tables_sentences(conclusion) for line in folded(sentence, width)]
    return visible("\n".join(lines).rstrip())


def tables_headline(conclusion: TablesConclusion) -> str:
    """Return which candidate has the best mean rank, and whether a verdict is due."""
    best, ranks = conclusion.ranking[0], conclusion.ranks
    first = f"{best} has the best mean rank over {ranks.n_tables} tables, {ranks.mean[best]:.2f}"
    if conclusion.no_verdict:
        return f"No verdict over tables: {conclusion.no_verdict[0].reason}. {first}."
    better = [verdict.candidate for verdict in conclusion.verdicts if verdict.rule == "better"]
    shown = f"{listed(better, 4)} {'is' if len(better) == 1 else 'are'}" if better else "no candidate is"
    return f"{first}; {shown} shown to be better than {conclusion.reference}."


def tables_sentences(conclusion: TablesConclusion) -> Iterator[str]:
    """Yield which mean ranks don't differ, and what else a reader should know."""
    if conclusion.ranks.groups:
        distance = f"{conclusion.ranks.critical_difference:.2f}"
        groups = "; ".join(listed(group) for group in conclusion.ranks.groups)
        yield f"Nemenyi's test of all pairs finds no difference between mean ranks closer than {distance}: {groups}."
    if conclusion.relative:
        yield "Improvements are shares of the reference's error on each table."
    if conclusion.verdicts:
        yield "p: of the signed-rank test, adjusted for the number of comparisons."
    yield "A verdict over tables is about tables like these; each table's own verdict is about rows like its own."
    yield from (f"Note: {note.message}" for note in conclusion.notes)


def rank_numbers(conclusion: TablesConclusion) -> NumberTable:
    """Return mean ranks, tables won and lost, and verdicts as a table of texts."""
    verdicts, rows = {verdict.candidate: verdict for verdict in conclusion.verdicts}, []
    for name in conclusion.ranking:
        cells = ["", "", "", "", "reference" if name == conclusion.reference else "no verdict"]
        if (one := verdicts.get(name)) is not None:
            gain = f"{signed(100 * one.difference, 1)}%" if one.relative else _size(conclusion.metric, one.difference)
            cells = [str(one.wins), str(one.losses), gain, p_words(one.p_adjusted), one.short]
        rows.append([name, f"{conclusion.ranks.mean[name]:.2f}", *cells])
    unit = " (points)" if known_metric(conclusion.metric.name).percent and not conclusion.relative else ""
    columns = ["ranking", "mean rank", "ahead on", "behind on", f"median improvement{unit}", "p", "verdict"]
    return NumberTable(columns, rows)


def table_numbers(conclusion: TablesConclusion) -> NumberTable:
    """Return each table's mean scores, with the verdicts on that table alone."""
    rows = []
    for table in conclusion.tables[:_MOST_TABLES]:
        words = {verdict.candidate: f" {verdict.short}" for verdict in table.verdicts}
        rows.append([table.table, *(f"{_mean(table, name)}{words.get(name, '')}" for name in conclusion.ranking)])
    return NumberTable([f"{conclusion.metric.words} by table", *conclusion.ranking], rows)


def _mean(table: Conclusion, name: str) -> str:
    return measure(table.metric.name, table.score(name).mean or 0.0)


def tables_latex(conclusion: TablesConclusion) -> str:
    """Return a LaTeX table (booktabs): each table's mean scores, then mean ranks."""
    names, ranks = conclusion.ranking, conclusion.ranks
    rows = [[latex_text(one.table), *(latex_text(_mean(one, name)) for name in names)] for one in conclusion.tables]
    last = ["Mean rank", *(f"{ranks.mean[name]:.2f}" for name in names)]
    comment = f"Critical difference of mean ranks (Nemenyi): {ranks.critical_difference:.3f}"
    return _latex(comment, f"l{'r' * len(names)}", [["Table", *map(latex_text, names)], *rows], last)
