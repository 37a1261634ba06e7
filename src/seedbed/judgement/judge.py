"""The public function `judge`: scores in, verdicts out, and the object that shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.arguments import checked
from seedbed.data.sources.memory import native_frame
from seedbed.errors import OptionError, did_you_mean, spell, visible, writing
from seedbed.evaluation.summaries import Conclusion, document_of
from seedbed.files import write_whole
from seedbed.judgement.forms import read_form
from seedbed.judgement.judge_options import JudgeOptions
from seedbed.judgement.judging import conclude_scores
from seedbed.judgement.predictions import conclude_predictions
from seedbed.judgement.score_columns import (
    ScoreFile,
    check_range,
    negated_error,
    score_columns,
    score_file,
    score_kind,
)
from seedbed.judgement.scores import (
    align,
    items_of,
    read_lines,
    scores_by_candidate,
    split_plan,
)
from seedbed.report.stored import text_fragment, write_report
from seedbed.report.terminal import comparison_text, glance_text
from seedbed.settings.fields import taking


class Judgement:
    """The verdicts of `judge`.

    `print(judgement)` shows them. `judgement["mine"]` is the verdict on one candidate as a plain
    dict, with `rule`, `difference`, `low`, `high` and `sentence`.

    Examples:
        >>> import seedbed as sb
        >>> scores = {"old": [0.80, 0.78, 0.83, 0.79, 0.81], "new": [0.85, 0.84, 0.88, 0.85, 0.86]}
        >>> judgement = sb.judge(scores, score="accuracy", folds=5)
        >>> judgement["new"]["rule"], round(judgement["new"]["difference"], 3)
        ('better', 0.054)
    """

    def __init__(self, conclusion: Conclusion) -> None:
        self.conclusion = conclusion

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """The verdict on each candidate against the reference, as plain dicts."""
        return [verdict.as_dict() for verdict in self.conclusion.verdicts]

    @property
    def reference(self) -> str:
        """The candidate that the others are compared with."""
        return self.conclusion.reference

    def __getitem__(self, candidate: str) -> dict[str, Any]:
        for verdict in self.verdicts:
            if verdict["candidate"] == candidate:
                return verdict
        names = [verdict.candidate for verdict in self.conclusion.verdicts]
        raise KeyError(
            f"no verdict on '{candidate}'; there are verdicts on {', '.join(names)}"
        )

    def is_better(self, candidate: str) -> bool:
        """Return whether a candidate is shown to be better than the reference.

        Raises:
            OptionError: there is no such candidate, or it is the reference.
        """
        return self._rule(candidate) == "better"

    def is_worse(self, candidate: str) -> bool:
        """Return whether a candidate is shown to be worse than the reference.

        Raises:
            OptionError: there is no such candidate, or it is the reference.
        """
        return self._rule(candidate) == "worse"

    def _rule(self, candidate: str) -> str:
        names = [summary.name for summary in self.conclusion.candidates]
        if candidate not in names:
            raise OptionError(
                f"there is no candidate '{candidate}'", did_you_mean(candidate, names)
            )
        if candidate == self.reference:
            raise OptionError(
                f"'{candidate}' is the reference itself",
                f"Name another one with {spell('reference')}.",
            )
        rules = {one.candidate: one.rule for one in self.conclusion.verdicts}
        return rules.get(candidate, "")

    def __str__(self) -> str:
        return glance_text(self.conclusion)

    def __repr__(self) -> str:
        verdicts = [f"{one.candidate}: {one.short}" for one in self.conclusion.verdicts]
        return visible(
            f"<Judgement against {self.reference}: {'; '.join(verdicts) or 'no verdict'}>"
        )

    def details(self) -> str:
        """Return the text with every verdict and score in tables."""
        return comparison_text(self.conclusion)

    def _repr_html_(self) -> str:
        return text_fragment(str(self))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as one plain dict, fit for JSON; docs/summary.md explains its keys."""
        return document_of(self.conclusion)

    def to_frame(self) -> Any:
        """Return a data frame with a row for each verdict."""
        keys = "candidate reference rule difference low high margin p p_adjusted"
        verdicts = self.conclusion.verdicts
        return native_frame(
            {key: [getattr(row, key) for row in verdicts] for key in keys.split()}
        )

    def save(self, path: str | Path) -> Path:
        """Write the report (`.html`) or the document (`.json`); return the path.

        Raises:
            OptionError: the path has another suffix, or its folder doesn't exist.
        """
        path = Path(path)
        if path.suffix.lower() != ".json":
            return write_report(self.conclusion, path)
        with writing(path, "Make its folder first, or name another file."):
            text = f"{json.dumps(self.to_dict(), indent=1, ensure_ascii=False)}\n"
            write_whole(path, lambda where: where.write_text(text, encoding="utf-8"))
        return path


@checked()
@taking(JudgeOptions())
def judge(scores: Any, *, command: str = "", **options: Any) -> Judgement:
    """Judge which candidates are better than the reference, from your own scores or predictions.

    Seeds are averaged within a split; the corrected t runs over splits. Scores of a single split
    never give a verdict; predictions of one test set of at least 30 rows give one on these fitted
    models.

    Scores have a long form, a row for each score, with the score and, if there are any, columns
    `candidate`, `repeat`, `fold`, `seed`; or a wide form, a row for each split, with a column for
    each candidate. Other usual names are recognised as well. Predictions have a long form, a row
    for each candidate, split, seed and row of the table, with `row` and `probability` (of the
    larger of two labels), `probability_LABEL` of each label, or `prediction`; or a wide form, a row
    for each row, and a column for each candidate with its labels, numbers, or probabilities of the
    larger of two labels.

    Args:
        scores: a path, a data frame or a mapping from names to columns; or a fitted search, its
            `cv_results_`, or what `cross_validate` returns by name; or test runs of DeepEval by
            name, or a folder with a JSON file of each.
        command: the command line, for the document.
        options: the settings of `JudgeOptions`.

    Raises:
        ColumnError: a column is missing, or several could be meant.
        DataError: scores are missing, or given twice.
        OptionError: the kind of the splits or the better direction isn't clear, or the splits are
            bootstrap samples.

    Examples:
        >>> old, new = [0.80, 0.78, 0.83, 0.79, 0.81], [0.85, 0.84, 0.88, 0.85, 0.86]
        >>> table = {"fold": [0, 1, 2, 3, 4], "old": old, "new": new}
        >>> sb.judge(table, score="accuracy").is_better("new")
        True
    """
    frame, known, left_out = read_form(scores, JudgeOptions(**options))
    file = score_file(frame, known)
    name = Path(scores).name if isinstance(scores, str | Path) else "scores"
    tables = file.factor("dataset").labels
    if len(tables) > 1:
        raise file.error(
            OptionError,
            f"column '{file.name('dataset')}' names {len(tables):,} tables",
            "Judge each table by itself. Over tables, give the differences of their mean scores to "
            "scipy.stats.wilcoxon.",
        )
    conclude = conclude_predictions if "target" in file.roles else _conclude_scores
    about = {"table": name, "command": command, "understood": left_out}
    return Judgement(conclude(file, about))


def _conclude_scores(file: ScoreFile, about: Mapping[str, Any]) -> Conclusion:
    """Return the conclusion from a file of scores."""
    options = file.options
    values = score_columns(file)
    column = file.frame.names[values[0]]
    label = (options.score or "") if file.is_wide else column
    error = negated_error(label) if options.lower_is_better is None else ""
    metric = score_kind(error or label, lower_is_better=options.lower_is_better)
    lines = read_lines(
        file, in_order=options.folds is not None or options.test_share is not None
    )
    by_name = align(lines, scores_by_candidate(lines, values))
    by_name = {name: -each if error else each for name, each in by_name.items()}
    groups = None
    of_attempts: Mapping[str, Any] = {}
    if file.of_items:
        of_attempts = by_name
        plan, groups = items_of(lines, by_name)
        about = {**about, "n_rows": len(lines.splits)}
        by_name = {
            name: np.nanmean(each, axis=1, keepdims=True)
            for name, each in by_name.items()
        }
    else:
        plan = split_plan(lines, folds=options.folds, test_share=options.test_share)
    for name, each in by_name.items():
        check_range(file, metric, name, each)
    seeds = max(values.shape[1] for values in by_name.values())
    where = (
        "in columns of their own"
        if file.is_wide
        else f"(column '{lines.candidate.name}')"
    )
    what = metric.words if file.is_wide else f"{metric.words} (column '{column}')"
    way = f"{', negated' * bool(error)}, {'higher' if metric.greater_is_better else 'lower'}"
    understood = [
        f"{len(by_name)} candidates {where}; {what}{way} is better.",
        plan.reason,
    ]
    if seeds > 1 < len(lines.splits):
        understood.append(
            f"{seeds} seeds a split (column '{lines.seed.name}'), averaged within it."
        )
        if single := [name for name, values in by_name.items() if values.shape[1] == 1]:
            understood.append(
                f"One seed of {', '.join(single)}, which doesn't show how much seeds matter."
            )
    about = {**about, "understood": (*understood, *about.get("understood", ()))}
    return conclude_scores(
        by_name, metric, plan, options, about, groups=groups, of_attempts=of_attempts
    )
