"""The page's verdict is that of `seedbed judge` on the scores that the page exports."""

import numpy as np
import pytest
from scipy.stats import t as student

import seedbed as sb
from seedbed.evaluation.summaries import summary_from
from seedbed.report.advice import answers

JUDGE = """(ours, theirs, rows, task, groups = {}) => {
  const table = { rows, task, name: "t", target: "y", columns: [], nOutputs: 1, groups: null, ...groups };
  table.y = Array(rows).fill(0);
  const run = (scores, units) => ({
    table, epochs: [1], curves: { testScore: scores.flat() },
    request: {
      hidden: [{ units, activation: "relu" }], optimizer: "sgd", lr: 0.1, weightDecay: 0, epochs: 5,
      networks: scores.flatMap((own, split) => own.map((_, seed) => ({ split, seed }))),
    },
  });
  const a = run(ours, 5), b = run(theirs, 6);
  return { page: judge(a, b), csv: exports(table, [a, b]).scores };
}"""


def both(lab, tmp_path, ours, theirs, task="binary", rows=299, **groups):
    """Return the verdict of the page and that of seedbed on the same scores."""
    found = lab(
        JUDGE,
        np.asarray(ours).tolist(),
        np.asarray(theirs).tolist(),
        rows,
        task,
        groups,
    )
    (tmp_path / "scores.csv").write_text(found["csv"])
    return found["page"], sb.judge(tmp_path / "scores.csv").to_dict()


CASES = {  # mean gain, spread over splits
    "better by margin": (0.05, 0.01),
    "better": (0.02, 0.015),
    "no practical difference": (0.001, 0.004),
    "worse": (-0.06, 0.03),
    "as good or better": (0.012, 0.02),
    "as good or worse": (-0.012, 0.02),
    "can't tell": (0.0, 0.08),
}


@pytest.mark.product
@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("splits", "seeds"), [(2, 1), (7, 3), (30, 2)])
def test_the_verdict_equals_that_of_seedbed_judge(
    lab, tmp_path, case, task, splits, seeds
):
    (gain, spread), random = CASES[case], np.random.default_rng(len(case) * splits)
    ours = random.normal(0.7, 0.05, (splits, seeds))
    gains = random.normal(gain, spread, (splits, 1)) + random.normal(
        0, 0.01, (splits, seeds)
    )
    theirs = ours.mean(1, keepdims=True) + gains
    page, seedbed = both(lab, tmp_path, ours, theirs, task)
    (verdict,) = seedbed["verdicts"]
    assert (page["rule"], page["words"]) == (verdict["rule"], verdict["short"])
    use = lab("useText", page, ["relu:6", "relu:5"])
    # The page has no column of verdicts that a bracket could name.
    assert use == dict(answers(summary_from(seedbed)))["Use"].replace(
        " (can't tell).", "."
    )
    for name in ("difference", "low", "high"):
        assert page[name] == pytest.approx(verdict[name], abs=1e-9)
    assert page["rowsFactor"] == pytest.approx(verdict["rows_factor"], rel=1e-6)
    assert (page["splits"], page["seeds"]) == (splits, seeds)
    rows = [np.ceil(299 * verdict["rows_factor"] * times) for times in (0.5, 2)]
    assert page["rows_needed"] == (
        pytest.approx(rows, rel=1e-6, abs=1)
        if page["low"] <= -0.01 < 0.01 <= page["high"]
        else None
    )


def test_the_verdict_counts_test_rows_of_groups_and_needs_twenty_groups(lab, tmp_path):
    random = np.random.default_rng(2)
    scores = random.normal(0.7, 0.05, (5, 2)), random.normal(0.72, 0.05, (5, 2))
    few, _ = both(lab, tmp_path, *scores, groups=19)
    assert (few["verdict"], few["splits"]) == (None, 5)
    page, seedbed = both(
        lab,
        tmp_path,
        *scores,
        groups=20,
        splits={"sizes": [40, 80, 60, 90, 55], "tested": [0] * 190},
    )
    assert page["low"] == pytest.approx(seedbed["verdicts"][0]["low"], abs=1e-9)
    assert page["low"] != pytest.approx(
        both(lab, tmp_path, *scores)[0]["low"], abs=1e-4
    )


def test_a_constant_difference_and_a_single_split_have_no_verdict(lab, tmp_path):
    for ours, theirs in (
        ([[0.5], [0.6], [0.7]], [[0.6], [0.7], [0.8]]),
        ([[0.5]], [[0.6]]),
    ):
        page, seedbed = both(lab, tmp_path, ours, theirs)
        assert (page["verdict"], seedbed["verdicts"]) == (None, [])
    page, seedbed = both(lab, tmp_path, [[0.5], [0.6], [0.7]], [[0.5], [0.6], [0.7]])
    assert (
        page["verdict"] == "no_practical_difference" == seedbed["verdicts"][0]["rule"]
    )


def test_splits_that_only_one_run_has_finished_do_not_count(lab):
    found = lab(
        """() => {
          const run = (scores) => ({ table: { rows: 100, task: "binary" }, epochs: [1], curves: { testScore: scores },
            request: { networks: [0, 0, 1, 1, 2, 2].map((split) => ({ split, seed: 0 })) } });
          return judge(run([0.5, 0.6, 0.5, NaN, 0.6, 0.6]), run([0.7, 0.8, 0.9, 0.9, 0.8, 0.9]));
        }"""
    )
    assert found["splits"] == 2
    assert found["difference"] == pytest.approx((0.2 + 0.25) / 2)


def test_students_quantiles_are_those_of_scipy(lab):
    pairs = [
        (probability, df)
        for probability in (0.975, 0.8, 0.5, 0.1)
        for df in range(1, 10)
    ]
    found = lab("(pairs) => pairs.map((pair) => studentQuantile(...pair))", pairs)
    assert found == pytest.approx([student.ppf(*pair) for pair in pairs], abs=1e-9)


@pytest.mark.parametrize("t", [1.8, -1.85, 2.25, -2.3])
def test_an_open_comparison_is_likely_by_its_own_t(lab, tmp_path, t):
    # 12 splits: 9 degrees of freedom, with the quantiles 1.833 and 2.262
    pattern = np.array([-1.0, 1.0] * 6)[:, None]
    gains = pattern + t * pattern.std(ddof=1) * np.sqrt(1 / 12 + 60 / 239)
    page, seedbed = both(lab, tmp_path, np.full((12, 1), 0.5), 0.5 + 0.1 * gains)
    words = {
        1.8: "can't tell",
        -1.85: "likely worse",
        2.25: "likely better",
        -2.3: "worse",
    }
    assert page["words"] == seedbed["verdicts"][0]["short"] == words[t]


def test_scores_and_differences_are_in_points_of_a_hundred(lab):
    texts = lab(
        "(...values) => values.map(signedText)", -0.0003, 0.0003, -0.0006, 0.0006, 30
    )
    assert texts == ["0.0", "0.0", "\u22120.1", "+0.1", "+3,000"]
    assert lab("scoreText", 0.8333, "binary") == "83.3\u202f%"
    texts = lab(
        "(...values) => values.map((value) => scoreText(value, 'regression'))",
        0.8333,
        -0.0003,
        -30.123,
    )
    assert texts == ["83.3", "0.0", "\u22123,012"]
