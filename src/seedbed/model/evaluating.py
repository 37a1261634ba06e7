"""Evaluate a model on rows with known outcome: its scores beside those that a comparison
promised."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.data.by_column import grouping_by, refuse_target
from seedbed.data.follow_up import encode_survival, fewest_beyond
from seedbed.data.frame import Frame
from seedbed.data.sources.opening import read_new_rows
from seedbed.data.splits import Split
from seedbed.data.table import ColumnSchema
from seedbed.data.table_options import ColumnRoles
from seedbed.data.target import LARGEST_TARGET, EncodedTarget
from seedbed.data.typed import as_text, read_rows, type_columns
from seedbed.errors import OptionError, TargetError, TooFewRowsError, counted, spell
from seedbed.evaluation.calibration import of_two_classes
from seedbed.evaluation.conclusion import (
    ABOVE,
    AS_PROMISED,
    BELOW,
    BETTER,
    WORSE,
    Watch,
    against_promise,
    conclude,
    watch_promise,
)
from seedbed.evaluation.metrics import (
    METRICS,
    Margin,
    Metric,
    default_margin,
    margin_beside,
)
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.summaries import Conclusion, DecidingScore, PlanSummary, Score
from seedbed.model.ensemble import Ensemble
from seedbed.model.ledger import append_entry, read_ledger
from seedbed.model.model_file import canonical, check_writable
from seedbed.model.predicting import Predictions, predict_frame
from seedbed.model.row_hashes import Hashes, row_hashes
from seedbed.report.evaluation_text import Evaluation, Part
from seedbed.report.sentences import join_notes, note_sentence
from seedbed.scoring import Result, evidence_of
from seedbed.tested import Tested
from seedbed.typing import Floats, Ints

_FEWEST = 10  # rows or groups that get a verdict
_MOST_COPIES = (
    0.01  # share of rows that equal another one, as in `row_hashes.kept_hashes`
)
_MOST_PARTS = 20
_NEW_ROWS = Protocol(kind="held_out", locked_share=1.0, reason="all rows are new")


@dataclass(frozen=True, eq=False, kw_only=True)
class NewRows:
    """The rows that are evaluated.

    Attributes:
        frame: their cells, with all columns.
        observed: their outcome; the code of a label that the model doesn't know is -1.
        groups: number of each row's group [row]; None if each row stands for itself.
        hashes: of the rows [row], and of their groups [row], by which a ledger knows them.
        n_units: rows or groups.
        n_training: rows left out as a model was trained on them.
        notes: sentences.
    """

    frame: Frame
    observed: EncodedTarget
    groups: Ints | None
    hashes: tuple[Hashes, Hashes]
    n_units: int
    n_training: int
    notes: tuple[str, ...]


def evaluate(
    model: Ensemble,
    source: Any,
    by: str | None,
    group: str | None,
    against: Ensemble | None,
    threshold: float | None,
    new_site: bool,
    watch: str | os.PathLike[str] | None,
    options: Mapping[str, Any],
) -> Evaluation:
    """Return what `Model.evaluate` does."""
    model.outcome.check_threshold(threshold)
    metric = METRICS[model.outcome.in_words or model.outcome.metric]
    score = model.score or {"scores": []}
    scores = score.get("expected", score["scores"])
    if new_site:
        scores = score.get("new_site", [])
    promises = {
        one["name"]: Score(one["mean"], one["low"], one["high"]) for one in scores
    }
    promised = promises.get(metric.name)
    if watch is not None:
        if by is not None:
            raise OptionError(
                f"{spell('by')} judges these rows alone, and {spell('watch')} all looks",
                "Leave one of them out.",
            )
        entries = _open_watch(watch, model, group, promised)
    models = [model] if against is None else [model, against]
    frame = read_evaluated(models, source, options)
    notes_of_sites: list[str] = []
    if new_site:
        frame, notes_of_sites = _at_new_sites(model, frame)
    rows = new_rows(models, frame, group)
    predictions = [predict_frame(one, rows.frame) for one in models]
    results = results_on(models, rows, [one.values for one in predictions])
    ours = results[0]
    notes = [*notes_of_sites, *rows.notes]
    notes += _unlike_training(model, predictions[0])
    no_verdict = [*_why_no_verdict(model, rows, "row" if group is None else "group")]
    promised = None if no_verdict and watch is None else promised
    difference, verdict = against_promise(
        promised, ours.scores[metric.name], metric, alpha=ours.tested.alpha
    )
    two_classes = None
    if model.outcome.has_threshold and not no_verdict:
        two_classes = of_two_classes(
            ours.tested.target,
            predictions[0].values,
            model.threshold if threshold is None else threshold,
            alpha=ours.tested.alpha,
            groups=rows.groups,
        )
    conclusion = _conclude(model, rows, results)
    if len(models) > 1 and not conclusion.verdicts:
        notes.append(
            f"no verdict against {results[1].name}: the predictions or all outcomes are the same"
        )
    watched = None
    if watch is not None and promised is not None:
        if no_verdict and model.follow_up:
            raise TooFewRowsError(no_verdict[0], "Give more rows at each look.")
        no_verdict = []
        watched = _add_look(watch, entries, ours, rows.hashes, promised, metric)
        difference = watched.difference
        verdict = watched.verdict
    return Evaluation(
        conclusion=conclusion,
        metric=metric.name,
        promises=promises,
        difference=difference,
        verdict=verdict,
        watch=watched,
        is_new_site=new_site,
        two_classes=two_classes,
        by=by,
        parts=()
        if by is None
        else tuple(_parts(model, rows.frame, by, ours, metric, promised)),
        n_training_rows=None if model.training_rows is None else rows.n_training,
        notes=(*notes, *no_verdict),
    )


def read_evaluated(
    models: Sequence[Ensemble], source: Any, options: Mapping[str, Any]
) -> Frame:
    """Return the rows with the columns of all models. OptionError if these predict different
    outcomes; TooFewRowsError without rows."""
    model = models[0]
    outcomes = [*map(_predicts, models)]
    if len({*outcomes}) > 1:
        raise OptionError(
            f"the other model predicts {outcomes[1]}, and this one {outcomes[0]}",
            "Name a model that predicts the same.",
        )
    schemas = [schema for one in models for schema in one.schemas]
    text = (*as_text(schemas), *((model.target_name,) if model.labels else ()))
    names = tuple(dict.fromkeys(schema.name for schema in schemas))
    frame = read_new_rows(source, names, as_text=text, **options)
    if not frame.n_rows:
        raise TooFewRowsError(
            f"{frame.where} has no rows", "Give rows with a known outcome."
        )
    return frame


def _at_new_sites(model: Ensemble, frame: Frame) -> tuple[Frame, list[str]]:
    """Return the rows of sites that the comparison of a model didn't have, by the column of sites
    if the rows have it, and what was left out in words. OptionError without a promise for new
    sites."""
    score = model.score or {}
    if not score.get("new_site"):
        raise OptionError(
            "the model has no promise for a new site",
            f"Compare with {spell('site', 'COLUMN')}, of three sites or more, and train from that run.",
        )
    column = score["site_column"]
    if column not in frame.names:
        return frame, [f"it isn't known whether these rows are of a new {column}"]
    cells = frame.texts(frame.names.index(column))
    known = np.array([text in score["sites"] for text in cells.texts])[cells.codes]
    if not known.any():
        return frame, []
    n = int(known.sum())
    kept = frame.rows(np.flatnonzero(~known), frame.where)
    note = f"{counted(n, 'row')} left out: the comparison had their {column}"
    return replace(kept, name=frame.name), [note]


def new_rows(models: Sequence[Ensemble], frame: Frame, group: str | None) -> NewRows:
    """Return the rows with an outcome on which no model was trained. TooFewRowsError if they are
    fewer than two, or of one group."""
    model = models[0]
    observed, notes = _observed(model, frame)
    hashes = [_hashes(one, frame, observed) for one in models]
    is_new = np.ones(len(observed.values), dtype=np.bool_)
    for one, of_rows in zip(models, hashes, strict=True):
        if one.training_rows is not None:
            is_new &= ~np.isin(of_rows, one.training_rows).any(axis=0)
    which = "the model" if len(models) == 1 else "one of the models"
    if n_training := int((~is_new).sum()):
        notes.append(
            f"{counted(n_training, 'row')} left out: {which} was trained on them"
        )
    if any(one.training_rows is None for one in models):
        notes.append(
            f"it isn't known whether {which} was trained on some of these rows"
        )
    new = frame.rows(np.flatnonzero(observed.has_target)[is_new], frame.where)
    observed = replace(
        observed,
        values=observed.values[is_new],
        durations=np.asarray(observed.durations)[is_new] if model.follow_up else None,
    )
    exact = hashes[0][-1][is_new]
    groups = None if group is None else new.texts(new.position_of(group)).codes
    names = [] if group is None else new.cells(new.position_of(group))
    of_groups = 0 * exact
    of_groups[: len(names)] = [
        zlib.crc32((name or "").encode()) - (1 << 31) for name in names
    ]
    if group is None and model.training_rows is not None:
        equal = np.unique(exact, return_inverse=True)[1]
        n_copies = len(equal) - len(np.unique(equal))
        if n_copies > _MOST_COPIES * len(equal):
            groups = equal
            notes.append(
                f"{counted(n_copies, 'row')} equal another one; equal rows count as one"
            )
    unit = "row" if group is None else "group"
    n_units = new.n_rows if groups is None else len(np.unique(groups))
    n_usable = (
        min(n_units, int((observed.values >= 0).sum())) if model.labels else n_units
    )
    if n_usable < 2:
        known = f" that is {' or '.join(model.labels[:5])}" if model.labels else ""
        raise TooFewRowsError(
            f"{frame.where}: {counted(n_usable, f'new {unit}')} with a known {model.target_name}{known}",
            ". ".join([*notes, "Give more rows."]),
        )
    return NewRows(
        frame=replace(new, name=frame.name),
        observed=observed,
        groups=groups,
        hashes=(exact ^ of_groups, of_groups),
        n_units=n_units,
        n_training=n_training,
        notes=tuple(notes),
    )


def _hashes(model: Ensemble, frame: Frame, observed: EncodedTarget) -> list[Hashes]:
    """Return the `row_hashes` of the rows with an outcome."""
    read = model.read(frame)[0].columns[: len(model.schemas)]
    columns = [column[observed.has_target] for column in read]
    typical = np.zeros((len(read), 3)) if model.typical is None else model.typical
    deviations = typical[: len(read), 1]
    return [*row_hashes(columns, deviations, observed.values, observed.durations)]


def _unlike_training(model: Ensemble, predictions: Predictions) -> Iterator[str]:
    """Yield notes on rows with cells that the training rows didn't have."""
    if n := len(predictions.flags(model.preprocessor.layout.schemas)):
        has = f"{counted(n, 'row')} {'has' if n == 1 else 'have'}"
        yield f"{has} cells unlike those of the training rows: missing, unknown or out of range"
    yield from map(
        note_sentence,
        join_notes(note for note in predictions.notes if note.code == "SB305"),
    )
    if (
        n := int(predictions.odd.unreadable.any(axis=1).sum())
    ) and model.training_rows is not None:
        yield f"the model may have been trained on {counted(n, 'row')} with such cells"


def _why_no_verdict(model: Ensemble, rows: NewRows, unit: str) -> Iterator[str]:
    """Yield why these rows are too few for a verdict; nothing if they are enough."""
    if rows.n_units < _FEWEST:
        yield f"no verdict on fewer than {_FEWEST} {unit}s"
    elif model.follow_up:
        fewest = fewest_beyond(rows.frame.n_rows)
        durations = np.asarray(rows.observed.durations)
        if (n_later := (durations > model.follow_up.horizon).sum()) < fewest:
            yield f"no verdict: {n_later} rows, and not {fewest}, go on after {model.follow_up.words}"


def results_on(
    models: Sequence[Ensemble], rows: NewRows, predictions: Sequence[Floats]
) -> list[Result]:
    """Return the results of each model from its predicted `values`. The outcome of a label that a model doesn't know is
    another one than the predicted."""
    every = np.arange(rows.frame.n_rows)
    results = list[Result]()
    for model, found in zip(models, predictions, strict=True):
        observed = rows.observed
        if model.outcome.has_classes:
            best = model.outcome.probabilities(found).argmax(axis=1)
            values = np.where(
                observed.values < 0, (best + 1) % len(model.labels), observed.values
            )
            observed = replace(observed, values=values)
        is_same = any(one.name == model.candidate for one in results)
        results.append(
            Result(
                tested=Tested(
                    alpha=float((models[0].score or {"alpha": 0.05})["alpha"]),
                    task=model.task,
                    n_classes=len(model.labels),
                    design=_NEW_ROWS,
                    groups=rows.groups,
                    target=observed.values,
                    durations=observed.durations,
                    follow_up=observed.follow_up,
                    splits=(Split(0, 0, every, every),),
                ),
                name=f"the other {model.candidate}" if is_same else model.candidate,
                predictions=model.outcome.scored(found, model, observed)[None, None],
            )
        )
    return results


def _predicts(model: Ensemble) -> str:
    until = f" until {model.follow_up.words}" if model.follow_up else ""
    return f"{model.target_name}{until} ({', '.join(model.labels) or 'a number'})"


def _observed(model: Ensemble, frame: Frame) -> tuple[EncodedTarget, list[str]]:
    """Return the outcome of the rows that have one, coded as in training, -1 for a label that the
    model doesn't know; and notes. ColumnError if there is no target."""
    name, labels = model.target_name, model.labels
    for column in filter(None, (name, *model.outcome.columns(model))):
        position = frame.position_of(column, ", which says what happened")
    if follow_up := model.follow_up:
        roles = ColumnRoles(
            event=name,
            time=follow_up.time,
            start=follow_up.start or None,
            positive=labels[1],
            drop_missing_target=True,
        )
        observed = encode_survival(
            replace(frame, most_missing=100), roles, like=follow_up
        )
        return observed, [note.message for note in observed.notes]
    if not labels:
        values = type_columns(frame, [position], numeric=[name]).columns[0].values
        if np.nanmax(np.abs(values), initial=0) > LARGEST_TARGET:
            raise TargetError(
                f"{frame.where}: '{name}' holds a number over {LARGEST_TARGET:g}, which is too large",
                "Repair or remove these rows.",
            )
    else:
        read = read_rows(frame, [position], [ColumnSchema(name, "category", labels)])
        values = read.columns[0]
        texts = read.odd[0].values()
    has_target = ~np.isnan(values)
    notes = []
    if n := int((~has_target).sum()):
        notes.append(f"{counted(n, 'row')} left out: {name} is missing")
    values = values[has_target].astype(np.int64 if labels else np.float64)
    if labels and (n := int((values < 0).sum())):
        found = (
            f"that the model doesn't know ({', '.join([*dict.fromkeys(texts)][:3])})"
        )
        notes.append(
            f"counted as wrong: {counted(n, 'row')} with a label of {name} {found}"
        )
    return EncodedTarget(values, labels, model.task, has_target, ()), notes


def _conclude(model: Ensemble, rows: NewRows, results: Sequence[Result]) -> Conclusion:
    """Return all scores, and the verdict on the first of two models against the other one."""
    ours = results[0]
    reference = results[-1]
    score = model.outcome.metric
    of_prior = ours.tested.loss_of_prior(score)
    margin = Margin(0.0, "default")
    if of_prior is not None:
        margin = margin_beside(
            score,
            default_margin(score, model.outcome.truth(ours.tested)),
            float(reference.losses(score).mean()),
        )
    known: Any = rows.observed.values[rows.observed.values >= 0] if model.labels else []
    counts = np.bincount(known, minlength=len(model.labels)).tolist()
    summaries = [result.summary() for result in results]
    if model.outcome.is_expanded:  # the chart needs more than their calibration
        summaries = [replace(one, calibration=None) for one in summaries]
    opened = Conclusion(
        kind="evaluation",
        table=rows.frame.name,
        target=model.target_name,
        task=model.task,
        alpha=ours.tested.alpha,
        n_rows=rows.frame.n_rows,
        labels=dict(zip(model.labels, counts, strict=True)),
        specification={"versions": dict(model.versions)},
        reference=reference.name,
        metric=DecidingScore.of(METRICS[score], margin, of_prior, named=False),
        interval="held_out",
        plan=PlanSummary(kind="held_out", n_test=rows.frame.n_rows),
        candidates=tuple(summaries),
        ranking=tuple(result.name for result in results),
    )
    is_alone = of_prior is None or len(results) < 2
    return opened if is_alone else conclude(opened, evidence_of(results, score))


def _parts(
    model: Ensemble,
    frame: Frame,
    by: str,
    whole: Result,
    metric: Metric,
    promised: Score | None,
) -> Iterator[Part]:
    """Yield the rows of each value of a column. Verdicts are adjusted for their number."""
    refuse_target(by, model.target_name)
    column = type_columns(frame, [frame.position_of(by)]).columns[0]
    grouping = grouping_by(column, most=_MOST_PARTS, fewest=_FEWEST)
    members = [
        np.flatnonzero(grouping.codes == code) for code in range(len(grouping.names))
    ]
    sizes = [
        len(
            np.unique(
                rows if whole.tested.groups is None else whole.tested.groups[rows]
            )
        )
        for rows in members
    ]
    n_judged = sum(size >= _FEWEST for size in sizes)
    for value, rows, size in zip(grouping.names, members, sizes, strict=True):
        found = Score(None)
        verdict = None
        if size >= _FEWEST:
            tested = replace(whole.tested, splits=(Split(0, 0, rows, rows),))
            found = replace(whole, tested=tested).scores[metric.name]
            _, verdict = against_promise(
                promised, found, metric, alpha=whole.tested.alpha, comparisons=n_judged
            )
        yield Part(value=value, n_rows=len(rows), found=found, verdict=verdict)


_OTHERS = {
    "kind": "a gate",
    "model": "another model",
    "group": "another column of groups",
    "promise": "another promise of this model",
}
"""What a ledger is of if its first entry differs in a key."""

_GRAVEST = (BELOW, WORSE, ABOVE, BETTER, AS_PROMISED, None)


def _open_watch(
    path: str | os.PathLike[str],
    model: Ensemble,
    group: str | None,
    promised: Score | None,
) -> list[dict[str, Any]]:
    """Return the entries of the ledger of a promise; of a new one the first entry, which says what
    is watched.

    Raises:
        OptionError: there is no promise, rows can't be recognised, or the file can't be written or
            is the ledger of something else.
        UnreadableError: the ledger is damaged, or the file isn't one.
    """
    if promised is None or promised.low is None:
        raise OptionError(
            "there is no promise to watch",
            "Take a model of a comparison: seedbed train RUN -o FILE.",
        )
    if model.training_rows is None and group is None:
        raise OptionError(
            "rows of earlier looks can't be recognised: the model keeps no hashes of its rows",
            f"Name a column that tells rows or patients apart: {spell('group', 'COLUMN')}.",
        )
    path = Path(path)
    check_writable(path, "the ledger")
    promise = [promised.mean, promised.low, promised.high]
    first = dict(zip(_OTHERS, ("watch", _digest(model), group, promise), strict=True))
    if not path.exists():
        return [first]
    entries = read_ledger(path.parent, path.name)
    for key, other in _OTHERS.items():
        if entries[0].get(key) != first[key]:
            raise OptionError(
                f"{path} is the ledger of {other}",
                "Name a new file, which starts another watch.",
            )
    return entries


def _add_look(
    path: str | os.PathLike[str],
    entries: Sequence[dict[str, Any]],
    result: Result,
    hashes: tuple[Hashes, Hashes],
    promised: Score,
    metric: Metric,
) -> Watch:
    """Add the rows of a result to a ledger, and return what all its looks say.

    A look keeps of each row a hash, that of its group, and its score; of two classes also the
    probability of the second one, and whether the row is of it.

    Args:
        entries: those of `_open_watch`.
        hashes: of the rows [row], and of their groups [row]. Rows that the ledger has aren't added,
            and of equal rows one.
    """
    of_rows, of_groups = hashes
    firsts = np.unique(of_rows, return_index=True)[1]
    known = [row for entry in entries[1:] for row in entry["rows"]]
    rows = np.sort(firsts[~np.isin(of_rows[firsts], known)])
    values = metric.score_of(result.row_losses(metric.name)[0, 0])
    columns = {"rows": of_rows, "groups": of_groups, "values": values}
    if result.tested.outcome.has_threshold:
        probabilities = result.predictions[0, 0].astype(np.float64).round(6)
        columns |= {"probabilities": probabilities, "outcomes": result.tested.target}
    look: dict[str, Any] = {"kind": "look"}
    look |= {name: column[rows].tolist() for name, column in columns.items()}
    looks = [*entries[1:], *([look] if len(rows) else [])]
    sizes = [len(one["rows"]) for one in looks]
    watch = watch_promise(
        np.concatenate([one["values"] for one in looks]),
        np.repeat(np.arange(len(looks)), sizes),
        promised,
        metric,
        groups=np.concatenate([one["groups"] for one in looks])
        if entries[0]["group"]
        else None,
        alpha=result.tested.alpha,
    )
    if len(rows):
        path = Path(path)
        look["verdict"] = watch.verdict
        if not path.exists():
            append_entry(path.parent, entries[0], path.name)
        look["time"] = append_entry(path.parent, look, path.name)
    dates = [one["time"][:10] for one in looks]
    verdicts = [one["verdict"] for one in looks]
    gravest = min(verdicts, key=_GRAVEST.index)
    return replace(
        watch,
        since=dates[0],
        n_looks=len(looks),
        n_known=len(of_rows) - len(rows),
        verdict=gravest,
        seen=dates[verdicts.index(gravest)],
        changed=None if watch.change is None else dates[watch.change],
    )


def _digest(model: Ensemble) -> str:
    """Return a hash of what a model predicts and promises, the same on each machine."""
    about = [model.candidate, model.target_name, model.labels, model.score]
    states = [model.states[name].tobytes() for name in sorted(model.states)]
    content = b"".join([canonical(about).encode(), *states])
    return hashlib.sha256(content).hexdigest()
