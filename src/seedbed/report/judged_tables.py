"""The verdicts over several tables, from their plain dict: text for a terminal and a table for a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table

from seedbed.errors import visible
from seedbed.report.advice import listed
from seedbed.report.drawn import NumberTable, drawn
from seedbed.report.judged import difference_text, folded, latex_text, score_text

__all__ = [
    "rank_numbers",
    "table_numbers",
    "tables_headline",
    "tables_latex",
    "tables_sentences",
    "tables_text",
    "verdict_sentence",
]

_WIDTH = 100
_MOST_TABLES = 40


def tables_text(document: Mapping[str, Any], *, width: int = _WIDTH) -> str:
    """Return what was understood, the verdicts over tables, mean ranks, and the verdicts on each table as text."""
    lines = folded(f"{document['table']}: {' '.join(document['understood'])}", width)
    lines += folded(f"The reference is {document['reference']}.", width)
    lines += ["", *folded(tables_headline(document), width)]
    for verdict in document["verdicts"]:
        lines += ["", *folded(verdict_sentence(verdict, document), width)]
    lines += drawn(_drawn(rank_numbers(document)))
    for sentence in tables_sentences(document):
        lines += folded(sentence, width)
    lines += drawn(_drawn(table_numbers(document)))
    if len(document["tables"]) > _MOST_TABLES:
        lines.append(f"and {len(document['tables']) - _MOST_TABLES} more tables: --json lists all.")
    return visible("\n".join(lines).rstrip())


def tables_headline(document: Mapping[str, Any]) -> str:
    """Return which candidate has the best mean rank, and whether a verdict is due."""
    best, ranks = document["ranking"][0], document["ranks"]
    first = f"{best} has the best mean rank over {ranks['n_tables']} tables, {ranks['mean'][best]:.2f}"
    if document["no_verdict"]:
        return f"No verdict over tables: {document['no_verdict'][0]['reason']}. {first}."
    better = [one["candidate"] for one in document["verdicts"] if one["rule"] == "better"]
    shown = f"{listed(better, 4)} {'is' if len(better) == 1 else 'are'}" if better else "no candidate is"
    return f"{first}; {shown} shown to be better than {document['reference']}."


def verdict_sentence(verdict: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return a verdict over tables in words."""
    name, reference, n = verdict["candidate"], verdict["reference"], verdict["n_tables"]
    start = {
        "better": f"{name} is better than {reference} over {n} tables",
        "worse": f"{name} is worse than {reference} over {n} tables",
        "cannot_tell": f"{name} against {reference} is undecided over {n} tables",
    }[verdict["rule"]]
    p = "p below 0.001" if verdict["p_adjusted"] < 0.001 else f"p {verdict['p_adjusted']:.2g}"
    gain = _gain(verdict["difference"], document)
    return (
        f"{start}: ahead on {verdict['wins']}, behind on {verdict['losses']}; median improvement {gain}; signed-rank "
        f"test, {p}."
    )


def tables_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what mean ranks tell apart, and what else there is to know."""
    ranks = document["ranks"]
    if ranks["groups"]:
        groups = "; ".join(listed(group) for group in ranks["groups"])
        yield (
            f"Mean ranks closer than {ranks['critical_difference']:.2f} aren't told apart by Nemenyi's test of all "
            f"pairs: {groups}."
        )
    if document["relative"]:
        yield "Improvements are shares of the reference's error on each table."
    yield "A verdict over tables is about tables like these; each table's own verdict is about rows like its own."
    for note in document["notes"]:
        yield f"Note: {note['message']}"


def rank_numbers(document: Mapping[str, Any]) -> NumberTable:
    """Return mean ranks, tables won and lost, and verdicts as a table of texts."""
    found = {one["candidate"]: one for one in document["verdicts"]}
    rows = []
    for name in document["ranking"]:
        row = [name, f"{document['ranks']['mean'][name]:.2f}", "", "", "", _word(name, document)]
        if name in found:
            one = found[name]
            row[2:5] = [str(one["wins"]), str(one["losses"]), _gain(one["difference"], document)]
        rows.append(row)
    return NumberTable(["ranking", "mean rank", "ahead on", "behind on", "median improvement", "verdict"], rows)


def table_numbers(document: Mapping[str, Any]) -> NumberTable:
    """Return each table's mean scores, with the verdicts on that table alone."""
    metric, names = document["metric"]["name"], document["ranking"]
    rows = []
    for table in document["tables"][:_MOST_TABLES]:
        scores = {one["name"]: one["scores"][metric]["mean"] for one in table["candidates"]}
        words = {one["candidate"]: one["short"] for one in table["verdicts"]}
        cells = [score_text(metric, scores[name]) + (f" {words[name]}" if name in words else "") for name in names]
        rows.append([table["table"], *cells])
    return NumberTable([f"{document['metric']['words']} by table", *names], rows)


def tables_latex(document: Mapping[str, Any]) -> str:
    """Return a LaTeX table (booktabs): each table's mean scores, then mean ranks."""
    metric, names = document["metric"]["name"], document["ranking"]
    rows = []
    for table in document["tables"]:
        scores = {one["name"]: one["scores"][metric]["mean"] for one in table["candidates"]}
        cells = [latex_text(table["table"]), *(latex_text(score_text(metric, scores[name])) for name in names)]
        rows.append(" & ".join(cells) + r" \\")
    ranks = " & ".join(["Mean rank", *(f"{document['ranks']['mean'][name]:.2f}" for name in names)]) + r" \\"
    head = " & ".join(["Table", *map(latex_text, names)]) + r" \\"
    distance = f"% Critical difference of mean ranks (Nemenyi): {document['ranks']['critical_difference']:.3f}"
    lines = [distance, rf"\begin{{tabular}}{{l{'r' * len(names)}}}", r"\toprule", head, r"\midrule", *rows, r"\midrule",
             ranks, r"\bottomrule", r"\end{tabular}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _drawn(numbers: NumberTable) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    for place, heading in enumerate(numbers.columns):
        table.add_column(heading, justify="left" if heading == "verdict" or not place else "right", no_wrap=True)
    for row in numbers.rows:
        table.add_row(*row)
    return table


def _word(name: str, document: Mapping[str, Any]) -> str:
    if name == document["reference"]:
        return "reference"
    return next((one["short"] for one in document["verdicts"] if one["candidate"] == name), "no verdict")


def _gain(value: float, document: Mapping[str, Any]) -> str:
    if document["relative"]:
        return f"{100 * value:+.1f}%"
    unit = " points" if document["metric"]["name"] == "accuracy" else ""
    return f"{difference_text(document['metric'], value)}{unit}"
