"""Results of searches, cross-validations and trackers, as rows of scores."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.data.cells import quote_names, shortest_texts
from seedbed.data.frame import Frame, Numbers, Texts
from seedbed.data.splits import splits_of_rows, splits_of_splitter
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

_SPLIT_COLUMN = re.compile(
    r"(?s)(?:(?P<before>.*?)_)??(?P<kind>split|fold)_?(?P<number>\d+)(?:_(?P<after>.*))?"
)
_SETTING_COLUMN = re.compile(r"params?[._](.+)")
_OF_ONE_MODEL = re.compile(r"(fit|score)_time|estimator|indices|(test|train)_.*")


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
    splits = {key: value for key, value in known.items() if key != "score"}
    for key in ("folds", "test_share"):
        given = getattr(options, key)
        if splits and given is not None and given != splits.get(key):
            raise OptionError(
                f"{spell(key, given)}, and the splits are those of "
                f"{', '.join(spell(name, value) for name, value in splits.items())}",
                f"Leave {spell(key)} out.",
            )
    unset = {
        key: value for key, value in known.items() if getattr(options, key) is None
    }
    return to_long_form(read_scores(columns, where), replace(options, **unset))


def _columns_of(source: Any) -> tuple[Any, dict[str, Any]]:
    """Return the columns of a result of scikit-learn or DeepEval, and the options that it says; any
    other source as it is."""
    if hasattr(source, "cv_results_"):
        return _with_setting_texts(source.cv_results_), _options_of_search(source)
    if hasattr(source, "fit") and hasattr(source, "cv"):
        raise DataError(
            f"the {type(source).__name__} isn't fitted", "Call its fit, and judge it."
        )
    index: Any = getattr(source, "index", None)
    if hasattr(index, "inferred_type") and (
        any(index.names) or index.inferred_type != "integer"
    ):  # of pandas, with names or texts
        source = source if {*index.names} & {*source.columns} else source.reset_index()
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
        return _with_setting_texts(source), {}
    if isinstance(source, str | Path) and Path(source).is_dir():
        return _of_test_runs(_read_folder(Path(source)))
    if is_mapping and source and all(isinstance(v, Mapping) for v in source.values()):
        if all("testCases" in run for run in source.values()):
            return _of_test_runs(source)
        return _of_cross_validations(source)
    return source, {}


def _read_folder(folder: Path) -> dict[str, Any]:
    """Return DeepEval's test runs in a folder, by the names of their JSON files. DataError if there
    are none."""
    runs = {}
    for path in sorted(folder.glob("*.json")):
        try:
            runs[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path} isn't JSON: {error}", "Export it again.") from None
    is_run = [isinstance(run, dict) and "testCases" in run for run in runs.values()]
    if not is_run or not all(is_run):
        raise DataError(
            f"{folder} is a folder, and not one of DeepEval's test runs alone",
            "Name a file of scores; or a folder with the JSON file of each run.",
        )
    return runs


def _of_test_runs(runs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return DeepEval's test runs as columns of a row for each test case: whether it succeeded, and
    the score of each metric. Runs are candidates."""
    rows = [(name, case) for name, run in runs.items() for case in run["testCases"]]
    scores = [
        {one["name"]: one.get("score") for one in case.get("metricsData") or ()}
        for _, case in rows
    ]
    metrics = dict.fromkeys(name for of_case in scores for name in of_case)
    columns: dict[str, Any] = {
        "candidate": [name for name, _ in rows],
        "item": [case["name"] for _, case in rows],
        "success": [int(bool(case.get("success"))) for _, case in rows],
    }
    columns |= {name: [of_case.get(name) for of_case in scores] for name in metrics}
    return columns, {"score": "success"}


def _with_setting_texts(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of a search with its settings as texts; empty where a setting doesn't
    apply."""
    return {
        name: ["" if cell is np.ma.masked else str(cell) for cell in cells]
        if name.startswith("param")
        else cells
        for name, cells in results.items()
    }


def _options_of_search(search: Any) -> dict[str, Any]:
    """Return the splits of a fitted search of scikit-learn, and the score by which it chooses,
    where it says it."""
    from sklearn.base import is_classifier, is_regressor

    if search.n_splits_ == 1:
        raise DataError(
            f"the {type(search).__name__} has one split, and a verdict needs several",
            "Search with several folds, or give the predictions of the models for the test rows.",
        )
    scoring = getattr(search, "scoring", None)
    default = (
        "accuracy" if is_classifier(search) else "r2" if is_regressor(search) else None
    )
    chosen = (getattr(search, "refit", None), scoring, None if scoring else default)
    score = next((name for name in chosen if isinstance(name, str)), None)
    splits = splits_of_splitter(getattr(search, "cv", None), search.n_splits_, search)
    return {"score": score, **splits}


def _of_cross_validations(
    results: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what `cross_validate` returned for each model, as columns of a row for each model, and
    its splits. DataError if models were tested on different rows, or have different scores."""
    first, *others = results
    lengths = {
        name: {k: len(v) for k, v in result.items() if k.startswith("test_")}
        for name, result in results.items()
    }
    if not lengths[first]:
        raise DataError(
            f"there are no scores of splits for {first}",
            "Give what cross_validate returns: test_score.",
        )
    rows = {name: result.get("indices") or {} for name, result in results.items()}
    knows_rows = all(rows.values())
    for other in others:
        if lengths[other] != lengths[first]:
            raise DataError(
                f"{first} has scores {lengths[first]} and {other} {lengths[other]}",
                "Score all candidates on the same splits.",
            )
        ours, theirs = (
            rows[name]["test"] if knows_rows else [] for name in (first, other)
        )
        is_equal = [
            np.array_equal(np.sort(a), np.sort(b))
            for a, b in zip(ours, theirs, strict=True)
        ]
        if not all(is_equal):
            raise DataError(
                f"{first} and {other} were tested on different rows in split {is_equal.index(False)}",
                "Give all models the same splits: one splitter with a fixed random_state.",
            )
    columns = {
        f"split{number}_{key}": [result[key][number] for result in results.values()]
        for key, n_splits in lengths[first].items()
        for number in range(n_splits)
    }
    splits = (
        splits_of_rows(rows[first]["train"], rows[first]["test"]) if knows_rows else {}
    )
    return {"candidate": [str(name) for name in results], **columns}, splits


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
    is_named = bool(roles & {"candidate", "fold", "repeat", "row", "target"})
    if settings and not positions and not is_named:
        raise DataError(
            f"{frame.where}: the settings have no scores of single splits, which decide",
            "Log the scores of the splits, as columns split0_score, split1_score and so on.",
        )
    is_long = bool(roles & {"fold", "repeat", "target"})
    if not positions or is_long or options.candidate not in (None, *names):
        return frame, options, ()
    metric = _chosen_score(frame, options, [*positions])
    return _by_split(frame, options, settings, metric, positions[metric])


def _by_split(
    frame: Frame,
    options: JudgeOptions,
    settings: Mapping[str, int],
    metric: str,
    positions: Mapping[int, int],
) -> tuple[Frame, JudgeOptions, tuple[str, ...]]:
    """Return what `to_long_form` does, from the column of each split, of the score `metric`, and
    that of each setting."""
    names = frame.names
    numbers = sorted(positions)
    columns = [positions[number] for number in numbers]
    scores = np.column_stack([frame.numbers(i) for i in columns])
    first = plain(names[columns[0]])
    label = options.score or metric
    lower_is_better = options.lower_is_better
    if "split0_test" in first:  # of scikit-learn's scorers more is better
        is_negated = is_error(label) and np.nanmax(scores, initial=-np.inf) <= 0
        label = f"neg_{label}" if is_negated else label
        if lower_is_better is None and usual_name(label) is None:
            lower_is_better = False
    candidates = _candidates(frame, options.candidate, settings)
    is_complete = np.isfinite(scores).all(axis=1)
    if not is_complete.any():
        raise DataError(
            f"{frame.where}: no candidate has the scores of all splits",
            "Look for the errors of the fits.",
        )
    rows = np.flatnonzero(is_complete)
    failed = quote_names(candidates[~is_complete].tolist(), 8)
    repeated_rows = np.tile(rows, len(columns))
    part = frame.rows(repeated_rows, frame.where)
    long = {
        name: part.columns[i]
        for i, name in enumerate(names)
        if is_role(name, "dataset") or is_role(name, "seed")
    } | {
        "candidate": Texts.of(candidates[repeated_rows].tolist()),
        "fold" if "fold" in first else "split": Texts.of(
            str(number) for number in numbers for _ in rows
        ),
        label: Numbers(scores[rows].T.ravel()),
    }
    options = replace(
        options,
        score=options.score and label,
        candidate=None,
        fold=None,
        lower_is_better=lower_is_better,
        tried=options.tried + len({*candidates} - {*candidates[rows]}),
    )
    return (
        replace(part, names=tuple(long), columns=tuple(long.values())),
        options,
        (f"Left out, as scores are missing: {failed}.",) if failed else (),
    )


def _split_positions(
    names: Sequence[str], *, may_be_numbers: bool
) -> dict[str, dict[int, int]]:
    """Return the column of each split [score][split], of the scores that have several. Columns may
    be named by the number of the split alone."""
    numbered = {int(name): i for i, name in enumerate(names) if name.isdecimal()}
    counts = [[*range(start, start + len(numbered))] for start in (0, 1)]
    if may_be_numbers and 1 < len(numbered) < len(names) and sorted(numbered) in counts:
        return {"value": numbered}
    positions: dict[str, dict[int, int]] = {}
    for i, name in enumerate(names):
        match = _SPLIT_COLUMN.fullmatch(plain(name))
        words = [word or "" for word in match.group("before", "after")] if match else []
        if match and "train" not in "_".join(words).split("_"):
            joined = "_".join(word for word in words if word not in ("", "user_attrs"))
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
