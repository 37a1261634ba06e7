"""Read a table: assign roles to its columns, type the features, encode the target, check both."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from seedbed.arguments import check_arguments
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

__all__ = [
    "Wanted",
    "assemble",
    "read_table",
    "type_features",
    "understand_table",
    "word",
    "words",
]

ABOUT_FEATURES = LEFT_OUT | {"SB105", "SB106", "SB107", "SB204"}


@dataclass(frozen=True)
class Wanted:
    """What the user says of a table's columns, see `read_table`; all names become text, as a frame's may be numbers."""

    target: str | None
    drop: Sequence[str] = ()
    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    task: str | None = None
    positive: str | None = None
    group: str | None = None
    time_split: str | None = None

    def __post_init__(self) -> None:
        for role in ("drop", "numeric", "categorical"):
            object.__setattr__(self, role, words(getattr(self, role)))
        for role in ("target", "positive", "group", "time_split"):
            object.__setattr__(self, role, word(getattr(self, role)))


@dataclass(frozen=True, eq=False)
class Understood:
    """What is made of a table's columns.

    Attributes:
        typed: all but the target, the dropped ones, groups and times; of all rows.
        kept: which rows have a target, as an index of all rows.
        table: what is left to train on.
    """

    typed: Typed
    kept: slice | Bools
    table: Table


def assemble(columns: Columns, wanted: Wanted, *, name: str) -> Table:
    """The table to train on, see `understand_table`."""
    return understand_table(columns, wanted, name=name).table


def understand_table(columns: Columns, wanted: Wanted, *, name: str) -> Understood:
    """Type the columns, code the target, which must be named, and check both.

    Raises:
        UnreadableError: no rows; a column has no name, or shares it with another.
        DataError: no feature is left.
        OptionError: a column has two roles; what `encode_target` raises.
        ColumnError: no such column, infinite numbers, or rows without a time.
        TargetError: what `encode_target` raises.
    """
    assert wanted.target is not None
    typed, features = type_features(columns, wanted)
    used = [column for column in typed.columns if column.name not in typed.left_out]
    if not used:
        raise DataError(f"{columns.where}: no feature is left beside the target '{wanted.target}'", _reasons(typed))
    target = encode_target(
        columns,
        columns.names.index(wanted.target),
        task=wanted.task,
        positive=wanted.positive,
        decimal=lambda: decimal_mark(columns, features),
    )
    kept = slice(None) if target.kept is None else target.kept
    groups, group_notes = _groups(columns, wanted.group, kept)
    times, time_notes = _times(columns, wanted, kept)
    table = Table(
        name=name,
        columns=tuple(Column(column.schema, spill(column.values[kept])) for column in used),
        target_name=wanted.target,
        target=target.values,
        labels=target.labels,
        task=target.task,
        groups=groups,
        grouped_by=wanted.group or "",
        times=None if times is None else times.values[kept],
        time_kind="number" if times is not None and times.schema.kind == "number" else "date",
        notes=(*columns.notes, *_feature_notes(typed, wanted), *target.notes, *group_notes, *time_notes),
    )
    rows = np.arange(columns.n_rows)[kept]
    totals = as_notes(columns, find_totals(table, columns, rows, typed.columns))
    table = dataclasses.replace(table, notes=(*table.notes, *totals))
    return Understood(typed, kept, _checked(table, columns, rows))


def type_features(columns: Columns, wanted: Wanted) -> tuple[Typed, list[int]]:
    """All columns but those with a role, and their positions; without a target, too.

    Raises:
        UnreadableError, DataError, OptionError, ColumnError: as `understand_table`.
    """
    index = None if "" in wanted.numeric else unnamed_index(columns)
    _check_names(columns, () if index is None else (index,))
    roles = _check_roles(columns, wanted)
    features = [i for i, column in enumerate(columns.names) if column not in roles and i != index]
    if not features:
        raise DataError(f"{columns.where}: no feature is left beside the target '{wanted.target}'")
    if columns.n_rows == 0:
        raise UnreadableError(f"{columns.where}: there are no rows")
    categorical = {*wanted.categorical, *(columns.categorical - {*wanted.numeric})}
    typed = type_columns(columns, features, numeric=wanted.numeric, categorical=categorical)
    if index is not None:
        told = "the first column has no name and is left out as an identifier: it only numbers the rows"
        typed = dataclasses.replace(typed, notes=(Note(told, code="SB101", count=columns.n_rows), *typed.notes))
    return typed, features


def unnamed_index(columns: Columns) -> int | None:
    """The position of a first column without a name whose whole numbers all differ, as pandas writes its index."""
    if not columns.n_rows or columns.names[:1] != ("",):
        return None
    numbers = columns.numbers([0])[:, 0]
    whole = np.isfinite(numbers).all() and (np.floor(numbers) == numbers).all()
    return 0 if whole and len(np.unique(numbers)) == len(numbers) else None


def _checked(table: Table, columns: Columns, rows: Ints) -> Table:
    """With equal rows in one group, and what they and leaks give to say; `rows` are those of the source."""
    duplicates, remarks = find_duplicates(table)
    named = [dataclasses.replace(one, rows=rows[one.rows[:ROWS_NAMED]].tolist()) for one in remarks]
    groups = table.groups
    if duplicates is not None:
        groups = duplicates if groups is None else merged_groups(groups, duplicates)
    notes = (*table.notes, *as_notes(columns, named), *find_leaks(table))
    return dataclasses.replace(table, groups=groups, notes=serious_first(notes))


def words(names: Any) -> tuple[str, ...]:
    """Names as text; one given by itself is a list of one."""
    several = isinstance(names, Iterable) and not isinstance(names, str)
    return tuple(str(name) for name in (names if several else [names]))


def word(name: Any) -> str | None:
    """A name or label as text; none stays none."""
    return None if name is None else str(name)


def _check_names(columns: Columns, unnamed: Collection[int]) -> None:
    """Raises UnreadableError where a column has no name, and may not be `unnamed`, or shares it with another."""
    seen: dict[str, int] = {}
    for position, name in enumerate(columns.names, start=1):
        if position - 1 in unnamed:
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


def _check_roles(columns: Columns, wanted: Wanted) -> dict[str, str]:
    """The role of each column that is no feature; all names are known, and no two roles contradict."""
    roles: dict[str, str] = {}
    kinds: dict[str, str] = {}
    _take(columns, roles, [wanted.target] if wanted.target is not None else [], "target")
    _take(columns, roles, wanted.drop, "column to drop")
    _take(columns, roles, [wanted.group] if wanted.group is not None else [], "group column")
    _take(columns, roles, [wanted.time_split] if wanted.time_split is not None else [], "time column")
    _take(columns, kinds, wanted.numeric, "numeric column")
    _take(columns, kinds, wanted.categorical, "categorical column")
    for name, kind in kinds.items():
        if name == wanted.target:
            raise OptionError(f"'{name}' is both the target and a {kind}", "How it is predicted is said by --task.")
        if roles.get(name) == "column to drop":
            raise OptionError(f"'{name}' is both a {roles[name]} and a {kind}", "Drop it, or use it.")
    return roles


def _take(columns: Columns, roles: dict[str, str], names: Sequence[str], role: str) -> None:
    for name in names:
        if name not in columns.names:
            raise ColumnError(f"{columns.where}: no {role} '{name}'", did_you_mean(name, columns.names))
        if roles.setdefault(name, role) != role:
            article = "the" if roles[name] == "target" else "a"
            raise OptionError(f"'{name}' is both {article} {roles[name]} and a {role}", "A column has one role.")


def _reasons(typed: Typed) -> str:
    told = [note.message for note in typed.notes if note.code in LEFT_OUT]
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")


def _feature_notes(typed: Typed, wanted: Wanted) -> tuple[Note, ...]:
    """Without the advice to split by time where that is done."""
    return tuple(note for note in typed.notes if wanted.time_split is None or note.code != "SB204")


def _groups(columns: Columns, group: str | None, kept: slice | Bools) -> tuple[Ints | None, tuple[Note, ...]]:
    """Codes [kept row]; a row without a group is one of its own."""
    if group is None:
        return None, ()
    cells = distinct(columns.cells(columns.names.index(group)))
    codes = cells.codes.copy()
    alone = np.flatnonzero(codes == cells.texts.index("")) if "" in cells.texts else np.array([], dtype=np.int64)
    codes[alone] = len(cells.texts) + np.arange(len(alone))
    told = f"column '{group}': each row without a group counts as a group of its own"
    remarks = [Remark(told, group, "", len(alone), alone[:3].tolist())] if len(alone) else []
    return np.unique(codes[kept], return_inverse=True)[1].astype(np.int64), as_notes(columns, remarks)


def _times(columns: Columns, wanted: Wanted, kept: slice | Bools) -> tuple[Column | None, tuple[Note, ...]]:
    """What orders the rows: seconds or numbers."""
    name = wanted.time_split
    if name is None:
        return None, ()
    position = columns.names.index(name)
    typed = type_columns(columns, [position], numeric=wanted.numeric, categorical=wanted.categorical)
    (column,) = typed.columns
    if column.schema.kind not in ("date", "number"):
        raise ColumnError(
            f"{columns.where}: the time column '{name}' is a {column.schema.kind}, not dates or numbers",
            "Write its dates as 2024-03-01, or name another column.",
        )
    rows = np.flatnonzero(np.isnan(column.values) & _as_mask(kept, columns.n_rows))
    if len(rows):
        places = columns.places(rows[:3].tolist())
        raise ColumnError(
            f"{columns.where}: the time column '{name}' has no {column.schema.kind} in {len(rows)} of {columns.n_rows} "
            f"rows, first in {', '.join(places.values())}",
            "Fill these cells or remove their rows.",
        )
    return column, tuple(note for note in typed.notes if note.code not in ABOUT_FEATURES)


def _as_mask(kept: slice | Bools, n_rows: int) -> Bools:
    mask = np.zeros(n_rows, dtype=bool)
    mask[kept] = True
    return mask


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
        target: the column to predict; examples have one of their own.
        drop: columns to leave out.
        numeric: columns that hold numbers; whatever else is in them counts as missing.
        categorical: columns that hold categories, though they may look like numbers.
        task: "binary", "multiclass" or "regression", where that shall not be told by the target's cells.
        positive: which of two labels is the positive one; by default the larger.
        group: a column, no feature then, whose rows of one value stay together.
        time_split: a column of dates or numbers, no feature then, that tells earlier rows from later ones.
        table: which table of a database, or which sheet of an Excel file.
        query: what to ask a database instead.
        skip_rows: rows above the header of a text or an Excel file, where these aren't found by themselves.
        limit: how large the table may be, how long the query may run, or both: "50GB", "30min", "50GB,30min". By
            default 4 GB, or 20 times the size of the file if that is more, and 10 minutes.

    Raises:
        TableNotFoundError: no such file or example.
        UnreadableError: bytes, rows or a header that can't be understood, or a table or query over the limit.
        ColumnError: no such column, infinite numbers, or rows without a time.
        TargetError: no target named, too few rows that have one, or labels that the task can't have.
        OptionError: two roles for one column, or an option that doesn't fit the table.
        DataError: anything else that keeps the table from being used; the base of all above but OptionError.
    """
    check_arguments(read_table, locals())
    with open_source(source, table=table, query=query, skip_rows=skip_rows, limit=limit) as found:
        wanted = Wanted(
            target=word(target) or found.target or _no_target(found.columns),
            drop=words(drop),
            numeric=words(numeric),
            categorical=words(categorical),
            task=task,
            positive=word(positive),
            group=word(group),
            time_split=word(time_split),
        )
        reading = _reading(source, wanted, table=table, query=query, skip_rows=skip_rows, limit=limit)
        return replace(assemble(found.columns, wanted, name=found.name), reading=reading)


def _reading(source: Any, wanted: Wanted, **asked: Any) -> dict[str, Any] | None:
    """The arguments that read the table again, but for those that say nothing."""
    if not isinstance(source, str | Path):
        return None
    given = {"source": str(source), **asdict(wanted), **asked}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value or value == 0
    }


def _no_target(columns: Columns) -> NoReturn:
    names = ", ".join(columns.names[:40]) + (", ..." if len(columns.names) > 40 else "")
    likely = columns.names[-1] if columns.names else "COLUMN"
    raise TargetError(
        f"{columns.where}: which column is to be predicted? It has {names}",
        f"Name one, such as --target {likely} (in Python: target={likely!r}).",
    )
