"""Results of searches, cross-validations, studies, reports and trackers, as rows of scores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.data.cells import quote_names
from seedbed.data.frame import Frame, Numbers, Texts
from seedbed.errors import ColumnError, DataError, spell
from seedbed.judgement.judge_options import JudgeOptions
from seedbed.judgement.score_columns import (
    ROLES,
    is_role,
    plain,
    read_scores,
    score_kind,
    usual_name,
    without_prefix,
)

_OF_SPLIT = re.compile(
    r"(?s)(?:(?P<before>.*?)_)??(?P<kind>split|fold)_?(?P<number>\d+)(?:_(?P<after>.*))?"
)
_OF_SETTING = re.compile(r"params?[._](.+)")
_LOG = "Log the scores of the splits"


def read_form(
    source: Any, options: JudgeOptions, where: str = ""
) -> tuple[Frame, JudgeOptions, tuple[str, ...]]:
    """Return a source as a row for each score, the options that suit it, and what was left out, in
    words.

    A source is what `read_scores` takes, or a result of a known library; `where` is its name in
    messages, if that isn't its own. DataError if it has no scores of single splits.
    """
    columns, said = _columns_of(source)
    if options.folds is not None or options.test_share is not None:
        said = {key: value for key, value in said.items() if key not in ("folds", "test_share")}
    options = replace(
        options, **{key: value for key, value in said.items() if getattr(options, key) is None}
    )
    known = "" if columns is source or isinstance(source, Mapping) else type(source).__name__
    return _unfolded(read_scores(columns, where or known), options)


def _columns_of(source: Any) -> tuple[Any, dict[str, Any]]:
    """Return the columns of a result of a known library, and the options that it says; any other
    source as it is."""
    is_mapping = isinstance(source, Mapping)
    if results := getattr(
        source, "cv_results_", source if is_mapping and "params" in source else None
    ):
        settings = {name: cells for name, cells in results.items() if name.startswith("param")}
        texts = {
            name: ["" if cell is np.ma.masked else str(cell) for cell in settings[name]]
            for name in settings
        }
        return {**results, **texts}, {} if is_mapping else _said_by_search(source)
    if hasattr(source, "trials") and hasattr(source, "user_attrs"):
        directions = [direction.name for direction in source.directions]
        return _of_study(source), {"lower_is_better": directions == ["MINIMIZE"]} if len(
            directions
        ) == 1 else {}
    reports = (
        {"the report": source} if isinstance(getattr(source, "reports_", None), list) else source
    )
    if (
        isinstance(reports := getattr(reports, "reports_", reports), Mapping)
        and reports is not source
    ):
        splits = getattr(next(iter(reports.values())), "split_indices", None)
        scores = {name: _of_report(report) for name, report in reports.items()}
        return _by_split(scores), _said_by_rows(*zip(*splits, strict=True)) if splits else {}
    if is_mapping and source and all(isinstance(scores, Mapping) for scores in source.values()):
        rows = next(iter(source.values())).get("indices")
        scores = {
            name: {key: of[key] for key in of if key.startswith("test_")}
            for name, of in source.items()
        }
        return _by_split(scores), _said_by_rows(rows["train"], rows["test"]) if rows else {}
    return source, {}


def _said_by_search(search: Any) -> dict[str, Any]:
    """Return the score of a search, and the folds or the test share, where its splitter says
    them."""
    from sklearn.base import is_classifier, is_regressor

    scoring, cv = getattr(search, "scoring", None), getattr(search, "cv", None)
    score = next(
        (name for name in (getattr(search, "refit", None), scoring) if isinstance(name, str)), None
    )
    if scoring is None:
        score = "accuracy" if is_classifier(search) else "r2" if is_regressor(search) else None
    share = getattr(cv, "test_size", None) or getattr(cv, "_default_test_size", None)
    if isinstance(cv, list | tuple):
        return {"score": score, **_said_by_rows(*zip(*cv, strict=True))}
    if isinstance(share, float):
        return {"score": score, "test_share": share}
    if cv is None or isinstance(cv, int) or type(cv).__name__.endswith("Fold"):
        return {"score": score, "folds": search.n_splits_ // getattr(cv, "n_repeats", 1)}
    return {"score": score}


def _said_by_rows(train: Sequence[Any], test: Sequence[Any]) -> dict[str, Any]:
    """Return the folds or the test share of splits, by their rows."""
    n_rows, sizes = len(train[0]) + len(test[0]), np.cumsum([len(rows) for rows in test])
    k = int(np.searchsorted(sizes, n_rows)) + 1
    if k <= len(test) and len(np.unique(np.concatenate(test[:k]))) == n_rows == sizes[k - 1]:
        return {"folds": k}
    return {"test_share": len(test[0]) / n_rows}


def _of_report(report: Any) -> dict[str, list[float]]:
    """Return the scores of a skore report of cross-validation [name of the score][split]."""
    parts: Any = getattr(report, "reports_", None) or getattr(report, "estimator_reports_", ())
    names = [name for name in dir(parts[0].metrics) if usual_name(name)] if parts else []
    scores = {name: [getattr(part.metrics, name)() for part in parts] for name in names}
    return {
        name: values
        for name, values in scores.items()
        if all(isinstance(value, float) for value in values)
    }


def _by_split(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return scores [candidate][name of the score][split] as columns of a row for each
    candidate."""
    shapes = {name: {key: len(each) for key, each in of.items()} for name, of in scores.items()}
    first, shape = next(iter(shapes.items()))
    if not shape:
        raise DataError(
            f"there are no scores of splits for {first}",
            "Give what cross_validate returns: test_score.",
        )
    if other := next((name for name, of in shapes.items() if of != shape), None):
        message = f"{first} has scores {shape} and {other} {shapes[other]}"
        raise DataError(message, "Score all candidates on the same splits.")
    columns = {
        f"split{i}_{key}": [of[key][i] for of in scores.values()]
        for key, n in shape.items()
        for i in range(n)
    }
    return {"candidate": list(map(str, scores)), **columns}


def _of_study(study: Any) -> dict[str, list[Any]]:
    """Return the scores of the splits of each trial of an Optuna study: a list among its user
    attributes, or its intermediate values, of which the trial's value is the mean; NaN of trials
    without a value."""
    found, trials = list[Any](), study.trials
    for trial in trials:
        value, attributes = trial.values[0] if trial.values else np.nan, trial.user_attrs
        lists = [
            *attributes.values(),
            [each for _, each in sorted(trial.intermediate_values.items())],
        ]
        lists.append([each for key, each in attributes.items() if _OF_SPLIT.fullmatch(plain(key))])
        lists = [each for each in lists if isinstance(each, list | tuple) and len(each) > 1]
        lists = [each for each in lists if all(isinstance(score, int | float) for score in each)]
        found.append(
            next((each for each in lists if np.isclose(np.mean(each), value, rtol=1e-6)), [])
        )
    if (n := max(map(len, found), default=0)) < 2:
        hint = f"{_LOG}, whose mean it is: trial.set_user_attr('fold_scores', list(scores))."
        raise DataError(
            "the trials of the study have one value each, and a verdict needs that of each split",
            hint,
        )
    keys = dict.fromkeys(key for trial in trials for key in trial.params)
    settings = {
        f"param_{key}": [str(trial.params.get(key, "")) for trial in trials] for key in keys
    }
    columns = settings or {"candidate": [f"trial {trial.number}" for trial in trials]}
    return columns | {
        f"split{i}_value": [each[i] if len(each) == n else np.nan for each in found]
        for i in range(n)
    }


def _unfolded(frame: Frame, options: JudgeOptions) -> tuple[Frame, JudgeOptions, tuple[str, ...]]:
    """Return a frame that has a column for each split, such as `split0_test_score`, with a row for
    each score instead; the options that suit it, and what was left out, in words. Any other frame
    is returned as it is."""
    found, names = dict[str, dict[int, int]](), frame.names
    for i, match in enumerate(map(_OF_SPLIT.fullmatch, map(plain, names))):
        words = [] if match is None else [word for word in match.group("before", "after") if word]
        if match is not None and not any("train" in word.split("_") for word in words):
            metric = without_prefix(
                "_".join(word for word in words if word != "user_attrs")
            ).removeprefix("test_")
            found.setdefault(metric or "value", {})[int(match["number"])] = i
    found = {metric: columns for metric, columns in found.items() if len(columns) > 1}
    roles = {
        role
        for role in ROLES
        if getattr(options, role, None) or any(is_role(name, role) for name in names)
    }
    numbered = {int(name): i for i, name in enumerate(names) if name.isdecimal()}
    n = len(numbered)
    if (
        1 < n < len(names)
        and "row" not in roles
        and sorted(numbered) in ([*range(n)], [*range(1, n + 1)])
    ):
        found = {"value": numbered}
    settings = {
        match[1]: i for i, name in enumerate(names) if (match := _OF_SETTING.fullmatch(name))
    }
    if settings and not found and not roles & {"candidate", "fold", "repeat", "row", "target"}:
        hint = f"{_LOG}, as columns split0_score, split1_score and so on; or give the study itself."
        raise DataError(
            f"{frame.where}: the settings have no scores of single splits, which decide", hint
        )
    if not found or roles & {"fold", "repeat", "target"} or options.candidate not in (None, *names):
        return frame, options, ()
    if (metric := without_prefix(options.score or "")) not in found:
        metric, *more = found
        if more or (options.score not in (None, metric) and metric not in ("score", "value")):
            message = f"{frame.where}: {quote_names([*found], 8)} could {'all ' if more else ''}be the score"
            raise ColumnError(message, f"Name one with {spell('score', metric)}.")
    numbers = sorted(found[metric])
    scores = np.column_stack([frame.numbers(found[metric][number]) for number in numbers])
    name, label = plain(names[found[metric][numbers[0]]]), options.score or metric
    if "split0_test" in name:  # of scikit-learn's scorers more is better
        is_error = (
            usual_name(label) is not None
            and not score_kind(label, lower_is_better=None).greater_is_better
        )
        label = f"neg_{label}" if is_error and np.nanmax(scores, initial=-1) <= 0 else label
        if options.lower_is_better is None and usual_name(label) is None:
            options = replace(options, lower_is_better=False)
    candidates, kept = (
        _candidates(frame, options.candidate, settings),
        np.isfinite(scores).all(axis=1),
    )
    understood = list[str]()
    if not kept.all():
        understood.append(
            f"Left out, as scores are missing: {quote_names(candidates[~kept].tolist(), 8)}."
        )
    if "iter" in names:
        rounds = frame.numbers(names.index("iter"))
        last = max(
            (each for each in np.unique(rounds) if (kept & (rounds == each)).sum() > 1), default=0
        )
        kept &= rounds == last
        understood.append(
            f"Round {int(last)} of the halving is judged, the last one with several settings."
        )
    if not kept.any():
        raise DataError(
            f"{frame.where}: no candidate has the scores of all splits",
            "Look for the errors of the fits.",
        )
    if n_out := len({*candidates} - {*candidates[kept]}):
        options = replace(options, tried=options.tried + n_out)
        understood.append(f"Discarded attempts: {n_out}.")
    rows = np.flatnonzero(kept)
    others = [
        i for i, name in enumerate(names) if is_role(name, "dataset") or is_role(name, "seed")
    ]
    if not others and "candidate" not in roles:  # a search may try a setting twice
        first = {(candidates[row], scores[row].tobytes()): row for row in rows[::-1].tolist()}
        rows, counts = np.array(sorted(first.values())), Counter[str]()
        for row in rows.tolist():
            counts[setting := candidates[row]] += 1
            candidates[row] += f" ({counts[setting]})" * (counts[setting] > 1)
    again = np.tile(rows, len(numbers))
    part, splits = (
        frame.rows(again, frame.where),
        Texts.of(str(number) for number in numbers for _ in rows),
    )
    columns = {names[i]: part.columns[i] for i in others}
    columns |= {
        "candidate": Texts.of(candidates[again].tolist()),
        "fold" if "fold" in name else "split": splits,
    }
    columns[label] = Numbers(scores[rows].T.ravel())
    frame = replace(part, names=tuple(columns), columns=tuple(columns.values()))
    return (
        frame,
        replace(options, score=options.score and label, candidate=None, fold=None),
        tuple(understood),
    )


def _candidates(frame: Frame, named: str | None, settings: Mapping[str, int]) -> Any:
    """Return the candidate of each row: that of the column that is `named` or has a usual name, or
    else the settings that vary."""
    usual = [
        *([] if settings else ["params"]),
        *(name for name in frame.names if is_role(name, "candidate")),
    ]
    if by_name := [
        frame.names.index(name) for name in ([named] if named else usual) if name in frame.names
    ]:
        return np.array([text or "" for text in frame.cells(by_name[0])], dtype=object)
    if not settings:
        hint = "Add a column 'candidate', or 'params' with the settings."
        raise ColumnError(f"{frame.where}: no column names the candidates", hint)
    cells = {key: frame.cells(i) for key, i in settings.items() if len(frame.texts(i).texts) > 1}
    words = (
        [f"{key}={texts[row]}" for key, texts in cells.items() if texts[row]]
        for row in range(frame.n_rows)
    )
    return np.array([", ".join(each) or "the setting" for each in words], dtype=object)
