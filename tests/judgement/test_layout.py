"""The kind of the splits is recognised from columns or given, and refused where it is ambiguous."""

import pytest

import seedbed as sb


def plan(judgement):
    return {
        key: judgement.to_dict()["plan"][key]
        for key in ("kind", "repeats", "folds", "df")
    }


def renamed(columns, **names):
    return {
        names.get(name, name): values
        for name, values in columns.items()
        if names.get(name, name) is not None
    }


def test_repeats_of_folds_are_recognised(scores):
    found = sb.judge(scores(repeats=3, folds=5, seeds=2))
    assert plan(found) == dict(kind="cross_validation", repeats=3, folds=5, df=4)
    assert "3 repeats of 5 folds (columns 'repeat' and 'fold')" in str(found)
    assert "2 seeds a split" in str(found)


def test_folds_without_repeats_are_recognised_and_more_than_twenty_need_option(scores):
    few = renamed(scores(folds=10), repeat=None)
    assert plan(sb.judge(few)) == dict(
        kind="cross_validation", repeats=1, folds=10, df=9
    )
    many = renamed(scores(folds=50), repeat=None)
    message = "50 different values of 'fold' may be 50 folds or repeats of fewer"
    with pytest.raises(sb.OptionError, match=message):
        sb.judge(many)
    assert plan(sb.judge(many, folds=10)) == dict(
        kind="cross_validation", repeats=5, folds=10, df=9
    )
    assert plan(sb.judge(many, test_share=0.2)) == dict(
        kind="random_splits", repeats=1, folds=50, df=9
    )


def test_rows_without_split_columns_need_an_option(scores):
    bare = renamed(scores(repeats=2, folds=5), repeat=None, fold=None, seed=None)
    message = "no column says whether they are folds, random splits or seeds"
    with pytest.raises(sb.DataError, match=message):
        sb.judge(bare)
    assert plan(sb.judge(bare, folds=5)) == dict(
        kind="cross_validation", repeats=2, folds=5, df=4
    )


def test_random_splits_need_the_share_of_test_rows(scores):
    found = renamed(scores(folds=30), fold="split", repeat=None)
    message = r"may be random splits or folds.*test_share=0\.2"
    with pytest.raises(sb.OptionError, match=message):
        sb.judge(found)
    judgement = sb.judge(found, test_share=0.2)
    assert plan(judgement) == dict(kind="random_splits", repeats=1, folds=30, df=9)
    counted = found | {"n_train": [80] * 60, "n_test": [20] * 60}
    assert sb.judge(counted)["new"]["high"] == pytest.approx(judgement["new"]["high"])


def test_row_counts_overrule_the_name_of_the_split_column(scores):
    found = scores(folds=10) | {"n_train": [50] * 20, "n_test": [50] * 20}
    judgement = sb.judge(found)
    assert plan(judgement)["kind"] == "random_splits"
    assert "They aren't folds, which would test one row in 10." in " ".join(
        str(judgement).split()
    )


@pytest.mark.parametrize("name", ["bootstrap", "resample"])
def test_bootstrap_samples_are_refused_with_the_reason(scores, name):
    with pytest.raises(sb.OptionError, match="bootstrap samples, which repeat rows"):
        sb.judge(renamed(scores(folds=10), fold=name))
    labelled = scores(folds=10)
    labelled["fold"] = [f"boot{fold}" for fold in labelled["fold"]]
    with pytest.raises(sb.OptionError, match="bootstrap"):
        sb.judge(labelled)


def test_contradictory_options_are_refused(scores):
    message = "folds is 5, and the file has 10 in a repeat"
    with pytest.raises(sb.OptionError, match=message):
        sb.judge(scores(repeats=2, folds=10), folds=5)
    with pytest.raises(sb.OptionError, match="folds and a test share are given"):
        sb.judge(scores(), folds=10, test_share=0.1)
    with pytest.raises(sb.OptionError, match="the test share is 2"):
        sb.judge(scores(), test_share=2.0)


def test_seeds_are_read_from_their_own_column_and_may_differ_between_splits(scores):
    found = scores(folds=5, seeds=2)
    tracked = renamed(found, accuracy="metrics.test_accuracy") | {
        "run": list(range(20)),
        "params.lr": [0.1] * 20,
    }
    assert sb.judge(tracked)["new"] == sb.judge(found)["new"]
    assert "accuracy (column 'metrics.test_accuracy')" in str(sb.judge(tracked))
    result = sb.judge(tracked | {"val_loss": [0.5] * 20}, score="accuracy")["new"]
    assert result == sb.judge(found)["new"]
    found = scores(repeats=2, folds=5, seeds=2)
    own = found | {"seed": list(range(len(found["seed"])))}
    assert sb.judge(own)["new"] == sb.judge(found)["new"]
