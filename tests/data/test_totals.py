"""Rows that aren't data: totals, and one row that outweighs all others."""

import numpy as np
import pytest

from seedbed import read_table
from seedbed.data import inspect_table

N = 40
AMOUNTS = np.round(np.random.default_rng(0).uniform(10, 99, N), 2)


def sales(*last, label="region"):
    """A table of numbers to predict, with more rows below."""
    rows = [f"{'north' if i % 2 else 'south'},{i % 7 + 1},{amount}" for i, amount in enumerate(AMOUNTS)]
    return "\n".join([f"{label},staff,sales", *rows, *last]) + "\n"


def warnings(path, **options):
    return {one["code"]: one for one in inspect_table(path, **{"target": "sales"} | options)["warnings"]}


def test_a_row_with_over_half_of_the_targets_variance_is_warned_of_first(write):
    found = inspect_table(write(sales("north,3,229888596")), target="sales")["warnings"]
    assert found[0]["code"] == "SB207"
    assert "97.6 % of the variance" in found[0]["message"]
    assert "229,888,596" in found[0]["message"]
    assert found[0]["rows"] == [f"line {N + 2}"]


@pytest.mark.parametrize("tail", [(), ("north,3,120.5",), ("south,,99.9",)])
def test_ordinary_rows_are_not_warned_of(write, tail):
    assert not {"SB207", "SB208"} & set(warnings(write(sales(*tail))))


def test_a_heavy_tail_over_many_rows_is_no_single_row(write):
    incomes = np.exp(np.random.default_rng(1).normal(size=2000))
    text = "x,sales\n" + "".join(f"{i % 9},{value}\n" for i, value in enumerate(incomes))
    assert "SB207" not in warnings(write(text))


@pytest.mark.parametrize(
    "word", ["Total", "SUM", "Summe:", "Gesamt", "Insgesamt", "Total general", "Grand total", "Durchschnitt"]
)
def test_a_last_row_that_is_called_a_total_is_warned_of(write, word):
    found = warnings(write(sales(f"{word},5,50")))["SB208"]
    assert f"'{word}' in column 'region'" in found["message"]
    assert found["rows"] == [f"line {N + 2}"]


def test_all_of_the_last_rows_are_named(write):
    found = warnings(write(sales("Summe,5,50", "Mittelwert,5,50")))["SB208"]
    assert (found["count"], found["rows"]) == (2, [f"line {N + 2}", f"line {N + 3}"])


def test_a_word_that_other_rows_have_too_is_a_level(write):
    text = sales().replace("south", "total")
    assert text.endswith(f"north,{39 % 7 + 1},{AMOUNTS[39]}\n")
    assert "SB208" not in warnings(write(text + "total,3,45\n"))


def test_a_last_row_of_column_sums_is_warned_of_without_a_word(write):
    staff = sum(i % 7 + 1 for i in range(N))
    found = warnings(write(sales(f",{staff},{AMOUNTS.sum():.2f}")))["SB208"]
    assert "the sum of the others in columns 'staff', 'sales'" in found["message"]


def test_a_total_without_a_target_is_left_out_and_no_total_then(write):
    table = read_table(write(sales(f"Summe,{N * 4},")), target="sales")
    assert [note.code for note in table.notes if note.code in ("SB205", "SB208")] == ["SB205"]


def test_sums_of_counts_that_happen_are_not_taken_for_totals(write):
    rows = [f"{int(i in (3, 9, 20))},{i % 5},{i % 3},{i * 0.37 + 1:.2f}" for i in range(N)]
    text = "rare,b,c,sales\n" + "\n".join([*rows, "3,4,1,7.5"]) + "\n"
    assert "SB208" not in warnings(write(text))
