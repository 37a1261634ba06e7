"""Verdicts on scores from elsewhere, of one table or several: text for a terminal, and tables for a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seedbed.errors import counted, phrased, visible
from seedbed.evaluation import METRICS, percent, plain_number
from seedbed.report.advice import listed, margin_words
from seedbed.report.sentences import fewer_repeats
from seedbed.report.tables import SIGNS, NumberTable, bracket_marks, folded, measure, signed, table_lines

__all__ = [
    "judgement_headline",
    "judgement_latex",
    "judgement_sentences",
    "judgement_text",
    "question_sentence",
    "rank_numbers",
    "ranking_numbers",
    "table_numbers",
    "tables_headline",
    "tables_latex",
    "tables_sentences",
    "tables_text",
    "verdict_numbers",
    "verdict_sentence",
]


_WIDTH = 100
_MOST_NAMED = 4
_MARGIN_SOURCES = {
    "given": "as asked for",
    "default": "the default",
    "share_of_reference": "2% of the reference's, the default",
    "tenth_of_error": "a tenth of the reference's error, the default on an easy table",
    "floor": "the default where the reference makes hardly any errors",
}


def judgement_text(document: Mapping[str, Any], *, width: int = _WIDTH) -> str:
    """Return what was understood, the best candidate, the verdicts and the ranking as text."""
    lines = [*folded(f"{document['table']}: {' '.join(document['understood'])}", width)]
    lines += [*folded(question_sentence(document), width), ""]
    lines += folded(judgement_headline(document), width)
    for verdict in document["verdicts"]:
        lines += ["", *folded(verdict["sentence"], width), *folded(verdict_numbers(verdict), width, 4)]
    for one in document["no_verdict"] if not document["on_these_rows"] else ():
        lines += ["", *folded(f"No verdict on {one['candidate']}: {one['reason']}.", width)]
    lines += _ranking_lines(document)
    for sentence in judgement_sentences(document):
        lines += folded(sentence, width)
    return visible("\n".join(lines).rstrip())


def judgement_headline(document: Mapping[str, Any]) -> str:
    """Return which candidate is best, and whether that is shown."""
    metric = document["metric"]
    best = document["ranking"][0] if document["ranking"] else ""
    has = f"the {'highest' if metric['greater_is_better'] else 'lowest'} {metric['words']}"
    if document["plan"]["kind"] == "means":
        return (
            "No verdict from means and standard deviations: they don't say how the scores of two candidates vary "
            "together over the splits, which decides. With the scores of each split there is one: give a row for each "
            "candidate and fold."
        )
    if document["on_these_rows"]:
        several = any(one["low"] is not None for one in document["on_these_rows"])
        on = "on this test set, with these seeds" if several else "on this test set, in one run of each"
        return (
            f"No verdict: {best} has {has} {on}, and that says nothing about other rows. For a verdict, score the "
            "candidates by cross-validation, 10 repeats of 10 folds say, and give a row for each fold. Or give the "
            "predictions of each row: they tell these fitted models apart."
        )
    if not document["verdicts"]:
        return "No verdict."
    if document["plan"]["kind"] == "held_out":
        has = f"{has} of these fitted models"
    places = {place for bracket in document["brackets"] if 0 in bracket for place in bracket} - {0}
    undecided = [document["ranking"][place] for place in sorted(places)]
    if undecided and _of(document, best)["mean"] == _of(document, undecided[0])["mean"]:
        return f"{best} and {undecided[0]} have the same {metric['words']}; neither is shown to be better."
    if undecided:
        return f"{best} has {has}, but only leads: it isn't shown to be better than {listed(undecided, _MOST_NAMED)}."
    others = "all others" if len(document["ranking"]) > 2 else document["ranking"][1]
    return f"{best} has {has}, and it is shown to be better than {others}."


def verdict_numbers(verdict: Mapping[str, Any]) -> str:
    """Return the numbers of a verdict."""
    p = "below 0.001" if verdict["p_adjusted"] < 0.001 else f"{verdict['p_adjusted']:.2g}"
    alone = ", this comparison taken alone" if verdict["comparisons"] > 1 else ""
    parts = []
    if verdict["accuracy"] is not None and verdict["metric"] != "accuracy":
        gain, low, high = (100 * verdict["accuracy"][key] for key in ("difference", "low", "high"))
        parts.append(f"Accuracy {round(gain, 1) + 0.0:+.1f} points (plausibly {low:+.1f} to {high:+.1f})")
    parts.append(f"probability that it is better{alone}: {percent(verdict['p_better'])}")
    if not verdict["held_out"] or verdict["seed_share"] is not None:  # otherwise there is one run of each
        parts.append(f"{verdict['opposite_share']:.0%} of single runs point the other way")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}; p {p}{' (adjusted)' if verdict['comparisons'] > 1 else ''}."


def judgement_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the ranges are, what else was found, and what the verdicts rest on."""
    metric, plan, certain = document["metric"], document["plan"], f"{100 * (1 - document['alpha']):g}%"
    comparisons = max((one["comparisons"] for one in document["verdicts"]), default=1)
    if document["verdicts"]:
        among = "all pairs" if plan["all_pairs"] else counted(comparisons - plan["tried"], "comparison")
        thrown = f" and {counted(plan['tried'], 'thrown away attempt')}" if plan["tried"] else ""
        together = f" that hold for {among}{thrown} together" if comparisons > 1 else ""
        ranges = f"{certain} intervals{together}" if comparisons > 1 else f"a {certain} interval"
        yield f'"Plausibly" means within {ranges}; each interval of the ranking holds on its own.'
        if plan["kind"] == "random_splits":
            yield f"Random splits: corrected for their overlap, Student's t with {plan['df']} degrees of freedom."
        if plan["kind"] == "held_out":
            yield from _on_one_test_set(document)
        yield from fewer_repeats(document)
        if plan["kind"] == "cross_validation" and plan["folds"] < 5:
            yield f"{plan['folds']} folds give rough intervals: use 5 or more."
    for one in document["pairs"]:
        if one["reference"] != document["reference"]:
            yield _of_pair(one, metric)
    for one in document["on_these_rows"]:
        yield (_from_means if plan["kind"] == "means" else _on_these_rows)(one, document)
    if plan["kind"] == "means" and plan["df"] is not None:
        yield (
            f"These are {certain} intervals{' that hold together' * (len(document['on_these_rows']) > 1)}, corrected "
            "for overlapping training rows, if the deviations are those over splits. A negative correlation would make "
            "them wider."
        )
    for note in document["notes"]:
        yield phrased(f"Note: {note['message']}", document["command"])


def _on_one_test_set(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what verdicts on one test set are about."""
    several = document["plan"]["seeds"] > 1
    models = "models trained on these training rows, with these or other seeds" if several else "these fitted models"
    yield (
        f"This holds for {models}, on rows like these {document['n_rows']:,}. It doesn't say what training again on "
        "other rows would give: for that, judge a cross-validation."
    )
    if document["metric"]["name"] == "accuracy" and not several:
        yield "Differences in accuracy: p of McNemar's exact test, with Tango's score interval."


def judgement_latex(document: Mapping[str, Any]) -> str:
    """Return the ranking as a LaTeX table (booktabs): score, difference from the reference with interval, verdict."""
    metric, found = document["metric"], {one["candidate"]: one for one in document["verdicts"]}
    rows = []
    for name in _names(document):
        score = _of(document, name)
        cells = [
            latex_text(name),
            latex_text(_measured(metric["name"], score)),
            "",
            "",
            latex_text(_verdict_word(document, name)),
        ]
        if name in found:
            one = found[name]
            low, high = (difference_text(metric, one[key]) for key in ("low", "high"))
            cells[2:4] = [f"${difference_text(metric, one['difference'])}$", f"$[{low}, {high}]$"]
        rows.append(" & ".join(cells) + r" \\")
    certain = f"{100 * (1 - document['alpha']):g}"
    unit = " (points)" if metric["name"] == "accuracy" else ""
    head = f"Candidate & {latex_text(metric['words'])} & Improvement{unit} & {certain}\\,\\% interval & Verdict \\\\"
    caption = f"% {visible(document['table'])}: {' '.join(document['understood'])} {question_sentence(document)}"
    lines = [caption.replace("\n", " "), r"\begin{tabular}{lrrrl}", r"\toprule", head, r"\midrule", *rows,
             r"\bottomrule", r"\end{tabular}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def question_sentence(document: Mapping[str, Any]) -> str:
    metric = document["metric"]
    if document["on_these_rows"]:
        return f"The reference is {document['reference']}."
    source = _MARGIN_SOURCES[metric["margin_source"]]
    return (
        f"The reference is {document['reference']}. A difference of {margin_words(metric)} in {metric['words']} "
        f"matters ({source})."
    )


def ranking_numbers(document: Mapping[str, Any]) -> NumberTable:
    """Return the ranking as a table of texts: scores with intervals, improvements, verdicts."""
    metric, found = document["metric"], {one["candidate"]: one for one in document["verdicts"]}
    way = "high" if metric["greater_is_better"] else "low"
    beside = [name for name in ("accuracy", "roc_auc", "r2") if _has(document, name) and name != metric["name"]]
    columns = ["ranking", f"{metric['words']} ({way} is good)", *(METRICS[name].words for name in beside),
               "improvement", "verdict"]  # fmt: skip
    rows = []
    for name in _names(document):
        scores = [_measured(one, _of(document, name, one)) for one in (metric["name"], *beside)]
        gain = difference_text(metric, found[name]["difference"]) if name in found else ""
        rows.append([name, *scores, gain, _verdict_word(document, name)])
    return NumberTable(columns, rows)


def _ranking_lines(document: Mapping[str, Any]) -> list[str]:
    """Return the ranking for a terminal, with its brackets."""
    numbers, brackets = ranking_numbers(document), document["brackets"]
    if not brackets:
        return table_lines(numbers.columns, numbers.rows, left=["verdict"])
    rows = [
        (row[0], " ".join(SIGNS[mark] for mark in bracket_marks(place, brackets)), *row[1:])
        for place, row in enumerate(numbers.rows)
    ]
    return table_lines([numbers.columns[0], "", *numbers.columns[1:]], rows, left=["", "verdict"])


def _names(document: Mapping[str, Any]) -> list[str]:
    """Return the ranked candidates, then the others."""
    ranking = list(document["ranking"])
    return ranking + [one["name"] for one in document["candidates"] if one["name"] not in ranking]


def _of(document: Mapping[str, Any], name: str, metric: str = "") -> Mapping[str, Any]:
    one = next(one for one in document["candidates"] if one["name"] == name)
    score: Mapping[str, Any] = one["scores"][metric or document["metric"]["name"]]
    return score


def _has(document: Mapping[str, Any], metric: str) -> bool:
    return all(metric in one["scores"] for one in document["candidates"])


def _verdict_word(document: Mapping[str, Any], name: str) -> str:
    if name == document["reference"]:
        return "reference"
    return next((one["short"] for one in document["verdicts"] if one["candidate"] == name), "no verdict")


def score_text(name: str, value: float, like: float | None = None) -> str:
    """Return a score as text; one that isn't in the registry with four digits."""
    return measure(name, value, like) if name in METRICS else plain_number(value, 4)


def _measured(name: str, score: Mapping[str, Any]) -> str:
    if score["mean"] is None:
        return "-"
    value = score_text(name, score["mean"])
    if score["low"] is None:
        return value
    low, high = (score_text(name, score[key], score["mean"]).removesuffix("%") for key in ("low", "high"))
    return f"{value} ({low}–{high})"


def difference_text(metric: Mapping[str, Any], value: float) -> str:
    """Return an improvement with its sign, in points where it is one of accuracy."""
    if metric["name"] == "accuracy":
        return f"{round(100 * value, 1) + 0.0:+.1f}"
    return signed(value)


def _of_pair(one: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    middle, low, high = (difference_text(metric, one[key]) for key in ("difference", "low", "high"))
    unit = " points" if metric["name"] == "accuracy" else ""
    return f"{one['candidate']} against {one['reference']}: {one['short']}, {middle}{unit} ({low} to {high})."


def _on_these_rows(one: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    metric, unit = document["metric"], " points" if document["metric"]["name"] == "accuracy" else ""
    what = f"{one['candidate']} against {one['reference']}, on this test set: {metric['words']} improved by"
    size = f"{difference_text(metric, one['difference'])}{unit}"
    if one["low"] is None:
        return f"{what} {size}; a single run doesn't show the effect of seeds."
    low, high = (difference_text(metric, one[key]) for key in ("low", "high"))
    return f"{what} {size}, and with other seeds on the same rows plausibly by {low} to {high}."


def _from_means(one: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    metric, unit = document["metric"], " points" if document["metric"]["name"] == "accuracy" else ""
    said = f"{one['candidate']} against {one['reference']}: {metric['words']} improved by"
    said += f" {difference_text(metric, one['difference'])}{unit}"
    if one["low"] is None:
        return f"{said}."
    keys = ("correlated_low", "correlated_high", "low", "high")
    near_low, near_high, low, high = (difference_text(metric, one[key]) for key in keys)
    return (
        f"{said}; plausibly by {near_low} to {near_high} if both scores rise and fall together over the splits "
        f"(correlation 1), by {low} to {high} if they are unrelated (correlation 0)."
    )


def latex_text(text: str) -> str:
    """Return a text as LaTeX shows it."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
    escaped = {sign: f"\\{sign}" for sign in "&%$#_{}"}
    return "".join((special | escaped).get(letter, letter) for letter in visible(text))


_WIDTH = 100
_MOST_TABLES = 40


def tables_text(document: Mapping[str, Any], *, width: int = _WIDTH) -> str:
    """Return what was understood, the verdicts over tables, mean ranks, and the verdicts on each table as text."""
    lines = folded(f"{document['table']}: {' '.join(document['understood'])}", width)
    lines += folded(f"The reference is {document['reference']}.", width)
    lines += ["", *folded(tables_headline(document), width)]
    for verdict in document["verdicts"]:
        lines += ["", *folded(verdict_sentence(verdict, document), width)]
    ranks = rank_numbers(document)
    lines += table_lines(ranks.columns, ranks.rows, left=["verdict"])
    for sentence in tables_sentences(document):
        lines += folded(sentence, width)
    numbers = table_numbers(document)
    lines += table_lines(numbers.columns, numbers.rows)
    if len(document["tables"]) > _MOST_TABLES:
        more = f"and {len(document['tables']) - _MOST_TABLES} more tables: --json lists all."
        lines.append(phrased(more, document["command"]))
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
        "cannot_tell": f"Can't tell yet how {name} compares with {reference} over {n} tables",
    }[verdict["rule"]]
    p = "p below 0.001" if verdict["p_adjusted"] < 0.001 else f"p {verdict['p_adjusted']:.2g}"
    gain = _gain(verdict["difference"], document)
    return (
        f"{start}: ahead on {verdict['wins']}, behind on {verdict['losses']}; median improvement {gain}; signed-rank "
        f"test, {p}."
    )


def tables_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield which mean ranks don't differ, and what else a reader should know."""
    ranks = document["ranks"]
    if ranks["groups"]:
        groups = "; ".join(listed(group) for group in ranks["groups"])
        yield (
            f"Nemenyi's test of all pairs finds no difference between mean ranks closer than "
            f"{ranks['critical_difference']:.2f}: {groups}."
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


def _word(name: str, document: Mapping[str, Any]) -> str:
    if name == document["reference"]:
        return "reference"
    return next((one["short"] for one in document["verdicts"] if one["candidate"] == name), "no verdict")


def _gain(value: float, document: Mapping[str, Any]) -> str:
    if document["relative"]:
        return f"{100 * value:+.1f}%"
    unit = " points" if document["metric"]["name"] == "accuracy" else ""
    return f"{difference_text(document['metric'], value)}{unit}"
