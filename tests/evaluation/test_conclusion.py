"""From losses to a conclusion: what holds together, and when a run may stop."""

from dataclasses import replace

import numpy as np
import pytest

from seedbed.evaluation.behind import adjusted_p, drawn_of, simultaneous
from seedbed.evaluation.conclusion import Evidence, conclude, outlook
from seedbed.evaluation.estimates import corrected_t
from seedbed.evaluation.summaries import Conclusion, DecidingScore, PlanSummary
from seedbed.evaluation.verdicts import SHORT, fold_differences


def concluded(runs, reference="linear:5", **changes):
    """The conclusion from losses [repeat, fold, seed] of each model."""

    def difference(one, other, comparisons):
        return corrected_t(
            fold_differences(runs[one], runs[other]), comparisons=comparisons
        )

    metric = DecidingScore(
        name="brier",
        words="Brier score",
        greater_is_better=False,
        margin=0.01,
        margin_source="given",
    )
    plan = PlanSummary(kind="cross_validation", **changes)
    about = dict(
        kind="comparison", table="made", specification={}, alpha=0.05, task="binary"
    )
    asked = Conclusion(
        **about, reference=reference, metric=metric, interval="corrected", plan=plan
    )
    means = {name: float(values.mean()) for name, values in runs.items()}
    folds = {name: values.mean(axis=2) for name, values in runs.items()}
    evidence = Evidence(folds=folds, means=means, difference=difference, n_rows=300)
    contrasts = [
        ("an activation", "relu:5", ("linear:5",)),
        ("blending", "auto", ("relu:5",)),
    ]
    return conclude(asked, evidence, separate_question="prior", contrasts=contrasts)


def noisy(seed):
    rng = np.random.default_rng(seed)
    base = 0.2 + 0.02 * rng.standard_normal((1, 10, 1))
    gains = {
        "linear:5": 0.002,
        "relu:5": 0.012,
        "linear:20,20": 0.004,
        "prior": -0.008,
        "logistic-regression": 0.004,
    }
    return {
        name: base - gain + 0.02 * rng.standard_normal(base.shape)
        for name, gain in gains.items()
    }


def test_the_recommendation_and_what_helps():
    found = concluded(noisy(0))
    assert {one.reference for one in found.verdicts} == {"linear:5"}
    assert {one.candidate for one in found.verdicts} == {*noisy(0)} - {"linear:5"}
    # nothing is shown to be better
    assert found.ranking[0] != found.advice.use == "linear:5"
    assert [one.question for one in found.contrasts] == ["an activation"]
    clear = concluded(repeated(3, near=0.001, far=0.1, farther=0.15))
    assert clear.advice.use == "farther"
    assert concluded(repeated(3, prior=0.001)).advice.guess
    assert not concluded(repeated(3, prior=-0.1)).advice.guess


@pytest.mark.parametrize("reference", ["linear:5", "relu:5"])
@pytest.mark.parametrize("gain", [0.0, 0.012, 0.03])
def test_no_pair_of_models_has_two_verdicts(reference, gain):
    runs = repeated(3, **{"relu:5": gain, **dict.fromkeys("abcdef", 0.0)})
    found = concluded(runs, reference)
    sign = 1 if reference == "linear:5" else -1
    judged = found.verdict("relu:5" if sign > 0 else "linear:5")
    same = dict(better="helps", likely_better="likely helps", cannot_tell="can't tell")
    if sign < 0:
        same = dict(
            worse="helps", likely_worse="likely helps", cannot_tell="can't tell"
        )
    (contrast,) = found.contrasts
    assert contrast.verdict == same[judged.rule]
    ends = sorted((sign * judged.low, sign * judged.high))
    result = [contrast.difference, contrast.low, contrast.high]
    assert result == [sign * judged.difference, *ends]


@pytest.mark.parametrize("reference", ["linear:5", "prior"])
def test_the_comparison_with_the_prior_stands_alone_unless_it_is_reference(reference):
    found = concluded(noisy(0), reference)
    alone = {
        verdict.candidate for verdict in found.verdicts if verdict.comparisons == 1
    }
    assert alone == ({"prior"} if reference == "linear:5" else set())


def test_models_that_differ_by_the_same_number_everywhere_are_not_shown_to_differ():
    losses = 0.2 + 0.02 * np.random.default_rng(0).standard_normal((1, 10, 1))
    runs = {
        "linear:5": losses,
        "relu:5": np.full_like(losses, 0.3),
        "linear:20,20": np.full_like(losses, 0.1),
    }
    found = concluded(runs, "relu:5")
    assert "linear:20,20" not in {verdict.candidate for verdict in found.verdicts}


def repeated(repeats, **gains):
    """Losses of models that are better than the reference by a gain, give or take 0.02 a fold."""
    rng = np.random.default_rng(5)
    base = 0.2 + 0.02 * rng.standard_normal((10, 10, 1))
    others = {
        name: base - gain + 0.02 * rng.standard_normal(base.shape)
        for name, gain in gains.items()
    }
    return {
        name: losses[:repeats] for name, losses in {"linear:5": base, **others}.items()
    }


def test_the_largest_t_decides_unless_attempts_were_discarded():
    runs = repeated(3, near=-0.007, worse=-0.012, far=-0.1)
    drawn = drawn_of({name: losses.mean(axis=2) for name, losses in runs.items()})
    for tried, draws in ((0, drawn), (1, {})):
        alone = {
            name: corrected_t(
                fold_differences(runs["linear:5"], runs[name]), comparisons=3 + tried
            )
            for name in ("near", "worse", "far")
        }
        p = adjusted_p(alone, "linear:5", draws, tried)
        together = simultaneous(alone, "linear:5", draws, 0.05)
        expected = {name: (together[name].low, p[name]) for name in alone}
        found = concluded(runs, tried=tried)
        assert {
            one.candidate: (one.low, one.p_adjusted) for one in found.verdicts
        } == expected


def test_a_run_may_stop_when_each_verdict_is_decided():
    clear = concluded(repeated(1, prior=-0.1, worse=-0.1))
    assert [one.rule for one in clear.verdicts] == ["worse", "worse"]
    assert outlook(clear, 10) == "decided"
    assert (
        outlook(concluded(repeated(1, prior=-0.1, worse=-0.1, close=-0.005)), 10)
        is None
    )
    for rule in SHORT:
        stops = rule in ("better", "worse", "no_practical_difference")
        changed = replace(
            clear, verdicts=tuple(replace(one, rule=rule) for one in clear.verdicts)
        )
        assert (outlook(changed, 10) == "decided") == stops


@pytest.mark.parametrize(
    ("repeats", "most", "stops"),
    [(1, 10, 0), (2, 10, 0), (3, 10, 1), (2, 3, 1), (1, 2, 0)],
)
def test_a_run_may_stop_when_the_other_repeats_would_narrow_no_interval_by_a_tenth(
    repeats, most, stops
):
    found = concluded(repeated(repeats, close=0.005, worse=-0.1))
    assert outlook(found, most) == ("rows" if stops else None)
    noisy = [
        replace(one, spread=replace(one.spread, seeds=one.spread.variance))
        for one in found.verdicts
    ]
    assert outlook(replace(found, verdicts=tuple(noisy)), most) is None


def test_a_run_goes_on_without_verdicts_but_not_for_locked_rows():
    found = concluded(repeated(5, worse=-0.1, close=0.005))
    assert outlook(replace(found, verdicts=()), 10) is None
    assert outlook(replace(found, verdicts=found.verdicts[:1]), 10) is None
    by_counts = [replace(one, spread=None) for one in found.verdicts]
    assert outlook(replace(found, verdicts=tuple(by_counts)), 10) is None
    locked = [replace(one, held_out=True) for one in by_counts]
    assert outlook(replace(found, verdicts=tuple(locked)), 10) == "rows"
