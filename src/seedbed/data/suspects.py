"""Columns and rows that may not be what they seem: identifiers that repeat, codes, levels that are
spelt in two ways, totals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import number_text, quote
from seedbed.data.frame import Frame, Remark, Texts, is_whole
from seedbed.data.table import Column, Table
from seedbed.errors import spell
from seedbed.evaluation.summaries import Note
from seedbed.typing import Floats, Ints

# Identifiers
_PERSON = re.compile(
    r"(?i:id|(?:subj|subject|patient|individual|person|participant|respondent)s?"
    r"(?:[^a-z]*(?:id|no|nr|num|number|code))?[^a-z]*)"
)
_IDENTIFIER = re.compile(
    r"(?i:(?:.*[^a-z])?(?:ids?|uuid|guid|idcode|idno|idnum)|id[^a-z].*|p(?:t|at)?[^a-z]?id|pidnum)|.*[a-z](?:Id|ID)"
)
_CALENDAR = re.compile(
    r"(?i:.*(?:year|yr|time|date|day|week|month|quarter|period|wave|visit|age)s?[^a-z]*)"
)
_FEWEST = 5  # different values
_FEWEST_UNNAMED, _MOST_UNITS = (
    10,
    0.6,
)  # of a column whose name says nothing, the latter a share of its rows
_ROWS_OF_A_UNIT, _CROSSED = 20, 0.1
_RESEMBLANCE, _CLEAR = (
    0.3,
    4.0,
)  # correlation of rows with the same value, and its standard errors
_MOST_COMPARED, _MOST_FITTED, _MOST_FEATURES = 2_000, 5_000, 300
_MATTERS, _FOLDS, _LEAST_SHRUNKEN = 0.01, 5, 0.1

# Codes, levels, and totals
_FEWEST_ROWS = 10  # with fewer, one row may well have half of the variance
_LAST_ROWS = 3
_LABEL = re.compile(
    r"(?:grand |overall |sub-?)?(?:totals?|sums?)|sum of .{1,40}|total of .{1,40}|overall"
    r"|(?:total|suma|somme|totale) (?:general|général|générale|generale|geral)|totale|totales|totaux|totaal"
    r"|summen?|(?:gesamt|end|zwischen)summe|gesamt(?:ergebnis|wert|betrag)?|insgesamt|somme|suma|soma|razem|celkem"
    r"|averages?|mean|mittelwert|durchschnitt|moyenne|promedio|média|gemiddelde|итого|всего|合计|总计|合計",
    re.IGNORECASE,
)
_OTHERWISE_SPELT = 0.01  # of the rows, in which a level is spelt in a rarer way
_CODES_BESIDE = 3  # of a code of nines: 96 to 98 of 99
_FEWEST_ALIKE = 3  # with fewer rows, an extreme number isn't repeated


def find_repeated_identifiers(table: Table) -> dict[str, Note]:
    """Return a warning (SB210) by the name of each feature whose values repeat and may be patients,
    firms or schools.

    docs/tables.md has the rules. A suspect doesn't lie within the groups given by the user, nor is
    it named like a date or an age if its name alone doesn't make it a suspect.
    """
    notes = {}
    for column in table.columns:
        is_person = _PERSON.fullmatch(column.name) is not None
        is_named = is_person or _IDENTIFIER.fullmatch(column.name) is not None
        rows = np.flatnonzero(~np.isnan(column.values))
        codes = _codes_of_units(column, rows, is_named)
        if codes is None or _lie_within(codes, rows, table):
            continue
        n = int(codes.max()) + 1
        identity = n + np.arange(table.n_rows)  # a row without a value stands alone
        identity[rows] = codes
        if not is_named and not _are_units(table, column, identity):
            continue
        gain = _optimism(table, identity)
        if is_named and n >= (0 if is_person else len(rows) / 10):
            many = f"{n:,} values in {len(rows):,} rows"
            finding = f"column '{column.name}' looks like an identifier that repeats ({many}), and is used as a feature"
            why = f"the same value may be in training and test rows{gain and f', which raises {gain}'}"
        elif gain:
            finding = f"scores are too good if new rows have other values of '{column.name}' than these {n:,}"
            why = f"shuffled folds raise {gain}"
        else:
            continue
        notes[column.name] = Note(
            f"{finding}: {why}. Keep its rows in one fold with {spell('group', column.name)}",
            column.name,
            "SB210",
            n,
            finding=finding,
            remedy={"group": (column.name,)},
        )
    return notes


def _codes_of_units(column: Column, rows: Ints, is_named: bool) -> Ints | None:
    """Return the number of the value in each of these rows; None if there are too few or too many
    values, or they aren't whole."""
    values = column.values[rows]
    fewest = _FEWEST if is_named else _FEWEST_UNNAMED
    most = len(rows) if is_named else _MOST_UNITS * len(rows)
    if (
        column.schema.kind not in ("number", "category")
        or not is_whole(values)
        or not len(rows)
        or np.ptp(values) + 1 < fewest  # np.unique takes long
        or not (is_named or _CALENDAR.fullmatch(column.name) is None)
    ):
        return None
    levels, codes = np.unique(values, return_inverse=True)
    return codes if fewest <= len(levels) < most else None


def _lie_within(codes: Ints, rows: Ints, table: Table) -> bool:
    """Return whether rows with the same code are always of one group that the user named."""
    if table.groups is None or not table.grouped_by:
        return False
    both = codes * table.n_rows + table.groups[rows]
    return pairs_of(codes) == pairs_of(both)


def pairs_of(values: NDArray[Any]) -> float:
    """Return the number of pairs of rows with equal values [row]; each missing cell counts as equal
    to the others."""
    sizes = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((sizes * (sizes - 1)).sum() / 2)


def _sample(identity: Ints, most: int) -> Ints:
    """Return up to `most` rows: all rows of some identities, or equally many of each if these are
    few."""
    rng = np.random.default_rng(0)
    drawn = rng.permutation(identity.max() + 1)[identity]
    rows = rng.permutation(len(identity))
    rows = rows[np.argsort(drawn[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(drawn[rows], prepend=-1))
    position = np.arange(len(rows)) - np.repeat(
        starts, np.diff(starts, append=len(rows))
    )
    return rows[position < max(_ROWS_OF_A_UNIT, most // len(starts))][:most]


def _are_units(table: Table, column: Column, identity: Ints) -> bool:
    """Return whether values look like units that have several rows, as firms in years, not like a
    category.

    In half of the other columns, rows of a unit are never equal, as years, or they are alike, and
    more than rows of the next unit, unlike a quantity. In one column, they are never or always
    equal, as the region of a firm.
    """
    rows = _sample(identity, _MOST_COMPARED)
    rows = rows[np.argsort(identity[rows], kind="stable")]
    same = np.diff(identity[rows]) == 0
    identity = identity[rows]
    if not same.any():  # most cells are missing
        return False
    others = [other for other in table.columns if other is not column]
    pairs = pairs_of(identity)
    clear = max(_RESEMBLANCE, _CLEAR / np.sqrt(same.sum()))
    n_telling, is_certain = 0, False
    for n_left, other in zip(range(len(others), 0, -1), others, strict=True):
        if 2 * (n_telling + n_left) < len(others):
            return False
        values = np.where(np.isnan(other.values[rows]), -np.inf, other.values[rows])
        _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
        share = float((counts * (counts - 1)).sum()) / (len(rows) * (len(rows) - 1))
        ranks = (np.cumsum(counts) - counts / 2)[codes] - len(rows) / 2
        likeness = ranks[1:] * ranks[:-1] / max(float(ranks.var()), 1e-9)
        of_same = float(likeness[same].mean())
        equal = pairs_of(identity * len(rows) + codes)
        is_alike = (
            of_same > clear and of_same - float(likeness[~same].mean()) > clear / 2
        )
        differs = equal < _CROSSED * pairs * share and pairs * share >= _FEWEST
        n_telling += differs or is_alike
        is_certain |= differs or (is_alike and equal == pairs)
    return is_certain and 2 * n_telling >= len(others)


def _optimism(table: Table, identity: Ints) -> str:
    """Return by how much shuffled folds are too good in a quick fit; empty if they hardly are.

    The fit is a ridge regression plus the shrunken mean residual of the training rows with the same
    identifier, on at most 5,000 rows. One point of accuracy or R2 matters, and two standard errors.
    """
    if table.n_features > _MOST_FEATURES:
        return ""
    rng = np.random.default_rng(0)
    sample = _sample(identity, _MOST_FITTED)
    target = table.target[sample]
    numeric = table.outcome.is_number
    identity = np.unique(identity[sample], return_inverse=True)[1]
    features = _standardised(table.features[sample])
    X = np.column_stack([np.ones(len(sample)), features])
    Y = target[:, None] if numeric else np.eye(len(table.labels))[target]
    of_identity = rng.permutation(int(identity.max()) + 1)[identity] % _FOLDS
    losses = []
    for folds in (rng.permutation(len(sample)) % _FOLDS, of_identity):
        predicted = _out_of_fold(X, Y, identity, folds)
        if numeric:
            squares = (predicted[:, 0] - target) ** 2
            losses.append(squares / max(float(target.var()), 1e-300))
        else:
            losses.append((predicted.argmax(axis=1) != target).astype(np.float64))
    shuffled, grouped = losses
    excess = grouped - shuffled
    if excess.mean() < max(_MATTERS, 2 * float(excess.std()) / np.sqrt(len(excess))):
        return ""
    low, high = (
        f"{max(score, 0):.2f}" if numeric else f"{100 * score:.0f} %"
        for score in (1 - grouped.mean(), 1 - shuffled.mean())
    )
    return f"the {'R2' if numeric else 'accuracy'} of a quick fit from {low} to {high}"


def _standardised(features: Floats) -> Floats:
    """Return columns with mean 0 and deviation 1, in which missing cells are 0."""
    missing = np.isnan(features)
    n_filled = np.maximum((~missing).sum(axis=0), 1)
    mean = np.where(missing, 0.0, features).sum(axis=0) / n_filled
    centred = np.where(missing, 0.0, features - mean)
    scaled: Floats = centred / np.maximum(centred.std(axis=0), 1e-300)
    return scaled


def _out_of_fold(X: Floats, Y: Floats, identity: Ints, folds: Ints) -> Floats:
    """Return predictions [row, output] of a ridge regression plus an effect of each identity."""
    predicted = np.empty_like(Y)
    n = int(identity.max()) + 1
    for fold in range(_FOLDS):
        test = folds == fold
        train = ~test
        inner = X[train].T @ X[train] + np.eye(X.shape[1])
        weights = np.linalg.solve(inner, X[train].T @ Y[train])
        residuals = Y[train] - X[train] @ weights
        sums = np.zeros((n, Y.shape[1]))
        np.add.at(sums, identity[train], residuals)
        counts = np.bincount(identity[train], minlength=n)
        squares = (residuals**2).sum(axis=0)
        n_pairs = max(1, (counts**2).sum() - counts.sum())
        between = ((sums**2).sum(axis=0) - squares) / n_pairs
        shrinking = squares / len(residuals) / np.maximum(between, 1e-9) - 1
        effects = sums / (counts[:, None] + np.maximum(shrinking, _LEAST_SHRUNKEN))
        predicted[test] = X[test] @ weights + effects[identity[test]]
    return predicted


def find_totals(table: Table, frame: Frame, rows: Ints) -> list[Remark]:
    """Return warnings about a row that outweighs all others (SB207), and about totals below the
    table (SB208).

    A row outweighs the others if it alone has over half of the variance of a numeric target. The
    table's rows have the numbers `rows` in the source.
    """
    return [*_find_outweighing(table, rows), *_find_labelled(frame, rows)]


def _find_outweighing(table: Table, rows: Ints) -> list[Remark]:
    if not table.outcome.is_number or table.n_rows < _FEWEST_ROWS:
        return []
    target = table.target / np.abs(table.target).max()  # squares mustn't overflow
    squares = (target - target.mean()) ** 2
    worst = int(squares.argmax())
    share = float(squares.max() / squares.sum())
    if share <= 0.5:
        return []
    name = table.target_name
    percent = "over 99.9 %" if share > 0.999 else f"{100 * share:.1f} %"
    finding = f"one row has {percent} of the variance of the target '{name}', which is {table.target[worst]:,.10g} there"
    value = f"{name}={number_text(float(table.target[worst]))}"
    what = "networks will hardly fit the other rows. Is it a total or a mistake? Then leave the row out with "
    message = f"{finding}: {what}{spell('missing', value)}"
    remedy = {"missing": (value,)}
    return [Remark(message, name, "SB207", 1, [int(rows[worst])], finding, remedy)]


def _find_labelled(frame: Frame, rows: Ints) -> list[Remark]:
    """Find those of the last three rows in which a cell says that they are a total, in a column
    that says so nowhere else."""
    start = max(0, frame.n_rows - _LAST_ROWS)
    last = [row for row in rows[-_LAST_ROWS:].tolist() if row >= start]
    for name, column in zip(frame.names, frame.columns, strict=True):
        if isinstance(column, Texts) and (
            totals := [row for row in last if _is_label(column.text_at(row))]
        ):
            labels = np.array([*map(_is_label, column.texts)], dtype=np.bool_)
            if not labels[column.codes[:start]].any():
                looks = f"{len(totals)} of the last rows look"
                if len(totals) == 1:
                    looks = "the last row looks"
                why = f"'{column.text_at(totals[0])}' in column '{name}'"
                advice = "remove it from the source, or it is used for training"
                message = f"{looks} like a total ({why}): {advice}"
                return [Remark(message, "", "SB208", len(totals), totals)]
    return []


def _is_label(text: str) -> bool:
    return _LABEL.fullmatch(text.rstrip(":").rstrip()) is not None


def find_near_duplicates(
    name: str, finding: str, counts: Mapping[str, int], least: float = _OTHERWISE_SPELT
) -> list[Remark]:
    """Return a warning if levels differ only in case or inner spaces; the finding says what has
    levels. It is a note if the rarer spellings have less than a share of the rows (`least`)."""
    by_text: dict[str, list[str]] = {}
    for level in counts:
        by_text.setdefault(" ".join(level.split()).casefold(), []).append(level)
    groups = [group for group in by_text.values() if len(group) > 1]
    # A screen joins spaces, and messages cut long texts.
    spellings = [
        [
            f"{quote(level, 400).replace('  ', '␣␣')} ({counts[level]})"
            for level in sorted(group)
        ]
        for group in groups[:3]
    ]
    phrases = [f"{', '.join(first)} and {last}" for *first, last in spellings]
    more = f", and {len(groups) - 3} more such groups" if len(groups) > 3 else ""
    message = f"{finding} that differ only in case or spaces; they stay different: {'; '.join(phrases)}{more}"
    n_rows = sum(counts[level] for group in groups for level in group)
    rarer = n_rows - sum(max(counts[level] for level in group) for group in groups)
    code = "SB105" if rarer >= least * sum(counts.values()) else ""
    return [Remark(message, name, code, n_rows)] if groups else []


def find_extreme_code(name: str, values: Floats) -> list[Remark]:
    """Return a warning if several rows have the lowest or highest number, far from all others, as
    -999 may be.

    It is farther from the others than these are from each other and from 0; a hundred times as far
    if not of nines. Codes of nines have others next to them, such as 97 and 98.
    """
    for code in {float(values.min()), float(values.max())}:
        is_nines = set(f"{abs(code):g}") <= {*"9."}
        text = number_text(code)
        times, n_codes = (1, _CODES_BESIDE) if is_nines else (100, 0)
        n_rows = int((values == code).sum())
        others = values[np.abs(values - code) > n_codes]
        if n_rows < _FEWEST_ALIKE or not len(others) or not np.ptp(others):
            continue
        if np.abs(others - code).min() > times * max(
            np.ptp(others), np.abs(others).max()
        ):
            finding, value = (
                f"'{name}' is {text} in {n_rows} rows, far from all others",
                f"{name}={text}",
            )
            message = (
                f"column {finding}; if it means missing, give {spell('missing', value)}"
            )
            remedy = {"missing": (value,)}
            return [
                Remark(message, name, "SB109", n_rows, finding=finding, remedy=remedy)
            ]
    return []
