"""The table of scores: intervals, and how the networks were trained."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.summaries import Conclusion
from seedbed.report.tables import score_table, table_lines

DASHES = dict(
    brier=(None, None, None), accuracy=(None, None, None), roc_auc=(None, None, None)
)


def rows(document):
    """The rows of the table, with three of the scores."""
    table = score_table(msgspec.convert(document, Conclusion))
    shown = [
        table.columns.index(name)
        for name in ("", "Brier score", "accuracy", "ROC AUC", *table.columns[10:])
    ]
    return [[row[place] for place in shown] for row in table.rows]


def some(make, n, **changes):
    return make.document(
        *(make.network(f"relu:{number}") for number in range(1, n + 1)), **changes
    )


def test_the_table_shows_scores_with_intervals_training_accuracy_epochs(make):
    one = make.network(
        "linear:5",
        scores=make.scores(brier=(0.1254, 0.1, 0.15), roc_auc=(0.9, 0.85, 1.0)),
    )
    assert rows(make.document(one, make.baseline("prior"))) == [
        [
            "linear:5",
            "0.125 (0.100 to 0.150)",
            "82.5% (72.5 to 92.5)",
            "0.900 (0.850 to 1.000)",
            "84.5%",
            "1,000",
            "1,071",
        ],
        "prior|0.125 (0.025 to 0.225)|82.5% (72.5 to 92.5)|0.900 (0.800 to 1.000)|||".split(
            "|"
        ),
    ]


def test_rows_follow_the_ranking_and_diverged_candidates_come_last_with_dashes(make):
    document = some(make, 3, ranking=["relu:3", "relu:1"])
    document["candidates"][1] |= dict(scores=make.scores(**DASHES), train_accuracy=None)
    assert [row[0] for row in rows(document)] == ["relu:3", "relu:1", "relu:2"]
    assert rows(document)[-1] == ["relu:2", "-", "-", "-", "-", "1,000", "1,071"]


def test_a_score_without_an_interval_is_shown_alone_and_zero_is_not_a_dash(make):
    one = make.network(
        "relu:5",
        train_accuracy=0.0,
        scores=make.scores(
            brier=(0.0, 0.0, 0.0),
            accuracy=(0.5, None, None),
            roc_auc=(-0.0001, -0.0004, 0.0002),
        ),
    )
    (row,) = rows(make.document(one))
    assert row[1:5] == "0.000 (0.000 to 0.000)|50.0%|0.000 (0.000 to 0.000)|0.0%".split(
        "|"
    )


@pytest.mark.parametrize(
    ("mae", "shown"),
    [
        ((41234.4, 39000.2, 43000.0), "41,234 (39,000 to 43,000)"),
        ((1.02, 0.985, 1.05), "1.020 (0.985 to 1.050)"),
        ((3.4e-7, 3e-7, 4e-7), "3.4e-07 (3e-07 to 4e-07)"),
        ((0.0, 0.0, 0.0), "0.000 (0.000 to 0.000)"),
    ],
    ids=str,
)
def test_a_mean_absolute_error_has_four_digits(make, mae, shown):
    means = {"squared_error": (0.2, 0.1, 0.3), "r2": (0.8, 0.7, 0.9), "mae": mae}
    scores = {name: make.scores(brier=mean)["brier"] for name, mean in means.items()}
    one = make.network("relu:5", train_r2=0.8449, scores=scores)
    table = score_table(
        msgspec.convert(make.document(one, task="regression"), Conclusion)
    )
    assert (
        table.columns
        == "|squared error|R2|mean absolute error|training R2|epochs|parameters".split(
            "|"
        )
    )
    assert table.rows == [
        [
            "relu:5",
            "0.200 (0.100 to 0.300)",
            "0.800 (0.700 to 0.900)",
            shown,
            "0.845",
            "1,000",
            "1,071",
        ]
    ]


CELLS = st.lists(
    st.text("abc ", min_size=1, max_size=30).map(str.strip), min_size=4, max_size=4
)


@given(st.lists(CELLS, min_size=2, max_size=5), st.sampled_from([30, 60, 80, 120, 200]))
def test_no_width_loses_a_cell_or_is_exceeded_by_more_than_a_name(grid, width):
    lines = [line.plain for line in table_lines(grid[0], grid[1:], width=width)]
    assert max(map(len, lines)) <= max(width, *(len(row[0]) + 28 for row in grid))
    words = "".join("".join(lines).split())
    assert all("".join(cell.split()) in words for row in grid[1:] for cell in row)
