"""The report, one self-contained HTML page: sentences, charts with their numbers, style, and the
script that draws."""

from __future__ import annotations

import functools
import json
import re
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

_COMMAND = re.compile(
    r"(seedbed [a-z]+ (?:'[^']{0,99}'|[^\s']\S*)(?: --[a-z][a-z-]*(?: '[^']{0,99}'| [^\s'-]\S*)?)*)"
)


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
    template = _environment().get_template(f"{summary.kind}.html")
    return template.render(
        summary=summary,
        document=document_of,
        captions=captions,
        colours=model_colours(summary, PAGE),
        drawn=groupable(script_json(drawn)),
        library=browser_library(),
        style=css_themes() + _text("page.css") + _text("first.css"),
        script=_text("page.js"),
        **more,
    )


def _with_commands(sentence: str) -> Markup:
    """Return a sentence as HTML with its commands marked."""
    parts = [escape(part) for part in _COMMAND.split(visible(sentence))]
    command = Markup('<code class="command">{}</code>')
    parts[1::2] = map(command.format, parts[1::2])
    return Markup().join(parts)


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
        "with_commands": _with_commands,
        "light": css_variables(LIGHT),
    }
    environment.filters["first_sentence"] = lambda text: text.partition(". ")[::2]
    environment.filters["pretty"] = lambda value: json.dumps(
        value, indent=2, ensure_ascii=False
    )
    return environment
