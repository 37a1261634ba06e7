"""The verb that judges scores of any library."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from seedbed.cli.console import command_line, print_stderr
from seedbed.cli.options import AsJson
from seedbed.errors import OptionError

_COLUMNS, _SPLITS, _VERDICTS = (Group.create_ordered(name) for name in ("Columns", "Splits", "Verdicts"))


@Parameter(name="*", group=_COLUMNS)
@dataclass(frozen=True, kw_only=True)
class ColumnOptions:
    """The meaning of the columns; common names are recognised."""

    target: str | None = None
    "The column of true values in a file of predictions; y, y_true, target, label and their like are known."
    score: str | None = None
    "The column of scores; of a file with a column a candidate, or of predictions, what is judged: accuracy, say."
    candidate: str | None = None
    "The column that names the candidates; candidate, model, method and their like are known."
    fold: str | None = None
    "The column of folds or splits."
    repeat: str | None = None
    "The column of repeats of a cross-validation."
    seed: str | None = None
    "The column of seeds; the seeds of a split are averaged."
    dataset: str | None = None
    "The column that names the tables, where there are several; table and dataset are known."
    row: str | None = None
    "The column that names the row of the table that is predicted."
    positive: str | None = None
    "Of two labels, the one whose probability is given; the larger one if left out."
    lower_is_better: Annotated[bool | None, Parameter(negative="--higher-is-better")] = None
    "Which way is better; by the score's name if left out."


@Parameter(name="*", group=_SPLITS)
@dataclass(frozen=True, kw_only=True)
class LayoutOptions:
    """How the splits were made, if the columns don't say it."""

    folds: int | None = None
    "Folds of each repeat."
    test_share: float | None = None
    "The splits are random, with this share of test rows."
    drop_incomplete: Annotated[bool, Parameter(negative=())] = False
    "Leave out splits in which a score is missing."


@Parameter(name="*", group=_VERDICTS)
@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """The reference and the level of the verdicts."""

    reference: str | None = None
    "The candidate that the others are compared with; the first one if left out."
    margin: float | None = None
    "The difference that matters, in units of the score; one point of accuracy."
    alpha: float = 0.05
    "Error level: how often a difference may be claimed although there is none, over all comparisons together."
    tried: int = 0
    "How many attempts were thrown away; each counts as one more comparison."
    fail_unless_better: str | None = None
    "Exit with status 1 unless this candidate is better than the reference."
    fail_if_worse: str | None = None
    "Exit with status 1 if this candidate is worse than the reference."

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments of `seedbed.judge`."""
        names = ("reference", "margin", "alpha", "tried")
        return {name: getattr(self, name) for name in names}


def judge(
    scores: Annotated[
        str,
        Parameter(
            help="A CSV, TSV, Excel, Parquet, JSON or SQLite file: a row for each candidate and split; - is stdin."
        ),
    ],
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="Also write report.html or verdicts.json."),
    ] = None,
    as_json: AsJson = False,
    question: QuestionOptions = QuestionOptions(),
    columns: ColumnOptions = ColumnOptions(),
    layout: LayoutOptions = LayoutOptions(),
) -> int:
    """Say which candidates are better, from your own scores of any library. Nothing is trained."""
    from seedbed.judgement.judge import judge_file
    from seedbed.judgement.score_columns import Question

    if output is not None and output.suffix.lower() not in (".html", ".htm", ".json"):
        hint = "End its name in .html or .json; for LaTeX, pandas writes judgement.to_frame() in Python."
        raise OptionError(f"can't write {output}: a report is HTML or JSON", hint)
    asked = Question(**question.settings(), **dataclasses.asdict(columns), **dataclasses.asdict(layout))
    judged = judge_file(scores, asked, command=command_line())
    better, worse = question.fail_unless_better, question.fail_if_worse
    failed = (better is not None and not judged.is_better(better)) or (worse is not None and judged.is_worse(worse))
    print(json.dumps(judged.to_dict()) if as_json else judged)
    if output is not None:
        judged.save(output)
        print_stderr(f"wrote {output}")
    return int(failed)
