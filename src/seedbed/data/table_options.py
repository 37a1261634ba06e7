"""How a table is read: where it is in its source, how much of it, and what its columns are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedbed.errors import OptionError, spell
from seedbed.settings.fields import Settings, setting

if TYPE_CHECKING:  # names and labels are text once they are checked
    Name = str
    Label = str
else:
    Name = str | int
    Label = str | float | bool


@dataclass(frozen=True, kw_only=True, repr=False)
class SourceOptions(Settings):
    """Which part of a source is read, and how much of it.

    Attributes:
        table: a sheet of an Excel file.
        skip_rows: rows above the header of a text or an Excel file; found automatically if left
            out.
        limit: how large the table may be, such as 50GB. By default 4 GB, or 20 times the size of
            the file if that is more.
    """

    table: str | None = None
    skip_rows: int | None = setting(
        None, at_least=0, hint="Give the number of rows above the header: 0 or more."
    )
    limit: str | None = None

    def check(self, where: str, *takes: str) -> None:
        """Raise OptionError for an option that the source doesn't take (`takes`)."""
        if self.table is not None and "table" not in takes:
            raise OptionError(
                f"{where} has no table to choose", f"Excel files take {spell('table')}."
            )
        if self.skip_rows is not None and "skip_rows" not in takes:
            raise OptionError(
                f"{where} has no rows to skip",
                f"Text (CSV and the like) and Excel files take {spell('skip_rows')}.",
            )


@dataclass(frozen=True, kw_only=True, repr=False)
class ColumnRoles(Settings):
    """What the columns are. Names become text; a single one may stand for a list.

    Attributes:
        target: the column to predict; examples have a default.
        drop: columns to leave out.
        numeric: columns that hold numbers; all other cells in them count as missing.
        categorical: columns that hold categories, though they may look like numbers.
        missing: a number or word that stands for a missing cell of a column, as COLUMN=VALUE, such
            as age=-999.
        drop_missing_target: leave out rows without a target, even if they are more than a fifth of
            all rows.
        event: for survival, in place of a target: the column that says whether the event occurred
            or the row was censored.
        time: for survival: the column with the time under observation; not a feature.
        start: for survival: the date on which observation began, if the time is the date on which
            it ended.
        horizon: for survival: the time up to which survival is predicted and scored; by default, a
            fifth of the rows are observed longer.
        task: what to predict: binary, multiclass or regression; by default the target's cells
            decide.
        positive: the positive one of two labels; by default yes, true, 1 and the like, else the
            rarer if it has under 40 % of the rows, else the larger.
        group: a column of groups whose rows stay together in a fold, such as patients; not a
            feature.
        site: a column of hospitals, schools and the like: each is left out of training in turn, in
            place of random folds, which says what to expect at a new one; not a feature.
        fold_column: a column that says in which fold each row is tested, in place of random folds;
            not a feature.
        time_split: a column of dates or numbers that orders rows in time: the latest rows are
            tested; not a feature.
        split_equal_rows: let rows with equal features be in different folds, if new rows may repeat
            known ones.
    """

    target: Name | None = None
    drop: Sequence[Name] = ()
    numeric: Sequence[Name] = ()
    categorical: Sequence[Name] = ()
    missing: Sequence[str] = ()
    drop_missing_target: bool = False
    event: Name | None = None
    time: Name | None = None
    start: Name | None = None
    horizon: float | None = setting(None, above=0)
    task: str | None = None
    positive: Label | None = None
    group: Name | None = None
    site: Name | None = None
    fold_column: Name | None = None
    time_split: Name | None = None
    split_equal_rows: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for role in ("drop", "numeric", "categorical", "missing"):
            names: Any = getattr(self, role)
            several = isinstance(names, Iterable) and not isinstance(names, str)
            object.__setattr__(
                self, role, tuple(map(str, names if several else [names]))
            )
        for role in (
            "target",
            "event",
            "time",
            "start",
            "positive",
            "group",
            "site",
            "fold_column",
            "time_split",
        ):
            value = getattr(self, role)
            object.__setattr__(self, role, None if value is None else str(value))


@dataclass(frozen=True, kw_only=True, repr=False)
class ReadingOptions(SourceOptions, ColumnRoles):
    """How a table is read: the options of `read_table`."""
