"""Comparisons and judgements as plain values: text, pages, charts and JSON are made from these
classes.

docs/summary.md explains the keys of the JSON, which are their attributes, and those of the classes
in other files that they contain; a docstring adds what it leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from seedbed.errors import UnreadableError
from seedbed.evaluation.analyses import Columns, NetBenefit, Rows, Subgroups
from seedbed.evaluation.behind import Contrast
from seedbed.evaluation.calibration import CalibrationSummary
from seedbed.evaluation.checks import Check
from seedbed.evaluation.metrics import METRICS, Margin, Metric, find_metric
from seedbed.evaluation.sample_sizes import SampleSizes
from seedbed.evaluation.single_runs import Curves, RunLottery
from seedbed.evaluation.sites import Sites
from seedbed.evaluation.survival import SurvivalSummary
from seedbed.evaluation.verdicts import Verdict

Ended = Literal["", "decided", "rows", "time", "interrupted"]
"""Why a run ended before its last repeat, see `PlanSummary`."""

SUMMARY_VERSION = 8
"""Schema version of the summaries that this version of seedbed writes and reads."""

Task = Literal["binary", "multiclass", "regression", "survival"]


@dataclass(frozen=True)
class Advice:
    """Which model to use: the reference, unless another is shown to be better.

    Attributes:
        use: the name of the recommended model.
        guess: whether it isn't shown to be better than predicting the same for every row.
        simpler: the simplest model that isn't likely worse; empty if there is none, or another
            model than the reference is recommended.
    """

    use: str
    guess: bool
    simpler: str = ""


@dataclass(frozen=True)
class Score:
    """One score of a candidate.

    Attributes:
        mean: over folds, of the mean over seeds; None if it isn't defined.
        low, high: interval; None if there is none.
        pooled: whether the folds of a repeat were pooled, since a fold has too few rows of a class.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None
    pooled: bool = False


def measured_scores(
    scores: Mapping[str, Score], words: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the scores that are defined as a model's file has them, with the words of each."""
    return [
        {
            "name": name,
            "words": words[name],
            "mean": score.mean,
            "low": score.low,
            "high": score.high,
        }
        for name, score in scores.items()
        if score.mean is not None
    ]


@dataclass(frozen=True, kw_only=True)
class DecidingScore:
    """The score that decides, of `METRICS` or a user's own, and the difference that matters, in
    units of its loss.

    Attributes:
        of_prior: the mean loss of predicting the class frequencies or the mean for the tested rows;
            None if the truth isn't known.
        in_points: whether it is shown as a score from 0 (`of_prior`) to 100 (no loss).
    """

    name: str
    words: str
    greater_is_better: bool
    margin: float
    margin_source: str
    of_prior: float | None = None
    in_points: bool = False

    @classmethod
    def of(
        cls,
        metric: Metric,
        margin: Margin,
        of_prior: float | None = None,
        *,
        named: bool = True,
    ) -> DecidingScore:
        """Return a score as the one that decides; it keeps its unit if a user `named` it."""
        about: dict[str, Any] = {
            key: getattr(metric, key) for key in ("name", "words", "greater_is_better")
        }
        in_points = (
            not named
            and bool(of_prior)
            and any(one.skill_of == metric.name for one in METRICS.values())
        )
        return cls(
            **about,
            margin=margin.value,
            margin_source=margin.source,
            of_prior=of_prior,
            in_points=in_points,
        )

    @property
    def shown(self) -> Metric:
        """The score as it is shown: from 0 to 100, or in its own unit."""
        if not self.in_points:
            return replace(
                find_metric(self.name),
                words=self.words,
                greater_is_better=self.greater_is_better,
            )
        skill = next(one for one in METRICS.values() if one.skill_of == self.name)
        zero = self.of_prior or 1.0
        decimals = max(0, math.ceil(-math.log10(100 * self.margin / zero)))
        return replace(skill, words="score", zero=zero, decimals=decimals)


@dataclass(frozen=True, kw_only=True)
class PlanSummary:
    """How the candidates were trained and tested."""

    kind: str
    locked_share: float = 0.0
    repeats: int = 1
    most_repeats: int = 1
    ended: Ended = ""
    folds: int = 1
    seeds: int = 1
    networks: int = 1
    n_train: int | None = None
    n_test: int | None = None
    n_unused: int = 0
    quick: bool = False
    sample_of: int | None = None
    time_limit: float | None = None
    reason: str = ""
    random_state: int = 0
    recipe: str = ""
    test_share: float | None = None
    df: int | None = None
    tried: int = 0
    n_groups: int | None = None

    @property
    def unit(self) -> str:
        """What scores are of: rows of a table, or items such as questions."""
        return "items" if self.kind == "items" else "rows"

    @property
    def overlap(self) -> float:
        """Test rows over training rows, of splits that overlap."""
        if self.kind == "cross_validation":
            return 1 / (self.folds - 1)
        return (
            0.0 if self.test_share is None else self.test_share / (1 - self.test_share)
        )


@dataclass(frozen=True)
class NoVerdict:
    """A candidate without a verdict, and why."""

    candidate: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """The epochs of a recipe, and the fewest, the median and the most that were used."""

    most: int
    low: int
    median: int
    high: int


@dataclass(frozen=True, kw_only=True)
class CandidateSummary:
    """A candidate or baseline; `n_parameters` (of one network) and what follows, but the note, is
    of networks only.

    The kind is `network`, `baseline`, or what a judgement read: `scores` or `predictions`. `finite`
    says whether all of its predictions are. `networks` are averaged in what is judged. `parts` are
    the shares of the models in a blend, the largest first. Confusion is the share of rows [true
    class, predicted class]. Of `train_accuracy` and `train_r2`, one is known."""

    name: str
    kind: str
    finite: bool = True
    networks: int = 1
    repeats: int | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    confusion: tuple[tuple[float, ...], ...] | None = None
    calibration: CalibrationSummary | None = None
    few_words: str = ""
    description: str = ""
    n_parameters: int | None = None
    n_networks: int | None = None
    n_diverged: int | None = None
    epochs: Epochs | None = None
    train_accuracy: float | None = None
    train_r2: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Lotteries:
    """What single runs, each with one fold and one seed, would have shown: scores, and differences
    from the reference; None without a reference that can be compared."""

    score: RunLottery
    difference: RunLottery | None = None


@dataclass(frozen=True)
class Note:
    """A decision or a warning about a table, or about one `column`, in a complete sentence.

    The code is a warning of docs/tables.md, such as "SB101"; empty for a decision that needs no
    attention. `count` cells or rows are concerned, and `rows` say where the user finds the first of
    them: 'line 5'. `finding` has no example and no advice; it is empty if the message is no longer.
    `remedy` has values of options of `read_table` that the message advises. `share` is the score
    that the column alone has, from 0 to 1."""

    message: str
    column: str = ""
    code: str = ""
    count: int | None = None
    rows: tuple[str, ...] = ()
    finding: str = ""
    remedy: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PredictedNumbers:
    """What a model predicts for rows that it wasn't trained on, the mean over repeats, and what was
    observed [row]; of a sample of many rows."""

    model: str
    predicted: tuple[float, ...]
    observed: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class PredictedRanges:
    """How far predictions of a model would move had it been trained on other rows, see
    `evaluation.ranges`; of rows that it wasn't trained on.

    Attributes:
        label: whose probability is predicted: the second of two, or "" for the most probable one,
            for numbers and for survival.
        changed: the share of rows that a model of other rows would label otherwise, on average;
            None without two labels.
        width: the mean width of a range.
        predicted, low, high: of at most 500 rows, in the order of `predicted`.
    """

    model: str
    label: str
    changed: float | None
    width: float
    predicted: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The result of a comparison or a judgement of a table, each candidate against the reference;
    None and empty for what isn't known of scores."""

    schema_version: int = SUMMARY_VERSION
    kind: str
    command: str = ""
    table: str
    target: str = ""
    task: Task | None = None
    n_rows: int | None = None
    n_features: int | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    majority_share: float | None = None
    target_mean: float | None = None
    target_sd: float | None = None
    notes: tuple[Note, ...] = ()
    specification: Mapping[str, Any]
    seconds: float | None = None
    curves: Curves | None = None
    reference: str
    metric: DecidingScore
    alpha: float
    interval: str | None = None
    plan: PlanSummary
    understood: tuple[str, ...] = ()
    no_verdict: tuple[NoVerdict, ...] = ()
    ranking: tuple[str, ...] = ()
    candidates: tuple[CandidateSummary, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    advice: Advice | None = None
    contrasts: tuple[Contrast, ...] = ()
    letters: Mapping[str, str] = field(default_factory=dict)
    sample_sizes: SampleSizes | None = None
    optimism: Mapping[str, float] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    lottery: Lotteries | None = None
    subgroups: Subgroups | None = None
    columns: Columns | None = None
    rows: Rows | None = None
    net_benefit: NetBenefit | None = None
    survival: SurvivalSummary | None = None
    numbers: PredictedNumbers | None = None
    ranges: PredictedRanges | None = None
    sites: Sites | None = None

    def candidate(self, name: str) -> CandidateSummary:
        return next(
            candidate for candidate in self.candidates if candidate.name == name
        )

    def score(self, name: str, metric: str = "") -> Score:
        """Return a candidate's score; that which decides if none is named."""
        return self.candidate(name).scores[metric or self.metric.name]

    def expected_score(self, name: str, metric: str) -> Score:
        """Return a candidate's score; that of a recommended model that isn't the reference without
        what it gained by being chosen."""
        score = self.score(name, metric)
        optimism = self.optimism.get(metric)
        if (
            optimism is None
            or self.advice is None
            or name != self.advice.use
            or score.mean is None
        ):
            return score
        scale = METRICS[metric]
        shift = -optimism if scale.greater_is_better else optimism
        low, high = (
            None if end is None else min(scale.high, max(scale.low, end + shift))
            for end in (score.low, score.high)
        )
        return Score(score.mean + shift, low, high)

    def verdict(self, name: str) -> Verdict | None:
        """Return the verdict on a candidate; None for the reference and without a verdict."""
        return next(
            (verdict for verdict in self.verdicts if verdict.candidate == name), None
        )

    def in_order(self) -> list[CandidateSummary]:
        """Return all candidates by their ranking, the recommended one first; those without a finite
        score come last."""
        use = () if self.advice is None else (self.advice.use,)
        ranked = [self.candidate(name) for name in dict.fromkeys((*use, *self.ranking))]
        return [
            *ranked,
            *(
                candidate
                for candidate in self.candidates
                if candidate.name not in self.ranking
            ),
        ]


# ---- as JSON


def document_of(summary: Conclusion) -> dict[str, Any]:
    """Return a summary as a plain dict, fit for JSON; docs/summary.md explains its keys."""
    document: dict[str, Any] = with_lists(msgspec.to_builtins(summary))
    document["verdicts"] = [one.as_dict() for one in summary.verdicts]
    if summary.subgroups is not None:
        groups = document["subgroups"]["subgroups"]
        for one, group in zip(groups, summary.subgroups.subgroups, strict=True):
            one["verdicts"] = [verdict.as_dict() for verdict in group.verdicts]
    return document


def with_lists(value: Any) -> Any:
    """Return plain values with lists in place of tuples, as JSON gives them back."""
    return msgspec.json.decode(msgspec.json.encode(value))


def summary_from(document: Mapping[str, Any], where: str = "the summary") -> Conclusion:
    """Return a summary from its plain dict.

    Args:
        where: the file, for the error.

    Raises:
        UnreadableError: it is of a kind that isn't known, or a key is missing or has another type.
    """
    if document.get("kind") not in ("comparison", "judgement"):
        message = f"{where} is of the kind {document.get('kind')!r}, which isn't known"
        raise UnreadableError(message, "Was it written by a later version?")
    needed_keys = ("curves", "lottery", "seconds")
    lacking = [key for key in needed_keys if document.get(key) is None]
    if document.get("kind") == "comparison" and lacking:
        raise UnreadableError(
            f"{where} lacks {', '.join(lacking)}",
            "Run it again with this version of seedbed.",
        )
    try:
        return msgspec.convert(document, Conclusion)
    except msgspec.ValidationError as error:
        hint = "Run it again with this version of seedbed."
        raise UnreadableError(
            f"{where} can't be read: {str(error)[:1].lower()}{str(error)[1:]}", hint
        ) from None
