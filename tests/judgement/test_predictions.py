"""Verdicts on out-of-fold predictions from comparisons and from files, and errors in such files."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar

import seedbed as sb
from seedbed.evaluation.estimates import wilson

from ..cases import with_texts

LABELS = {"binary": ["bad", "good"], "multiclass": ["a", "b", "c"]}


@pytest.fixture
def predictions():
    """Make a data frame of predictions of two candidates; `sharp` is better by `gain`."""

    def make(n=120, repeats=2, folds=5, seeds=1, gain=0.0, key=0) -> pd.DataFrame:
        rng = np.random.default_rng(key)
        y, lines = rng.integers(0, 2, n), []
        for repeat in range(repeats):
            fold = rng.permutation(np.arange(n) % folds)
            for name in ("plain", "sharp"):
                for seed in range(seeds):
                    towards = 0.6 + gain * (name == "sharp") + 0.1 * rng.normal(size=n)
                    p = np.clip(np.where(y == 1, towards, 1 - towards), 0, 1)
                    one = dict(
                        row=range(n),
                        y=np.where(y, "yes", "no"),
                        fold=fold,
                        probability=p,
                    )
                    lines.append(
                        pd.DataFrame(one).assign(
                            candidate=name, repeat=repeat, seed=seed
                        )
                    )
        return pd.concat(lines, ignore_index=True)

    return make


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def comparison(request) -> sb.Comparison:
    """Make a small comparison for each task."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(90, 3))
    z = X[:, 0] + 0.5 * rng.normal(size=90)
    labels = LABELS.get(request.param)
    # the first of two labels is rare, and so the positive one
    cuts = [-0.5, 0.5][: len(labels or ()) - 1]
    y = z if labels is None else np.array(labels)[np.digitize(z, cuts)]
    design = sb.Design(
        baselines=["linear" if labels is None else "logistic"],
        repeats=2,
        folds=3,
        n_networks=2,
        reference="linear:2",
    )
    return sb.compare(
        X,
        y,
        candidates=["linear:2", "tanh:3"],
        recipe="tutorial",
        epochs=3,
        lr=0.1,
        design=design,
        compute=sb.Compute(n_jobs=1),
    )


@pytest.mark.few(1)
def test_exported_predictions_of_a_comparison_give_its_verdicts(comparison, tmp_path):
    comparison.predictions().to_csv(tmp_path / "predictions.csv", index=False)
    file, reference = str(tmp_path / "predictions.csv"), comparison.conclusion.reference
    judged = sb.judge(file, target="y", reference=reference).to_dict()
    expected = comparison.to_dict()
    for key in ("verdicts", "ranking", "no_verdict", "interval"):
        assert judged[key] == expected[key]
    for ours, theirs in zip(judged["candidates"], expected["candidates"], strict=True):
        for key in ("scores", "confusion", "calibration"):
            assert ours[key] == theirs[key]


@pytest.mark.slow
def test_exported_scores_of_a_comparison_give_its_verdicts(comparison):
    judged = sb.judge(comparison.scores(), margin=comparison.conclusion.metric.margin)
    for verdict in comparison.verdicts:
        one = judged[verdict.candidate]
        assert one["rule"] == verdict.rule
        assert one["low"] == pytest.approx(verdict.low)
        assert one["high"] == pytest.approx(verdict.high)
        assert one["p_adjusted"] == pytest.approx(verdict.p_adjusted)
    with pytest.raises(sb.OptionError, match="single runs have no score 'pr_auc'"):
        comparison.scores("pr_auc")


def test_splits_that_test_each_row_once_are_folds(predictions):
    folds = (
        predictions(repeats=1, folds=5)
        .rename(columns={"fold": "split"})
        .drop(columns="repeat")
    )
    assert sb.judge(folds, target="y").to_dict()["plan"]["kind"] == "cross_validation"
    random = pd.concat(
        [folds[folds["split"] <= 1], folds[folds["split"] == 1].assign(split=2)]
    )
    with pytest.raises(sb.OptionError, match="predictions of random splits"):
        sb.judge(random, target="y", test_share=0.2)


def test_predicted_labels_are_judged_by_accuracy_only(predictions):
    frame = predictions(gain=0.2)
    frame["prediction"] = np.where(frame.pop("probability") > 0.5, "yes", "no")
    document = sb.judge(frame, target="y").to_dict()
    assert document["metric"]["name"] == "accuracy"
    result = list(document["candidates"][0]["scores"])
    assert result == ["accuracy", "balanced_accuracy", "mcc"]
    with pytest.raises(sb.OptionError, match="'brier' can't be tested"):
        sb.judge(frame, target="y", score="brier")


def test_thirty_rows_of_one_test_set_give_verdicts_on_these_fitted_models(predictions):
    judgement = sb.judge(predictions(n=30, repeats=1, folds=1, gain=0.2), target="y")
    assert judgement.is_better("sharp")
    document, said = judgement.to_dict(), " ".join(str(judgement).split())
    assert (document["plan"]["kind"], document["interval"]) == ("held_out", "held_out")
    assert (
        "this holds for these fitted models, on rows like these 30. It doesn't say what training again"
        in said
    )
    assert "Use sharp. It is shown to be better than plain." in said
    assert (judgement["sharp"]["n_rows"], judgement["sharp"]["n_train"]) == (30, None)
    several = str(
        sb.judge(predictions(n=30, repeats=1, folds=1, seeds=3, gain=0.2), target="y")
    )
    assert (
        "models trained on these training rows, with these or other seeds"
        in " ".join(several.split())
    )


@pytest.mark.slow
def test_too_few_rows_of_a_test_set_or_of_a_class_have_no_verdict(predictions):
    few = sb.judge(predictions(n=29, repeats=1, folds=1, gain=0.2), target="y")
    assert few.verdicts == []
    assert "29 rows are too few for a verdict on a test set (it needs 30)" in " ".join(
        str(few).split()
    )
    frame = predictions(n=100, repeats=1, folds=1).assign(
        y=lambda f: np.where(f["row"] < 9, "yes", "no")
    )
    assert "9 rows outside the largest class are too few" in " ".join(
        str(sb.judge(frame, target="y")).split()
    )
    frame["prediction"] = np.where(frame.pop("probability") > 0.5, "yes", "no")
    assert len(sb.judge(frame, target="y").verdicts) == 1
    four, five = (
        sb.judge(frame.assign(site=frame["row"] % n), group="site", score="accuracy")
        for n in (4, 5)
    )
    assert (len(four.verdicts), len(five.verdicts)) == (0, 1)
    assert "4 groups are too few for a verdict on a test set (it needs 5)" in " ".join(
        str(four).split()
    )


@pytest.mark.slow
@pytest.mark.parametrize(("folds", "seeds"), [(1, 1), (1, 3), (5, 1)])
def test_copies_of_rows_in_one_group_change_no_verdict(predictions, folds, seeds):
    frame = predictions(n=100, repeats=1, folds=folds, seeds=seeds, gain=0.02)
    copies = pd.concat(
        [frame.assign(row=4 * frame["row"] + i, patient=frame["row"]) for i in range(4)]
    )
    once = sb.judge(frame)
    together = sb.judge(copies, group="patient")
    alone = sb.judge(copies)
    for key in ("low", "high", "p"):
        assert together["sharp"][key] == pytest.approx(once["sharp"][key])
    assert together.to_dict()["plan"]["n_groups"] == 100
    assert "100 groups (column 'patient')" in " ".join(str(together).split())
    ranges = [
        one.to_dict()["candidates"][0]["scores"] for one in (together, once, alone)
    ]
    for name in ("accuracy", "brier", "roc_auc", "mcc") if folds == seeds == 1 else ():
        width, of_rows, of_copies = (
            one[name]["high"] - one[name]["low"] for one in ranges
        )
        assert 1.6 * of_copies < width == pytest.approx(of_rows, rel=0.05)


def test_accuracy_on_a_test_set_is_judged_by_mcnemars_test(predictions):
    frame = predictions(n=200, repeats=1, folds=1, gain=0.05)
    frame["prediction"] = np.where(frame.pop("probability") > 0.5, "yes", "no")
    right = (frame["prediction"] == frame["y"]).to_numpy().reshape(2, -1)
    verdict = sb.judge(frame, target="y")["sharp"]
    assert verdict["p"] == pytest.approx(
        mcnemar(pd.crosstab(*right), exact=True).pvalue
    )
    assert (
        (verdict["rule"] in ("better", "better_by_margin"))
        == (verdict["low"] > 0)
        == (verdict["p"] < 0.05)
    )


@pytest.mark.parametrize("folds", [1, 5])
def test_candidates_without_an_error_are_not_known_to_be_equal(predictions, folds):
    frame = predictions(n=100, repeats=1, folds=folds)
    frame["prediction"] = frame.drop(columns="probability")["y"]
    verdict = sb.judge(frame.drop(columns="probability"), target="y")["sharp"]
    reach = wilson(0, 100)[1]
    assert (verdict["low"], verdict["high"], verdict["p"]) == pytest.approx(
        (-reach, reach, 1)
    )
    assert verdict["rule"] == "cannot_tell"


def wide(frame, *drop):
    """Return predictions with a column for each candidate and a line for each row."""
    value = "prediction" if "prediction" in frame else "probability"
    keys = ["row", "repeat", "fold", "seed", "y"]
    return (
        frame.pivot(index=keys, columns="candidate", values=value)
        .reset_index()
        .drop(columns=list(drop))
    )


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", ["probabilities", "labels", "numbers", "three labels"])
def test_a_column_of_predictions_for_each_candidate_equals_long_form(predictions, kind):
    frame = predictions(gain=0.1)
    if kind == "numbers":
        frame["y"] = frame["row"] / 10 + (frame["y"] == "yes")
        frame = frame.rename(columns={"probability": "prediction"})
    elif kind != "probabilities":
        levels = ["no", "maybe", "yes"] if kind == "three labels" else ["no", "yes"]
        frame["prediction"] = np.array(levels)[
            (frame.pop("probability") * len(levels)).astype(int).clip(0, 1)
        ]
        frame["y"] = frame["y"].where(
            (frame["row"] % 3 > 0) | (kind == "labels"), "maybe"
        )
    found = [
        sb.judge(wide(frame))["sharp"],
        sb.judge(frame)["sharp"],
        sb.judge(frame, target="y")["sharp"],
    ]
    assert found[1] == found[2]
    assert [found[0][key] for key in ("low", "high", "p")] == pytest.approx(
        [found[1][k] for k in ("low", "high", "p")]
    )


def test_the_lines_of_a_wide_test_set_are_its_rows(predictions):
    frame = wide(
        predictions(n=60, repeats=1, folds=1, gain=0.2), "row", "repeat", "fold", "seed"
    )
    assert sb.judge(frame).to_dict()["n_rows"] == 60
    labels = pd.DataFrame(
        dict(
            y_true=frame["y"] == "yes",
            a=frame["plain"].round(),
            b=frame["sharp"].round(),
        )
    )
    judgement = sb.judge(labels.astype({"y_true": int}))
    assert judgement.reference == "a"
    assert judgement.to_dict()["metric"]["name"] == "accuracy"
    assert list(judgement.to_dict()["labels"]) == ["0", "1"]
    # of a full tree
    both = sb.judge(labels.assign(b=frame["sharp"]).astype({"y_true": int}))
    assert both.to_dict()["metric"]["name"] == "brier"


@pytest.mark.parametrize("name", ["y", "y_true", "target", "label", "Y True"])
def test_the_true_values_are_never_a_candidate(scores, name):
    columns = scores() | {"candidate": ["old"] * 10 + [name] * 10}
    message = f"a candidate is named '{name}', which is a usual name of the true"
    with pytest.raises(sb.OptionError, match=message):
        sb.judge(columns)
    with pytest.raises(sb.ColumnError, match="no column names the candidate"):
        sb.judge(
            {"x": [0.80, 0.78, 0.83], name: [0.85, 0.84, 0.88]},
            score="accuracy",
            folds=3,
        )


LONG_CASES = {
    "a missing prediction": lambda f: f.iloc[1:],
    "a missing repeat": lambda f: f[(f["candidate"] == "plain") | (f["repeat"] == 0)],
    "a prediction given twice": lambda f: pd.concat([f, f.iloc[:1]]),
    "a row with two targets": lambda f: f.assign(
        y=f["y"].where(f.index > 0, {"no": "yes", "yes": "no"}[f["y"][0]])
    ),
    "no rows' names": lambda f: f.drop(columns="row"),
    "no candidates": lambda f: f.drop(columns="candidate"),
    "no predictions": lambda f: f.drop(columns="probability"),
    "no probability": lambda f: f.assign(probability=2 * f["probability"]),
    "all classes are certain": lambda f: f.drop(columns="probability").assign(
        probability_yes=1, probability_no=1
    ),
    "one label": lambda f: f.assign(y="yes"),
}
LONG_CASES = with_texts(
    LONG_CASES,
    """
a missing prediction: 1 predictions of plain are missing, the first of them in repeat 0
a missing repeat: of sharp are missing, the first
a prediction given twice: several predictions for one row
a row with two targets: has two different targets
no rows' names: no column names the row of the table
no candidates: no column names the candidate
no predictions: there is no column of predictions
no probability: outside 0 to 1. Divide percentages by 100
all classes are certain: row 0 (counted from 0) has probabilities that sum to 2 and not to 1. Divide
one label: has 1 different labels
""",
)


WIDE_CASES = {
    "two targets": (lambda f: f.assign(label=f["y"]), {}),
    "no target": (lambda f: f.rename(columns={"y": "z"}), {}),
    "a feature": (lambda f: f.assign(age=40), {}),
    "labels and probabilities": (lambda f: f.assign(c=f["y"]), {}),
    "another label": (lambda f: f.assign(plain="yes", sharp=["oh", *f["y"][1:]]), {}),
    "one candidate": (lambda f: f.drop(columns="plain"), {}),
    "repeats without rows": (lambda f: f.drop(columns="row"), {}),
    "a direction": (lambda f: f, {"lower_is_better": True}),
    "a group in two folds": (lambda f: f.assign(site=f["row"] % 30), {"group": "site"}),
    "a row of two groups": (lambda f: f.assign(site=f.index), {"group": "site"}),
    "no group": (lambda f: f.assign(site=[*f["row"][1:], None]), {"group": "site"}),
    "a group without its name": (lambda f: f.assign(site="x"), {}),
}
WIDE_CASES = with_texts(
    WIDE_CASES,
    """
two targets: 'label' and 'y' could both hold the true values
no target: none has a usual name of true values
a feature: column 'age' holds neither labels of 'y' (no, yes) nor probabil
labels and probabilities: 'c' holds labels, and not all others do
another label: column 'sharp' holds neither labels of 'y'
one candidate: no column names the candidate
repeats without rows: no column names the row of the table
a direction: with the target 'y' a file holds predictions
a group in two folds: some rows of site 0 and not
a row of two groups: has two different groups
no group: has no group: column 'site'
a group without its name: or give group="site" if it names groups
""",
)


@pytest.mark.parametrize(
    "case", [*LONG_CASES, *(f"wide: {case}" for case in WIDE_CASES)]
)
def test_invalid_predictions_raise_one_sentence(predictions, case):
    frame, options = predictions(), {"target": "y"}
    if case in LONG_CASES:
        spoil, message = LONG_CASES[case]
    else:
        frame = wide(frame)
        (spoil, options, message) = WIDE_CASES[case.removeprefix("wide: ")]
    with pytest.raises(sb.SeedbedError) as caught:
        sb.judge(spoil(frame), **options)
    assert message in str(caught.value)


def test_a_non_finite_prediction_prevents_the_verdict(predictions):
    frame = predictions()
    frame.loc[frame["candidate"] == "sharp", "probability"] = np.nan
    judgement = sb.judge(frame, target="y")
    (one,) = judgement.to_dict()["no_verdict"]
    assert one == dict(
        candidate="sharp", reason="some of its predictions aren't finite"
    )


def test_networks_of_one_split_have_scores_but_no_verdict():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.integers(0, 2, 40)
    data = (X[:30], y[:30], X[30:], y[30:])
    frame = pd.concat(
        [
            sb.train_many(word, *data, seeds=4, epochs=2, n_jobs=1).scores(word)
            for word in ("relu:2", "tanh:2")
        ]
    )
    assert list(frame.columns) == ["candidate", "seed", "accuracy"]
    assert sb.judge(frame).to_dict()["plan"]["kind"] == "one_split"
