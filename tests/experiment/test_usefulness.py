"""Two classes: calibration slope and intercept against statsmodels, and net benefit against its
formula."""

import numpy as np
import pytest

from seedbed.evaluation.estimates import simultaneous_quantile
from seedbed.report.html_page import report_page


@pytest.fixture(scope="module")
def trained(compared, table_of, arrays):
    options = dict(repeats=2, recipe={"lr": 0.5, "epochs": 40})
    return compared(table_of(*arrays), "linear:3", "tanh:4", **options)


@pytest.mark.parametrize("place", range(4))
def test_net_benefit_and_its_differences_follow_the_formula(trained, arrays, place):
    found, y = trained.conclusion.net_benefit, arrays[1]
    at = found.at[place]
    treated = {
        name: trained[name].predictions[:, 0].astype(np.float64) > at
        for name in ("linear:3", "tanh:4")
    }
    treated |= {
        "treating all": np.full((2, 60), True),
        "treating none": np.full((2, 60), False),
    }
    worth = {
        name: np.where(y == 1, 1, -at / (1 - at)) * rows
        for name, rows in treated.items()
    }
    for name, differences in found.differences.items():
        folds = [
            worth[name][split.repeat, split.test].mean() for split in trained.splits
        ]
        assert found.curves[name][found.thresholds.index(at)] == pytest.approx(
            np.mean(folds), abs=1e-6
        )
        rows, one = worth[name] - worth[found.model], differences[place]
        gains = np.array(
            [rows[split.repeat, split.test].mean() for split in trained.splits]
        )
        between = (
            np.where(y == 1, rows[:, y == 1].mean(), rows[:, y == 0].mean()).var() / 60
        )
        se = np.sqrt(
            gains.var(ddof=1) * (1 / 6 + 1 / 2)
            + between
            + (1 + (at / (1 - at)) ** 2) / 60**2
        )
        assert one.mean == pytest.approx(gains.mean(), abs=1e-12)
        assert one.half == pytest.approx(simultaneous_quantile(0.05, 3, 2) * se)


@pytest.mark.usefixtures("plain_charts")
def test_the_report_shows_both_of_two_classes_only(trained, compared, table_of, arrays):
    page = report_page(trained.conclusion)
    assert all(
        words in page
        for words in (
            '<section id="benefit" data-fold>',
            "treating none",
            "a slope of 1",
        )
    )
    several = compared(
        table_of(arrays[0], np.arange(60) % 3, "multiclass"), "linear:3"
    ).conclusion
    assert several.net_benefit is None
    assert several.candidates[0].calibration.slope is None
    page = report_page(several)
    assert not any(
        words in page
        for words in ('<section id="benefit"', "treating none", "a slope of 1")
    )
