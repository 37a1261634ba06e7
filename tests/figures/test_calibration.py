"""The chart of reliability curves, checked by its data and its drawn text."""

import msgspec
import pytest

from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.reliability import calibration as draw


def calibration(document, **words):
    """The chart of the plain dict of a summary."""
    return draw(msgspec.convert(document, Conclusion), **words)


def test_each_panel_shows_the_numbers_of_the_summary(compared, rows_of):
    summary = compared("linear:5", "relu:5")
    rows = rows_of(calibration(summary))
    assert [row["candidate"] for row in rows] == ["relu:5", "linear:5"]
    for row in rows:
        found = summary["candidates"][0]["calibration"]
        assert {
            key: list(row[key]) for key in ("forecast", "observed", "rows")
        } == found["curve"]
        assert {key: list(row[key]) for key in ("low", "high")} == {
            key: found["band"][key] for key in ("low", "high")
        }
        assert (list(row["at"]), row["count"]) == (found["band"]["forecast"], [3, 5])
        assert row["from"] == pytest.approx([0, 0.1])


def test_the_prior_and_candidates_without_probabilities_are_left_out(compared, rows_of):
    summary = compared("linear:5", "prior", "relu:5")
    summary["candidates"][2]["calibration"] = None
    assert [row["candidate"] for row in rows_of(calibration(summary))] == ["linear:5"]
    summary["candidates"][0]["calibration"] = None
    assert calibration(summary) is None


def test_of_numbers_each_row_is_a_point_beside_the_diagonal(compared, rows_of):
    summary = compared("linear:5", "relu:5")
    summary["numbers"] = dict(
        model="relu:5", predicted=[1.0, 4.0], observed=[2.0, -3.0]
    )
    chart = calibration(summary)
    assert rows_of(chart) == [
        {"candidate": "relu:5", "predicted": 1.0, "observed": 2.0},
        {"candidate": "relu:5", "predicted": 4.0, "observed": -3.0},
    ]
    assert (
        "{'predicted': -3.0, 'observed': -3.0}, {'predicted': 4.0, 'observed': 4.0}"
        in str(chart)
    )
