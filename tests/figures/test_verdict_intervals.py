"""The forest plot of verdicts, checked by its data and its drawn text."""

from __future__ import annotations

import json

import msgspec
import pytest

from seedbed.evaluation import METRICS, Conclusion
from seedbed.figures import save_chart
from seedbed.figures.intervals import interval_limits
from seedbed.figures.intervals import verdict_intervals as draw
from seedbed.figures.theme import PAGE
from seedbed.report.advice import margin_words


def verdict_intervals(document, **words):
    """The chart of the plain dict of a summary."""
    return draw(msgspec.convert(document, Conclusion), **words)


def _with(summary, number, low, high):
    """Return the summary with another interval in one of its verdicts."""
    summary["verdicts"][number] |= {"low": low, "high": high, "difference": (low + high) / 2}
    return summary


def test_verdicts_are_rows_with_their_numbers_in_the_order_of_the_ranking(compared, rows_of):
    summary = compared("linear:5", "relu:5", "tanh:5")
    rows = rows_of(verdict_intervals(summary), "judged")
    assert [row["candidate"] for row in rows] == ["tanh:5", "relu:5"]
    for row, verdict in zip(rows, reversed(summary["verdicts"]), strict=True):
        assert all(row[key] == verdict[key] for key in ("difference", "low", "high"))
        assert (row["verdict"], row["look"]) == ("better", "better")


def test_accuracy_is_shown_once_and_every_share_in_percentage_points(compared, rows_of):
    beside = rows_of(verdict_intervals(compared("linear:5", "relu:5")), "accuracy")
    assert [beside[0][key] for key in ("difference", "low", "high")] == pytest.approx([2, -1, 5])
    assert beside[0]["note"] == "+2.0 (−1.0 to +5.0)"
    for name in ("accuracy", "recall", "brier"):
        summary = compared("linear:5", "relu:5", metric=name)
        chart = verdict_intervals(summary)
        assert len(chart.concat) == (1 if name == "accuracy" else 2)
        assert rows_of(chart, "judged")[0]["low"] == pytest.approx(1 if METRICS[name].percent else 0.01)
        assert ("point" in margin_words(msgspec.convert(summary, Conclusion).metric)) == METRICS[name].percent


def test_a_positive_difference_means_better_in_every_panel(compared, texts, rows_of):
    summary = _with(compared("linear:5", "relu:5"), 0, -0.05, -0.01)
    summary["verdicts"][0] |= {"rule": "worse", "short": "worse"}
    summary["verdicts"][0]["accuracy"] = {"difference": -0.03, "low": -0.05, "high": -0.01}
    chart = verdict_intervals(summary)
    said = texts(chart)
    assert all(f"Improvement in {words}" in said for words in ("Brier score", "accuracy, in points"))
    assert "Difference in" not in said
    assert "← worse" in said
    assert all(row["difference"] < 0 for panel in ("judged", "accuracy") for row in rows_of(chart, panel))


def test_columns_have_the_verdicts_of_their_table_and_show_what_they_add(compared, rows_of, texts):
    summary = compared("all columns", "without a", "without b")
    added = {"adds": 0.03, "adds_low": 0.01, "adds_high": 0.06}
    verdicts = {"a": "helps", "b": "can't tell yet"}
    effects = [{"columns": [n], "without": f"without {n}", "verdict": one, **added} for n, one in verdicts.items()]
    summary["columns"] = {"model": "relu:5", "source": "named", "n_columns": 2, "effects": effects}
    chart = verdict_intervals(summary)
    seen = {row["candidate"]: (row["verdict"], row["look"], row["settled"]) for row in rows_of(chart, "judged")}
    assert seen == {"without a": ("worse", "worse", True), "without b": ("can't tell yet", "unsure", False)}
    assert [(row["low"], row["high"]) for row in rows_of(chart, "added")] == [(-0.06, -0.01)] * 2
    assert "a column helps if one side shows it" in texts(chart)
    assert rows_of(chart, "accuracy") == []


def test_words_and_shapes_repeat_the_meaning_of_colours(compared, texts, rows_of):
    summary = _with(compared("linear:5", "a", "b", "c"), 0, -0.1, -0.01)
    summary["verdicts"][0] |= {"rule": "worse", "short": "worse"}
    summary["verdicts"][1] |= {"rule": "cannot_tell", "short": "undecided"}
    said = texts(verdict_intervals(summary))
    assert all(words in said for words in ("better", "worse", "can't tell yet", "better than linear:5 →", "hollow"))
    assert [row["settled"] for row in rows_of(verdict_intervals(summary), "judged")] == [True, False, True]


def test_an_extreme_interval_is_cut_off_with_an_arrow_and_named(compared, rows_of, texts):
    chart = verdict_intervals(_with(compared("linear:5", "a", "b", "far"), 2, -900.0, -800.0))
    (row,) = (row for row in rows_of(chart, "judged") if row["candidate"] == "far")
    assert row["from"] == row["to"] == row["beyond"][0] > -1
    assert "beyond the picture (far)" in texts(chart)
    assert "−850.0000 (−900.0000 to −800.0000)" in texts(chart)


def test_the_axis_contains_zero_the_margin_and_all_typical_intervals():
    assert interval_limits([(0.1, 0.2), (0.3, 0.4)], least=0.05) == pytest.approx((-0.068, 0.418))
    low, high = interval_limits([(0.1, 0.2), (0.0, 0.1), (-90, -80)], least=0.05)
    assert -1 < low < -0.05
    assert high < 1
    assert interval_limits([(-90, -80)], least=0.05)[0] < -90
    assert interval_limits([(0.0, 0.0)], least=0.0) == (-1, 1)


@pytest.mark.parametrize("name", ["x" * 40, '<b>"x".[y]\' {z}', "ünï·cødé → 5", "linear:20,20@lr=0.1", 'datum["a"]'])
def test_every_name_is_drawn_unchanged(compared, texts, name):
    said = texts(verdict_intervals(compared(name, name[::-1], "relu:5")))
    assert said.count(name[::-1][:20]) >= 2
    assert f"better than {name} →" in said


def test_hidden_candidates_are_not_drawn(compared, texts):
    chart = verdict_intervals(compared("linear:5", "relu:5", 'a "b"'))
    assert chart.to_dict()["params"] == [{"name": "hidden", "value": []}]
    said = texts(chart, hidden=['a "b"'])
    assert 'a "b"' not in said
    assert said.count("relu:5") == 2


def test_intervals_without_width_and_errors_in_thousands_are_drawn(compared, texts):
    summary = compared("linear:5", "relu:5", task="regression", metric="mae", spread=0.0)
    assert "better" in texts(verdict_intervals(summary))
    summary["metric"]["margin"] = 600.0
    for verdict in summary["verdicts"]:
        verdict |= {"difference": 2000.0, "low": 1500.0, "high": 2500.0}
    assert "2,000" in texts(verdict_intervals(summary))


def test_without_verdicts_there_is_no_chart(compared):
    assert verdict_intervals(compared("linear:5", "relu:5") | {"verdicts": []}) is None
    assert verdict_intervals(compared("linear:5")) is None


def test_colours_are_taken_from_the_page(compared, tmp_path):
    path = save_chart(verdict_intervals(compared("linear:5", "relu:5"), theme=PAGE), tmp_path / "chart.json")
    text = path.read_text(encoding="utf-8")
    assert json.loads(text)["concat"][0]["width"] == 400
    assert "var(--better)" in text
    assert "#" not in text
