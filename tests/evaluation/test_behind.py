"""How far models are behind the reference, what helps, and the optimism of a choice."""

import numpy as np
import pytest
from scipy.stats import t as student

from seedbed.evaluation.behind import (
    adjusted_p,
    contrasts_of,
    drawn_of,
    graded,
    is_small,
    optimism,
    simultaneous,
)
from seedbed.evaluation.estimates import (
    corrected_t,
    holm,
    inference,
    paired_hold_out,
    paired_shares,
)

FOLDS, DEGREES = 10, {1: 9, 2: 12, 3: 18, 5: 25, 10: 35}


def table_of(seed, repeats, gaps):
    """Losses [repeat, fold, model] with the given mean gaps, correlated within a fold."""
    rng = np.random.default_rng(seed)
    folds = 0.2 + 0.02 * rng.normal(size=(repeats, FOLDS, 1))
    return (
        folds + 0.01 * rng.normal(size=(repeats, FOLDS, len(gaps))) + np.asarray(gaps)
    )


def by_model(losses):
    return {str(i): losses[..., i] for i in range(losses.shape[2])}


def estimates_of(losses, comparisons=None):
    """The difference of the first model to each other one."""
    n = losses.shape[2] - 1
    return {
        str(i): corrected_t(
            losses[..., 0] - losses[..., i], comparisons=comparisons or n
        )
        for i in range(1, n + 1)
    }


def test_the_largest_t_is_that_of_simulated_folds_and_each_pair_alone_has_students():
    losses = table_of(0, 3, [0.0] * 5) * [1, 1, 2, 3, 5]
    drawn, spread = drawn_of(by_model(losses)), np.cov(losses.reshape(-1, 5).T)
    rows = np.random.default_rng(1).multivariate_normal(
        np.zeros(5), spread, size=(20_000, 20)
    )
    first, second = np.triu_indices(5, 1)
    pairs = rows[..., first] - rows[..., second]
    t = np.abs(pairs[:, 0]) / pairs[:, 1:].std(axis=1, ddof=1)
    largest = np.max([*drawn.values()], axis=0)
    for probability in (0.8, 0.95, 0.99):
        assert np.quantile(largest, probability) == pytest.approx(
            np.quantile(t.max(axis=1), probability), rel=0.04
        )
        for one in drawn.values():
            assert np.quantile(one, probability) == pytest.approx(
                student.ppf((1 + probability) / 2, 18), rel=0.08
            )


def test_nothing_is_drawn_for_few_repeats_two_models_or_many():
    for repeats, n_models, expected in (
        (2, 4, 0),
        (3, 2, 0),
        (3, 17, 0),
        (3, 4, 6),
        (10, 16, 120),
    ):
        assert (
            len(drawn_of(by_model(table_of(0, repeats, [0.0] * n_models)))) == expected
        )


@pytest.mark.parametrize("gaps", [[0, 0.002, 0.005, 0.01], [0.0] * 7])
def test_draws_are_surer_than_bonferroni_and_never_surer_than_comparison_alone(gaps):
    n_surer = 0
    for seed in range(10):
        losses = table_of(seed, 3, gaps)
        losses = np.concatenate([losses, losses[..., [-1]]], axis=2)  # two are equal
        estimates = estimates_of(losses)
        drawn = drawn_of(by_model(losses))
        found = simultaneous(estimates, "0", drawn, 0.05)
        p = adjusted_p(estimates, "0", drawn, 0)
        n, df = len(estimates), DEGREES[3]
        for name, one in found.items():
            bonferroni = min(1, 2 * n * student.cdf(-abs(one.t), df))
            assert one.p <= p[name] <= max(one.p, bonferroni)
            assert (p[name] < 0.05) == (one.low > 0 or one.high < 0)
            n_surer += p[name] < bonferroni
    assert n_surer > 10


def test_without_draws_intervals_are_dunnetts_and_p_values_are_holms():
    estimates = estimates_of(table_of(0, 1, [0.0] * 4))
    assert simultaneous(estimates, "0", {}, 0.05) == estimates
    assert adjusted_p(estimates, "0", {}, 2) == pytest.approx(
        dict(
            zip(
                estimates,
                holm([one.p for one in estimates.values()], tried=2),
                strict=True,
            )
        )
    )


@pytest.mark.parametrize("repeats", [1, 3])
def test_equal_models_are_rarely_said_to_differ(repeats):
    """Folds that are independent: the correction for their overlap makes this far below 5 %."""
    n_wrong = 0
    for seed in range(100):
        losses = table_of(seed, repeats, [0.0] * 6)
        drawn = drawn_of(by_model(losses))
        found = simultaneous(estimates_of(losses), "0", drawn, 0.05)
        n_wrong += any(one.low > 0 or one.high < 0 for one in found.values())
    assert n_wrong <= 5


def test_counts_keep_their_own_interval():
    rng = np.random.default_rng(0)
    wrong = (rng.random((2, 400)) < np.array([[0.1], [0.4]])).astype(float)
    counted = paired_shares(
        paired_hold_out(wrong[[0]], wrong[[1]]), wrong[0] - wrong[1]
    )
    found = simultaneous(
        {"1": counted}, "0", drawn_of(by_model(table_of(0, 3, [0] * 3))), 0.05
    )
    assert found == {"1": counted}


@pytest.mark.parametrize(
    ("mean", "small"), [(0.0, True), (0.003, True), (0.0049, False), (0.02, False)]
)
def test_a_difference_is_small_if_the_margin_lies_outside_its_one_sided_interval(
    mean, small
):
    values = mean + 0.001 * np.tile([1, -1], 5)[None]
    for sign in (1, -1):
        assert is_small(corrected_t(sign * values), 0.005, 0.05) == small


def contrasts(losses, questions, margin=0.001):
    def difference(one, other, comparisons):
        return corrected_t(losses[one] - losses[other], comparisons=comparisons)

    return contrasts_of(questions, difference, [*losses], margin=margin, alpha=0.05)


def test_what_helps_is_adjusted_for_the_number_of_questions():
    rng = np.random.default_rng(1)
    losses = {"plain": 0.2 + 0.01 * rng.normal(size=(3, 10))}
    for name, gain in (("deep", 0.02), ("same", 0.0), ("bad", -0.02)):
        losses[name] = losses["plain"] - gain + 0.003 * rng.normal(size=(3, 10))
    questions = [(name, name, ("plain",)) for name in ("deep", "same", "bad")]
    found = contrasts(losses, questions)
    assert [one.verdict for one in found] == ["helps", "can't tell", "hurts"]
    assert all(one.low <= one.difference <= one.high for one in found)
    assert found[0].low >= 0 >= found[2].high
    (alone,) = contrasts(losses, questions[1:2])
    assert alone.low > found[1].low
    losses["weak"] = losses["plain"] - 0.003 + 0.01 * rng.normal(size=(3, 10))
    one, many = (
        contrasts(losses, [("weak", "weak", ("plain",)), *more])[0]
        for more in ([], questions[1:2])
    )
    assert one.p_adjusted < many.p_adjusted < 0.5


def test_something_likely_helps_or_hurts_from_a_probability_alone_of_97_5_percent():
    values = 0.01 * np.tile([1.0, -1.0], 15).reshape(3, 10)
    se = values.std(ddof=1) * np.sqrt(1 / 30 + 1 / 9)
    others = [(f"other {i}", f"other {i}", ("plain",)) for i in range(9)]
    for t, verdict in (
        (2.05, "can't tell"),
        (2.15, "likely helps"),
        (-2.15, "likely hurts"),
        (4, "helps"),
    ):
        assert (student.cdf(abs(t), DEGREES[3]) >= 0.975) == (verdict != "can't tell")
        losses = {"plain": values, "it": np.full((3, 10), -t * se)} | {
            name: values for name, *_ in others
        }
        found, *_ = contrasts(losses, [("it", "it", ("plain",)), *others])
        assert found.verdict == verdict
    # Of several references, it has to be likely better than each.
    losses = {"auto": values, "a": 2 * values + 2.15 * se, "b": 2 * values + 2.05 * se}
    result = [contrasts(losses, [("", "auto", of)])[0].verdict for of in ("a", "ab")]
    assert result == ["likely helps", "can't tell"]


def test_blending_helps_only_if_it_is_better_than_every_single_model():
    rng = np.random.default_rng(2)
    base = 0.2 + 0.01 * rng.normal(size=(3, 10))
    behind = {"auto": 0.0, "a": 0.02, "b": 0.0}
    losses = {
        name: base + loss + 0.002 * rng.normal(size=(3, 10))
        for name, loss in behind.items()
    }
    (every,) = contrasts(losses, [("blending", "auto", ("a", "b"))])
    assert (every.reference, every.verdict) == ("b", "can't tell")
    (one,) = contrasts(losses, [("blending", "auto", ("a",))])
    assert one.verdict == "helps"
    assert contrasts(losses, [("nothing", "auto", ())]) == ()


def test_the_optimism_of_a_choice_among_equal_models_is_seen_and_that_of_one_or_a_clearly_better_model_is_not():
    rng = np.random.default_rng(3)
    wrong = {str(i): (rng.random(100) < 0.3).astype(float) for i in range(7)}
    weights = rng.multinomial(100, np.full(100, 0.01), size=500).astype(float)
    assert optimism(wrong, wrong, [weights[:250], weights[250:]]) > 0.03
    assert optimism({"0": wrong["0"]}, wrong, [weights]) == pytest.approx(0, abs=0.005)
    clear = dict(
        enumerate(rng.normal(1, 0.1, (5, 100)) - np.array([0.5, 0, 0, 0, 0])[:, None])
    )
    assert optimism(clear, clear, [weights]) == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(
    ("probability", "is_blend", "rule"),
    [
        (0.94, False, "cannot_tell"),
        (0.96, False, "likely_worse"),
        (0.89, True, "cannot_tell"),
        (0.91, True, "likely_worse"),
    ],
)
def test_what_is_likely_depends_on_whether_the_reference_is_a_blend(
    probability, is_blend, rule
):
    t = student.ppf(probability, 9)
    behind, ahead = (
        inference(sign * t, 1.0, df=9, alpha=0.05, comparisons=1) for sign in (-1, 1)
    )
    assert graded("cannot_tell", behind, is_blend=is_blend) == rule
    mirrored = "cannot_tell" if is_blend else rule.replace("worse", "better")
    assert graded("cannot_tell", ahead, is_blend=is_blend) == mirrored
    assert graded("no_practical_difference", behind, is_blend=is_blend) == (
        "no_practical_difference"
    )
