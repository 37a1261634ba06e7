"""Read a table, or make one of arrays: assign roles to columns, type the features, encode the
target, check both."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.arguments import checked
from seedbed.data.cells import first_of, number_text
from seedbed.data.follow_up import (
    check_survival,
    encode_survival,
    refuse_late_entry,
)
from seedbed.data.frame import (
    ROWS_NAMED,
    Frame,
    Numbers,
    as_notes,
    remark_on_rows,
    serious_first,
)
from seedbed.data.kinds import LEFT_OUT
from seedbed.data.sources.memory import (
    array_column,
    as_array,
    as_frame,
    as_series,
    frame_of_array,
    read_series,
)
from seedbed.data.sources.opening import read_source
from seedbed.data.splits import merge_groups
from seedbed.data.table import Column, Table
from seedbed.data.table_checks import CheckedTable, check_table, find_duplicates
from seedbed.data.table_options import ColumnRoles, ReadingOptions
from seedbed.data.target import LARGEST_TARGET, encode_target, likely_target
from seedbed.data.typed import Typed, type_columns
from seedbed.errors import (
    ColumnError,
    DataError,
    OptionError,
    TargetError,
    UnreadableError,
    counted,
    did_you_mean,
    spell,
)
from seedbed.evaluation.summaries import Note, Task
from seedbed.settings.fields import taking
from seedbed.typing import Ints

_FOLDING = ("site", "fold_column", "time_split")
ABOUT_FEATURES = LEFT_OUT | {"SB105", "SB106", "SB107", "SB204"}


@checked()
@taking(ReadingOptions())
def read_table(source: Any, **options: Any) -> Table:
    """Read, type and check a table.

    Args:
        source: a path, `example:NAME`, a database's address, or a data frame (pandas, Polars,
            PyArrow, ... through narwhals).
        options: the settings of `ReadingOptions`.

    Raises:
        TableNotFoundError: no such file or example.
        UnreadableError: bytes, rows or a header that can't be understood, or a table over
            the limit.
        ColumnError: no such column, infinite numbers, or rows without a time.
        TargetError: no target named, too few rows that have one, or labels that the task can't
            have.
        OptionError: two roles for one column, or an option that doesn't fit the table.
        DataError: any other reason why the table can't be used; the base of all above but
            OptionError.

    Examples:
        >>> sb.read_table("example:iris")
        <Table iris: 150 rows, 4 features, multiclass target species>
    """
    frame, reading = open_table(source, ReadingOptions(**options))
    if reading.target is None:
        raise TargetError(
            f"{frame.where}: which column is to be predicted? It has {first_of(frame.names, 40)}",
            f"Name one, such as {spell('target', likely_target(frame.names) or 'COLUMN')}.",
        )
    table, _ = build_table(frame, reading)
    if not isinstance(source, str | Path):
        return table
    values = {"source": str(source), **dataclasses.asdict(reading)}
    if reading.event is not None:
        del values["target"]
    arguments = {
        name: value for name, value in values.items() if value or type(value) is int
    }
    arguments |= {
        name: list(value)
        for name, value in arguments.items()
        if isinstance(value, tuple)
    }
    return dataclasses.replace(table, reading=arguments)


def open_table(source: Any, options: ReadingOptions) -> tuple[Frame, ReadingOptions]:
    """Read a source; return it, and the options with the target of an example if none is named."""
    # 1.1 and 1.10 are two groups
    names = (options.group, options.site, options.fold_column)
    as_text = tuple(name for name in names if name is not None)
    frame = read_source(source, options, as_text=as_text)
    check_survival(frame, options)
    missing_words = dict[str, tuple[str, ...]]()
    for option in options.missing:  # both sides may contain an equals sign
        name = max(
            (name for name in frame.names if option.startswith(f"{name}=")),
            key=len,
            default=None,
        )
        if name is None:
            column, mark, _ = option.partition("=")
            hint = (
                did_you_mean(column, frame.names)
                if mark
                else "Give COLUMN=VALUE, such as age=-999."
            )
            raise ColumnError(
                f"{frame.where}: {spell('missing', option)} names no column", hint
            )
        missing_words[name] = (
            *missing_words.get(name, ()),
            option.removeprefix(f"{name}="),
        )
    most = 100 if options.drop_missing_target else frame.most_missing
    frame = dataclasses.replace(frame.without(missing_words), most_missing=most)
    return frame, dataclasses.replace(
        options, target=options.event or options.target or frame.target
    )


def build_table(frame: Frame, roles: ColumnRoles) -> tuple[Table, Typed]:
    """Return the table to train on, and all columns without a role, of the rows with the target,
    which must be named.

    Raises what `read_table` does.
    """
    typed = type_features(frame, roles)
    if all(column.name in typed.left_out for column in typed.columns):
        reasons = [note.message for note in typed.notes if note.code in LEFT_OUT]
        listed = "; ".join(reasons[:3]) + (
            f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        )
        raise DataError(
            f"{frame.where}: no feature is left besides the target '{roles.target}'",
            listed,
        )
    name = str(roles.target)
    if roles.event is None:
        target = encode_target(
            frame, name, task=roles.task, positive=roles.positive, decimal=typed.decimal
        )
    else:
        target = encode_survival(frame, roles, typed.decimal)
    selection = slice(None) if target.has_target.all() else target.has_target
    rows = np.flatnonzero(target.has_target)
    columns = tuple(
        Column(column.schema, column.values[selection]) for column in typed.columns
    )
    groups, group_notes = _groups(frame, roles.group, rows)
    folds, fold_names = _folds(frame, roles, rows, groups)
    times, time_notes = _times(frame, roles, rows)
    table = Table(
        name=frame.name,
        columns=tuple(
            column for column in columns if column.name not in typed.left_out
        ),
        target_name=name,
        target=target.values,
        labels=target.labels,
        task=target.task,
        groups=groups,
        grouped_by=roles.group or "",
        folds=folds,
        fold_names=fold_names,
        folded_by=roles.site or roles.fold_column or "",
        has_sites=roles.site is not None,
        times=None if times is None else times.values[selection],
        time_kind="number"
        if times is not None and times.schema.kind == "number"
        else "date",
        durations=target.durations,
        follow_up=target.follow_up,
    )
    checked = CheckedTable(table, columns, frame, rows, roles)
    refuse_late_entry(table, checked.identifiers)
    # Advice to split by time is left out if that is done, or if the time is part of the outcome.
    about_features = [
        note
        for note in typed.notes
        if note.code != "SB204"
        or not (roles.time_split or note.column in checked.other_outcomes)
    ]
    notes = serious_first(
        [
            *frame.notes,
            *about_features,
            *target.notes,
            *group_notes,
            *time_notes,
            *check_table(checked),
        ]
    )
    table = dataclasses.replace(table, groups=checked.groups, notes=notes)
    return table, dataclasses.replace(typed, columns=columns)


def type_features(frame: Frame, roles: ColumnRoles) -> Typed:
    """Type all columns without a role. The target may be unnamed."""
    index = None  # of a first column without a name and with different whole numbers, as pandas writes it
    if frame.n_rows and frame.names[0] == "" and "" not in roles.numeric:
        values = frame.numbers(0)
        whole = np.isfinite(values).all() and (np.floor(values) == values).all()
        index = 0 if whole and len(np.unique(values)) == len(values) else None
    _check_names(frame, index)
    role_of = _check_roles(frame, roles)
    features = [
        i
        for i, column in enumerate(frame.names)
        if column not in role_of and i != index
    ]
    if not features:
        raise DataError(
            f"{frame.where}: no feature is left besides the target '{roles.target}'"
        )
    if frame.n_rows == 0:
        raise UnreadableError(f"{frame.where}: there are no rows")
    categorical = {*roles.categorical, *(frame.categorical - {*roles.numeric})}
    typed = type_columns(
        frame, features, numeric=roles.numeric, categorical=categorical
    )
    if index is not None:
        message = "the first column has no name and is left out as an identifier: it only numbers the rows"
        typed = dataclasses.replace(
            typed, notes=(Note(message, code="SB101", count=frame.n_rows), *typed.notes)
        )
    return typed


def _check_names(frame: Frame, unnamed: int | None) -> None:
    """Raise UnreadableError if a column except `unnamed` has no name, or shares it with another."""
    position_of: dict[str, int] = {}
    for position, name in enumerate(frame.names, start=1):
        if position - 1 == unnamed:
            continue
        if not name:
            message = (
                f"{frame.where}: column {position} of {len(frame.names)} has no name"
            )
            hint = f"If it is further down, skip rows: {spell('skip_rows', 'N')}."
            raise UnreadableError(
                message, f"Give every column a name in the header. {hint}"
            )
        if name in position_of:
            raise UnreadableError(
                f"{frame.where}: columns {position_of[name]} and {position} are both named '{name}'",
                "Rename one of them in the header.",
            )
        position_of[name] = position


def _check_roles(frame: Frame, roles: ColumnRoles) -> dict[str, str]:
    """Return the role of each column that isn't a feature. All names must be known, and roles may
    not contradict."""
    role_of, kinds = dict[str, str](), dict[str, str]()
    outcome = "target" if roles.event is None else "event"
    for by_name, names, role in (
        (role_of, [roles.target], outcome),
        (role_of, roles.drop, "column to drop"),
        (role_of, [roles.group], "group column"),
        (role_of, [roles.site], "site column"),
        (role_of, [roles.fold_column], "fold column"),
        (role_of, [roles.time_split], "time column"),
        (role_of, [roles.time], "time under observation"),
        (role_of, [roles.start], "start of observation"),
        (kinds, roles.numeric, "numeric column"),
        (kinds, roles.categorical, "categorical column"),
    ):
        for name in (name for name in names if name is not None):
            if name not in frame.names:
                raise ColumnError(
                    f"{frame.where}: no {role} '{name}'",
                    did_you_mean(name, frame.names),
                )
            if by_name.setdefault(name, role) != role:
                article = "the" if by_name[name] == outcome else "a"
                raise OptionError(
                    f"'{name}' is both {article} {by_name[name]} and a {role}",
                    "A column has one role.",
                )
    for name, kind in kinds.items():
        if name == roles.target:
            hint = (
                f"Set how it is predicted with {spell('task')}."
                if roles.event is None
                else "A column has one role."
            )
            raise OptionError(f"'{name}' is both the {outcome} and a {kind}", hint)
        if role_of.get(name) == "column to drop":
            raise OptionError(
                f"'{name}' is both a {role_of[name]} and a {kind}",
                "Drop it, or use it.",
            )
    return role_of


def _groups(
    frame: Frame, group: str | None, rows: Ints
) -> tuple[Ints | None, tuple[Note, ...]]:
    """Return group numbers [used row]; a row without a group is a group of its own."""
    if group is None:
        return None, ()
    cells = frame.texts(frame.names.index(group))
    codes = cells.codes.astype(np.int64)
    alone = cells.rows_of(np.array([text == "" for text in cells.texts], np.bool_))
    codes[alone] = len(cells.texts) + np.arange(len(alone))
    message = f"column '{group}': each row without a group counts as a group of its own"
    remarks = [remark_on_rows(message, group, "", alone)] if len(alone) else []
    return np.unique(codes[rows], return_inverse=True)[1].astype(np.int64), as_notes(
        frame, remarks
    )


def _folds(
    frame: Frame, roles: ColumnRoles, used_rows: Ints, groups: Ints | None
) -> tuple[Ints | None, tuple[str, ...]]:
    """Return the number of the fold of each used row, and the names of all folds, where a column
    says them. No row of `used_rows` may lack one, and no group of rows may be in two."""
    name = roles.site or roles.fold_column
    if name is None:
        return None, ()
    if roles.time_split or (roles.site and roles.fold_column):
        given = [spell(role) for role in _FOLDING if vars(roles)[role] is not None]
        message = f"{' and '.join(given)} both say which rows are tested"
        raise OptionError(message, "Leave one of them out.")
    kind = "site" if roles.site else "fold"
    cells = frame.texts(frame.names.index(name))
    texts = np.array(cells.texts)[cells.codes[used_rows]]
    rows = used_rows[texts == ""]
    if len(rows):
        places = ", ".join(frame.places(rows[:ROWS_NAMED].tolist()).values())
        what = f"is empty in {len(rows)} of {frame.n_rows} rows, first in {places}"
        hint = f"Name the {kind} of these rows, or remove them."
        raise ColumnError(f"{frame.where}: the {kind} column '{name}' {what}", hint)
    names, folds = np.unique(texts, return_inverse=True)
    if len(names) < 2 or 2 * len(names) > len(texts):
        there_is = f"'{name}' has {counted(len(names), kind)} in {len(texts)} rows"
        hint = f"It takes two {kind}s or more, of two rows or more each on average."
        raise OptionError(f"{frame.where}: {there_is}", hint)
    if groups is not None:
        pairs = np.unique(np.stack([groups, folds]), axis=1)[0]
        if n := int((np.bincount(pairs) > 1).sum()):
            have = f"{counted(n, 'group')} of '{roles.group}' {'has' if n == 1 else 'have'}"
            raise OptionError(
                f"{frame.where}: {have} rows in more than one {kind} of '{name}'",
                f"Leave {spell('group')} out, or give these rows one {kind}.",
            )
    return folds.astype(np.int64), tuple(names.tolist())


def _times(
    frame: Frame, roles: ColumnRoles, used_rows: Ints
) -> tuple[Column | None, tuple[Note, ...]]:
    """Return the column that orders the rows: seconds or numbers. No row of `used_rows` may lack a
    time."""
    name = roles.time_split
    if name is None:
        return None, ()
    position = frame.names.index(name)
    typed = type_columns(
        frame, [position], numeric=roles.numeric, categorical=roles.categorical
    )
    (column,) = typed.columns
    kind = column.schema.kind
    if kind not in ("date", "number"):
        raise ColumnError(
            f"{frame.where}: the time column '{name}' is a {kind}, not dates or numbers",
            "Write its dates as 2024-03-01, or name another column.",
        )
    rows = used_rows[np.isnan(column.values[used_rows])]
    if len(rows):
        places = ", ".join(frame.places(rows[:ROWS_NAMED].tolist()).values())
        what = f"has no {kind} in {len(rows)} of {frame.n_rows} rows, first in {places}"
        raise ColumnError(
            f"{frame.where}: the time column '{name}' {what}",
            "Fill these cells or remove their rows.",
        )
    return column, tuple(
        note for note in typed.notes if note.code not in ABOUT_FEATURES
    )


def table_from_arrays(X: Any, y: Any) -> Table:
    """Return a table of features and a target that are given apart.

    Args:
        X: [row, feature]: an array, tensor, nested lists or a data frame. Without names, columns
            are x0, x1, ...
        y: [row] or [row, 1]: an array, tensor, series or list of numbers, booleans or strings.

    Raises DataError if shapes don't fit, or there are no rows; and what `read_table` raises for
    cells and target.

    Examples:
        >>> table_from_arrays([[1.5], [2.5], [3.5], [4.5]], ["a", "b", "a", "b"])
        <Table arrays: 4 rows, 1 feature, binary target y>
    """
    features = frame_of_array(X, "arrays")
    if not features.names:
        raise DataError("arrays: X has no features")
    series = as_series(y)
    target_name = "y"
    if series is not None:
        series_name: Any = series.name
        target_name = (
            series_name if isinstance(series_name, str) and series_name else "y"
        )
        target = read_series(series, "y")
    else:
        array = as_array(y, "y")
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            raise DataError(
                f"y has shape {array.shape}, not [row]", "Give one label per row."
            )
        target = array_column(array, "y")
    if len(target) != features.n_rows:
        raise DataError(
            f"arrays: X has {features.n_rows} rows and y has {len(target)}",
            "Both need one row per case.",
        )
    while target_name in features.names:
        target_name += "_"
    names, columns = (*features.names, target_name), (*features.columns, target)
    frame = dataclasses.replace(features, names=names, columns=columns, name="arrays")
    return build_table(frame, ColumnRoles(target=target_name))[0]


def read_features(
    X: Any, names: Sequence[str] = (), as_text: Container[str] = ()
) -> Frame:
    """Return features [row, feature] of an estimator, see `read_frame`.

    Raises DataError if X can't be read, and ColumnError for infinite numbers.
    """
    table = as_frame(X)
    X = as_array(X, "X") if table is None else table.to_native()
    frame = frame_of_array(X, "X", names, as_text)
    for name, column in zip(frame.names, frame.columns, strict=True):
        if isinstance(column, Numbers) and np.isinf(column.values).any():
            row = int(np.isinf(column.values).argmax())
            raise ColumnError(
                f"X: column '{name}' is infinite (inf) in row {row}",
                "Repair it, or make it NaN.",
            )
    return frame


def coded_table(
    frame: Frame,
    target: NDArray[Any],
    *,
    task: Task,
    labels: Sequence[str] = (),
    numeric: Sequence[str | int] | str | int = (),
    categorical: Sequence[str | int] | str | int = (),
    groups: Ints | None = None,
    target_name: str = "y",
) -> Table:
    """Return the table of an estimator, from `read_features`, in which each column of numbers is a
    numeric feature.

    Unlike `table_from_arrays`, it never treats whole numbers as identifiers or zeros and ones as
    booleans: an estimator is given the numbers that it shall use. Text is typed as in any table,
    and text that is an identifier is left out. Constant and empty columns stay, as any column may
    be constant in a fold; networks see zeros.

    `target`, `task`, `labels` and `groups` are as in `Table`; `numeric` and `categorical` are as in
    `read_table`, by name or position. Raises DataError for no rows, or only identifiers;
    OptionError for no such column, or one that is both; ColumnError if one of `numeric` holds no
    number; and TargetError for a number to predict that is too large.
    """
    numeric, categories = (
        _names_of(frame, "numeric", numeric),
        _names_of(frame, "categorical", categorical),
    )
    plain = [
        name
        for name, column in zip(frame.names, frame.columns, strict=True)
        if isinstance(column, Numbers)
    ]
    plain = [
        name
        for name in plain
        if name not in categories and name not in frame.categorical
    ]
    typed = type_features(
        frame, ColumnRoles(numeric=[*numeric, *plain], categorical=categories)
    )
    identifiers = {
        note.column: note.message for note in typed.notes if note.code == "SB101"
    }
    features = tuple(
        column for column in typed.columns if column.name not in identifiers
    )
    if not features:
        raise DataError(
            f"{frame.where}: no feature is left",
            "; ".join(list(identifiers.values())[:3]),
        )
    if task == "regression" and np.abs(target).max(initial=0) > LARGEST_TARGET:
        raise TargetError(
            f"y holds a number over {LARGEST_TARGET:g}, which is too large",
            "Use a larger unit.",
        )
    while target_name in frame.names:
        target_name += "_"
    notes = tuple(note for note in typed.notes if note.code not in LEFT_OUT - {"SB101"})
    table = Table(
        frame.where, features, target_name, target, tuple(labels), task, notes=notes
    )
    return dataclasses.replace(
        table, groups=merge_groups(groups, find_duplicates(table)[0])
    )


def label_texts(classes: NDArray[Any]) -> tuple[str, ...]:
    """Return sorted classes as labels of a table: 1.0 is '1'."""
    return tuple(str(number_text(label)) for label in classes.tolist())


def _names_of(frame: Frame, option: str, columns: Any) -> list[str]:
    """Return the names of columns that are given by name or position, several or one."""
    header = frame.names
    names = list[str]()
    for column in [columns] if isinstance(columns, str | numbers.Integral) else columns:
        if str(column) in header:
            names.append(str(column))
        elif isinstance(column, numbers.Integral) and 0 <= int(column) < len(header):
            names.append(header[int(column)])
        else:
            hint = (
                did_you_mean(column, header)
                if isinstance(column, str)
                else f"There are {len(header)} columns."
            )
            raise OptionError(f"{option}: there is no column {column!r}", hint)
    return names
