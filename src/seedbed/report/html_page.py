"""The report, one self-contained HTML page: sentences, charts with their numbers, style, and the script that draws."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Sequence
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

from seedbed.errors import visible
from seedbed.evaluation.summaries import AnySummary, document_of
from seedbed.figures.drawing import spec_of
from seedbed.figures.pictures import all_charts, browser_library, script_json
from seedbed.figures.theme import LIGHT, PAGE, colours, css_themes, css_variables
from seedbed.report import analyses_text, chart_texts, glance, judgement_text, sentences, tables

TERMS = {
    "accuracy": "Share of rows whose predicted label is right.",
    "behind": "How much larger the error of a model is than that of the recommended one. The range that the ± gives "
    "allows for the recommended one having been chosen by the same rows.",
    "baseline": "A model beside the named candidates: predicting the class frequencies, logistic regression, boosted "
    "trees, or a scikit-learn model that you name.",
    "Brier score": "Mean squared error of predicted probabilities. 0 is perfect; predicting the class frequencies of "
    "two equal classes costs 0.25.",
    "calibration": "How well predicted probabilities agree with observed frequencies.",
    "can't tell": 'The confidence interval includes a gain and a loss that matter. This isn\'t "about the same": '
    "more rows may decide it.",
    "candidate": "A model that is compared: a network architecture with its training settings, or one of the default "
    "models.",
    "censored": "Of a row: its event hadn't come when it was last observed, so it is known only that it came later, "
    "if at all.",
    "confidence interval": "A range that covers the true value in 95 % of tables like this one.",
    "cross-validation": "Rows are divided into folds; each fold is predicted by models trained on the others.",
    "epoch": "One pass over the training rows.",
    "gain": "How much better a model's score is than that of the model it is compared with. Its confidence interval "
    "reaches as far as the ± to both sides.",
    "hazard": "Probability that the event comes in an interval, if it hasn't come before.",
    "horizon": "The time up to which survival is predicted and scored; by default a fifth of the rows is seen longer.",
    "integrated Brier score": "Mean squared error of predicted survival, averaged over the times up to the horizon. "
    "0 is perfect.",
    "Kaplan-Meier": "Estimate of the share of rows that survives each time, the same for all rows.",
    "margin": "The smallest difference that matters to you (the option `margin`).",
    "no better": "The confidence interval excludes every gain over the reference that matters; whether the model loses "
    "anything is open.",
    "no difference that matters": "The confidence interval lies within the margin: the difference is too small to "
    "matter.",
    "no worse": "The confidence interval excludes every loss against the reference that matters; whether the model "
    "gains anything is open.",
    "points": "Percentage points: from 80 % to 83 % are 3 points.",
    "R2": "Share of the target's variance that a model explains. 1 is perfect; predicting the mean has 0.",
    "recall": "Share of the rarer label's rows that are predicted as such, with a probability above 0.5.",
    "recommended": "The model with the lowest mean error. Others may be as good, if their verdict isn't worse.",
    "reference": "The model that the others are compared with, if you name one (the option `reference`).",
    "repeat": "One division of all rows into folds. Ten repeats divide them in ten ways.",
    "ROC AUC": "Probability that a random positive row gets a higher score than a random negative one.",
    "seed": "The number that decides a network's initial parameters, and the order of its batches.",
    "single run": "One network, trained once: one split and one seed.",
    "split": "A division of the rows into training and test rows.",
    "squared error": "Mean squared difference between prediction and target, as a share of the target's variance.",
    "Uno's C": "Of two rows, how often the one with the higher predicted risk has its event first. 50 % is chance.",
    "verdict": "What a corrected t-test says about a model and the recommended one: worse, no difference that matters, "
    "or can't tell; against a reference that you name also better, no worse or no better.",
    "worse, better": "The confidence interval, corrected for the number of comparisons, excludes zero.",
}
"""Terms in alphabetical order, each with one or two sentences; `docs/glossary.md` has them and more."""

_ANY_TERM = "|".join(map(re.escape, sorted(TERMS, key=len, reverse=True)))
_TERM = re.compile(rf"(?<![-\w.])(({_ANY_TERM})s?)\b([,.;:)]*)", re.IGNORECASE)

_UNBROKEN = 32  # letters that fit on one line of a phone


def report_page(summary: AnySummary) -> str:
    """Return the report of a summary as one HTML page. It loads nothing and needs no network."""
    drawn = {name: spec_of(chart) for name, chart in all_charts(summary, PAGE).items()}
    # The page shows the words above a chart, which say how to read it, as text.
    captions = {name: spec.pop("title")["subtitle"] for name, spec in drawn.items()}
    names = [candidate.name for candidate in summary.candidates]
    unbroken = _unbroken(names)
    return (
        _environment()
        .get_template(f"{summary.kind}.html")
        .render(
            summary=summary,
            document=document_of,
            unbroken=unbroken,
            explained=_explained(unbroken),
            captions={
                name: " ".join(f"{line[:1].upper()}{line[1:].rstrip('.')}." for line in lines)
                for name, lines in captions.items()
            },
            colours=colours(names, PAGE),
            drawn=script_json(drawn),
            library=browser_library(),
            style=css_themes() + _text("page.css") + _text("first.css"),
            script=_text("page.js"),
        )
    )


def _unbroken(names: Sequence[str]) -> Callable[[str], Markup]:
    """Return a function that keeps short names of models, and options, of a sentence on one line."""
    short = sorted((name for name in names if len(name) <= _UNBROKEN), key=len, reverse=True)
    words = [rf"{re.escape(name)}(?![\w:])" for name in short]
    names_and_options = "|".join([*words, r"--[a-z][a-z-]*(?: [A-Z]+\b| \d+\b)?"])
    pattern = re.compile(names_and_options)

    def mark(sentence: str) -> Markup:
        sentence, markup, at = visible(sentence), Markup(), 0
        for match in pattern.finditer(sentence):
            markup += escape(sentence[at : match.start()]) + Markup('<span class="word">{}</span>').format(match[0])
            at = match.end()
        return markup + escape(sentence[at:])

    return mark


def _explained(unbroken: Callable[[str], Markup]) -> Callable[[str], Markup]:
    """Return a function that marks the first occurrence of each term in the sentences of a page, so that a reader can
    have it explained."""
    terms = {term.lower(): term for term in TERMS}

    def mark(sentence: str) -> Markup:
        markup, at = Markup(), 0
        for match in _TERM.finditer(sentence):
            if term := terms.pop(match[2].lower(), ""):
                word = Markup('<span class="word">{}{}</span>').format(_button(match[1], term), match[3])
                markup += unbroken(sentence[at : match.start()]) + word
                at = match.end()
        return markup + unbroken(sentence[at:])

    return mark


def _button(words: str, term: str) -> Markup:
    """Return words that show the meaning of a term on hover, focus or tap."""
    return Markup('<button type="button" class="term" aria-describedby="{}">{}</button>').format(
        _term_id(term), visible(words)
    )


def _term_id(term: str) -> str:
    """Return the name of a term's entry in the glossary of the page."""
    return f"term-{term.replace(' ', '-').replace(',', '')}"


def notebook_page(summary: AnySummary, pictures: Sequence[str]) -> str:
    """Return the first screen of a summary with some pictures (SVG), as HTML for the output of a cell."""
    template = _environment().get_template("notebook.html")
    return template.render(summary=summary, pictures=pictures, colours=css_variables(LIGHT), style=_text("first.css"))


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _text(f"templates/{name}")),
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,  # not what is HTML already
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # The modules whose functions templates may call.
    for module in (analyses_text, chart_texts, glance, judgement_text, sentences, tables):
        environment.globals[module.__name__.rpartition(".")[2]] = module
    environment.globals |= {"terms": TERMS, "term_button": _button, "term_id": _term_id}
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    return environment


def _text(name: str) -> str:
    return files("seedbed.report").joinpath("page", name).read_text(encoding="utf-8")
