"""Scores of items are paired over items, and attempts are nested in them."""

import numpy as np
import pytest
from scipy import stats

import seedbed as sb


def made(n=200, attempts=1, numbers=False, key=0):
    """Make scores of two candidates [candidate, item, attempt] and the columns of the long form."""
    rng = np.random.default_rng(key)
    of_items = (
        rng.normal(size=(1, n, 1))
        + rng.normal(size=(2, n, 1))
        + np.array([0.0, 0.5]).reshape(2, 1, 1)
    )
    latent = of_items + rng.normal(size=(2, n, attempts))
    scores = latent if numbers else (latent > 0).astype(int)
    name, item, attempt = (axis.ravel().tolist() for axis in np.indices(scores.shape))
    columns = dict(
        model=[("old", "new")[i] for i in name],
        item=[f"q{i}" for i in item],
        attempt=attempt,
    )
    return scores, columns | {"gain" if numbers else "correct": scores.ravel().tolist()}


def test_one_attempt_that_is_right_or_wrong_has_the_p_of_mcnemars_test_in_both_forms():
    scores, long = made()
    old, new = scores[:, :, 0]
    expected = stats.binomtest(int((new > old).sum()), int((new != old).sum())).pvalue
    wide = {"question": list(range(200)), "old": old.tolist(), "new": new.tolist()}
    as_words = long | {"correct": [value == 1 for value in long["correct"]]}
    first = wide | {"attempt": [1] * 200}
    judgements = [sb.judge(columns, score="accuracy") for columns in (wide, first)]
    for judgement in (sb.judge(long), sb.judge(as_words), *judgements):
        assert judgement["new"]["p"] == pytest.approx(expected, abs=1e-12, rel=1e-9)
        assert judgement["new"]["difference"] == pytest.approx(
            (new - old).mean(), rel=1e-9
        )
        assert "200 items" in str(judgement)


@pytest.mark.parametrize("attempts", [1, 3])
def test_numbers_and_means_of_attempts_have_the_paired_t_over_items(attempts):
    scores, long = made(attempts=attempts, numbers=True)
    old, new = scores.mean(axis=2)
    expected = stats.ttest_rel(new, old)
    judgement, interval = sb.judge(long)["new"], expected.confidence_interval()
    assert judgement["p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert (judgement["low"], judgement["high"]) == pytest.approx(
        (interval.low, interval.high), rel=1e-9
    )


def test_samples_of_inspect_are_items_with_epochs_as_attempts():
    long = made(attempts=2)[1]
    letters = ["C" if right else "I" for right in long["correct"]]
    about = dict(
        sample_id=[f"u{i}" for i in range(800)],
        target=[4] * 800,
        total_time=[1.5] * 800,
    )
    samples = dict(
        model=long["model"], id=long["item"], epoch=long["attempt"], score_match=letters
    )
    found, expected = sb.judge(samples | about)["new"], sb.judge(long)["new"]
    assert [found[key] for key in ("low", "high", "p")] == [
        expected[key] for key in ("low", "high", "p")
    ]


def test_items_may_have_different_numbers_of_attempts():
    scores, long = made(attempts=2)
    kept = [i for i in range(800) if i not in (1, 401)]
    judgement = sb.judge(
        {name: [values[i] for i in kept] for name, values in long.items()}
    )
    means = scores.mean(axis=2)
    means[0, 0], means[1, 0] = scores[0, 0, 0], scores[1, 0, 0]
    assert judgement["new"]["p"] == pytest.approx(
        stats.ttest_rel(*means[::-1]).pvalue, rel=1e-9
    )


def test_groups_of_items_of_equal_size_have_the_paired_t_over_groups():
    scores, long = made(numbers=True)
    judgement = sb.judge(
        long | {"text": [int(item[1:]) // 10 for item in long["item"]]},
        group="text",
        score="gain",
    )
    old, new = scores[:, :, 0].reshape(2, 20, 10).mean(axis=2)
    assert judgement["new"]["p"] == pytest.approx(
        stats.ttest_rel(new, old).pvalue, rel=1e-9
    )
    assert "200 items (column 'item') in 20 groups (column 'text')" in " ".join(
        str(judgement).split()
    )


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (lambda i, item: item == "q0", {}, "there are scores of one item"),
        (
            lambda i, item: i > 0,
            {},
            "scores are missing: old in item q0. All candidates need all items",
        ),
        (lambda i, item: True, {"group": "half"}, "item q0 has two different groups"),
    ],
)
def test_items_that_cannot_be_judged_are_refused(rows, options, message):
    long = made()[1]
    long["half"] = ["a"] * 200 + ["b"] * 200
    kept = [i for i, item in enumerate(long["item"]) if rows(i, item)]
    with pytest.raises(sb.DataError) as caught:
        sb.judge(
            {name: [values[i] for i in kept] for name, values in long.items()},
            score="correct",
            **options,
        )
    assert message in str(caught.value)


def test_few_items_or_groups_have_no_verdict():
    assert "29 items are too few for a verdict (it needs 30)" in str(
        sb.judge(made(n=29)[1])
    )
    long = made()[1]
    halves = long | {"half": [item < "q5" for item in long["item"]]}
    assert "2 groups are too few" in str(
        sb.judge(halves, group="half", score="correct")
    )
    whole = long | {"half": ["a"] * 400}
    assert "1 group is too few" in str(sb.judge(whole, group="half", score="correct"))
