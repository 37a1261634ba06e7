"""The chart of the seed lottery, checked by its data and its drawn text."""

import json

import msgspec
import pytest

from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.lottery import seed_lottery as draw


def seed_lottery(document, **words):
    """The chart of the plain dict of a summary."""
    return draw(msgspec.convert(document, Conclusion), **words)


def test_rows_show_the_numbers_of_the_summary_in_order_of_ranking(compared, rows_of):
    summary = compared("linear:5", "relu:5", "tanh:5")
    rows = rows_of(seed_lottery(summary), "score")
    assert [row["candidate"] for row in rows] == ["tanh:5", "relu:5", "linear:5"]
    run = summary["lottery"]["score"]["runs"][0]
    low, *_, high = run["quantiles"]
    assert (low, high) == (run["lowest"], run["highest"])
    ends = (run["mean"], *run["quantiles"][1:4:2], low, high)
    keys = ("mean", "middle_low", "middle_high", "lowest", "highest")
    for row in rows:
        assert row["n"] == 4
        assert [row[key] for key in keys] == pytest.approx([100 * end for end in ends])


def test_the_share_of_runs_that_say_better_is_given(compared, rows_of, texts):
    chart = seed_lottery(compared("linear:5", "relu:5", metric="accuracy"))
    (row, reference) = rows_of(chart, "difference")
    assert reference["note"] == "the reference"
    assert [row["lowest"], row["highest"]] == pytest.approx([-10, 10])
    assert "in points" in json.dumps(chart["concat"][1]["title"])
    assert "25% say better" in texts(chart)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "name",
    ["ünï·cødé → 5" + "x" * 28, '<b>"x".[y]\' {z}', 'linear:20,20@lr=datum["a"]'],
)
def test_every_name_is_drawn_unchanged_and_can_be_hidden(compared, texts, name):
    chart = seed_lottery(compared("linear:5", name, "relu:5"))
    assert texts(chart).count(name) == 2
    assert name not in texts(chart, hidden=[name])
