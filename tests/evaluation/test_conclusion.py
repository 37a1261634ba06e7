"""From losses to a conclusion: what holds together, and what rivals are."""

import numpy as np
import pytest

from seedbed.evaluation import (
    Conclusion,
    DecidingScore,
    Evidence,
    PlanSummary,
    conclude,
    corrected_t,
    fold_differences,
)

SIZES = {"linear:5": 26, "relu:5": 26, "linear:20,20": 500}


def concluded(runs, reference="linear:5", **changes):
    """The conclusion from losses [repeat, fold, seed] of each model."""

    def difference(one, other, comparisons):
        return corrected_t(fold_differences(runs[one], runs[other]), comparisons=comparisons)

    metric = DecidingScore(
        name="brier", words="Brier score", greater_is_better=False, margin=0.01, margin_source="given"
    )
    plan = PlanSummary(kind="cross_validation", **changes)
    about = {"kind": "comparison", "table": "made", "specification": {}, "alpha": 0.05, "task": "binary"}
    asked = Conclusion(**about, reference=reference, metric=metric, interval="corrected", plan=plan)
    means = {name: float(values.mean()) for name, values in runs.items()}
    evidence = Evidence(runs=runs, means=means, difference=difference, n_rows=300)
    return conclude(asked, evidence, gate="prior", n_parameters=SIZES)


def noisy(seed):
    rng = np.random.default_rng(seed)
    base = 0.2 + 0.02 * rng.standard_normal((1, 10, 1))
    gains = {"linear:5": 0.002, "relu:5": 0.012, "linear:20,20": 0.004, "prior": -0.008, "logistic-regression": 0.004}
    return {name: base - gain + 0.02 * rng.standard_normal(base.shape) for name, gain in gains.items()}


@pytest.mark.parametrize("seed", range(40))
def test_a_rival_is_never_said_to_be_better_or_worse(seed):
    found = concluded(noisy(seed))
    assert not {rival.rule for rival in found.rivals} & {"better", "better_by_margin", "worse"}
    for rival in found.rivals:
        assert rival.comparisons == (1 if {rival.reference, rival.candidate} == {"linear:5", "prior"} else 3)


@pytest.mark.parametrize("reference", ["linear:5", "prior"])
def test_the_comparison_with_the_prior_stands_alone_unless_it_is_the_reference(reference):
    found = concluded(noisy(0), reference)
    alone = {verdict.candidate for verdict in found.verdicts if verdict.comparisons == 1}
    assert alone == ({"prior"} if reference == "linear:5" else set())


def test_models_that_differ_by_the_same_number_everywhere_are_not_shown_to_differ():
    losses = 0.2 + 0.02 * np.random.default_rng(0).standard_normal((1, 10, 1))
    runs = {"linear:5": losses, "relu:5": np.full_like(losses, 0.3), "linear:20,20": np.full_like(losses, 0.1)}
    found = concluded(runs, all_pairs=True)
    assert ("relu:5", "linear:20,20") not in {(pair.reference, pair.candidate) for pair in found.pairs}
    assert any({found.ranking.index("relu:5"), found.ranking.index("linear:20,20")} <= set(b) for b in found.brackets)
    assert not concluded({name: runs[name] for name in ("linear:5", "relu:5")}).brackets
