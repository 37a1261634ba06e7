"""The outcome of survival: an event, the time under observation, and the horizon; and features that
are part of it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from seedbed.data.cells import DAY, first_of, quote
from seedbed.data.frame import Frame, Remark, Texts, as_notes, remark_on_rows
from seedbed.data.kinds import Finished, as_dates, finish
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.data.table_options import ColumnRoles
from seedbed.data.target import (
    SAYS_NO,
    SAYS_YES,
    EncodedTarget,
    encode_target,
    labelled,
    named_label,
    rows_with_target,
)
from seedbed.data.typed import type_columns
from seedbed.errors import (
    ColumnError,
    OptionError,
    TargetError,
    counted,
    spell,
    spell_all,
)
from seedbed.evaluation.summaries import Note
from seedbed.outcomes.hazards import FollowUp
from seedbed.typing import Bools, Floats

_SAYS_EVENT = {
    *SAYS_YES,
    "1",
    "event",
    "dead",
    "died",
    "death",
    "deceased",
    "failed",
    "failure",
    "relapse",
    "relapsed",
}
_SAYS_CENSORED = {*SAYS_NO, "0", "censored", "alive", "living", "survived", "lost"}
_BEYOND = 0.2  # of the rows are under observation after the default horizon
_FEWEST_BEYOND = 10  # rows after any horizon, as others would weigh too much
_ENTRY = re.compile(
    r"(?i)(?<![a-z])(?:t|time|age)?[^a-z]?(?:start|entry|enter(?:ed)?|begin|trunc[a-z]*)(?![a-z])"
)
_GO_ON = 0.5  # of the rows of several per subject
_SINCE, _UNTIL = (
    3e8,
    4.1e9,
)  # 1979 and 2099: durations in seconds aren't over nine years in all rows

_FEWEST_VALUES = 10  # of a column that is compared with times or classes

# Names of events, and of times until them
_UNIT = r"(?:[^a-z]*(?:(?:in|of|to)[^a-z]*)?(?:days?|weeks?|months?|years?|d))?[^a-z]*"
_OUTCOME = re.compile(
    r"(?i)(?<![a-z])(?:cens|(?:deaths?|died|dead|deceased|fustat|fstat)(?![a-z]))"
)
_PERHAPS_OUTCOME = re.compile(
    r"(?i)(?<![a-z])(?:[a-z]{0,3}stat|status|events?|delta|rel|relapsed?|recur(?:red|rence)?|arrest(?:ed)?|recid"
    r"|fail(?:ed|ure)?)(?![a-z])"
)
_FOLLOW_UP = re.compile(
    r"(?is)(?:.*[^a-z])?(?:futime|fu|follow|follow[^a-z]?up(?:[^a-z]?time)?|surv|survival|lenfol|t?stop|os|[pdre]fs"
    rf"|time[^a-z]to[^a-z].*|(?-i:TimeTo[A-Z]).*|(?:surv|survival|rec|death|event|os|[pdre]fs)[^a-z]?time){_UNIT}"
)
_PERHAPS_FOLLOW_UP = re.compile(
    rf"(?i)(?:(?:obs|observation|exit|end|last|total)[^a-z]*)?(?:[a-z]{{0,2}}time|weeks?|days|months|durat(?:ion)?){_UNIT}"
)
_LAST_DATE = re.compile(
    r"(?is)(?:.*[^a-z])?(?:death|died|dead|rec|recurrence|relapse|fu|follow|last|end|exit|cens[a-z]*|event)"
    r"(?:(?:[^a-z]|date|dt|day|up).*)?"
)
_CHANCE = 0.1
_SHORT = 3  # letters
_STATUS = re.compile(r"[^a-z]?stat(?:us)?|[^a-z](?:s|d|event|cens)")
_SAME, _SAYS = 0.2, 0.8
_BY_LUCK = 1e-6  # that a flag is the same in all rows in which an event came


def check_survival(frame: Frame, roles: ColumnRoles) -> None:
    """Raise OptionError for options that only survival has, or can't have."""
    if roles.event is None:
        for name in ("time", "start", "horizon"):
            if getattr(roles, name) is not None:
                raise OptionError(
                    f"{spell(name)} is for survival",
                    f"Name the event: {spell('event', 'COLUMN')}.",
                )
        return
    for name in ("time_split", "task"):
        if getattr(roles, name) is not None:
            raise OptionError(
                f"{spell('event')} and {spell(name)} can't be combined",
                f"Leave {spell(name)} out.",
            )
    if roles.target not in (None, roles.event):
        message = (
            f"{spell('event')} names the outcome, and {spell('target')} another one"
        )
        raise OptionError(message, f"Leave {spell('target')} out.")
    if roles.time is None:
        message = f"{frame.where}: survival needs the time under observation"
        raise OptionError(message, f"Name its column: {spell('time', 'COLUMN')}.")


def encode_survival(
    frame: Frame, roles: ColumnRoles, decimal: str = "", like: FollowUp | None = None
) -> EncodedTarget:
    """Return whether the event came (1 or 0), and the times, of the rows that have both.

    Rows followed `like` those of a model have its horizon, which may be after all of them.

    Raises TargetError if it is unclear which label of the event says that it came, or it never
    came, or if times are missing, negative, or all equal; ColumnError if a column isn't of numbers
    or dates; and OptionError if too few rows are under observation after the horizon.
    """
    name, time = str(roles.event), str(roles.time)
    where = f"{frame.where}: the event '{name}'"
    target = _events(frame, name, where, roles.positive, decimal)
    durations, unit, remarks = _durations(frame, roles)
    missing = np.isnan(durations)
    if missing.all() or 100 * missing.sum() > frame.most_missing * frame.n_rows:
        message = f"{frame.where}: the time '{time}' is missing in {missing.sum():,} of {frame.n_rows:,} rows"
        raise TargetError(
            message, f"Leave these rows out with {spell('drop_missing_target', True)}."
        )
    negative = np.flatnonzero(durations < 0)
    if len(negative):
        first = frame.places(negative[:1].tolist())[int(negative[0])]
        message = f"{frame.where}: the time '{time}' is negative in {counted(len(negative), 'row')}, first in {first}"
        raise TargetError(message, "Repair or remove these rows.")
    both = target.has_target & ~missing
    durations, events = durations[both], target.values[~missing[target.has_target]]
    for finding, code, rows in (
        (
            "without a time, left out",
            "SB205",
            np.flatnonzero(missing & target.has_target),
        ),
        (
            "of time 0, counted in the first interval",
            "",
            np.flatnonzero(both)[durations == 0],
        ),
    ):
        if len(rows):
            remarks.append(
                remark_on_rows(
                    f"{counted(len(rows), 'row')} {finding}", time, code, rows
                )
            )
    if like is None:
        if not events.any():
            raise TargetError(f"{where} never occurs", "There is nothing to predict.")
        horizon = _horizon(frame.where, time, durations, events == 1, roles.horizon)
        like = FollowUp(time, horizon, start=roles.start or "", unit=unit)
    return dataclasses.replace(
        target,
        values=events,
        task="survival",
        has_target=both,
        notes=(*target.notes, *as_notes(frame, remarks)),
        durations=durations,
        follow_up=like,
    )


def _events(
    frame: Frame, name: str, where: str, positive: str | None, decimal: str
) -> EncodedTarget:
    """Return whether the event came [row with a target]: 1 or 0."""
    cells = frame.texts(frame.names.index(name))
    column, remarks = labelled(name, cells)
    has_target, left_out = rows_with_target(frame, where, "is missing", cells, column)
    levels = column.schema.levels
    says_event = [level for level in levels if level.lower() in _SAYS_EVENT]
    says_censored = [level for level in levels if level.lower() in _SAYS_CENSORED]
    are_known = len(says_event) + len(says_censored) == len(levels)
    if positive is None and not (
        are_known and (len(says_event) == 1 or len(levels) == 1)
    ):
        message = f"{where}: which label means that it occurred ({first_of([*map(quote, levels)], 3)})?"
        named = spell("positive", _probable_event(levels))
        raise TargetError(
            message,
            f"Name it: {named}{'; the others count as censored' * (len(levels) > 2)}.",
        )
    if len(levels) == 2:
        positive = says_event[0] if positive is None else positive
        return encode_target(
            frame, name, task="binary", positive=positive, decimal=decimal, role="event"
        )
    present = column.values[has_target]
    if len(levels) == 1:
        came = bool(says_event) if positive is None else positive == levels[0]
        labels = ("censored", levels[0]) if came else (levels[0], "event")
        codes = np.full(len(present), int(came), dtype=np.int64)
    else:
        event = (
            says_event[0] if positive is None else named_label(where, levels, positive)
        )
        labels = ("censored", event)
        codes = (present == levels.index(event)).astype(np.int64)
        if rivals := [
            quote(level) for level in levels if level not in {event, *says_censored}
        ]:
            others = f"rows with {first_of(rivals, 3)} count as censored"
            finding = f"in '{name}', only {quote(event)} is the event; {others}. If they can't have it any more "
            finding += f"(competing risks), {quote(event)} is predicted more often than it comes"
            remarks.append(Remark(finding, name, "SB215"))
    notes = as_notes(frame, [*remarks, *left_out])
    return EncodedTarget(codes, labels, "survival", has_target, notes)


def _probable_event(levels: Sequence[str]) -> str:
    """Return which of the labels of an event may say that it came: a word for it, else the last."""
    words = (level for level in levels if level.lower() in _SAYS_EVENT and level != "1")
    return next(words, levels[-1])


def _durations(frame: Frame, roles: ColumnRoles) -> tuple[Floats, str, list[Remark]]:
    """Return the time under observation [row], NaN if unknown; its unit, "days" if columns are
    dates; and remarks."""
    names = [name for name in (roles.time, roles.start) if name is not None]
    positions = [frame.names.index(name) for name in names]
    typed = type_columns(
        frame, positions, numeric=roles.numeric, categorical=roles.categorical
    )
    results = [
        _as_dates(frame, position, column)
        for position, column in zip(positions, typed.columns, strict=True)
    ]
    kinds = [column.schema.kind for column, _ in results]
    for name, kind, (_, remarks) in zip(names, kinds, results, strict=True):
        if kind == "category" or (kind == "date" and roles.start is None):
            what, hint = "text, not numbers", "Write it as a number without a unit."
            if kind == "date":
                readings = "; ".join(remark.message for remark in remarks)
                what = "dates, not numbers" + (f" ({readings})" if readings else "")
                hint = f"Name the column with the date on which observation began: {spell('start', 'COLUMN')}."
            elif np.isfinite(frame.numbers(frame.names.index(name))).any():
                hint = f"Read its numbers alone: {spell('numeric', name)}."
            raise ColumnError(f"{frame.where}: the time '{name}' contains {what}", hint)
    if len(kinds) > 1 and kinds.count("date") == 1:
        message = f"{frame.where}: of '{names[0]}' and '{names[1]}', one is dates and one is numbers"
        raise ColumnError(
            message, f"If '{names[0]}' is a duration, leave {spell('start')} out."
        )
    ends, *starts = (column.values for column, _ in results)
    times = (
        (ends - starts[0]) / (DAY if kinds[0] == "date" else 1.0) if starts else ends
    )
    return (
        times,
        "days" * (kinds[0] == "date"),
        [remark for _, remarks in results for remark in remarks],
    )


def _as_dates(frame: Frame, position: int, column: Column) -> Finished:
    """Return a column of dates and remarks if its numbers are Unix times or like 20240131; else the
    column itself."""
    name = column.name
    kind = column.schema.kind
    cells = frame.texts(position)
    if kind == "number" and not np.isnan(column.values).all():
        low = np.nanmin(column.values)
        high = np.nanmax(column.values)
        for unit in (1.0, 1e3):
            if _SINCE <= low / unit <= high / unit < _UNTIL:
                example = f"'{low:.0f}' is {np.datetime64(int(low / unit // DAY), 'D')}"
                remark = Remark(f"column '{name}' is read as dates: {example}", name)
                return Column(ColumnSchema(name, "date"), column.values / unit), [
                    remark
                ]
        cells = Texts.of(
            None if np.isnan(value) else f"{value:08.15g}"
            for value in column.values.tolist()
        )  # 1022020
    draft = as_dates(cells) if kind in ("number", "category") else None
    if draft is None:
        return column, []
    return finish(
        name, draft, spelling=next(iter(draft.readings)), is_known=False, forced=True
    )


def refuse_late_entry(table: Table, identifiers: Iterable[str] = ()) -> None:
    """Raise OptionError if a feature looks like the time from which rows are under observation.

    The advice keeps the rows of a subject together, by the first of the `identifiers` if there are
    any, unless rows are grouped already.
    """
    if table.durations is None or table.follow_up is None or table.follow_up.start:
        return
    if (column := _find_start(table.columns, table.durations)) is not None:
        start = column.name
        begin = f"{table.name}: the observation of a row seems to begin at '{start}'"
        message = f"'{table.follow_up.time}' counts from 0, as if rows were at risk before that"
        why = "(late entry, or several rows per subject), but"
        hint = f"Count from there: {spell('start', start)}."
        if not table.grouped_by:
            group = spell("group", next(iter(identifiers), "COLUMN"))
            hint += f" Keep several rows of a subject together: {group}."
        raise OptionError(f"{begin} {why} {message}", hint)


def _find_start(columns: Iterable[Column], times: Floats) -> Column | None:
    """Return the feature that looks like the time from which rows are under observation.

    It is never missing or later than the time. And its name says so, or most rows begin where the
    row above ends.
    """
    for column in (feature for feature in columns if feature.schema.kind == "number"):
        begins = column.values
        late = column.values[1:] > column.values.min()
        go_on = late.any() and (begins[1:] == times[:-1])[late].mean() > _GO_ON
        if (go_on or _ENTRY.search(column.name)) and _never_later(
            begins, times, by_chance=1
        ):
            return column
    return None


def _never_later(values: Floats, times: Floats, by_chance: int = 5) -> bool:
    """Return whether no value [row] is later than the time, and more than some would be if paired
    at random."""
    return bool(
        (values <= times).all()
        and np.searchsorted(np.sort(times), values).sum() / len(times) > by_chance
    )


def find_follow_up(table: Table) -> dict[str, Note]:
    """Return a warning (SB211) by the name of each feature that looks like the time under
    observation of a target such as death or censoring, or in survival like another outcome
    (`_other_outcomes`). docs/tables.md has the rules.

    Distributions in the classes are compared by a Kolmogorov-Smirnov test (p < .1).
    """
    if table.outcome.is_number:
        return {}
    name = table.target_name
    outcomes = _other_outcomes(table.columns, table.durations)
    found = {
        column.name
        for column in table.columns
        if column.name in outcomes or _is_follow_up(column, table)
    }
    if not found:
        return {}
    remedy = dict[str, tuple[str, ...]]()
    times = [
        one
        for one in table.columns
        if one.name in found and one.schema.kind == "number"
    ]
    if table.task == "binary" and times:
        time = _time_of(times, table.columns, table.target == 1, name)
        others = [column for column in table.columns if column is not time]
        remedy = {"event": (name,), "time": (time.name,)}
        if start := _find_start(others, time.values):
            remedy["start"] = (start.name,)
        words = {label.lower() for label in table.labels}
        if not (len(words & _SAYS_EVENT) == 1 and words & _SAYS_CENSORED):
            remedy["positive"] = (_probable_event(sorted(table.labels)),)
        found |= {*_other_outcomes(others, time.values)} - {*remedy.get("start", ())}
    names = [column.name for column in table.columns if column.name in found]
    listed = (
        ", ".join(names[:-1]) + f" and {names[-1]} look"
        if len(names) > 1
        else f"{names[0]} looks"
    )
    finding = message = (
        f"{listed} like part of an outcome, not known when observation begins"
    )
    if table.durations is None:
        finding = f"{listed} like follow-up time, part of the outcome"
        message = f"{finding} '{name}': a censored row isn't a survivor"
    advice = "Predict the time to the event"
    if not remedy:
        advice = f"Leave {'them' if names[1:] else 'it'} out"
    rest = found.difference(*remedy.values())
    if dropped := tuple(one for one in names if one in rest):
        remedy["drop"] = dropped
    message = f"{message}. {advice} with {spell_all(remedy)}"
    return dict.fromkeys(
        names, Note(message, names[0], "SB211", finding=finding, remedy=remedy)
    )


def _is_follow_up(column: Column, table: Table) -> bool:
    """Return whether a column looks like the time under observation of the target, by their names,
    and if these can mean something else, by distributions that differ between the classes."""
    name = table.target_name
    certain = any(_OUTCOME.search(word) for word in (name, *table.labels))
    is_outcome = certain or _PERHAPS_OUTCOME.search(name)
    if column.schema.kind != "number":
        is_date = column.schema.kind == "date" and _LAST_DATE.fullmatch(column.name)
        return bool(is_outcome and is_date)
    perhaps = is_outcome and _PERHAPS_FOLLOW_UP.fullmatch(column.name)
    if (is_outcome and _FOLLOW_UP.fullmatch(column.name)) or (certain and perhaps):
        return True
    many = len(np.unique(column.values)) >= _FEWEST_VALUES
    if not perhaps and not (many and _is_named_after(column.name, name)):
        return False
    from scipy.stats import ks_2samp

    present = ~np.isnan(column.values)
    values, codes = column.values[present], table.target[present]
    classes = np.unique(codes)
    of_class = (codes == code for code in classes if len(classes) > 1)
    return any(
        ks_2samp(values[inside], values[~inside]).pvalue < _CHANCE
        for inside in of_class
    )


def _time_of(
    times: Sequence[Column], columns: Sequence[Column], came: Bools, event: str
) -> Column:
    """Return which of some times, or of other times in the columns, is that of an event: one named
    after it, or one that is shorter than the longest in the rows in which it came; else that."""
    longest = max(times, key=lambda column: float(np.nansum(column.values)))
    numbers = [column for column in columns if column.schema.kind == "number"]
    related = {
        *_other_outcomes(numbers, longest.values),
        *(column.name for column in times),
    }
    flags = [flag for _, flag in _flags(columns)]
    for column in (one for one in numbers if one.name in related):
        is_shorter = column.values < longest.values
        says = _agreement(came, is_shorter)
        others_say = max((_agreement(flag, is_shorter) for flag in flags), default=0.0)
        if _is_named_after(column.name, event) or says > others_say:
            return column
    return longest


def _is_named_after(time: str, event: str) -> bool:
    """Return whether a time is named after an event, as `edrel` and `rel`, `srv` and `srvstat`,
    `T3` and `D3`."""
    time = time.lower()
    event = event.lower()
    if len(event) < _SHORT:
        return time[:1] == "t" and event[:1] in "cd" and time[1:] == event[1:] != ""
    before = event.startswith(time) and _STATUS.fullmatch(event.removeprefix(time))
    return bool(before) or (
        event in time and ("time" in time or time[_SHORT - 1 :] == event)
    )


def _other_outcomes(columns: Iterable[Column], times: Floats | None) -> list[str]:
    """Return the columns beside the time under observation that look like times of other events, or
    that say whether these came; none if there is no such time.

    A column of two values, or one with missing cells, says whether it came, or is named like death.
    """
    if times is None:
        return []
    columns = [*columns]
    outcomes = set[str]()
    events = list[Bools]()
    for column in (feature for feature in columns if feature.schema.kind == "number"):
        present = ~np.isnan(column.values) & ~np.isnan(times)
        values, ends = column.values[present], times[present]
        if len(values) >= _FEWEST_VALUES:
            by_chance = np.random.default_rng(0).permutation(values) == ends
            if (values == ends).mean() - by_chance.mean() > _SAME or _never_later(
                values, ends
            ):
                outcomes.add(column.name)
                events.append(present & (column.values < times))
    for column, flag in _flags(columns):
        says = any(_agreement(flag, came) for came in events)
        if says or (_OUTCOME.search(column.name) and not np.isnan(column.values).any()):
            outcomes.add(column.name)
    return [column.name for column in columns if column.name in outcomes]


def _flags(columns: Iterable[Column]) -> Iterator[tuple[Column, Bools]]:
    """Yield each column that may say whether an event came, and what it says [row]: which cells are
    missing, or have the larger of two values."""
    for column in columns:
        missing = np.isnan(column.values)
        if missing.any() or len(np.unique(column.values)) == 2:
            yield (
                column,
                missing if missing.any() else column.values > column.values.min(),
            )


def _agreement(flag: Bools, came: Bools) -> float:
    """Return how much a flag [row] differs between the rows in which an event came before the end
    of observation and the others: a difference of shares, 0 if the flag may be about other things.

    It isn't if the difference is large. Or if all rows in which the event came have the flag, or
    lack it, more than by chance: the event may also come at the end, as death after a relapse.
    """
    if not came.any() or came.all():
        return 0.0
    share, of_others = float(flag[came].mean()), float(flag[~came].mean())
    agrees = flag == (share > 0.5)
    by_chance = float(agrees.mean()) ** float(came.sum())
    is_implied = bool(agrees[came].all()) and by_chance < _BY_LUCK
    return (
        abs(share - of_others) if is_implied or abs(share - of_others) > _SAYS else 0.0
    )


def likely_survival(pairs: Sequence[str], numbers: Sequence[str]) -> dict[str, str]:
    """Return the options `event` and `time` if a column of two values is named like death,
    censoring and the like, and one of numbers like the time until then."""
    events = [
        name
        for pattern in (_OUTCOME, _PERHAPS_OUTCOME)
        for name in pairs
        if pattern.search(name)
    ]
    times = [
        name
        for pattern in (_FOLLOW_UP, _PERHAPS_FOLLOW_UP)
        for name in numbers
        if pattern.fullmatch(name)
    ]
    return {"event": events[0], "time": times[0]} if events and times else {}


def _horizon(
    where: str, time: str, durations: Floats, events: Bools, option: float | None
) -> float:
    """Return the given horizon, or the last time, of two digits, after which a fifth of the rows is
    still observed."""
    ordered = np.sort(durations)
    if option is None:
        # The longest time that enough rows exceed.
        later = ordered[min(len(ordered) - 1, math.floor((1 - _BEYOND) * len(ordered)))]
        below = ordered[ordered < later]
        if not len(below) or below[-1] <= 0:
            raise TargetError(
                f"{where}: most rows have the same time '{time}', or 0",
                "Name another column.",
            )
        digit = 10.0 ** (math.floor(math.log10(below[-1])) - 1)
        horizon = float(math.floor(below[-1] / digit + 1e-9) * digit)
        if not (
            events & (durations <= horizon)
        ).any():  # times that differ in later digits only
            horizon = float(below[-1])
    else:
        horizon = float(option)
        fewest = fewest_beyond(len(ordered))
        if (n := int((ordered > horizon).sum())) < fewest:
            rows = f"{counted(n, 'row')} {'is' if n == 1 else 'are'}"
            message = (
                f"{where}: {rows} under observation after the horizon of {horizon:g}"
            )
            raise OptionError(message, f"Give less than {ordered[-fewest]:g}.")
    if not (events & (durations <= horizon)).any():
        first = durations[events].min()
        message = f"{where}: the first event is at {first:.9g}, after the horizon of {horizon:.9g}"
        raise OptionError(message, f"Set {spell('horizon')} to a later time.")
    return horizon


def longest_horizon(durations: Floats, events: Bools) -> float:
    """Return the last time that ten rows, or a tenth of few, exceed; the longest of all if no event
    comes until it."""
    ordered = np.sort(durations)
    longest = ordered[ordered < ordered[-fewest_beyond(len(ordered))]].max(initial=0.0)
    return float(
        longest
        if longest > 0 and (events & (durations <= longest)).any()
        else ordered[-1]
    )


def fewest_beyond(n: int) -> int:
    """Return how many of n rows must be under observation after the horizon."""
    return min(_FEWEST_BEYOND, math.ceil(n / 10))
