"""The report, one self-contained HTML page: sentences, charts with their numbers, style, and the
script that draws."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from seedbed.errors import OptionError, visible
from seedbed.evaluation.summaries import Conclusion, document_of
from seedbed.figures.drawing import groupable, svg_of
from seedbed.figures.panels import model_colours
from seedbed.figures.pictures import all_charts, browser_library, script_json
from seedbed.figures.theme import LIGHT, PAGE, css_themes, css_variables
from seedbed.report import (
    advice,
    analyses_text,
    chart_texts,
    glance,
    judgement_text,
    sentences,
    tables,
)


def _text(name: str) -> str:
    return files("seedbed.report").joinpath("page", name).read_text(encoding="utf-8")


TERMS: dict[str, str] = json.loads(_text("terms.json"))
"""Terms in alphabetical order, each with one or two sentences."""

_ANY_TERM = "|".join(map(re.escape, sorted(TERMS, key=len, reverse=True)))
_COMMAND = r"seedbed [a-z]+ (?:'[^']{0,99}'|[^\s']\S*)(?: --[a-z][a-z-]*(?: '[^']{0,99}'| [^\s'-]\S*)?)*"
_TERM = re.compile(
    rf"{_COMMAND}|(?<![-\w.])(({_ANY_TERM})s?)\b([,.;:)]*)", re.IGNORECASE
)

_UNBROKEN = 32  # letters that fit on one line of a phone


def report_page(summary: Conclusion, **more: Any) -> str:
    """Return the report of a summary as one HTML page, with `more` for its template. It loads
    nothing and needs no network."""
    drawn = all_charts(summary, PAGE)
    # The page shows the words above a chart, which say how to read it, as text.
    captions = {
        name: " ".join(
            f"{line[:1].upper()}{line[1:].rstrip('.')}."
            for line in spec.pop("title")["subtitle"]
        )
        for name, spec in drawn.items()
    }
    names = [candidate.name for candidate in summary.candidates]
    unbroken = _unbroken(names)
    template = _environment().get_template(f"{summary.kind}.html")
    return template.render(
        summary=summary,
        document=document_of,
        unbroken=unbroken,
        explained=_explained(unbroken),
        captions=captions,
        colours=model_colours(summary, PAGE),
        drawn=groupable(script_json(drawn)),
        library=browser_library(),
        style=css_themes() + _text("page.css") + _text("first.css"),
        script=_text("page.js"),
        **more,
    )


def _unbroken(names: Sequence[str]) -> Callable[[str], Markup]:
    """Return a function that marks the commands in a sentence, and keeps short names and options on
    one line."""
    short = sorted(
        (name for name in names if len(name) <= _UNBROKEN), key=len, reverse=True
    )
    words = [rf"{re.escape(name)}(?![\w:])" for name in short]
    names_and_options = "|".join(
        [rf"(?P<command>{_COMMAND})", *words, r"--[a-z][a-z-]*(?: [A-Z]+\b| \d+\b)?"]
    )
    pattern = re.compile(names_and_options)

    def mark(sentence: str) -> Markup:
        sentence = visible(sentence)
        markup = Markup()
        at = 0
        for match in pattern.finditer(sentence):
            words = [
                word
                if word[:2] != "--"
                else Markup('<span class="word">{}</span>').format(word)
                for word in match[0].split(" ")
            ]
            element = (
                '<code class="command">{}</code>'
                if match["command"]
                else '<span class="word">{}</span>'
            )
            markup += escape(sentence[at : match.start()]) + Markup(element).format(
                Markup(" ").join(words)
            )
            at = match.end()
        return markup + escape(sentence[at:])

    return mark


def _explained(unbroken: Callable[[str], Markup]) -> Callable[[str], Markup]:
    """Return a function that marks the first occurrence of each term in the sentences of a page, so
    that a reader can have it explained."""
    terms = {term.lower(): term for term in TERMS}

    def mark(sentence: str) -> Markup:
        markup = Markup()
        at = 0
        for match in _TERM.finditer(sentence):
            if match[2] and (term := terms.pop(match[2].lower(), "")):
                word = Markup('<span class="word">{}{}</span>').format(
                    _button(match[1], term), match[3]
                )
                markup += unbroken(sentence[at : match.start()]) + word
                at = match.end()
        return markup + unbroken(sentence[at:])

    return mark


def _button(words: str, term: str) -> Markup:
    """Return words that show the meaning of a term on hover, focus or tap."""
    return Markup(
        '<button type="button" class="term" aria-describedby="{}">{}</button>'
    ).format(_term_id(term), visible(words))


def _term_id(term: str) -> str:
    """Return the name of a term's entry in the glossary of the page."""
    return f"term-{term.replace(' ', '-').replace(',', '')}"


def notebook_page(summary: Conclusion) -> str:
    """Return a summary as HTML for the output of a cell: the first screen and a picture, without
    JavaScript."""
    shown = ("survival",) if getattr(summary, "survival", None) else ("curves",)
    pictures = [svg_of(chart) for chart in all_charts(summary, only=shown).values()]
    template = _environment().get_template("notebook.html")
    colours = model_colours(summary, PAGE)
    style = _text("first.css")
    return template.render(
        summary=summary,
        pictures=pictures,
        colours=colours,
        unbroken=_unbroken(()),
        style=style,
    )


def checklist_text(summary: Conclusion, *, width: int = tables.WIDTH) -> str:
    """Return, as Markdown, the items of TRIPOD+AI with what a summary knows of them; OptionError if
    it isn't that of a comparison."""
    if summary.kind != "comparison":
        raise OptionError(
            "a checklist needs a comparison",
            "Name a folder that seedbed compare has written.",
        )
    # A name can't begin a line or an element.
    plain = _environment().overlay(
        autoescape=False, finalize=lambda one: " ".join(visible(str(one)).split())
    )
    lines = (
        plain.get_template("checklist.md")
        .render(summary=summary)
        .replace("<", "\\<")
        .splitlines()
    )
    return "\n".join(
        line
        for item in lines
        for line in tables.fold_text(item, width, hanging=2 * (item[:2] == "- "))
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _text(f"templates/{name}")),
        autoescape=True,
        finalize=lambda value: (
            visible(value) if type(value) is str else value
        ),  # not what is HTML already
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # The modules whose functions templates may call.
    for module in (
        advice,
        analyses_text,
        chart_texts,
        glance,
        judgement_text,
        sentences,
        tables,
    ):
        environment.globals[module.__name__.rpartition(".")[2]] = module
    environment.globals |= {
        "terms": TERMS,
        "term_button": _button,
        "term_id": _term_id,
        "light": css_variables(LIGHT),
    }
    environment.filters["first_sentence"] = lambda text: text.partition(". ")[::2]
    environment.filters["pretty"] = lambda value: json.dumps(
        value, indent=2, ensure_ascii=False
    )
    return environment
