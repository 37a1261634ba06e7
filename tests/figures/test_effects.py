"""The charts of effects: one scale, levels by their predictions, dates as dates, and the words
above each."""

import msgspec
import pytest

from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.analysis_charts import effect_curves

CURVES = [
    dict(
        column="age", kind="number", values=[14.0, 60.0, 80.0], mean=[0.56, 0.22, 0.29]
    ),
    dict(
        column="town.b[c]",
        kind="category",
        values=["(missing)", "Bonn", "Oslo"],
        mean=[0.4, 0.6, 0.2],
    ),
    dict(
        column="day",
        kind="date",
        values=["2024-01-01", "2024-03-01T12:00:00"],
        mean=[0.31, 0.312],
    ),
    dict(column="cost", kind="number", values=[5000.0, 20000.0], mean=[0.5, 0.004]),
]


@pytest.fixture
def chart(compared):
    def draw(label="yes", curves=CURVES):
        made = [
            {**curve, "spread": [0.05] * len(curve["mean"]), "change": 0.1}
            for curve in curves
        ]
        effects = dict(
            model="relu:5",
            networks=10,
            label=label,
            n_rows=300,
            n_columns=4,
            curves=made,
        )
        return effect_curves(
            msgspec.convert(
                {**compared("linear:5", "relu:5"), "effects": effects}, Conclusion
            )
        )

    return draw


@pytest.mark.slow
def test_each_chart_says_what_it_shows_and_the_line_above_how_to_read_it(chart, texts):
    said = texts(chart())
    assert (
        "the mean prediction if every row had this value of the column and kept its other cells"
        in said
    )
    assert "up: probability that y is yes" in said
    assert "band: one standard deviation of the 10 networks" in said
    for column, words in (
        ("age", "56% at 14, 22% at 60"),
        ("town.b[c]", "60% for Bonn, 20% for Oslo"),
        ("day", "31% everywhere"),
        ("cost", "50% at 5000, below 1% at 20,000"),
    ):
        assert f"{column} | {words}" in said
    assert "; up: y; band" in texts(chart(label=""))
    assert "60%" not in texts(chart(label=""))


def test_levels_are_in_the_order_of_their_predictions(chart, texts, rows_of):
    drawn = chart()
    result = [row["text"] for row in rows_of(drawn) if row["place"] == 1]
    assert result == ["Oslo", "(missing)", "Bonn"]
    said = texts(drawn)
    for labels in (
        "14 | 60 | 80 |",
        "Oslo | (missing) | Bonn |",
        "2024 | February | March |",
        "5k | 20k |",
    ):
        assert labels in said
    result = [row["value"] for row in rows_of(drawn) if row["place"] == 2]
    assert result == [1704067200000, 1709294400000]


def test_all_charts_have_the_scale_that_the_bands_need(chart):
    panels = chart()["concat"]
    domains = {
        tuple(layer["encoding"]["y"]["scale"]["domain"])
        for panel in panels
        for layer in panel["layer"]
    }
    assert len(domains) == 1
    low, high = domains.pop()
    assert -0.1 < low < 0 < 0.6 + 0.05 < high < 0.7
    assert chart(curves=[]) is None
