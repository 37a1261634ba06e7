"""Summaries and reports as files."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import Any

from seedbed.errors import OptionError, UnreadableError, writing
from seedbed.evaluation.summaries import SUMMARY_VERSION, Conclusion, summary_from
from seedbed.files import read_document, write_whole

_SUMMARY = "comparison.json"
_RENAMED_SINCE = (
    7  # version of summaries that differ from today's in rules, and in keys that left
)
_RULES_BEFORE = {
    "better_by_margin": "better",
    "no_worse": "cannot_tell",
    "no_better": "cannot_tell",
}
_NAME_A_RUN = "Name a folder that seedbed compare has written."


def write_report(
    summary: Conclusion,
    path: str | os.PathLike[str] = "report.html",
    *,
    checklist: bool = False,
    **more: Any,
) -> Path:
    """Write the report of a summary, one self-contained HTML page, or its checklist; it appears
    whole or not at all. `more` is for the page's template.

    Raises:
        OptionError: the path doesn't end in `.html`, of a checklist in `.md`, its folder doesn't
            exist, or it is one.
    """
    path = Path(path)
    what, kind, *suffixes = (
        ("checklist", "Markdown", ".md")
        if checklist
        else ("report", "HTML", ".html", ".htm")
    )
    if (
        path.suffix.lower() not in suffixes
    ):  # a mistyped path must not overwrite a table
        raise OptionError(
            f"can't write the {what} to {path}: it is {kind}",
            f"Name a file that ends in {suffixes[0]}.",
        )
    if path.is_dir() or not path.parent.is_dir():
        why = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise OptionError(
            f"can't write the {what} to {path}: {why}",
            f"Name a file, {what}{suffixes[0]} say.",
        )
    from seedbed.report.html_page import checklist_text, report_page  # loads what draws

    text = checklist_text(summary) if checklist else report_page(summary, **more)
    with writing(path):
        write_whole(path, lambda where: where.write_text(text, encoding="utf-8"))
    return path


def text_fragment(text: str) -> str:
    """Return a text as HTML for the output of a cell, in letters of one width, which not every
    notebook gives it."""
    return f'<pre style="font-family: monospace; line-height: normal">{html.escape(text)}</pre>'


def command_hint(folder: Path) -> str:
    """Return which command continues the run in a folder, or trains it again."""
    command = read_document(folder / "experiment.json").get("command")
    return (
        f"Run the command again: {command}"
        if command
        else "Run the same command again."
    )


def read_summary(path: str | os.PathLike[str]) -> Conclusion:
    """Return the summary that a run has written, from its folder or from the file itself, or a
    saved judgement.

    Args:
        path: the folder of `seedbed compare`, the summary in it, or the JSON of `seedbed judge`.

    Raises:
        OptionError: there is no such folder or file, or the run isn't finished.
        UnreadableError: the file isn't a summary, or another version of seedbed wrote it.
    """
    path = Path(path)
    if path.is_dir():
        folder = path
        path = path / _SUMMARY
        if not path.is_file() and (folder / "experiment.json").is_file():
            raise OptionError(
                f"the run in {folder} isn't finished", command_hint(folder)
            )
        if not path.is_file():
            message = f"{folder} holds no finished run: {_SUMMARY} isn't in it"
            folders = ", ".join(
                sorted(str(file.parent) for file in folder.glob(f"*/{_SUMMARY}"))
            )
            raise OptionError(
                message, f"{_NAME_A_RUN[:-1]}: {folders}." if folders else _NAME_A_RUN
            )
    if not path.is_file():
        inside = Path("seedbed-out") / path
        raise OptionError(
            f"there is no run {path}",
            f"Did you mean {inside}?" if inside.exists() else _NAME_A_RUN,
        )
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnreadableError(
            f"{path} isn't the summary of a run: it isn't JSON",
            "Name the run's folder.",
        ) from error
    if not isinstance(summary, dict) or not summary.keys() >= {
        "schema_version",
        "kind",
    }:
        raise UnreadableError(
            f"{path} isn't the summary of a run", "Name the folder of a run."
        )
    version = summary["schema_version"]
    if version == _RENAMED_SINCE:
        summary = _with_rules_of_today(summary) | {"schema_version": SUMMARY_VERSION}
    elif version != SUMMARY_VERSION:
        age = (
            "an older"
            if isinstance(version, int) and version < SUMMARY_VERSION
            else "a newer"
        )
        raise UnreadableError(
            f"{path} was written by {age} seedbed", command_hint(path.parent)
        )
    return summary_from(summary, str(path))


def _with_rules_of_today(value: Any) -> Any:
    """Return an older summary, or a part of one, with the rules that verdicts have today."""
    if isinstance(value, list):
        return [_with_rules_of_today(item) for item in value]
    if not isinstance(value, dict):
        return value
    items = {key: _with_rules_of_today(item) for key, item in value.items()}
    rule = items.get("rule")
    if isinstance(rule, str):
        items["rule"] = _RULES_BEFORE.get(rule, rule)
    return items
