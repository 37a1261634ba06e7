"""Evaluate a model on rows with known outcome: its scores beside those that a comparison
promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.data.by_column import grouping_by, refuse_target
from seedbed.data.follow_up import encode_survival
from seedbed.data.frame import Frame
from seedbed.data.sources.opening import read_new_rows
from seedbed.data.splits import Split
from seedbed.data.table import ColumnSchema
from seedbed.data.table_options import ColumnRoles
from seedbed.data.target import EncodedTarget
from seedbed.data.typed import as_text, read_rows, type_columns
from seedbed.errors import ColumnError, OptionError, TargetError, counted, nearest
from seedbed.evaluation.conclusion import conclude
from seedbed.evaluation.metrics import METRICS, Margin, Metric, default_margin, margin_beside
from seedbed.evaluation.promised import against_promise, of_two_classes
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.summaries import Conclusion, DecidingScore, Note, PlanSummary, Score
from seedbed.model.ensemble import Ensemble
from seedbed.model.predicting import predict_frame
from seedbed.model.row_hashes import row_hashes
from seedbed.report.evaluation_text import Evaluation, Part
from seedbed.scoring import Result, evidence_of, loss_of_prior
from seedbed.typing import Ints

_FEWEST = 10  # rows or groups that get a verdict
_MOST_PARTS = 20
_NEW_ROWS = Protocol(kind="held_out", locked_share=1.0, reason="all rows are new")


def evaluate(
    model: Ensemble,
    source: Any,
    by: str | None,
    group: str | None,
    against: Ensemble | None,
    threshold: float | None,
    options: Mapping[str, Any],
) -> Evaluation:
    """Return what `Model.evaluate` does."""
    model.outcome.check_threshold(threshold)
    models = [model] if against is None else [model, against]
    if len({*map(_predicts, models)}) > 1:
        message = (
            f"the other model predicts {_predicts(models[1])}, and this one {_predicts(model)}"
        )
        raise OptionError(message, "Name a model that predicts the same.")
    schemas = [schema for one in models for schema in one.schemas]
    text = (*as_text(schemas), *((model.target_name,) if model.labels else ()))
    frame = read_new_rows(
        source, tuple(dict.fromkeys(schema.name for schema in schemas)), as_text=text, **options
    )
    if not frame.n_rows:
        raise TargetError(f"{frame.where} has no rows", "Give rows with a known outcome.")
    observed, numbers = _observed(model, frame)
    notes, is_new = [note.message for note in observed.notes], np.ones(len(numbers), dtype=np.bool_)
    for one in models:
        if one.training_rows is not None:
            cells = [column[numbers] for column in one.read(frame)[0].columns[: len(one.schemas)]]
            is_new &= ~np.isin(
                row_hashes(cells, observed.values, observed.durations), one.training_rows
            )
    n_training, which = (
        int((~is_new).sum()),
        "the model" if against is None else "one of the models",
    )
    if n_training:
        notes.append(f"{counted(n_training, 'row')} left out: {which} was trained on them")
    if any(one.training_rows is None for one in models):
        notes.append(f"it isn't known whether {which} was trained on some of these rows")
    numbers = numbers[is_new]
    frame = replace(frame.rows(numbers, frame.where), name=frame.name)
    groups = None if group is None else frame.texts(_position(frame, group)).codes
    n, what = (frame.n_rows, "row") if groups is None else (len(np.unique(groups)), "group")
    if n < 2:
        known = f" that is {' or '.join(model.labels[:5])}" if model.labels else ""
        message = (
            f"{frame.where}: {counted(n, f'new {what}')} with a known {model.target_name}{known}"
        )
        raise TargetError(message, ". ".join([*notes, "Give more rows."]))
    if n < _FEWEST:
        notes.append(f"no verdict on fewer than {_FEWEST} {what}s")
    observed, predictions = (
        _observed(model, frame)[0],
        [predict_frame(one, frame) for one in models],
    )
    if unlike := len(predictions[0].flags(model.preprocessor.layout.schemas)):
        cells_words = "cells unlike those of the training rows: missing, unknown or out of range"
        notes.append(f"{counted(unlike, 'row')} {'has' if unlike == 1 else 'have'} {cells_words}")
    score, of_rows = model.score or {"alpha": 0.05, "scores": []}, np.arange(frame.n_rows)
    scores = score.get("expected", score["scores"])
    promises = {one["name"]: Score(one["mean"], one["low"], one["high"]) for one in scores}
    about: dict[str, Any] = {
        "alpha": float(score["alpha"]),
        "task": model.task,
        "design": _NEW_ROWS,
        "groups": groups,
    }
    about |= {
        "target": observed.values,
        "durations": observed.durations,
        "follow_up": observed.follow_up,
    }
    about |= {"splits": (Split(0, 0, of_rows, of_rows),)}
    ours, *others = results = [
        Result(
            name=one.candidate,
            predictions=one.outcome.scored(two.values, one, observed)[None, None],
            **about,
        )
        for one, two in zip(models, predictions, strict=True)
    ]
    if others and others[0].name == ours.name:
        results[1] = replace(others[0], name=f"the other {ours.name}")
    metric, two_classes = METRICS[model.outcome.in_words or model.outcome.metric], None
    promised = promises.get(metric.name) if n >= _FEWEST else None
    difference, verdict = against_promise(
        promised, ours.scores[metric.name], metric, alpha=ours.alpha
    )
    if model.outcome.has_threshold:
        limit = model.threshold if threshold is None else threshold
        two_classes = of_two_classes(
            ours.target, predictions[0].values, limit, alpha=ours.alpha, groups=groups
        )
    conclusion = _conclude(model, frame, results)
    if others and not conclusion.verdicts:
        notes.append(
            f"no verdict against {results[1].name}: the predictions or all outcomes are the same"
        )
    return Evaluation(
        conclusion=conclusion,
        metric=metric.name,
        promises=promises,
        difference=difference,
        verdict=verdict,
        two_classes=two_classes,
        by=by,
        parts=() if by is None else tuple(_parts(model, frame, by, ours, metric, promised)),
        n_training_rows=None if model.training_rows is None else n_training,
        notes=tuple(notes),
    )


def _predicts(model: Ensemble) -> str:
    until = f" until {model.follow_up.words}" if model.follow_up else ""
    return f"{model.target_name}{until} ({', '.join(model.labels) or 'a number'})"


def _position(frame: Frame, name: str, why: str = "") -> int:
    """Return the place of a column. ColumnError if there is none."""
    if name not in frame.names:
        raise ColumnError(f"{frame.where}: no column '{name}'{why}", nearest(name, frame.names))
    return frame.names.index(name)


def _observed(model: Ensemble, frame: Frame) -> tuple[EncodedTarget, Ints]:
    """Return the outcome of the rows in which it is known, coded as in training, and their numbers.
    ColumnError if there is no target."""
    name, labels, unknown = model.target_name, model.labels, ""
    for column in filter(None, (name, *model.outcome.columns(model))):
        position = _position(frame, column, ", which says what happened")
    if follow_up := model.follow_up:
        roles = ColumnRoles(
            event=name,
            time=follow_up.time,
            start=follow_up.start or None,
            positive=labels[1],
            horizon=follow_up.horizon,
            drop_missing_target=True,
        )
        observed = encode_survival(replace(frame, most_missing=100), roles)
        return observed, np.flatnonzero(observed.has_target)
    if labels:
        read = read_rows(frame, [position], [ColumnSchema(name, "category", labels)])
        values = np.where(read.columns[0] < 0, np.nan, read.columns[0])
        unknown = ", ".join([*dict.fromkeys(read.odd[0].values())][:3])
    else:
        values = type_columns(frame, [position], numeric=[name]).columns[0].values
    has_target, notes = ~np.isnan(values), tuple[Note, ...]()
    if n := int((~has_target).sum()):
        why = f", or unknown to the model ({unknown})" if unknown else ""
        notes = (Note(f"{counted(n, 'row')} left out: {name} is missing{why}", name),)
    values = values[has_target].astype(np.int64 if labels else np.float64)
    return EncodedTarget(values, labels, model.task, has_target, notes), np.flatnonzero(has_target)


def _conclude(model: Ensemble, frame: Frame, results: Sequence[Result]) -> Conclusion:
    """Return all scores, and the verdict on the first of two models against the other one."""
    ours, reference, score = results[0], results[-1], model.outcome.metric
    of_prior, margin = loss_of_prior(score, ours), Margin(0.0, "default")
    if of_prior is not None:
        usual = default_margin(score, model.outcome.truth(ours))
        margin = margin_beside(score, usual, float(reference.losses(score).mean()))
    counts = np.bincount(ours.target, minlength=len(model.labels)).tolist() if model.labels else []
    summaries = [result.summary() for result in results]
    if model.outcome.is_expanded:  # the chart needs more than that
        summaries = [replace(one, calibration=None) for one in summaries]
    about: dict[str, Any] = {
        "table": frame.name,
        "target": model.target_name,
        "task": model.task,
        "alpha": ours.alpha,
    }
    opened = Conclusion(
        kind="evaluation",
        **about,
        n_rows=frame.n_rows,
        labels=dict(zip(model.labels, counts, strict=True)),
        specification={"versions": dict(model.versions)},
        reference=reference.name,
        metric=DecidingScore.of(METRICS[score], margin, of_prior, named=False),
        interval="held_out",
        plan=PlanSummary(kind="held_out", n_test=frame.n_rows),
        candidates=tuple(summaries),
        ranking=tuple(result.name for result in results),
    )
    return (
        opened
        if of_prior is None or len(results) < 2
        else conclude(opened, evidence_of(results, score))
    )


def _parts(
    model: Ensemble, frame: Frame, by: str, whole: Result, metric: Metric, promised: Score | None
) -> Iterator[Part]:
    """Yield the rows of each value of a column. Verdicts are adjusted for their number."""
    refuse_target(by, model.target_name)
    column = type_columns(frame, [_position(frame, by)]).columns[0]
    grouping = grouping_by(column, most=_MOST_PARTS, fewest=_FEWEST)
    members = [np.flatnonzero(grouping.codes == code) for code in range(len(grouping.names))]
    sizes = [
        len(np.unique(rows if whole.groups is None else whole.groups[rows])) for rows in members
    ]
    n_judged = sum(size >= _FEWEST for size in sizes)
    for value, rows, size in zip(grouping.names, members, sizes, strict=True):
        found, verdict = Score(None), None
        if size >= _FEWEST:
            found = replace(whole, splits=(Split(0, 0, rows, rows),)).scores[metric.name]
            _, verdict = against_promise(
                promised, found, metric, alpha=whole.alpha, comparisons=n_judged
            )
        yield Part(value=value, n_rows=len(rows), found=found, verdict=verdict)
