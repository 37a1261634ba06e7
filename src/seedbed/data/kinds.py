"""What one column is: a draft decided by its own cells, then a typed column with remarks on how it
was read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec import structs

from seedbed.data.cells import (
    DAY,
    DOTTED_DATE,
    YEAR_OF_TWO_DIGITS,
    common_unit,
    first_of,
    is_code,
    is_code_column,
    merge_levels,
    missing_in_category,
    moment,
    number_text,
    numeral,
    parse_number,
    quote,
    without_unit,
)
from seedbed.data.frame import (
    MISSING_WORDS,
    Numbers,
    Remark,
    Texts,
    is_whole,
    remark_on_rows,
    remark_with_example,
)
from seedbed.data.suspects import find_extreme_code, find_near_duplicates
from seedbed.data.table import Column, ColumnSchema, Kind
from seedbed.errors import spell
from seedbed.typing import Bools, Floats

PERCENT = 95  # of the filled cells must be numbers, or dates

# What stands for 0 and what for 1.
PAIRS = (
    ("no", "yes"),
    ("false", "true"),
    ("f", "t"),
    ("n", "y"),
    ("off", "on"),
    ("f", "m"),
    ("female", "male"),
)
SEXES = (("f", "m"), ("female", "male"))
LEFT_OUT = frozenset({"SB101", "SB102", "SB103"})  # the codes of what isn't a feature

ORDERS = {"ymd": "", "dmy": " with the day first", "mdy": " with the month first"}
FEWEST_IDENTIFIED = 20  # too few to recognise an identifier
MANY_LEVELS = 200
MOST_SEARCHED = 10_000  # distinct dates, for the ways in which they are written
_year_name = re.compile(
    r"(?i)year|yr|(?<![a-z])(?:jahr|ann[ée]e|año|season|time|date)(?![a-z])"
)
_season = re.compile(
    "|".join(f"[0-9]{{2}}{n:02}[-/]{(n + 1) % 100:02}" for n in range(100))
)
_id_name = re.compile(
    r"(?i:(?:.*[^a-z])?(?:id|uuid|guid|index|rowid|row[ _]?(?:name|number)s?)|id[^a-z].*)"
    r"|.*[a-z](?:Id|ID)|Unnamed: \d+"
)
_perhaps_id = re.compile(r"(?i:.*(?:id|code?|num|n[or]))")

Finished = tuple[Column, list[Remark]]  # a typed column, and remarks on how it was read


@dataclass(frozen=True, eq=False)
class Draft:
    """A column whose kind is known, but perhaps not its spelling. Numbers 0 and 1 become a boolean
    later.

    Attributes:
        filled: whether each text isn't a missing word [text].
        readings: by spelling, the value of each text [text], NaN if it has none. Two if the cells
            can be read in two ways.
        sure: the spelling that some cell requires; empty if there is no such cell.
        thousands: whether some cell certainly has commas between thousands.
        levels, unit, missing: as in `ColumnSchema`.
    """

    kind: Kind
    cells: Texts
    filled: Bools
    readings: dict[str, Floats]
    sure: str = ""
    thousands: bool = False
    levels: tuple[str, ...] = ()
    unit: str = ""
    missing: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return len(self.readings) > 1


def understand(cells: Texts) -> Draft:
    """Decide by all cells whether a column is a number, date, boolean or category."""
    if not cells.filled.any():
        category = as_category(cells)
        return category if len(category.levels) > 1 else _nothing(cells)
    numbers = as_numbers(cells)
    if numbers is None:
        return _as_boolean(cells) or as_dates(cells) or as_category(cells)
    if any(map(is_code, cells.texts)) and all(
        is_whole(values) for values in numbers.readings.values()
    ):
        return as_category(cells)
    return numbers


def as_numbers(cells: Texts, *, percent: int = PERCENT) -> Draft | None:
    """Return a draft of numbers if at least `percent` of the filled cells are numbers, else None.

    A unit that all cells have is left out. The only text among many numbers counts as missing if
    several rows have it, unless it has digits, such as 90+.
    """
    filled = cells.filled
    unit = ""
    missing = tuple[str, ...]()
    values = _read(cells, filled, numeral, percent)
    if values is None:
        texts = cells.some(filled)
        words = [
            *itertools.islice(
                (text for text in texts if np.isnan(numeral(text)).all()), 2
            )
        ]
        n_rows = (
            0
            if re.search("[0-9]", words[0])
            else int(cells.counts[cells.texts.index(words[0])])
        )
        unit = common_unit(texts)
        if unit:
            values = _read(
                cells, filled, lambda text: numeral(without_unit(text, unit)), percent
            )
        elif (
            len(words) == 1
            and len(texts) > FEWEST_IDENTIFIED
            and 1 < n_rows < cells.counts[filled].sum() / 2
        ):
            missing = (words[0],)
            filled = filled & np.array([text != words[0] for text in cells.texts])
            values = _read(cells, filled, numeral, percent)
    if values is None:
        return None
    point, comma = values.T
    draft = _settle("number", cells, filled, {"point": point, "comma": comma}, percent)
    if draft is None:
        return None
    only_point = cells.some(np.isnan(comma) & ~np.isnan(point))
    thousands = draft.sure == "point" and any("," in text for text in only_point)
    return replace(draft, thousands=thousands, unit=unit, missing=missing)


def _nothing(cells: Texts) -> Draft:
    none = np.zeros(len(cells.texts), dtype=np.bool_)
    return Draft("number", cells, none, {"point": np.full(len(cells.texts), np.nan)})


def as_category(cells: Texts) -> Draft:
    """Return a draft of a category. A column without any level becomes missing numbers."""
    present = [text for text in cells.texts if not missing_in_category(text)]
    codes = is_code_column(present)
    few = len(present) < 2
    filled = np.array(
        [not missing_in_category(text, codes, few) for text in cells.texts], dtype=bool
    )
    if not filled.any():
        return _nothing(cells)
    level_of = merge_levels(cells.some(filled))
    levels = tuple(sorted(set(level_of.values())))
    code_of = {level: code for code, level in enumerate(levels)}
    values = [
        code_of[level_of[text]] if text in level_of else np.nan for text in cells.texts
    ]
    return Draft(
        "category",
        cells,
        filled,
        {"": np.array(values, dtype=np.float64)},
        levels=levels,
    )


def boolean_value(text: str, levels: tuple[str, ...]) -> float:
    """Return 0 or 1, or NaN for another text. Yes also means true and 1, whichever word training
    had."""
    word = text.lower()
    sex = is_sex(levels)
    trained = (levels[0].lower(), levels[1].lower())
    for pair in (
        (trained,) if sex else (trained, *(pair for pair in PAIRS if pair not in SEXES))
    ):
        if word in pair:
            return float(word == pair[1])
    return (
        np.nan
        if sex
        else next((number for number in numeral(text) if number in (0, 1)), np.nan)
    )


def is_sex(levels: tuple[str, ...]) -> bool:
    """Return whether a boolean's levels are sexes, for which yes, no and numbers have no
    meaning."""
    return tuple(level.lower() for level in levels) in SEXES


def _as_boolean(cells: Texts) -> Draft | None:
    spelled: dict[str, tuple[int, str]] = {}
    for index in np.flatnonzero(cells.filled).tolist():
        text = cells.texts[index]
        spelled[text.lower()] = max(
            spelled.get(text.lower(), (0, "")), (int(cells.counts[index]), text)
        )
        if len(spelled) > 2:
            return None
    for pair in (pair for pair in PAIRS if set(pair) == set(spelled)):
        values = [
            float(pair.index(text.lower())) if text.lower() in pair else np.nan
            for text in cells.texts
        ]
        levels = tuple(spelled[word][1] for word in pair)
        return Draft(
            "boolean", cells, cells.filled, {"": np.array(values)}, levels=levels
        )
    return None


def as_dates(cells: Texts) -> Draft | None:
    """Return a draft of dates if nearly all filled cells are dates, else None. Seasons such as
    2003-04 aren't."""
    filled = cells.filled
    values = _read(cells, cells.filled, moment, PERCENT)
    if values is None or all(map(_season.fullmatch, cells.some(filled))):
        return None
    ymd, dmy, mdy = values.T
    by_year = np.isnan(values[np.isnan(ymd), 1:]).all()
    draft = _settle(
        "date",
        cells,
        filled,
        {"ymd": ymd} if by_year else {"mdy": mdy, "dmy": dmy},
        PERCENT,
    )
    if draft is None or draft.sure or draft.is_open or not has_dotted_date(cells):
        return draft
    return replace(draft, readings={"dmy": dmy}, sure="dmy")


def has_dotted_date(cells: Texts) -> bool:
    """Return whether a cell is written like 1.3.2024, which has the day first."""
    return any(map(DOTTED_DATE.match, cells.texts))


def _read(
    cells: Texts, filled: Bools, read: Callable[[str], Sequence[float]], percent: int
) -> Floats | None:
    """Return the value of each text in each spelling [text, spelling]; None as soon as too many
    rows have none."""
    readings = []
    failed = 0
    allowed = int(cells.counts[filled].sum()) * (100 - percent)
    for text, count in zip(
        cells.some(filled), cells.counts[filled].tolist(), strict=True
    ):
        readings.append(read(text))
        if not any(value == value for value in readings[-1]):
            failed += count
            if 100 * failed > allowed:
                return None
    values = np.full((len(cells.texts), len(read(""))), np.nan)
    values[filled] = np.array(readings).reshape(-1, values.shape[1])
    return values


def _settle(
    kind: Kind, cells: Texts, filled: Bools, readings: dict[str, Floats], percent: int
) -> Draft | None:
    """Return a draft with the readings that remain, chosen by the cells that have only one, and the
    sure spelling.

    A single reading is sure. If two agree in every row, the first is returned, and none is sure. If
    values differ, both are returned. It is None if less than `percent` of the filled cells have a
    value.
    """
    first, *others = readings
    sure = "" if others else first
    if others:
        values, other_values = readings.values()
        has_first, has_second = ~np.isnan(values), ~np.isnan(other_values)
        for_first = cells.counts[has_first & ~has_second].sum()
        for_second = cells.counts[~has_first & has_second].sum()
        if for_first or for_second:
            sure = first if for_first >= for_second else others[0]
            readings = {sure: readings[sure]}
        elif not (values != other_values)[has_first].any():
            readings = {first: values}
    least = percent * int(cells.counts[filled].sum())
    if any(
        100 * int(cells.counts[filled & ~np.isnan(values)].sum()) < least
        for values in readings.values()
    ):
        return None
    return Draft(kind, cells, filled, readings, sure)


def finish(
    name: str, draft: Draft | Numbers, *, spelling: str, is_known: bool, forced: bool
) -> Finished:
    """Type numbers, or a draft by one of the spellings of its readings. Numbers may be infinite.

    The spelling is that of numbers, for new rows: '1.234' is a thousand and more if it is "comma".
    It is known if other columns decide it. If the user said what the column is (`forced`), 0 and 1
    aren't a boolean.
    """
    if isinstance(draft, Numbers):
        words = (
            dict(zip(draft.words.texts, draft.words.counts.tolist(), strict=True))
            if draft.words
            else {}
        )
        return _numbers(name, draft.floats(), spelling, forced), _missing_remarks(
            name, words
        )
    cells = draft.cells
    by_text = draft.readings[spelling]
    values = by_text[cells.codes]
    unread = draft.filled & np.isnan(by_text)
    missing = {
        text: int(cells.counts[i])
        for i, text in enumerate(cells.texts)
        if not draft.filled[i]
    }
    remarks = _missing_remarks(name, missing)
    if unread.any():
        rows = cells.rows_of(unread)
        texts = cells.some(unread)
        what = (
            f"cells that aren't {draft.kind}s"
            if len(rows) > 1
            else f"cell that isn't a {draft.kind}"
        )
        message = f"column '{name}': {len(rows)} {what} ({_list(texts)}) count{'s' * (len(rows) == 1)} as missing"
        remarks.append(remark_on_rows(message, name, "SB104", rows))
    if draft.kind == "number":
        remarks += _number_remarks(name, draft, spelling, is_known)
        column = _numbers(
            name,
            values,
            spelling,
            forced or bool(unread.any() or draft.unit or draft.missing),
        )
        return replace(
            column,
            schema=structs.replace(
                column.schema, unit=draft.unit, missing=draft.missing
            ),
        ), remarks
    if draft.kind == "date":
        remarks += _date_remarks(name, draft, spelling, is_known)
    elif draft.kind == "boolean":
        zero, one = draft.levels
        remarks.append(
            remark_with_example(
                name, "has two values", f"{quote(zero)} is 0, {quote(one)} is 1"
            )
        )
    else:
        remarks += _category_remarks(name, draft, forced)
    schema = ColumnSchema(
        name, draft.kind, draft.levels, spelling, bool(np.isnan(values).any())
    )
    return Column(schema, values), remarks


def objections(column: Column, *, wanted: bool) -> list[Remark]:
    """Return objections to a column as a feature. With a code in `LEFT_OUT`, it shouldn't be one.

    If it is `wanted`, the user said what it is, so it isn't an identifier.
    """
    name, values, schema = column.name, column.values, column.schema
    present = values[~np.isnan(values)]
    if not len(present):
        return [
            Remark(
                f"column '{name}' is left out: it has no values",
                name,
                "SB103",
                len(values),
            )
        ]
    low, high = float(present.min()), float(present.max())
    # float64 may merge whole numbers that are far from zero and near each other.
    indistinct = min(abs(low), abs(high)) >= 2**53 and high - low < 2**10 * np.spacing(
        high
    )
    if schema.kind == "number" and not wanted and indistinct:
        message = f"column '{name}' is left out as an identifier: its whole numbers have more digits than float64 holds"
        return [Remark(message, name, "SB101", len(present))]
    if len(present) == len(values) and low == high:
        value = (
            repr(schema.levels[int(values[0])])
            if schema.levels
            else number_text(float(values[0])) or ""
        )
        return [
            Remark(
                f"column '{name}' is left out: it is {value} in every row",
                name,
                "SB102",
            )
        ]
    remarks = [] if wanted else _identifier(column, present)
    if any(remark.code in LEFT_OUT for remark in remarks):
        return remarks
    if schema.kind == "category":
        n_rows = np.bincount(
            present.astype(np.intp), minlength=len(schema.levels)
        ).tolist()
        counts = dict(zip(schema.levels, n_rows, strict=True))
        remarks += find_near_duplicates(name, f"column '{name}' has levels", counts)
        if (n := len(schema.levels)) > MANY_LEVELS:
            message = f"column '{name}' has {n} levels; the rare ones share inputs by a hash of their text"
            remarks.append(Remark(message, name, "SB106", n))
    if schema.kind == "number":
        remarks += find_extreme_code(name, present)
    if schema.kind == "date":
        advice = spell("time_split", name)
        message = f"column '{name}' holds dates; if rows are ordered in time, train on the past with {advice}"
        remarks.append(Remark(message, name, "SB204"))
    return remarks


def _numbers(name: str, values: Floats, spelling: str, forced: bool) -> Column:
    missing = np.isnan(values)
    zero = values == 0
    one = values == 1
    if not forced and zero.any() and one.any() and (missing | zero | one).all():
        return Column(
            ColumnSchema(name, "boolean", ("0", "1"), "", bool(missing.any())), values
        )
    return Column(
        ColumnSchema(name, "number", (), spelling, bool(missing.any())), values
    )


def _missing_remarks(name: str, missing: dict[str, int]) -> list[Remark]:
    """Report words that count as missing; empty cells need no remark."""
    words = sorted(filter(None, missing))
    count = sum(missing[word] for word in words)
    message = f"column '{name}': cells with {_list(words)} count as missing"
    return [Remark(message, name, "", count, finding=MISSING_WORDS)] if words else []


def _number_remarks(
    name: str, draft: Draft, spelling: str, is_known: bool
) -> list[Remark]:
    cells = draft.cells
    values = draft.readings[spelling]
    two_ways = np.isfinite(values) & _differ(draft)
    dressed = [
        parse_number(text) != value
        for text, value in zip(cells.texts, values.tolist(), strict=True)
    ]
    chosen = (
        two_ways
        if two_ways.any()
        else np.isfinite(values) & np.array(dressed, dtype=np.bool_)
    )
    if not chosen.any():
        return []
    first = int(chosen.argmax())
    text = cells.texts[first]
    example = f"{quote(cells.texts[first])} is {number_text(float(values[first]))}"
    if not two_ways.any():
        what = "numbers of seconds" if ":" in text else "numbers"
        return [
            remark_with_example(
                name, f"is read as {what}", example, int(cells.counts[chosen].sum())
            )
        ]
    if is_known:
        return [
            remark_with_example(
                name, "is read with the decimal mark of the other columns", example
            )
        ]
    sign = "commas" if "," in text else "points"
    mark = "thousands" if ("," in text) == (spelling == "point") else "decimal"
    message = f"column '{name}' could be read in two ways; its {sign} are read as {mark} marks: {example}"
    return [remark_on_rows(message, name, "SB108", cells.rows_of(two_ways))]


def _date_remarks(
    name: str, draft: Draft, spelling: str, is_known: bool
) -> list[Remark]:
    values = draft.readings[spelling]
    two_ways = ~np.isnan(values) & _differ(draft)
    first = int((two_ways if two_ways.any() else ~np.isnan(values)).argmax())
    # The first date of each way of writing: '2024-03-01' is '0-0-0', '1 March 2024' is '0 a 0'.
    examples: dict[str, tuple[str, str]] = {}
    for index in [first, *np.flatnonzero(~np.isnan(values))[:MOST_SEARCHED]]:
        text = draft.cells.texts[index]
        day = str(np.datetime64(int(values[index] // DAY), "D"))
        form = re.sub(
            "[A-Za-z]+",
            "a",
            re.sub("[0-9]+", "0", re.split("[T ,][0-9]{1,2}:", text)[0].rstrip("T ,")),
        )
        examples.setdefault(form, (text, day))
    if all(text.startswith(day) for text, day in examples.values()):
        return []  # ISO 8601 needs no explanation
    example = ", ".join(
        f"{quote(text)} is {day}" for text, day in [*examples.values()][:4]
    )
    if any(YEAR_OF_TWO_DIGITS.search(text) for text, _ in examples.values()):
        example += "; two-digit years 69 to 99 are 1969 to 1999, the others 20.."
    if not draft.is_open or is_known:
        return [
            remark_with_example(name, f"is read as dates{ORDERS[spelling]}", example)
        ]
    message = f"column '{name}' could be read as dates in two ways, and is read{ORDERS[spelling]}: {example}"
    return [remark_on_rows(message, name, "SB108", draft.cells.rows_of(two_ways))]


def _category_remarks(name: str, draft: Draft, forced: bool) -> list[Remark]:
    cells = draft.cells
    remarks = []
    words = [
        level
        for level in draft.levels
        if level in ("NA", "-") or level.lower() == "none"
    ]
    if words:
        what = "levels" if len(words) > 1 else "a level"
        count = sum(int(cells.counts[cells.texts.index(word)]) for word in words)
        remarks.append(
            Remark(
                f"column '{name}' keeps {_list(words)} as {what}, not as missing cells",
                name,
                "",
                count,
            )
        )
    if forced:
        return remarks
    codes = [level for level in draft.levels if is_code(level)]
    if codes and all(
        parse_number(level) == parse_number(level) for level in draft.levels
    ):
        example = f"digits with leading zeros such as {quote(codes[0])} are codes"
        return [*remarks, remark_with_example(name, "is a category", example)]
    # So many numbers that it may be meant as a column of numbers.
    plain = np.array(
        [not np.isnan(parse_number(text)) for text in cells.texts], dtype=bool
    )
    count, n_filled = (
        int(cells.counts[plain].sum()),
        int(cells.counts[draft.filled].sum()),
    )
    if 2 * count >= n_filled and plain.sum() >= 3:
        why = f"{count} of {n_filled} cells are numbers"
        if others := cells.some(draft.filled & ~plain):
            why += f", but {quote(others[0])} isn't"
        why += f"; {spell('numeric', name)} reads the rest as missing"
        remarks.append(remark_with_example(name, "is a category", why, count))
    return remarks


def _identifier(column: Column, present: Floats) -> list[Remark]:
    kind = column.schema.kind
    name = column.name
    n = len(present)
    if n < FEWEST_IDENTIFIED or kind not in ("category", "number"):
        return []
    # Numbers: without a sort, as few values fit between the ends of most columns, or some aren't
    # whole.
    width = float(present.max()) - float(present.min()) + 1
    if kind == "number" and not (
        100 * width > 95 * n and (np.floor(present) == present).all()
    ):
        return []
    n_distinct = len(np.unique(present))
    if 100 * n_distinct <= 95 * n:
        return []
    if (
        kind == "number"
        and _year_name.search(name)
        and present.min() >= 1500
        and present.max() < 2200
    ):
        advice = spell("time_split", name)
        message = f"column '{name}' holds years; if rows are ordered in time, train on the past with {advice}"
        return [Remark(message, name, "SB204")]
    if kind == "category":
        reason = f"{n_distinct} of {n} values are different"
    elif n_distinct == width == len(column.values):
        reason = "it numbers the rows"
    elif _id_name.fullmatch(name):
        reason = f"its name says so, and {n_distinct} of {n} values are different"
    elif (
        (steps := np.diff(present)).min() < 0 < steps.max()
        and width > 2 * n
        and not _perhaps_id.fullmatch(name)
    ):
        return []  # amounts: they are in no order and have wide gaps
    else:
        message = f"column '{name}' may be an identifier, as {n_distinct} of its {n} whole numbers are different; "
        return [
            Remark(
                f"{message}if it is one, give {spell('drop', name)}",
                name,
                "SB107",
                n_distinct,
            )
        ]
    keep = spell("numeric" if kind == "number" else "categorical", name)
    message = f"column '{name}' is left out as an identifier: {reason}; to keep it, give {keep}"
    return [Remark(message, name, "SB101", n_distinct)]


def _differ(draft: Draft) -> Bools:
    """Return which texts differ in two readings [text]; none if there is one reading."""
    first, *others = draft.readings.values()
    return (
        np.asarray(first != others[0])
        if others
        else np.zeros(len(first), dtype=np.bool_)
    )


def _list(texts: Collection[str]) -> str:
    return first_of([quote(word) for word in texts], 3)
