"""How many items show a gain: the power that is promised is that of the test."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import seedbed as sb
from seedbed.evaluation.sample_sizes import (
    POWER,
    distance_of,
    fewest,
    power_of_means,
    power_of_shares,
)


def exact_power(n, differing, gain, alpha):
    """Sum over all counts of wins and losses."""
    share = (1 + gain / differing) / 2
    total = 0.0
    for count in range(1, n + 1):
        of_count = stats.binom.pmf(count, n, differing)
        for wins in range(count + 1):
            p = min(1.0, 2 * stats.binom.sf(wins - 1, count, 0.5))
            if p <= alpha:
                total += of_count * stats.binom.pmf(wins, count, share)
    return total


@pytest.mark.parametrize(("differing", "gain"), [(0.3, 0.2), (0.6, 0.1), (0.2, 0.2)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_power_of_shares_is_the_sum_over_all_counts(differing, gain, alpha):
    found = power_of_shares(40, differing=differing, gain=gain, alpha=alpha)
    assert found == pytest.approx(exact_power(40, differing, gain, alpha), abs=1e-9)


def test_the_power_of_means_is_that_of_the_paired_t():
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 1, size=(20_000, 80))
    simulated = np.mean(stats.ttest_1samp(values, 0, axis=1).pvalue < 0.05)
    assert power_of_means(80, effect=0.3, alpha=0.05) == pytest.approx(
        simulated, abs=0.01
    )


def test_a_distance_gives_the_power():
    bound = stats.t.ppf(0.975, 9)
    assert stats.nct.sf(bound, 9, distance_of(9, 0.05)) == pytest.approx(POWER)
    assert distance_of(None, 0.05) == pytest.approx(stats.norm.ppf([0.975, 0.8]).sum())


@pytest.mark.parametrize("enough", [5, 6, 77, 1000, 123_457])
def test_the_fewest_is_the_first_with_enough_power(enough):
    assert fewest(lambda n: float(n >= enough)) == enough


def test_the_fewest_ends_at_ten_million():
    assert fewest(lambda n: 0.0) == 10_000_000


def test_stated_shares_are_planned_as_by_the_formula_for_large_samples():
    plan = sb.plan_items(share_right=0.8)
    p = np.array([0.8, 0.81])
    both = p.prod() + 0.5 * math.sqrt(np.prod(p * (1 - p)))
    differing = p.sum() - 2 * both
    expected = distance_of(None, 0.05) ** 2 * (differing - 1e-4) / 1e-4
    assert plan.sizes[0].needed == pytest.approx(expected, rel=0.03)
    assert [size.gain for size in plan.sizes] == [0.01, 0.02, 0.05]


@pytest.mark.parametrize(
    "options",
    [
        {"share_right": 0.995},
        {"share_right": 1.0},
        {"share_right": 0.8, "correlation": 1.0},
        {"share_right": 0.8, "alpha": 0.0},
        {"share_right": math.nan},
    ],
)
def test_what_can_t_be_planned_is_refused(options):
    with pytest.raises(sb.OptionError):
        sb.plan_items(**options)


def answers(n, attempts, seed=0):
    rng = np.random.default_rng(seed)
    chances = rng.uniform(0.2, 0.8, size=(n, 1))
    right = (rng.random((2, n, attempts)) < chances).astype(int)
    return {
        "item": np.repeat(np.arange(n), attempts),
        "attempt": np.tile(np.arange(attempts), n),
        "old": right[0].ravel(),
        "new": right[1].ravel(),
    }


def sizes(columns, **options):
    judgement = sb.judge(columns, score="accuracy", plan=True, **options)
    return judgement.conclusion.sample_sizes


def test_a_pilot_of_single_attempts_plans_single_attempts():
    plan = sizes(answers(300, 1))
    assert (plan.unit, plan.reference, plan.candidate) == ("items", "old", "new")
    assert {size.attempts for size in plan.sizes} == {1}
    assert all(size.low < size.needed < size.high for size in plan.sizes)
    # Twice the gain takes about a quarter of the items.
    one, two, _ = (size.needed for size in plan.sizes)
    assert one / two == pytest.approx(4, rel=0.05)


def test_more_attempts_leave_the_noise_of_items():
    """On average both systems are right equally often on each item: only attempts differ."""
    plan = sizes(answers(2000, 8))
    one, four, sixteen = (size.needed for size in plan.sizes if size.gain == 0.05)
    assert one / four == pytest.approx(4, rel=0.15)
    assert four / sixteen == pytest.approx(4, rel=0.3)


def test_items_may_have_unlike_numbers_of_attempts():
    columns = answers(1000, 6)
    is_kept = columns["attempt"] < 1 + columns["item"] % 6
    fewer = {name: values[is_kept] for name, values in columns.items()}
    needed = [
        [size.needed for size in sizes(each).sizes if size.gain == 0.05]
        for each in (columns, fewer)
    ]
    assert needed[0] == pytest.approx(needed[1], rel=0.3)


def test_several_candidates_are_planned_for_the_least_certain_one():
    columns = answers(400, 1)
    columns["near"] = np.where(np.arange(400) % 50 == 0, 1, columns["old"])
    assert sizes(columns).candidate == "new"


def test_folds_are_planned_as_times_the_rows():
    rng = np.random.default_rng(0)
    scores = {"old": rng.normal(0.8, 0.02, 10), "new": rng.normal(0.8, 0.02, 10)}
    judgement = sb.judge(scores, folds=10, score="accuracy", plan=True)
    plan = judgement.conclusion.sample_sizes
    assert plan.unit == "times the rows"
    one, two, _ = (size.needed for size in plan.sizes)
    assert one / two == pytest.approx(4)
    assert "1 point: with" in str(judgement)


def test_groups_are_planned_as_groups():
    columns = answers(300, 1) | {"text": np.arange(300) // 5}
    plan = sizes(columns, group="text")
    assert plan.unit == "groups"
    # Five independent items a group: about a fifth of the number of items.
    items = sizes(answers(300, 1))
    assert plan.sizes[0].needed == pytest.approx(items.sizes[0].needed / 5, rel=0.4)


def test_candidates_that_never_differ_have_no_plan():
    columns = answers(100, 1)
    columns["new"] = columns["old"]
    assert sizes(columns) is None


def test_a_plan_is_in_the_document_and_not_there_unasked(tmp_path):
    columns = answers(100, 1)
    document = sb.judge(columns, score="accuracy", plan=True).to_dict()
    assert len(document["sample_sizes"]["sizes"]) == 3
    assert sb.judge(columns, score="accuracy").to_dict()["sample_sizes"] is None


@pytest.mark.parametrize("unit", ["", "--json"])
def test_the_command_plans_without_scores(unit, call):
    done = call("judge", "--plan", "--share-right", 0.8, *filter(None, [unit]))
    assert done.status == 0
    assert ("12515" if unit else "- 1 point: with 13,000 items.") in done.out


def test_the_command_says_what_is_missing(call, tmp_path):
    done = call("judge")
    assert done.status == 2
    assert "--share-right" in done.err
    path = tmp_path / "scores.csv"
    pd.DataFrame(answers(50, 1)).to_csv(path, index=False)
    assert call("judge", path, "--plan", "--share-right", 0.8).status == 2
    planned = ("judge", "--plan", "--share-right", 0.8)
    for option in (["-o", "plan.json"], ["--fail-if-worse", "a"]):
        done = call(*planned, *option)
        assert (done.status, "there are no scores" in done.err) == (2, True)
