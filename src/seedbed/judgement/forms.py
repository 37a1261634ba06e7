"""Results of searches, cross-validations, studies, reports and trackers, as rows of scores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.data.cells import quote_names, shortest_texts
from seedbed.data.frame import Frame, Numbers, Texts
from seedbed.data.known_splits import splits_of_rows, splits_of_splitter
from seedbed.errors import ColumnError, DataError, OptionError, spell
from seedbed.judgement.judge_options import JudgeOptions
from seedbed.judgement.score_columns import (
    ROLES,
    is_error,
    is_role,
    plain,
    read_scores,
    usual_name,
    without_prefix,
)
from seedbed.typing import Floats, Ints

_SPLIT_COLUMN = re.compile(
    r"(?s)(?:(?P<before>.*?)_)??(?P<kind>split|fold)_?(?P<number>\d+)(?:_(?P<after>.*))?"
)
_SETTING_COLUMN = re.compile(r"params?[._](.+)")
_OF_ONE_MODEL = re.compile(r"(fit|score)_time|estimator|indices|(test|train)_.*")
_LOG_SPLITS = "Log the scores of the splits"


def read_form(
    source: Any, options: JudgeOptions, where: str = ""
) -> tuple[Frame, JudgeOptions, tuple[str, ...]]:
    """Return a source as a row for each score, the options that suit it, and what was left out, in
    words.

    A source is what `read_scores` takes, or a result of a known library; `where` is its name in
    messages, if that isn't its own. DataError if it has no scores of single splits; OptionError if
    options contradict its splits, or no test is known for these.
    """
    columns, known = _columns_of(source)
    splits = {key: known[key] for key in ("folds", "test_share") if key in known}
    for key in [
        key for key in ("folds", "test_share") if splits and getattr(options, key)
    ]:
        if getattr(options, key) != splits.get(key):
            raise OptionError(
                f"{spell(key, getattr(options, key))}, and the splits are those of "
                f"{', '.join(spell(name, value) for name, value in splits.items())}",
                f"Leave {spell(key)} out.",
            )
    unset = {
        key: value for key, value in known.items() if getattr(options, key) is None
    }
    is_plain = (
        isinstance(source, Mapping) or hasattr(columns, "columns") or columns is source
    )
    frame = read_scores(columns, where or ("" if is_plain else type(source).__name__))
    return to_long_form(frame, replace(options, **unset))


def _columns_of(source: Any) -> tuple[Any, dict[str, Any]]:
    """Return the columns of a result of a known library, and the options that it says; any other
    source as it is."""
    if hasattr(source, "cv_results_"):
        return _of_search(source)
    if hasattr(source, "fit") and hasattr(source, "cv"):
        raise DataError(
            f"the {type(source).__name__} isn't fitted", "Call its fit, and judge it."
        )
    if hasattr(source, "trials") and hasattr(source, "user_attrs"):
        return _of_study(source)
    if hasattr(source, "reports_"):
        return _of_reports(source)
    is_mapping = isinstance(source, Mapping)
    names = source if is_mapping else getattr(source, "columns", ())
    if "fit_time" in names and all(
        _OF_ONE_MODEL.fullmatch(str(name)) for name in names
    ):
        raise DataError(
            "these are the scores of one model, as cross_validate returns them",
            "Give those of two or more by name: {'a': cross_validate(...), 'b': cross_validate(...)}.",
        )
    if is_mapping and "params" in source:
        return {**source, **_setting_texts(source)}, {}
    if (
        is_mapping
        and source
        and all(isinstance(result, Mapping) for result in source.values())
    ):
        return _of_cross_validations(source)
    return source if is_mapping else _with_index(source), {}


def _with_index(source: Any) -> Any:
    """Return a data frame of pandas with its index as columns, if that has names or texts; any
    other source as it is."""
    if not hasattr(source, "reset_index"):
        return source
    names = {name for name in source.index.names if name is not None}
    is_numbered = not names and source.index.inferred_type == "integer"
    return source if is_numbered or names & {*source.columns} else source.reset_index()


def _setting_texts(results: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the settings of a search's results as texts; empty where a setting doesn't apply."""
    return {
        name: ["" if cell is np.ma.masked else str(cell) for cell in cells]
        for name, cells in results.items()
        if name.startswith("param")
    }


def _of_search(search: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the results of a fitted search of scikit-learn, and the options that it says. A score
    with a name of the user's own gets the name of its scorer."""
    if search.n_splits_ == 1:
        raise DataError(
            f"the {type(search).__name__} has one split, and a verdict needs several",
            "Search with several folds, or give the predictions of the models for the test rows.",
        )
    options = options_of_search(search)
    columns = {**search.cv_results_, **_setting_texts(search.cv_results_)}
    scoring = getattr(search, "scoring", None)
    for key, scorer in (
        scoring if isinstance(scoring, Mapping) else {"score": scoring}
    ).items():
        scorer_name = _scorer_name(scorer)
        if scorer_name and (key == "score" or usual_name(key) is None):
            columns = {
                name.removesuffix(key) + scorer_name
                if name.endswith(f"_test_{key}")
                else name: cells
                for name, cells in columns.items()
            }
            is_chosen = options["score"] in (key, None)
            options["score"] = scorer_name if is_chosen else options["score"]
    splits = splits_of_splitter(getattr(search, "cv", None), search.n_splits_, search)
    return columns, options | splits


def _scorer_name(scorer: Any) -> str:
    """Return the usual name of a scorer of scikit-learn, `neg_` before that of an error; empty if
    it has none."""
    own_name = getattr(getattr(scorer, "_score_func", None), "__name__", "")
    name = "neg_" * (getattr(scorer, "_sign", 1) < 0) + own_name
    return scorer if isinstance(scorer, str) else name * (usual_name(name) is not None)


def options_of_search(search: Any) -> dict[str, Any]:
    """Return the score by which a search of scikit-learn chooses, where it says it."""
    from sklearn.base import is_classifier, is_regressor

    scoring = getattr(search, "scoring", None)
    default = (
        "accuracy" if is_classifier(search) else "r2" if is_regressor(search) else None
    )
    chosen = (getattr(search, "refit", None), scoring, None if scoring else default)
    return {"score": next((name for name in chosen if isinstance(name, str)), None)}


def _shared_splits(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return the splits of several models, by the rows (trained, tested) of each; none if a model
    lacks them. DataError if they differ."""
    first, *others = rows
    for other in others if all(rows.values()) else ():
        pairs = zip(rows[first][1], rows[other][1], strict=False)
        is_equal = [
            np.array_equal(np.sort(pair[0]), np.sort(pair[1])) for pair in pairs
        ]
        if not all(is_equal):
            raise DataError(
                f"{first} and {other} were tested on different rows in split {is_equal.index(False)}",
                "Give all models the same splits: one splitter with a fixed random_state.",
            )
    return splits_of_rows(*rows[first]) if all(rows.values()) else {}


def _of_cross_validations(
    results: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what `cross_validate` returned for each model, and its splits."""
    indices = {name: result.get("indices") for name, result in results.items()}
    rows = {
        name: part and (part["train"], part["test"]) for name, part in indices.items()
    }
    scores = {
        name: {key: result[key] for key in result if key.startswith("test_")}
        for name, result in results.items()
    }
    return _by_split(scores), _shared_splits(rows)


def _of_reports(source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a skore report of a comparison, or of one cross-validation, and its splits."""
    is_comparison = isinstance(source.reports_, Mapping)
    reports = source.reports_ if is_comparison else {"the report": source}
    splits = {
        name: getattr(report, "split_indices", ()) for name, report in reports.items()
    }
    rows = {name: tuple(zip(*pairs, strict=True)) for name, pairs in splits.items()}
    scores = {name: _report_scores(report) for name, report in reports.items()}
    return _by_split(scores), _shared_splits(rows)


def _report_scores(report: Any) -> dict[str, list[float]]:
    """Return the scores of a skore report of cross-validation [name of the score][split]."""
    parts: Any = getattr(report, "reports_", None) or getattr(
        report, "estimator_reports_", ()
    )
    names = (
        [name for name in dir(parts[0].metrics) if usual_name(name)] if parts else []
    )
    scores = {name: [getattr(part.metrics, name)() for part in parts] for name in names}
    return {
        name: values
        for name, values in scores.items()
        if all(isinstance(value, float) for value in values)
    }


def _by_split(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return scores [candidate][name of the score][split] as columns of a row for each
    candidate."""
    lengths = {
        name: {key: len(values) for key, values in of_name.items()}
        for name, of_name in scores.items()
    }
    first, *others = scores
    if not lengths[first]:
        raise DataError(
            f"there are no scores of splits for {first}",
            "Give what cross_validate returns: test_score.",
        )
    for other in others:
        if lengths[other] != lengths[first]:
            raise DataError(
                f"{first} has scores {lengths[first]} and {other} {lengths[other]}",
                "Score all candidates on the same splits.",
            )
    columns = {
        f"split{number}_{key}": [of_name[key][number] for of_name in scores.values()]
        for key, n_splits in lengths[first].items()
        for number in range(n_splits)
    }
    return {"candidate": [str(name) for name in scores], **columns}


def _of_study(study: Any) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Return the scores of the splits of each trial of an Optuna study, NaN of trials without them,
    and the direction. DataError if no trial has them."""
    trials = study.trials
    scores = [_trial_scores(trial) for trial in trials]
    n_splits = max(map(len, scores), default=0)
    if n_splits < 2:
        raise DataError(
            "the trials of the study have one value each, and a verdict needs that of each split",
            f"{_LOG_SPLITS}, whose mean it is: trial.set_user_attr('fold_scores', list(scores)).",
        )
    keys = dict.fromkeys(key for trial in trials for key in trial.params)
    settings: dict[str, list[Any]] = {
        f"param_{key}": [str(trial.params.get(key, "")) for trial in trials]
        for key in keys
    }
    columns = settings or {"candidate": [f"trial {trial.number}" for trial in trials]}
    of_splits = {
        f"split{i}_value": [
            each[i] if len(each) == n_splits else np.nan for each in scores
        ]
        for i in range(n_splits)
    }
    directions = [direction.name for direction in study.directions]
    return columns | of_splits, {"lower_is_better": directions == ["MINIMIZE"]} if len(
        directions
    ) == 1 else {}


def _trial_scores(trial: Any) -> list[Any]:
    """Return the scores of the splits of a trial, of which its value is the mean: a list among its
    user attributes, its intermediate values, or attributes such as `fold_0`; empty if there are
    none."""
    attributes = trial.user_attrs
    reported = [value for _, value in sorted(trial.intermediate_values.items())]
    numbered = [
        value
        for key, value in attributes.items()
        if _SPLIT_COLUMN.fullmatch(plain(key))
    ]
    for values in (*attributes.values(), reported, numbered):
        is_list = trial.values and isinstance(values, list | tuple) and len(values) > 1
        are_numbers = is_list and all(
            isinstance(value, int | float) for value in values
        )
        if are_numbers and np.isclose(np.mean(values), trial.values[0], rtol=1e-6):
            return list(values)
    return []


# ---- a column for each split


def to_long_form(
    frame: Frame, options: JudgeOptions
) -> tuple[Frame, JudgeOptions, tuple[str, ...]]:
    """Return a frame that has a column for each split, such as `split0_test_score`, with a row for
    each score instead; the options that suit it, and what was left out, in words. Any other frame
    is returned as it is."""
    names = frame.names
    roles = {
        role
        for role in ROLES
        if getattr(options, role, None) or any(is_role(name, role) for name in names)
    }
    matches = {i: _SETTING_COLUMN.fullmatch(name) for i, name in enumerate(names)}
    settings = {match[1]: i for i, match in matches.items() if match}
    positions = _split_positions(names, may_be_numbers="row" not in roles)
    if (
        settings
        and not positions
        and not roles & {"candidate", "fold", "repeat", "row", "target"}
    ):
        raise DataError(
            f"{frame.where}: the settings have no scores of single splits, which decide",
            f"{_LOG_SPLITS}, as columns split0_score, split1_score and so on; or give the study itself.",
        )
    is_long = bool(roles & {"fold", "repeat", "target"})
    if not positions or is_long or options.candidate not in (None, *names):
        return frame, options, ()
    metric = _chosen_score(frame, options, [*positions])
    columns = [positions[metric][number] for number in sorted(positions[metric])]
    scores = np.column_stack([frame.numbers(i) for i in columns])
    label = options.score or metric
    if "split0_test" in plain(
        names[columns[0]]
    ):  # of scikit-learn's scorers more is better
        is_negated = is_error(label) and np.nanmax(scores, initial=-np.inf) <= 0
        label = f"neg_{label}" if is_negated else label
        if options.lower_is_better is None and usual_name(label) is None:
            options = replace(options, lower_is_better=False)
    candidates = _candidates(frame, options.candidate, settings)
    rows, understood = _complete_rows(frame, candidates, scores)
    if n_tried := len({*candidates} - {*candidates[rows]}):
        options = replace(options, tried=options.tried + n_tried)
        understood.append(f"Discarded attempts: {n_tried}.")
    others = [
        i
        for i, name in enumerate(names)
        if is_role(name, "dataset") or is_role(name, "seed")
    ]
    if not others and "candidate" not in roles:  # a search may try a setting twice
        rows = _number_equal_settings(candidates, rows, scores)
    repeated_rows = np.tile(rows, len(columns))
    part = frame.rows(repeated_rows, frame.where)
    split = "fold" if "fold" in plain(names[columns[0]]) else "split"
    long = {names[i]: part.columns[i] for i in others} | {
        "candidate": Texts.of(candidates[repeated_rows].tolist()),
        split: Texts.of(
            str(number) for number in sorted(positions[metric]) for _ in rows
        ),
        label: Numbers(scores[rows].T.ravel()),
    }
    options = replace(options, score=options.score and label, candidate=None, fold=None)
    return (
        replace(part, names=tuple(long), columns=tuple(long.values())),
        options,
        tuple(understood),
    )


def _split_positions(
    names: Sequence[str], *, may_be_numbers: bool
) -> dict[str, dict[int, int]]:
    """Return the column of each split [score][split], of the scores that have several."""
    numbered = {int(name): i for i, name in enumerate(names) if name.isdecimal()}
    counts = [[*range(start, start + len(numbered))] for start in (0, 1)]
    if may_be_numbers and 1 < len(numbered) < len(names) and sorted(numbered) in counts:
        return {"value": numbered}
    positions: dict[str, dict[int, int]] = {}
    for i, match in enumerate(_SPLIT_COLUMN.fullmatch(plain(name)) for name in names):
        words = (
            [word for word in match.group("before", "after") if word] if match else []
        )
        if match and not any("train" in word.split("_") for word in words):
            joined = "_".join(word for word in words if word != "user_attrs")
            metric = without_prefix(joined).removeprefix("test_") or "value"
            positions.setdefault(metric, {})[int(match["number"])] = i
    return {
        metric: columns for metric, columns in positions.items() if len(columns) > 1
    }


def _chosen_score(frame: Frame, options: JudgeOptions, metrics: Sequence[str]) -> str:
    """Return the score of the splits that is judged. ColumnError if it isn't clear which."""
    metric = without_prefix(options.score or "")
    if metric in metrics:
        return metric
    is_other = options.score not in (None, metrics[0]) and metrics[0] not in (
        "score",
        "value",
    )
    if len(metrics) > 1 or is_other:
        raise ColumnError(
            f"{frame.where}: {quote_names(metrics, 8)} could {'all ' * (len(metrics) > 1)}be the score",
            f"Name one with {spell('score', metrics[0])}.",
        )
    return metrics[0]


def _complete_rows(
    frame: Frame, candidates: Any, scores: Floats
) -> tuple[Ints, list[str]]:
    """Return the rows with the scores of all splits, of a halving search those of the last round
    with several settings; and what was left out, in words. DataError if there are none."""
    is_kept = np.isfinite(scores).all(axis=1)
    failed = candidates[~is_kept].tolist()
    understood = (
        [f"Left out, as scores are missing: {quote_names(failed, 8)}."]
        if failed
        else []
    )
    if "iter" in frame.names:
        rounds = frame.numbers(frame.names.index("iter"))
        numbers, counts = np.unique(rounds[is_kept], return_counts=True)
        last = max(numbers[counts > 1], default=0)
        is_kept &= rounds == last
        understood.append(
            f"Round {int(last)} of the halving is judged, the last one with several settings."
        )
    if not is_kept.any():
        raise DataError(
            f"{frame.where}: no candidate has the scores of all splits",
            "Look for the errors of the fits.",
        )
    return np.flatnonzero(is_kept), understood


def _number_equal_settings(candidates: Any, rows: Ints, scores: Floats) -> Ints:
    """Return rows without those that repeat a setting and its scores. The names of other settings
    that are equal get numbers."""
    first_rows = {
        (candidates[row], scores[row].tobytes()): row for row in rows[::-1].tolist()
    }
    counts = Counter[str]()
    for row in sorted(first_rows.values()):
        setting = candidates[row]
        counts[setting] += 1
        candidates[row] += f" ({counts[setting]})" * (counts[setting] > 1)
    return np.array(sorted(first_rows.values()))


def _candidates(frame: Frame, named: str | None, settings: Mapping[str, int]) -> Any:
    """Return the candidate of each row: that of the column that is `named` or has a usual name, or
    else the settings that vary."""
    usual = (
        ["params"]
        if not settings and "params" in frame.names
        else [one for one in frame.names if is_role(one, "candidate")]
    )
    if named or usual:
        position = frame.names.index(named or usual[0])
        return np.array([text or "" for text in frame.cells(position)], dtype=object)
    if not settings:
        raise ColumnError(
            f"{frame.where}: no column names the candidates",
            "Add a column 'candidate', or 'params' with the settings.",
        )
    varying = {key: i for key, i in settings.items() if len(frame.texts(i).texts) > 1}
    steps = {
        key.rpartition("__")[0] for key in varying
    }  # of a pipeline; one is left out
    short_keys = {
        key: key.rpartition("__")[2] if len(steps) == 1 else key for key in varying
    }
    cells = {
        short_keys[key]: np.array(shortest_texts(frame.texts(i).texts), object)[
            frame.texts(i).codes
        ]
        for key, i in varying.items()
    }
    words = (
        [f"{key}={texts[row]}" for key, texts in cells.items() if texts[row]]
        for row in range(frame.n_rows)
    )
    return np.array([", ".join(each) or "the setting" for each in words], dtype=object)
