"""The verb that judges scores of any library."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from seedbed.cli.console import command_line, print_stderr, text_width
from seedbed.cli.options import FLAG, GROUPS, OUTPUT, AsJson, options_of, settings_among
from seedbed.errors import OptionError
from seedbed.judgement.judge_options import JudgeOptions

_SCORES = "A CSV, TSV, Excel, Parquet or JSON file: a row for each candidate and split; or a folder of DeepEval's test runs."


@Parameter(name="*", group=GROUPS["Columns"])
@dataclass(frozen=True, kw_only=True)
@options_of(JudgeOptions)
class VerdictOptions:
    """The meaning of the columns, how the splits were made, and the verdicts."""

    fail_unless_better: Annotated[str | None, Parameter(group=GROUPS["Verdicts"])] = (
        None
    )
    "Exit with status 1 unless this candidate is better than the reference."
    fail_if_worse: Annotated[str | None, Parameter(group=GROUPS["Verdicts"])] = None
    "Exit with status 1 if this candidate is worse than the reference."


def judge(
    scores: Annotated[str | None, Parameter(help=_SCORES)] = None,
    /,
    *,
    output: Annotated[
        Path | None, OUTPUT, Parameter(help="Also write report.html or verdicts.json.")
    ] = None,
    details: Annotated[
        bool,
        FLAG,
        Parameter(help="Also show a table of intervals and p-values, and all scores."),
    ] = False,
    as_json: AsJson = False,
    share_right: Annotated[float | None, Parameter(group=GROUPS["Verdicts"])] = None,
    correlation: Annotated[float, Parameter(group=GROUPS["Verdicts"])] = 0.5,
    options: VerdictOptions = VerdictOptions(),
) -> int:
    """Say which candidates are better, from your own scores of any library. Nothing is trained.

    Args:
        share_right: With --plan, and without scores: the share of items that a system answers rightly.
        correlation: With --share-right: between the right answers of both systems.
    """
    from seedbed.judgement.judge import judge as judged
    from seedbed.report.terminal import comparison_text, glance_text

    if output is not None and output.suffix.lower() not in (".html", ".htm", ".json"):
        raise OptionError(
            f"can't write {output}: a report is HTML or JSON",
            "End its name in .html or .json; for LaTeX, pandas writes judgement.to_frame() in Python.",
        )
    better, worse = options.fail_unless_better, options.fail_if_worse
    if scores is None:
        if output or better or worse:
            raise OptionError(
                "there are no scores to report or to check",
                "Name a file of scores, or leave out --output and --fail.",
            )
        return _plan(share_right, correlation, options, as_json)
    if share_right is not None:
        raise OptionError(
            "scores were given, and --share-right", "Leave one of them out."
        )
    judgement = judged(
        scores, command=command_line(), **settings_among(options, JudgeOptions)
    )
    fails = better is not None and not judgement.is_better(better)
    fails = fails or (worse is not None and judgement.is_worse(worse))
    text_of = comparison_text if details else glance_text
    text = text_of(judgement.conclusion, width=text_width())
    print(json.dumps(judgement.to_dict()) if as_json else text)
    if output is not None:
        judgement.save(output)
        print_stderr(f"wrote {output}")
    return int(fails)


def _plan(
    share_right: float | None,
    correlation: float,
    options: VerdictOptions,
    as_json: bool,
) -> int:
    """Print how many items show a gain, without scores."""
    from seedbed.evaluation.metrics import METRICS, Margin
    from seedbed.evaluation.sample_sizes import plan_items
    from seedbed.evaluation.summaries import DecidingScore
    from seedbed.report.judgement_text import size_sentences

    settings = settings_among(options, JudgeOptions)
    if not settings.get("plan") or share_right is None:
        raise OptionError(
            "no scores were given",
            "Name a file; or plan without one: --plan --share-right 0.8.",
        )
    alpha = settings.get("alpha", JudgeOptions().alpha)
    plan = plan_items(share_right=share_right, correlation=correlation, alpha=alpha)
    metric = DecidingScore.of(METRICS["accuracy"], Margin(0.01, "default"))
    lines = size_sentences(plan, metric)
    print(json.dumps(asdict(plan)) if as_json else "\n".join(lines))
    return 0
