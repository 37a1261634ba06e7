"""The chart of the seed lottery, checked by its data and its drawn text."""

import json

import msgspec
import pytest

from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.lottery import seed_lottery as draw


def seed_lottery(document, **words):
    """The chart of the plain dict of a summary."""
    return draw(msgspec.convert(document, Conclusion), **words)


def _alone(compared, **changes):
    """One candidate without a difference."""
    summary = compared("relu:5")
    summary["lottery"]["difference"] = None
    summary["lottery"]["score"]["runs"][0] |= changes
    return summary


def test_rows_show_the_numbers_of_the_summary_in_the_order_of_the_ranking(
    compared, rows_of
):
    summary = compared("linear:5", "relu:5", "tanh:5")
    rows = rows_of(seed_lottery(summary), "score")
    assert [row["candidate"] for row in rows] == ["tanh:5", "relu:5", "linear:5"]
    for row in rows:
        run = summary["lottery"]["score"]["runs"][0]
        assert [row[key] for key in ("n", "mean", "lowest", "highest")] == [
            4,
            run["mean"],
            0.5,
            run["highest"],
        ]
        assert [row["middle_low"], row["middle_high"]] == [
            run["quantiles"][1],
            run["quantiles"][3],
        ]
        assert row["count"] == [1, 2, 1]
        assert row["from"] == [0.5, 0.6, 0.7]


def test_equal_runs_are_neither_better_nor_worse(compared, rows_of, texts):
    chart = seed_lottery(compared("linear:5", "relu:5"))
    (row, reference) = rows_of(chart, "difference")
    bars = list(zip(row["side"], row["count"], row["base"], strict=True))
    assert bars == [("worse", 1, 0), ("alike", 2, 0), ("better", 1, 0)]
    assert reference["note"] == "the reference"
    said = texts(chart)
    assert "25% say better" in said
    assert "grey: both alike" in said


def test_a_difference_in_accuracy_is_in_percentage_points(compared, rows_of):
    chart = seed_lottery(compared("linear:5", "relu:5", metric="accuracy"))
    assert rows_of(chart, "difference")[0]["from"] == pytest.approx([-10, 0, 10])
    assert "in points" in json.dumps(chart["concat"][1]["title"])


def test_runs_outside_the_bins_are_reported(compared, texts):
    said = texts(seed_lottery(_alone(compared, lowest=-900.0)))
    assert "further off, too (relu:5)" in said
    assert "further off" not in texts(
        seed_lottery(_alone(compared, lowest=0.5 - 1e-12))
    )


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "name",
    ["ünï·cødé → 5" + "x" * 28, '<b>"x".[y]\' {z}', 'linear:20,20@lr=datum["a"]'],
)
def test_every_name_is_drawn_unchanged_and_can_be_hidden(compared, texts, name):
    chart = seed_lottery(compared("linear:5", name, "relu:5"))
    assert texts(chart).count(name) == 2
    assert name not in texts(chart, hidden=[name])
