"""The ranking: scores with intervals, and brackets that join candidates without a significant difference."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation import Conclusion
from seedbed.report import comparison_text


def of_document(function):
    """The same function of the plain dict of a conclusion."""
    return lambda document, *rest, **words: function(msgspec.convert(document, Conclusion), *rest, **words)


comparison_text = of_document(comparison_text)

DASHES = {"brier": (None, None, None), "accuracy": (None, None, None), "roc_auc": (None, None, None)}


def rows(document):
    """The lines of the table below its rule."""
    lines = comparison_text(document).splitlines()
    (rule,) = [number for number, line in enumerate(lines) if line.strip().startswith("──")]
    return lines[rule + 1 : rule + 1 + len(document["candidates"])]


def drawn(document):
    """The visible brackets: the places of each column of marks, from left to right."""
    table = rows(document)
    columns = sorted({place for line in table for place, sign in enumerate(line) if sign in "┐│┘"})
    found = []
    for column in columns:
        signs = "".join(line[column : column + 1] or " " for line in table)
        assert "".join(signs.split()) == "┐" + "│" * (len("".join(signs.split())) - 2) + "┘"
        found.append([place for place, sign in enumerate(signs) if sign != " "])
    return found


def some(make, n, **changes):
    return make.document(*(make.network(f"relu:{number}") for number in range(1, n + 1)), **changes)


def test_the_table_shows_scores_with_intervals_training_accuracy_epochs_and_parameters(make):
    one = make.network("linear:5", scores=make.scores(brier=(0.1254, 0.1, 0.15), roc_auc=(0.9, 0.85, 1.0)))
    (row,) = rows(make.document(one))
    assert row.split() == ["linear:5", "0.125", "(0.100–0.150)", "82.5%", "(72.5–92.5)", "0.900", "(0.850–1.000)",
                           "84.5%", "1,000", "1,071"]  # fmt: skip


def test_the_headings_name_the_metric_and_its_direction(make):
    text = comparison_text(some(make, 2))
    assert [word in text for word in ("Brier score", "(low is good)", "ROC AUC", "epochs", "parameters")] == [True] * 5
    assert "low is good" not in comparison_text(some(make, 2, metric="accuracy"))


def test_rows_follow_the_ranking_and_candidates_without_a_score_come_last(make):
    document = some(make, 3, ranking=["relu:3", "relu:1"])
    document["candidates"][1]["scores"] = make.scores(**DASHES)
    assert [line.split()[0] for line in rows(document)] == ["relu:3", "relu:1", "relu:2"]
    assert rows(document)[-1].split() == ["relu:2", "-", "-", "-", "84.5%", "1,000", "1,071"]


def test_a_diverged_candidate_has_dashes_and_no_bracket(make):
    document = some(make, 3, ranking=["relu:3", "relu:1"], brackets=[[0, 1]])
    document["candidates"][1] |= {"scores": make.scores(**DASHES), "train_accuracy": None}
    assert rows(document)[-1].split() == ["relu:2", "-", "-", "-", "-", "1,000", "1,071"]
    assert drawn(document) == [[0, 1]]


def test_a_score_without_an_interval_is_shown_alone_and_zero_is_not_a_dash(make):
    one = make.network("relu:5", train_accuracy=0.0, scores=make.scores(
        brier=(0.0, 0.0, 0.0), accuracy=(0.5, None, None), roc_auc=(0.9, None, None)))  # fmt: skip
    (row,) = rows(make.document(one))
    assert row.split() == ["relu:5", "0.000", "(0.000–0.000)", "50.0%", "0.900", "0.0%", "1,000", "1,071"]


def test_a_baseline_has_no_epochs_and_no_parameters(make):
    document = make.document(make.network("relu:5"), make.baseline("prior"))
    assert rows(document)[1].split() == ["prior", "0.125", "(0.025–0.225)", "82.5%", "(72.5–92.5)", "0.900",
                                         "(0.800–1.000)"]  # fmt: skip


def test_accuracy_as_the_metric_is_one_column_in_percent_and_the_first(make):
    assert rows(some(make, 1, metric="accuracy"))[0].split() == [
        "relu:1", "82.5%", "(72.5–92.5)", "0.900", "(0.800–1.000)", "84.5%", "1,000", "1,071"
    ]  # fmt: skip


def test_log_loss_as_the_metric_is_shown_before_accuracy(make):
    metric = {"name": "log_loss", "words": "log loss", "greater_is_better": False, "margin": 0.01,
              "margin_source": "default", "of_prior": 0.6}  # fmt: skip
    document = some(make, 1) | {"metric": metric}
    assert rows(document)[0].split()[1:4] == ["0.410", "(0.310–0.510)", "82.5%"]
    assert "log loss" in comparison_text(document)


@given(st.sets(st.frozensets(st.integers(0, 9), min_size=2), max_size=6))
def test_arbitrary_brackets_can_be_read_from_the_table(make, groups):
    brackets = sorted(sorted(group) for group in groups)
    assert drawn(some(make, 10, brackets=brackets)) == brackets


@pytest.mark.parametrize(
    "name", ["my own net", "relu:64,64@lr=0.003,optimizer=adamw,dropout=0.1,epochs=2000,epoch=inner", "n" * 200]
)
def test_long_names_and_numbers_are_not_wrapped_or_cut(make, name):
    document = make.document(make.network("relu:5"), make.network(name), brackets=[[0, 1]])
    for row, shown in zip(rows(document), ("relu:5", name), strict=True):
        assert row.split(" ┐" if shown == "relu:5" else " ┘")[0].strip() == shown
        assert row.split()[-9:] == ["0.125", "(0.025–0.225)", "82.5%", "(72.5–92.5)", "0.900", "(0.800–1.000)", "84.5%",
                                    "1,000", "1,071"]  # fmt: skip
    # Width that only the name needs doesn't change the other columns.
    assert max(map(len, rows(some(make, 2, brackets=[[0, 1]])))) <= 110


@pytest.fixture
def of_numbers(make):
    """A function that makes a summary of a regression with the given mean absolute error."""

    def build(mae, **changes):
        means = {"squared_error": (0.2, 0.1, 0.3), "r2": (0.8, 0.7, 0.9), "mae": mae}
        scores = {name: make.scores(brier=mean)["brier"] for name, mean in means.items()}
        one = make.network("relu:5", train_r2=0.8449, scores=scores)
        del one["train_accuracy"]
        metric = {"name": "squared_error", "words": "squared error", "greater_is_better": False, "margin": 0.02,
                  "margin_source": "default", "of_prior": 1.0}  # fmt: skip
        spread = {"task": "regression", "labels": {}, "majority_share": None, "target_mean": 5.82, "target_sd": 0.873}
        return make.document(one, **spread, **changes) | {"metric": metric}

    return build


def test_a_regression_shows_squared_error_r2_and_mean_absolute_error(of_numbers):
    document = of_numbers((0.4512, 0.4, 0.5))
    assert rows(document)[0].split() == ["relu:5", "0.200", "(0.100–0.300)", "0.800", "(0.700–0.900)", "0.4512",
                                         "(0.4000–0.5000)", "0.845", "1,000", "1,071"]  # fmt: skip
    text = comparison_text(document)
    assert [word in text for word in ("(share of variance;", "low is good)", "R2", "mean absolute")] == [True] * 4
    assert "accuracy" not in text
    assert "12 features, mean 5.82, standard deviation 0.873; SGD" in " ".join(text.split())


@pytest.mark.parametrize(
    ("mae", "shown"),
    [
        ((41234.4, 39000.2, 43000.0), "41,234 (39,000–43,000)"),
        ((1.02, 0.985, 1.05), "1.020 (0.985–1.050)"),
        ((3.4e-7, 3e-7, 4e-7), "3.4e-07 (3e-07–4e-07)"),
        ((0.0, 0.0, 0.0), "0.000 (0.000–0.000)"),
    ],
    ids=str,
)
def test_a_mean_absolute_error_has_four_digits_and_its_interval_as_many_decimals(of_numbers, mae, shown):
    assert f" {shown} " in rows(of_numbers(mae))[0]


def test_no_number_is_shown_as_negative_zero(make):
    one = make.network("relu:5", scores=make.scores(roc_auc=(-0.0001, -0.0004, 0.0002)))
    assert rows(make.document(one))[0].split()[5:7] == ["0.000", "(0.000–0.000)"]
