"""How results are displayed: in a notebook, as a page, and as a stored summary."""

from dataclasses import replace

import pytest

from seedbed.experiment.run import Results
from seedbed.experiment.summary import conclude_results
from seedbed.report.stored import read_summary
from seedbed.report.terminal import glance_text


def test_a_comparison_displays_its_advice_and_a_picture_in_a_notebook(comparison):
    html = comparison._repr_html_()
    assert html.count("<svg") == 1
    assert "<script" not in html
    assert "behind tanh:4" in html
    kinds = {"linear:3": "1 layer, linear", "tanh:4": "1 layer", "prior": "always 0"}
    assert all(
        f'<b>{name}</b> <span class="what">{what}</span>' in html
        for name, what in kinds.items()
    )


def test_the_answer_alone_shows_the_same_first_screen_without_resampling_rows(
    comparison, monkeypatch
):
    # without the scores that are known
    results = [replace(result) for result in comparison.results]
    found = Results(
        comparison.experiment,
        comparison.splits,
        tuple(results),
        comparison.seconds,
        comparison.specification,
    )
    monkeypatch.setattr(
        "seedbed.scoring.score_interval", lambda *_, **__: pytest.fail("resampled")
    )
    alone, whole = conclude_results(found), comparison.conclusion
    assert glance_text(alone) == glance_text(whole)
    assert (alone.checks, alone.curves, alone.lottery) == (whole.checks, None, None)
    assert list(alone.candidates[0].scores) == list(whole.candidates[0].scores)


@pytest.mark.few(1)
@pytest.mark.parametrize("chart", ["curves", "lottery", "calibration", "benefit"])
def test_each_chart_can_be_drawn_by_its_name(comparison, tmp_path, chart):
    assert comparison.plot(tmp_path / "chart.svg", chart=chart)["concat"]
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")


def test_a_summary_is_read_back_unchanged(comparison, tmp_path):
    comparison.save(tmp_path)
    assert read_summary(tmp_path) == comparison.conclusion
