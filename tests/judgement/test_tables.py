"""Several tables: a verdict per table, and mean ranks and the signed-rank test over tables."""

import numpy as np
import pytest

import seedbed as sb
from seedbed.evaluation.estimates import signed_rank


@pytest.fixture
def tables():
    """Make scores of three candidates on `n` tables; `new` gains `gain` on each."""

    def make(n, gain=0.03, score="accuracy", key=0):
        rng = np.random.default_rng(key)
        rows = [
            (
                f"t{table}",
                name,
                fold,
                0.6 + 0.01 * table + gain * (name == "new") + 0.01 * rng.normal(),
            )
            for table in range(n)
            for name in ("old", "new", "other")
            for fold in range(5)
        ]
        return dict(
            zip(
                ("table", "model", "fold", score),
                map(list, zip(*rows, strict=True)),
                strict=True,
            )
        )

    return make


def test_ties_get_their_mean_rank_and_zeros_are_dropped():
    assert signed_rank([1, 1, 1, 1, 1]) == (pytest.approx(2 / 32), 1.0)
    assert signed_rank([0, 0]) == (1.0, 0.0)
    # |1| |1| |2| have ranks 1.5 1.5 3; over all signs the sums are 0 1.5 1.5 3 3 4.5 4.5 6; the negative one has 1.5.
    assert signed_rank([1, -1, 2]) == (pytest.approx(2 * 3 / 8), pytest.approx(0.5))
    scores = {
        "table": ["s", "s", "t", "t"],
        "fold": [0, 1, 0, 1],
        "a": [0.9, 0.8, 0.7, 0.7],
        "b": [0.8, 0.7, 0.9, 0.8],
        "c": [0.8, 0.7, 0.8, 0.7],
    }
    assert sb.judge(scores, score="accuracy").to_dict()["ranks"]["mean"] == {
        "a": 2.0,
        "b": 1.75,
        "c": 2.25,
    }


def test_a_candidate_that_gains_on_all_of_eight_tables_is_better_over_tables(tables):
    judgement = sb.judge(tables(8))
    assert judgement.is_better("new")
    assert not judgement.is_better("other")
    new = judgement["new"]
    assert (new["wins"], new["losses"], new["n_tables"]) == (8, 0, 8)
    assert new["p_adjusted"] == pytest.approx(2 * 2 / 2**8)
    assert len(judgement.to_dict()["tables"]) == 8
    assert "new 1.00 8 0 +3" in " ".join(str(judgement).split())


def test_fewer_than_five_tables_have_single_verdicts_but_none_over_tables(tables):
    judgement = sb.judge(tables(4, gain=0.08))
    assert judgement.verdicts == []
    assert "4 tables are too few for a verdict over tables, which needs 5" in " ".join(
        str(judgement).split()
    )
    assert [one["verdicts"][0]["rule"] for one in judgement.to_dict()["tables"]] == [
        "better"
    ] * 4


def test_errors_are_compared_relative_to_the_reference(tables):
    columns = tables(6, gain=-0.03, score="rmse")
    scaled = [
        value * 10 ** int(table[1:])
        for value, table in zip(columns["rmse"], columns["table"], strict=True)
    ]
    one, other = sb.judge(columns)["new"], sb.judge(columns | {"rmse": scaled})["new"]
    assert (
        one["difference"]
        == pytest.approx(other["difference"])
        == pytest.approx(0.05, abs=0.02)
    )


def test_one_score_per_table_suffices_over_tables():
    rng = np.random.default_rng(0)
    old = rng.uniform(0.6, 0.9, 10)
    judgement = sb.judge(
        {"dataset": range(10), "old": old, "new": old + 0.01}, score="accuracy"
    )
    assert judgement["new"]["rule"] == "better"


def test_candidates_must_have_scores_on_all_tables(tables):
    columns = tables(5)
    keep = [
        pair != ("t3", "other")
        for pair in zip(columns["table"], columns["model"], strict=True)
    ]
    some = {
        name: [one for one, kept in zip(values, keep, strict=True) if kept]
        for name, values in columns.items()
    }
    with pytest.raises(
        sb.DataError, match=r"other doesn't have scores on all tables \(t3\)"
    ):
        sb.judge(some)


def test_an_error_names_the_table_and_the_line_in_the_file(tables, tmp_path):
    columns = tables(5)
    columns["accuracy"][20] = "oops"
    lines = [
        ",".join(columns),
        *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
    ]
    (tmp_path / "s.csv").write_text("\n".join(lines))
    with pytest.raises(
        sb.ColumnError, match=r"table t1: line 22, column 'accuracy' holds 'oops'"
    ):
        sb.judge(str(tmp_path / "s.csv"))
