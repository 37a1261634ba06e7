"""Which columns help, on the first screen: the answers, the rows of the table, and how to read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.errors import counted, spell
from seedbed.evaluation.column_gains import ColumnEffect, Columns
from seedbed.evaluation.metrics import Metric
from seedbed.evaluation.numbers import measure, signed
from seedbed.evaluation.summaries import Conclusion
from seedbed.report.advice import guessing, listed, margin_words

_MOST_ROWS, _MOST_NAMED = 20, 4
_MOST_TOGETHER = 3  # names of a group that fit into a row
_NUMBERS = {2: "two", 3: "three"}


def shown_effects(answer: Columns) -> tuple[ColumnEffect, ...]:
    """Return the effects that the table has a row for: the first twenty."""
    return answer.effects[:_MOST_ROWS]


def label_of(columns: Sequence[str]) -> str:
    """Return the names of columns as one."""
    if len(columns) <= _MOST_TOGETHER:
        return " and ".join(columns)
    return f"{columns[0]}, {columns[1]} and {len(columns) - 2} others"


def column_headings(score: Metric) -> tuple[str, ...]:
    """Return the headings of the table."""
    points = " (points)" if score.percent else ""
    return "without", f"adds{points}", f"loss{points}", "alone", f"shuffled{points}", "verdict"


def effect_cells(effect: ColumnEffect, score: Metric, decimals: int) -> tuple[str, str]:
    """Return the score of a model with these columns only, and the rise of the loss if they are shuffled."""
    scale = 100.0 if score.percent else 1.0
    alone = "-" if effect.alone is None else measure(score, score.score_of(effect.alone))
    return alone, "-" if effect.shuffled is None else signed(scale * effect.shuffled, decimals)


def column_answers(conclusion: Conclusion) -> Iterator[tuple[str, str]]:
    """Yield label and text of each answer: which columns help, which don't, and what isn't known."""
    answer = conclusion.columns
    assert answer is not None
    of: dict[str, list[str]] = {}
    for effect in answer.effects:
        if len(effect.columns) == 1 or not any(other.columns == effect.columns[:1] for other in answer.effects):
            of.setdefault(effect.verdict, []).append(label_of(effect.columns))

    def named(verdict: str) -> str:
        labels = of[verdict]
        if not any(", " in label for label in labels):
            return listed(labels, _MOST_NAMED)
        more = len(labels) - _MOST_NAMED
        return "; ".join([*labels[:_MOST_NAMED], *([f"{more} others"] if more > 0 else [])])

    if "helps" in of:
        adds = f"add to what {answer.model} learns from the other columns"
        yield "Helps", f"{named('helps')}: shown to {adds if answer.n_columns > 1 else 'help, as the only column'}"
    elif "none" not in of:
        yield "Helps", f"no column is shown to help {answer.model}, which isn't to say that none does"
    for group, surely in answer.substitutes:
        several, perhaps = _NUMBERS.get(len(group.columns), str(len(group.columns))), "" if surely else "perhaps "
        enough = f"{perhaps}one of these two is enough"
        if len(group.columns) > 2:
            enough = f"{perhaps}not all of these {several} are needed"
        yield "Together", f"{label_of(group.columns)} stand for each other, and add something together: {enough}"
    if "harms" in of:
        yield "Harms", f"{named('harms')}: {answer.model} is shown to be better without"
    if alike := of.get(same := "no difference that matters"):
        yield "No matter", f"{named(same)}: leaving {'out one of them' if len(alike) > 1 else 'it out'} makes {same}"
    if "can't tell" in of:
        yield "Can't tell", named("can't tell") + ": these rows don't decide it"
    source = {
        "named": "as asked for",
        "default": "the default",
        "run": "the model that the comparison recommends",
    }
    yield "Model", f"{answer.model}, {source[answer.source]}"


def column_notes(conclusion: Conclusion, score: Metric) -> Iterator[str]:
    """Yield how to read the table."""
    answer = conclusion.columns
    assert answer is not None
    if (left := len(answer.effects) - _MOST_ROWS) > 0:
        yield f"{counted(left, 'row')} more, whose loss is smaller, {'is' if left == 1 else 'are'} in the JSON."
    grouped = {name for effect in answer.effects for name in effect.columns}
    if not any(len(effect.columns) == 1 for effect in answer.effects) or len(grouped) > len(answer.effects):
        many = f"{counted(answer.n_columns, 'column')} are too many to be left out one by one"
        yield f"{many}, so similar ones are left out together; {spell('column', 'NAME')} asks about one."
    if conclusion.verdicts:
        n = conclusion.verdicts[0].comparisons
        words = f"The {score.words}" if score.name == "brier" else f"{score.words[:1].upper()}{score.words[1:]}"
        way = "high" if score.greater_is_better else "low"
        yield (
            f"{words} decides ({way} is good). Loss: how much worse it is without the column, by models that are "
            f"trained again. Below {margin_words(conclusion.metric)} it doesn't matter (the margin)."
        )
        if any(effect.adds is not None for effect in answer.effects):
            yield (
                "Adds: how much of what the model without the column leaves open is explained by what the column "
                "changes. It measures the same as the loss, but without the errors of both models, so it varies half "
                "as much. A column helps if both are above 0, and one of them is shown to be."
            )
        together = f"s, which hold for these {n} comparisons together" if n > 1 else ""
        yield f"±: {100 * (1 - conclusion.alpha):g}% interval{together}."
    if any(effect.alone is not None for effect in answer.effects):
        prior = conclusion.metric.of_prior
        beside = "" if prior is None else f" ({guessing(conclusion)} has {measure(score, score.score_of(prior))})"
        yield (
            f"Alone: with this column only{beside}. Shuffled: the loss if its values are shuffled among the test rows, "
            "without training again (permutation importance). Both by one repeat and without a test."
        )
