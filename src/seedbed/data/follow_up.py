"""The outcome of survival: an event, the time under observation, and the horizon up to which it is predicted."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from seedbed.data.cells import first_of, quote
from seedbed.data.frame import Frame, Remark, Texts, as_notes, remark_on_rows
from seedbed.data.kinds import Finished, as_category, as_dates, finish
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.data.table_options import ColumnRoles
from seedbed.data.target import (
    SAYS_NO,
    SAYS_YES,
    EncodedTarget,
    encode_target,
    missing_remarks,
    named_label,
    rows_with_target,
)
from seedbed.data.typed import type_columns
from seedbed.errors import ColumnError, OptionError, TargetError, counted, spell
from seedbed.outcomes.hazards import FollowUp
from seedbed.typing import Bools, Floats

_SAYS_EVENT = {*SAYS_YES, "1", "event", "dead", "died", "death", "deceased", "failed", "failure", "relapse", "relapsed"}
_SAYS_CENSORED = {*SAYS_NO, "0", "censored", "alive", "living", "survived", "lost"}
_BEYOND = 0.2  # of the rows are under observation after the default horizon
_FEWEST_BEYOND = 10  # rows after any horizon, as others would weigh too much
_DAY = 86_400.0
_ENTRY = re.compile(r"(?i)(?<![a-z])(?:t|time|age)?[^a-z]?(?:start|entry|enter(?:ed)?|begin|trunc[a-z]*)(?![a-z])")
_GO_ON = 0.5  # of the rows of several per subject
_SINCE, _UNTIL = 3e8, 4.1e9  # 1979 and 2099: durations in seconds aren't over nine years in all rows


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome of the rows that have one.

    Attributes:
        target: 1 for the event, 0 for censored rows.
        durations: time under observation [row with a target].
        follow_up: the horizon.
    """

    target: EncodedTarget
    durations: Floats
    follow_up: FollowUp


def check_survival(frame: Frame, roles: ColumnRoles) -> None:
    """Raise OptionError for options that only survival has, or can't have."""
    if roles.event is None:
        for name in ("time", "start", "horizon"):
            if getattr(roles, name) is not None:
                raise OptionError(f"{spell(name)} is for survival", f"Name the event: {spell('event', 'COLUMN')}.")
        return
    for name in ("time_split", "task"):
        if getattr(roles, name) is not None:
            raise OptionError(f"{spell('event')} and {spell(name)} can't be combined", f"Leave {spell(name)} out.")
    if roles.target not in (None, roles.event):
        message = f"{spell('event')} names the outcome, and {spell('target')} another one"
        raise OptionError(message, f"Leave {spell('target')} out.")
    if roles.time is None:
        message = f"{frame.where}: survival needs the time under observation"
        raise OptionError(message, f"Name its column: {spell('time', 'COLUMN')}.")


def read_outcome(frame: Frame, roles: ColumnRoles, decimal: str = "") -> Outcome:
    """Return the outcome of survival.

    Args:
        decimal: as in `encode_target`.

    Raises:
        TargetError: it is unclear which label of the event says that it came, or it never came; or times are missing,
            negative, or all equal.
        ColumnError: a column isn't of numbers or dates.
        OptionError: too few rows are under observation after the horizon.
    """
    name, time = str(roles.event), str(roles.time)
    where = f"{frame.where}: the event '{name}'"
    target = _events(frame, name, where, roles.positive, decimal)
    durations, unit, remarks = _durations(frame, roles)
    missing = np.isnan(durations)
    if missing.all() or 100 * missing.sum() > frame.most_missing * frame.n_rows:
        message = f"{frame.where}: the time '{time}' is missing in {missing.sum():,} of {frame.n_rows:,} rows"
        raise TargetError(message, f"Leave these rows out with {spell('drop_missing_target', True)}.")
    negative = np.flatnonzero(durations < 0)
    if len(negative):
        place = frame.places(negative[:1].tolist())[int(negative[0])]
        message = f"{frame.where}: the time '{time}' is negative in {counted(len(negative), 'row')}, first in {place}"
        raise TargetError(message, "Repair or remove these rows.")
    has_target = np.ones(frame.n_rows, dtype=np.bool_) if target.has_target is None else target.has_target
    both = has_target & ~missing
    durations, events = durations[both], target.values[~missing[has_target]]
    found = {
        ("without a time, left out", "SB205"): np.flatnonzero(missing & has_target),
        ("of time 0, counted in the first interval", ""): np.flatnonzero(both)[durations == 0],
    }
    remarks += [
        remark_on_rows(f"{counted(len(rows), 'row')} {words}", time, code, rows)
        for (words, code), rows in found.items()
        if len(rows)
    ]
    if not events.any():
        raise TargetError(f"{where} never came", "There is nothing to predict.")
    horizon = _horizon(frame.where, time, durations, events == 1, roles.horizon)
    notes = (*target.notes, *as_notes(frame, remarks))
    encoded = EncodedTarget(events, target.labels, "survival", None if both.all() else both, notes)
    return Outcome(encoded, durations, FollowUp(time, horizon, start=roles.start or "", unit=unit))


def _events(frame: Frame, name: str, where: str, positive: str | None, decimal: str) -> EncodedTarget:
    """Return whether the event came [row with a target]: 1 or 0."""
    draft = as_category(frame.texts(frame.names.index(name)))
    column, remarks = finish(name, draft, spelling=next(iter(draft.readings)), is_known=True, forced=True)
    has_target = rows_with_target(frame, where, "is missing", draft.cells, np.isnan(column.values))
    levels = column.schema.levels
    says_event = [level for level in levels if level.lower() in _SAYS_EVENT]
    says_censored = [level for level in levels if level.lower() in _SAYS_CENSORED]
    are_known = len(says_event) + len(says_censored) == len(levels)
    if positive is None and not (are_known and (len(says_event) == 1 or len(levels) == 1)):
        message = f"{where}: which label says that it came ({first_of([*map(quote, levels)], 3)})?"
        others = "; the others count as censored" if len(levels) > 2 else ""
        likely = next((level for level in says_event if level != "1"), levels[-1])
        raise TargetError(message, f"Name it: {spell('positive', likely)}{others}.")
    if len(levels) == 2:
        given = positive if positive is not None else says_event[0]
        return encode_target(frame, name, task="binary", positive=given, decimal=decimal, role="event")
    present = column.values if has_target is None else column.values[has_target]
    if len(levels) == 1:
        came = positive == levels[0] if positive is not None else bool(says_event)
        labels = ("censored", levels[0]) if came else (levels[0], "event")
        codes = np.full(len(present), int(came), dtype=np.int64)
    else:
        event = says_event[0] if positive is None else named_label(where, levels, positive)
        labels, codes = ("censored", event), (present == levels.index(event)).astype(np.int64)
        if rivals := [quote(level) for level in levels if level not in {event, *says_censored}]:
            message = (
                f"in '{name}', only {quote(event)} is the event; rows with {first_of(rivals, 3)} count as censored"
            )
            remarks.append(Remark(f"{message}, and survival is predicted as if no other event could come first"))
    notes = as_notes(frame, [*remarks, *missing_remarks(name, has_target)])
    return EncodedTarget(codes, labels, "survival", has_target, notes)


def _durations(frame: Frame, roles: ColumnRoles) -> tuple[Floats, str, list[Remark]]:
    """Return the time under observation [row], NaN if unknown; its unit, "days" if columns are dates; and remarks."""
    names = [str(roles.time), *([] if roles.start is None else [roles.start])]
    positions = [frame.names.index(name) for name in names]
    typed = type_columns(frame, positions, numeric=roles.numeric, categorical=roles.categorical)
    read = [_as_dates(frame, position, column) for position, column in zip(positions, typed.columns, strict=True)]
    kinds = [column.schema.kind for column, _ in read]
    for name, kind, (_, remarks) in zip(names, kinds, read, strict=True):
        if kind == "category" or (kind == "date" and roles.start is None):
            found = "; ".join(remark.message for remark in remarks) if kind == "date" else ""
            what = f"contains {'dates' if kind == 'date' else 'text'}, not numbers"
            message = f"{frame.where}: the time '{name}' {what}{found and f' ({found})'}"
            dates = f"Name the column with the date on which observation began: {spell('start', 'COLUMN')}."
            text = "Write it as a number without a unit."
            if kind == "category" and np.isfinite(frame.numbers(frame.names.index(name))).any():
                text = f"Read its numbers alone: {spell('numeric', name)}."
            raise ColumnError(message, dates if kind == "date" else text)
    if len(kinds) > 1 and kinds.count("date") == 1:
        message = f"{frame.where}: of '{names[0]}' and '{names[1]}', one is dates and one is numbers"
        raise ColumnError(message, f"If '{names[0]}' is a duration, leave {spell('start')} out.")
    ends, *starts = (column.values for column, _ in read)
    times = (ends - starts[0]) / (_DAY if kinds[0] == "date" else 1.0) if starts else ends
    return times, "days" * (kinds[0] == "date"), [remark for _, remarks in read for remark in remarks]


def _as_dates(frame: Frame, position: int, column: Column) -> Finished:
    """Return a column of dates and remarks if its numbers are Unix times or like 20240131; else the column itself."""
    name, kind, cells = column.name, column.schema.kind, frame.texts(position)
    if kind == "number" and not np.isnan(column.values).all():
        low, high = np.nanmin(column.values), np.nanmax(column.values)
        for unit in (1.0, 1e3):
            if _SINCE <= low / unit <= high / unit < _UNTIL:
                example = f"'{low:.0f}' is {np.datetime64(int(low / unit // _DAY), 'D')}"
                remark = Remark(f"column '{name}' is read as dates: {example}", name)
                return Column(ColumnSchema(name, "date"), column.values / unit), [remark]
        cells = Texts.of(None if np.isnan(value) else f"{value:08.15g}" for value in column.values.tolist())  # 1022020
    draft = as_dates(cells) if kind in ("number", "category") else None
    if draft is None:
        return column, []
    return finish(name, draft, spelling=next(iter(draft.readings)), is_known=False, forced=True)


def refuse_late_entry(table: Table) -> None:
    """Raise OptionError if a feature looks like the time from which rows are under observation.

    It is never missing or later than the time. And its name says so, or most rows begin where the row above ends.
    """
    times = table.durations
    if times is None or table.follow_up is None or table.follow_up.start:
        return
    for column in (one for one in table.columns if one.schema.kind == "number"):
        begins, late = column.values, column.values[1:] > column.values.min()
        go_on = late.any() and (begins[1:] == times[:-1])[late].mean() > _GO_ON
        if (go_on or _ENTRY.search(column.name)) and never_later(begins, times, by_chance=1):
            message = (
                f"{table.name}: the observation of a row seems to begin at '{column.name}' (late entry, or several "
                f"rows per subject), but '{table.follow_up.time}' counts from 0, as if rows were at risk before that"
            )
            hint = f"Count from there: {spell('start', column.name)}. Keep several rows of a subject together: "
            raise OptionError(message, f"{hint}{spell('group', 'COLUMN')}.")


def never_later(values: Floats, times: Floats, by_chance: int = 5) -> bool:
    """Return whether no value [row] is later than the time, and more than some would be if paired at random."""
    n_later = np.searchsorted(np.sort(times), values).sum() / len(times)
    return bool((values <= times).all() and n_later > by_chance)


def _horizon(where: str, time: str, durations: Floats, events: Bools, given: float | None) -> float:
    """Return the given horizon, or else the last time, rounded down to two digits, after which a fifth of the rows is
    still under observation."""
    ordered = np.sort(durations)
    if given is None:
        # The longest time that enough rows exceed.
        later = ordered[min(len(ordered) - 1, math.floor((1 - _BEYOND) * len(ordered)))]
        below = ordered[ordered < later]
        if not len(below) or below[-1] <= 0:
            raise TargetError(f"{where}: most rows have the same time '{time}', or 0", "Name another column.")
        digit = 10.0 ** (math.floor(math.log10(below[-1])) - 1)
        horizon = float(math.floor(below[-1] / digit + 1e-9) * digit)
        if not (events & (durations <= horizon)).any():  # times that differ in later digits only
            horizon = float(below[-1])
    else:
        horizon = float(given)
        fewest = _fewest_beyond(len(ordered))
        if (n := int((ordered > horizon).sum())) < fewest:
            are = "is" if n == 1 else "are"
            message = f"{where}: {counted(n, 'row')} {are} under observation after the horizon of {horizon:g}"
            raise OptionError(message, f"Give less than {ordered[-fewest]:g}.")
    if not (events & (durations <= horizon)).any():
        first = durations[events].min()
        message = f"{where}: the first event is at {first:.9g}, after the horizon of {horizon:.9g}"
        raise OptionError(message, f"Give {spell('horizon')} of more than that.")
    return horizon


def longest_horizon(durations: Floats, events: Bools) -> float:
    """Return the last time that ten rows, or a tenth of few, exceed; the longest of all if no event comes until it."""
    ordered = np.sort(durations)
    longest = ordered[ordered < ordered[-_fewest_beyond(len(ordered))]].max(initial=0.0)
    return float(longest if longest > 0 and (events & (durations <= longest)).any() else ordered[-1])


def _fewest_beyond(n: int) -> int:
    return min(_FEWEST_BEYOND, math.ceil(n / 10))
