"""A table's columns as inputs: each split has its own medians, deviations and levels."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from seedbed.data.layout import layout_of
from seedbed.data.preprocessing import Preprocessor
from seedbed.data.splits import Split
from seedbed.data.table import Column, ColumnSchema, Table
from seedbed.errors import ColumnError

SEEDS = st.integers(0, 10_000)
N_ROWS = st.sampled_from([6, 40, 300, 2500])


def number(name: str, values: np.ndarray, kind: str = "number") -> Column:
    return Column(
        ColumnSchema(name, kind, has_missing=bool(np.isnan(values).any())),
        np.array(values, dtype=np.float64),
    )


def category(name: str, words: list[str | None]) -> Column:
    levels = tuple(sorted({word for word in words if word is not None}))
    codes = [np.nan if word is None else levels.index(word) for word in words]
    return Column(
        ColumnSchema(name, "category", levels, has_missing=None in words),
        np.array(codes, dtype=np.float64),
    )


def table_of(*columns: Column) -> Table:
    target = np.arange(len(columns[0].values)) % 2
    return Table("by hand", columns, "y", target, ("a", "b"))


def mixed(seed: int, n_rows: int) -> Table:
    """Columns of all kinds, with missing cells, rare levels and near-constant values."""
    rng = np.random.default_rng(seed)

    def gaps(values: np.ndarray) -> np.ndarray:
        return np.where(
            rng.random(n_rows) < rng.choice([0, 0.1, 0.5, 0.99]), np.nan, values
        )

    def words(n_levels: int) -> list[str | None]:
        codes = (n_levels * rng.random(n_rows) ** rng.choice([1, 3])).astype(int)
        missing = rng.random(n_rows) < rng.choice([0, 0.01, 0.3])
        return [
            None if gone else f"L{code}"
            for code, gone in zip(codes, missing, strict=True)
        ]

    return table_of(
        number("size", gaps(rng.normal(250e3, 100e3, n_rows).round())),
        category("few", words(3)),
        number("ill", gaps(rng.integers(0, 2, n_rows)), "boolean"),
        number("zeros", gaps(rng.integers(1, 9, n_rows) * (rng.random(n_rows) < 0.1))),
        number(
            "seen",
            gaps(
                1.7e9 + 86_400 * rng.integers(0, 3, n_rows) + rng.choice([0, 3_600]) * 5
            ),
            "date",
        ),
        category("many", words(30)),
        number("stamp", 1.7e9 + rng.integers(-10, 11, n_rows)),
        category("most", words(1500)),
        number("hardly", gaps(np.where(rng.random(n_rows) < 0.9, 0.1, 7.0))),
    )


def deal(n_rows: int, seed: int) -> Split:
    """Return splits that train on two thirds of the rows, or on three rows."""
    rows = np.random.default_rng(seed).permutation(n_rows)
    first_test = [n_rows * 2 // 3, 3][seed % 2]
    return Split(
        repeat=0,
        fold=0,
        train=np.sort(rows[:first_test]),
        test=np.sort(rows[first_test:]),
    )


def numbers_oracle(
    values: np.ndarray, rows: np.ndarray, *, scaled: bool = True
) -> list[np.ndarray]:
    """scikit-learn's imputer with indicator, and its scaler; a constant column is zero."""
    cells = values[:, None]
    if np.isnan(cells[rows]).all():
        return [np.zeros(len(cells)), np.zeros(len(cells))]
    both = (
        SimpleImputer(strategy="median", add_indicator=True)
        .fit(cells[rows])
        .transform(cells)
    )
    filled = both[:, :1]
    flag = both[:, 1] if both.shape[1] == 2 else np.zeros(len(cells))
    if not scaled:
        return [filled[:, 0], flag]
    if np.ptp(filled[rows]) == 0:
        return [np.zeros(len(cells)), flag]
    return [StandardScaler().fit(filled[rows]).transform(filled)[:, 0], flag]


def levels_oracle(column: Column, rows: np.ndarray) -> dict[str, np.ndarray]:
    """scikit-learn's one-hot encoder, fitted after rare levels were replaced."""
    levels, n_rows = column.schema.levels, len(column.values)
    hashed = len(levels) > 200
    needed = max(1, -(-n_rows // 200)) if hashed else max(1, min(10, -(-n_rows // 200)))
    buckets = (
        [f"(other {bucket})" for bucket in range(1, 33)] if hashed else ["(other)"]
    )
    own = np.array(
        ["(missing)" if np.isnan(code) else levels[int(code)] for code in column.values]
    )

    def shown(word: str) -> str:
        if np.sum(own[rows] == word) >= (1 if word == "(missing)" else needed):
            return word
        return buckets[
            0 if word == "(missing)" else zlib.crc32(word.encode()) % len(buckets)
        ]

    spoken = {word: shown(word) for word in {*own}}
    words = np.array([spoken[word] for word in own])[:, None]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(
        words[rows]
    )
    kept = [level for level in levels if np.sum(own == level) >= needed]
    found = dict(zip(encoder.categories_[0], encoder.transform(words).T, strict=True))
    inputs = [*kept, *buckets, *(["(missing)"] if column.schema.has_missing else [])]
    return {name: found.get(name, np.zeros(n_rows)) for name in inputs}


def dates_oracle(column: Column, rows: np.ndarray, **how: bool) -> list[np.ndarray]:
    moments = (
        np.where(np.isnan(column.values), 0, column.values)
        .astype("datetime64[s]")
        .tolist()
    )
    missing = np.isnan(column.values)
    parts = [
        np.where(missing, middle, [getattr(moment, part) for moment in moments])
        for part, middle in [("month", 6.5), ("hour", 11.5)]
    ]
    weekdays = np.where(missing, 3, [moment.weekday() for moment in moments])
    days, flag = numbers_oracle(np.floor(column.values / 86_400), rows, **how)
    timed = bool((column.values[~missing] % 86_400 > 0).any())
    circling = [parts[0], weekdays, parts[1]][: 2 + timed]
    return [
        days,
        *(numbers_oracle(part.astype(float), rows, **how)[0] for part in circling),
        flag,
    ]


def oracle(table: Table, rows: np.ndarray, *, scaled: bool = True) -> np.ndarray:
    inputs: list[np.ndarray] = []
    for column in table.columns:
        if column.schema.kind == "category":
            inputs += levels_oracle(column, rows).values()
        else:
            of = (
                dates_oracle(column, rows, scaled=scaled)
                if column.schema.kind == "date"
                else None
            )
            found = of or numbers_oracle(column.values, rows, scaled=scaled)
            inputs += found if column.schema.has_missing else found[:-1]
    return np.column_stack(inputs)


def natural(table: Table, rows: np.ndarray) -> np.ndarray:
    fitted = Preprocessor.fit(table, rows)
    return fitted.natural(fitted.layout.cells(table.features))


@settings(max_examples=settings().max_examples // 3)
@given(SEEDS, N_ROWS)
def test_each_split_gets_the_same_inputs_as_from_scikit_learn(seed, n_rows):
    table = mixed(seed, n_rows)
    for split in (deal(n_rows, seed), deal(n_rows, seed + 1)):
        inputs = Preprocessor.fit(table, split.train).inputs_of_values(table.features)
        assert inputs.dtype == np.float32
        assert_allclose(inputs, oracle(table, split.train), rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@settings(max_examples=settings().max_examples // 3)
@given(SEEDS, N_ROWS)
def test_natural_inputs_are_unscaled_in_the_users_units(seed, n_rows):
    table, split = mixed(seed, n_rows), deal(n_rows, seed)
    assert_array_equal(
        natural(table, split.train), oracle(table, split.train, scaled=False)
    )


def noisy(table: Table, rows: np.ndarray, seed: int) -> Table:
    """Replace cells in the given rows: numbers are drawn again; dates and levels are permuted, so
    that none becomes rare."""
    rng = np.random.default_rng(seed)
    columns = []
    for column in table.columns:
        values = column.values.copy()
        values[rows] = rng.permutation(values[rows])
        if column.schema.kind == "number":
            values[rows] = np.where(
                np.isnan(values[rows]), np.nan, values[rows] * rng.random(len(rows))
            )
        columns.append(Column(column.schema, values))
    return Table(
        table.name, tuple(columns), table.target_name, table.target, table.labels
    )


@settings(max_examples=settings().max_examples // 3)
@given(SEEDS, N_ROWS)
def test_inputs_of_training_rows_do_not_depend_on_other_rows(seed, n_rows):
    table, split = mixed(seed, n_rows), deal(n_rows, seed)
    other = noisy(table, split.test, seed)
    before, after = (Preprocessor.fit(one, split.train) for one in (table, other))
    for name, array in before.to_state()[1].items():
        assert_array_equal(array, after.to_state()[1][name])
    rows = split.train
    assert_array_equal(
        before.inputs_of_values(table.features)[rows],
        after.inputs_of_values(other.features)[rows],
    )
    assert_array_equal(natural(table, rows)[rows], natural(other, rows)[rows])


def test_inputs_have_names_and_refer_to_their_columns():
    table = table_of(
        number("age", np.array([1.0, np.nan] * 4)),
        category("sex", ["m", "f", None, "f"] * 2),
        number("day", np.array([0.0, 90_000.0] * 4), "date"),
    )
    layout = layout_of(table)
    sex = ("sex=f", "sex=m", "sex=(other)", "sex=(missing)")
    day = ("day.days", "day.month", "day.weekday", "day.hour")
    assert layout.places.names == ("age", "age missing", *sex, *day)
    assert layout.sources == ("age",) * 2 + ("sex",) * 4 + ("day",) * 4
    assert layout.n_inputs == len(layout.places.names)


def test_a_date_becomes_days_month_weekday_and_hour():
    # 2000-02-29 was a Tuesday, 1969-12-31 a Wednesday
    days = np.array([951_782_400 + 23.5 * 3_600, -86_400, np.nan, 951_782_400])
    inputs = natural(table_of(number("day", days, "date")), np.arange(3))
    assert inputs[0].tolist() == [11_016, 2, 1, 23, 0]
    assert inputs[1].tolist() == [-1, 12, 2, 0, 0]
    assert inputs[2].tolist() == [(11_016 - 1) / 2, 6.5, 3, 11.5, 1]
    midnights = layout_of(
        table_of(number("day", np.floor(days / 86_400) * 86_400, "date"))
    )
    assert "day.hour" not in midnights.places.names


@pytest.mark.parametrize(
    ("n_rows", "needed"),
    [(6, 1), (300, 2), (1000, 5), (1001, 6), (2000, 10), (50_000, 10)],
)
def test_a_level_is_rare_with_under_ten_rows_and_under_half_a_percent(n_rows, needed):
    words = ["enough"] * needed + ["rare"] * (needed - 1)
    column = category("word", words + ["most"] * (n_rows - len(words)))
    result = layout_of(table_of(column)).places.names
    assert result == ("word=enough", "word=most", "word=(other)")


def test_rare_levels_among_more_than_200_share_32_inputs_by_hash():
    words = [f"town {row}" for row in range(3000)] + ["York"] * 20 + ["Rome"] * 19
    table = table_of(category("town", words + ["Paris"] * (4000 - len(words))))
    layout = layout_of(table)
    assert layout.places.names[:3] == ("town=Paris", "town=York", "town=(other 1)")
    assert layout.n_inputs == 2 + 32
    inputs = natural(table, np.arange(4000))
    assert (inputs.sum(axis=1) == 1).all()
    rome = inputs[words.index("Rome")]
    assert np.flatnonzero(rome).tolist() == [2 + zlib.crc32(b"Rome") % 32]


def test_a_hash_bucket_without_training_rows_is_zero():
    table = table_of(category("word", ["a"] * 10 + ["b"] * 10))
    assert natural(table, np.arange(19))[19].tolist() == [0, 1, 0]
    assert natural(table, np.arange(10))[19].tolist() == [0, 0, 0]


def test_a_column_beyond_the_range_of_float32_is_named():
    sizes = np.arange(9.0)
    sizes[8] = 1e200
    table = table_of(category("word", ["a", "b", None] * 3), number("weight", sizes))
    message = r"^column 'weight': its cells differ too much in size"
    with pytest.raises(ColumnError, match=message):
        Preprocessor.fit(table, np.arange(8)).inputs_of_values(table.features)
