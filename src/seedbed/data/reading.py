"""Read a table: assign roles to its columns, type the features, encode the target, check both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.arguments import checked
from seedbed.data.checks import find_duplicates, find_leaks, find_totals, merged_groups
from seedbed.data.columns import Columns, as_notes
from seedbed.data.kinds.drafts import distinct
from seedbed.data.kinds.finishing import LEFT_OUT
from seedbed.data.kinds.target import encode_target
from seedbed.data.kinds.typed import Typed, decimal_mark, type_columns
from seedbed.data.notes import ROWS_NAMED, Note, Remark, serious_first
from seedbed.data.on_disk import spill
from seedbed.data.sources.opening import open_source
from seedbed.data.table import Column, Table
from seedbed.errors import ColumnError, DataError, OptionError, TargetError, UnreadableError, did_you_mean
from seedbed.typing import Bools, Ints

__all__ = ["ColumnRoles", "build_table", "read_table", "text_or_none", "texts", "type_features"]

ABOUT_FEATURES = LEFT_OUT | {"SB105", "SB106", "SB107", "SB204"}


@checked()
def read_table(
    source: Any,
    *,
    target: str | int | None = None,
    drop: Sequence[str | int] = (),
    numeric: Sequence[str | int] = (),
    categorical: Sequence[str | int] = (),
    task: str | None = None,
    positive: str | float | bool | None = None,
    group: str | int | None = None,
    time_split: str | int | None = None,
    table: str | None = None,
    query: str | None = None,
    skip_rows: int | None = None,
    limit: str | None = None,
) -> Table:
    """Read, type and check a table.

    Args:
        source: a path, `example:NAME`, a database's address, or a data frame (pandas, Polars, PyArrow, ... through
            narwhals).
        target: the column to predict; examples have a default.
        drop: columns to leave out.
        numeric: columns that hold numbers; all other cells in them count as missing.
        categorical: columns that hold categories, though they may look like numbers.
        task: "binary", "multiclass" or "regression"; by default the target's cells decide.
        positive: the positive one of two labels; by default the larger.
        group: a column whose rows of one value stay together; not a feature.
        time_split: a column of dates or numbers that orders rows in time; not a feature.
        table: a table of a database, or a sheet of an Excel file.
        query: a SELECT of a database, instead of a table.
        skip_rows: rows above the header of a text or an Excel file; by default the header is searched.
        limit: how large the table may be, how long the query may run, or both: "50GB", "30min", "50GB,30min". By
            default 4 GB, or 20 times the size of the file if that is more, and 10 minutes.

    Raises:
        TableNotFoundError: no such file or example.
        UnreadableError: bytes, rows or a header that can't be understood, or a table or query over the limit.
        ColumnError: no such column, infinite numbers, or rows without a time.
        TargetError: no target named, too few rows that have one, or labels that the task can't have.
        OptionError: two roles for one column, or an option that doesn't fit the table.
        DataError: any other reason why the table can't be used; the base of all above but OptionError.

    Examples:
        >>> sb.read_table("example:iris")
        <Table iris: 150 rows, 4 features, multiclass target species>
    """
    with open_source(source, table=table, query=query, skip_rows=skip_rows, limit=limit) as found:
        columns, target = found.columns, text_or_none(target) or found.target
        if target is None:
            names = ", ".join(columns.names[:40]) + (", ..." if len(columns.names) > 40 else "")
            likely = columns.names[-1] if columns.names else "COLUMN"
            raise TargetError(
                f"{columns.where}: which column is to be predicted? It has {names}",
                f"Name one, such as --target {likely} (in Python: target={likely!r}).",
            )
        roles = ColumnRoles(target, drop, numeric, categorical, task, positive, group, time_split)
        built = build_table(columns, roles, name=found.name).table
        if not isinstance(source, str | Path):
            return built
        asked = {"table": table, "query": query, "skip_rows": skip_rows, "limit": limit}
        reading = {"source": str(source), **dataclasses.asdict(roles), **asked}
        given = {name: value for name, value in reading.items() if value or value == 0}
        reading = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
        return dataclasses.replace(built, reading=reading)


@dataclass(frozen=True)
class ColumnRoles:
    """The user's options about columns, see `read_table`. All names become text, as a data frame's may be numbers."""

    target: Any
    drop: Sequence[Any] = ()
    numeric: Sequence[Any] = ()
    categorical: Sequence[Any] = ()
    task: str | None = None
    positive: Any = None
    group: Any = None
    time_split: Any = None

    def __post_init__(self) -> None:
        for role in ("drop", "numeric", "categorical"):
            object.__setattr__(self, role, texts(getattr(self, role)))
        for role in ("target", "positive", "group", "time_split"):
            object.__setattr__(self, role, text_or_none(getattr(self, role)))


def texts(names: Any) -> tuple[str, ...]:
    """Return names as text. A single name is a list of one."""
    several = isinstance(names, Iterable) and not isinstance(names, str)
    return tuple(map(str, names)) if several else (str(names),)


def text_or_none(name: Any) -> str | None:
    """Return a name or label as text; None stays None."""
    return None if name is None else str(name)


@dataclass(frozen=True, eq=False)
class BuiltTable:
    """A table, and the columns that it was made of.

    Attributes:
        typed: all rows of all columns without a role.
        kept: the rows that have a target, as an index of all rows.
        table: what is left to train on.
    """

    typed: Typed
    kept: slice | Bools
    table: Table


def build_table(columns: Columns, roles: ColumnRoles, *, name: str) -> BuiltTable:
    """Type the columns, encode the target, which must be named, and check both.

    Raises:
        UnreadableError: no rows; a column has no name, or shares it with another.
        DataError: no feature is left.
        OptionError: a column has two roles; what `encode_target` raises.
        ColumnError: no such column, infinite numbers, or rows without a time.
        TargetError: what `encode_target` raises.
    """
    typed, features = type_features(columns, roles)
    used = [column for column in typed.columns if column.name not in typed.left_out]
    if not used:
        reasons = [note.message for note in typed.notes if note.code in LEFT_OUT]
        listed = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
        raise DataError(f"{columns.where}: no feature is left besides the target '{roles.target}'", listed)
    target = encode_target(
        columns,
        columns.names.index(roles.target),
        task=roles.task,
        positive=roles.positive,
        decimal=lambda: decimal_mark(columns, features),
    )
    kept = slice(None) if target.kept is None else target.kept
    rows = np.arange(columns.n_rows)[kept]
    groups, group_notes = _groups(columns, roles.group, kept)
    times, time_notes = _times(columns, roles, rows)
    # Advice to split by time (SB204) is left out if that is done.
    feature_notes = [note for note in typed.notes if roles.time_split is None or note.code != "SB204"]
    table = Table(
        name=name,
        columns=tuple(Column(column.schema, spill(column.values[kept])) for column in used),
        target_name=roles.target,
        target=target.values,
        labels=target.labels,
        task=target.task,
        groups=groups,
        grouped_by=roles.group or "",
        times=None if times is None else times.values[kept],
        time_kind="number" if times is not None and times.schema.kind == "number" else "date",
    )
    totals = as_notes(columns, find_totals(table, columns, rows, typed.columns))
    duplicates, found = find_duplicates(table)
    remarks = [dataclasses.replace(one, rows=rows[one.rows[:ROWS_NAMED]].tolist()) for one in found]
    if duplicates is not None:
        groups = duplicates if groups is None else merged_groups(groups, duplicates)
    notes = [*columns.notes, *feature_notes, *target.notes, *group_notes, *time_notes, *totals]
    notes += [*as_notes(columns, remarks), *find_leaks(table)]
    return BuiltTable(typed, kept, dataclasses.replace(table, groups=groups, notes=serious_first(notes)))


def type_features(columns: Columns, roles: ColumnRoles) -> tuple[Typed, list[int]]:
    """Type all columns without a role; return them and their positions. The target may be unnamed.

    Raises:
        UnreadableError, DataError, OptionError, ColumnError: as `build_table`.
    """
    index = None if "" in roles.numeric else _unnamed_index(columns)
    _check_names(columns, index)
    taken = _check_roles(columns, roles)
    features = [i for i, column in enumerate(columns.names) if column not in taken and i != index]
    if not features:
        raise DataError(f"{columns.where}: no feature is left besides the target '{roles.target}'")
    if columns.n_rows == 0:
        raise UnreadableError(f"{columns.where}: there are no rows")
    categorical = {*roles.categorical, *(columns.categorical - {*roles.numeric})}
    typed = type_columns(columns, features, numeric=roles.numeric, categorical=categorical)
    if index is not None:
        message = "the first column has no name and is left out as an identifier: it only numbers the rows"
        typed = dataclasses.replace(typed, notes=(Note(message, code="SB101", count=columns.n_rows), *typed.notes))
    return typed, features


def _unnamed_index(columns: Columns) -> int | None:
    """Return the position of a first column without a name and with different whole numbers, as pandas writes it."""
    if not columns.n_rows or columns.names[:1] != ("",):
        return None
    numbers = columns.numbers([0])[:, 0]
    whole = np.isfinite(numbers).all() and (np.floor(numbers) == numbers).all()
    return 0 if whole and len(np.unique(numbers)) == len(numbers) else None


def _check_names(columns: Columns, unnamed: int | None) -> None:
    """Raise UnreadableError if a column except `unnamed` has no name, or shares it with another."""
    seen: dict[str, int] = {}
    for position, name in enumerate(columns.names, start=1):
        if position - 1 == unnamed:
            continue
        if not name:
            raise UnreadableError(
                f"{columns.where}: column {position} of {len(columns.names)} has no name",
                "Give every column a name in the header. If the header is further down: --skip-rows N.",
            )
        if name in seen:
            raise UnreadableError(
                f"{columns.where}: columns {seen[name]} and {position} are both named '{name}'",
                "Rename one of them in the header.",
            )
        seen[name] = position


def _check_roles(columns: Columns, roles: ColumnRoles) -> dict[str, str]:
    """Return the role of each column that isn't a feature. All names must be known, and roles may not contradict."""
    taken: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for found, names, role in (
        (taken, [roles.target], "target"),
        (taken, roles.drop, "column to drop"),
        (taken, [roles.group], "group column"),
        (taken, [roles.time_split], "time column"),
        (kinds, roles.numeric, "numeric column"),
        (kinds, roles.categorical, "categorical column"),
    ):
        for name in names:
            if name is None:
                continue
            if name not in columns.names:
                raise ColumnError(f"{columns.where}: no {role} '{name}'", did_you_mean(name, columns.names))
            if found.setdefault(name, role) != role:
                article = "the" if found[name] == "target" else "a"
                raise OptionError(f"'{name}' is both {article} {found[name]} and a {role}", "A column has one role.")
    for name, kind in kinds.items():
        if name == roles.target:
            raise OptionError(f"'{name}' is both the target and a {kind}", "Set how it is predicted with --task.")
        if taken.get(name) == "column to drop":
            raise OptionError(f"'{name}' is both a {taken[name]} and a {kind}", "Drop it, or use it.")
    return taken


def _groups(columns: Columns, group: str | None, kept: slice | Bools) -> tuple[Ints | None, tuple[Note, ...]]:
    """Return group numbers [kept row]; a row without a group is a group of its own."""
    if group is None:
        return None, ()
    cells = distinct(columns.cells(columns.names.index(group)))
    codes = cells.codes.copy()
    alone = np.flatnonzero(codes == cells.texts.index("")) if "" in cells.texts else np.array([], dtype=np.int64)
    codes[alone] = len(cells.texts) + np.arange(len(alone))
    message = f"column '{group}': each row without a group counts as a group of its own"
    remarks = [Remark(message, group, "", len(alone), alone[:ROWS_NAMED].tolist())] if len(alone) else []
    return np.unique(codes[kept], return_inverse=True)[1].astype(np.int64), as_notes(columns, remarks)


def _times(columns: Columns, roles: ColumnRoles, kept: Ints) -> tuple[Column | None, tuple[Note, ...]]:
    """Return the column that orders the rows: seconds or numbers. No row of `kept` may lack a time."""
    name = roles.time_split
    if name is None:
        return None, ()
    position = columns.names.index(name)
    typed = type_columns(columns, [position], numeric=roles.numeric, categorical=roles.categorical)
    (column,) = typed.columns
    kind = column.schema.kind
    if kind not in ("date", "number"):
        raise ColumnError(
            f"{columns.where}: the time column '{name}' is a {kind}, not dates or numbers",
            "Write its dates as 2024-03-01, or name another column.",
        )
    rows = kept[np.isnan(column.values[kept])]
    if len(rows):
        places = columns.places(rows[:ROWS_NAMED].tolist())
        raise ColumnError(
            f"{columns.where}: the time column '{name}' has no {kind} in {len(rows)} of {columns.n_rows} rows, first "
            f"in {', '.join(places.values())}",
            "Fill these cells or remove their rows.",
        )
    return column, tuple(note for note in typed.notes if note.code not in ABOUT_FEATURES)
