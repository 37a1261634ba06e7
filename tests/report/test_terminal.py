"""A comparison as text, drawn from a plain dict."""

import copy

import pytest

from seedbed.report import comparison_text

DOCUMENT = {
    "table": "heart_failure",
    "target": "DEATH_EVENT",
    "n_rows": 1299,
    "n_features": 12,
    "majority_share": 0.679,
    "plan": {"repeats": 10, "folds": 10, "seeds": 5, "recipe": "SGD, lr 0.01, full batch, 1000 epochs"},
    "notes": [],
    "candidates": [
        {
            "name": "linear:5",
            "n_parameters": 1071,
            "recipe": "SGD, lr 0.01, full batch, 1000 epochs",
            "train_accuracy": 0.8449,
            "test_loss": 0.41174,
            "lowest_test_loss_epoch": 999,
            "scores": {"accuracy": {"mean": 0.8251, "fold_sd": 0.0601, "seed_sd": 0.0249}},
            "n_diverged": 0,
            "n_networks": 500,
            "note": "",
        }
    ],
}


@pytest.fixture
def document():
    return copy.deepcopy(DOCUMENT)


def row(text, name):
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [name]]
    return line.split()[1:]


def test_the_table_shows_means_and_both_spreads(document):
    text = comparison_text(document)
    assert row(text, "linear:5") == ["1,071", "84.5%", "82.5%", "±", "6.0%", "±", "2.5%", "0.4117", "999"]
    heading = " ".join(text.split("candidate")[0].split())
    assert heading.startswith(
        "DEATH_EVENT of heart_failure: 1,299 rows, 12 features, 67.9% in the larger class; 100 splits x 5 seeds; SGD"
    )
    assert "* Epoch of the lowest mean test loss: for understanding, not for judging." in text


def test_what_is_missing_is_a_dash(document):
    (one,) = document["candidates"]
    one |= {"train_accuracy": None, "test_loss": None, "lowest_test_loss_epoch": None}
    one["scores"]["accuracy"] = {"mean": None, "fold_sd": None, "seed_sd": None}
    assert row(comparison_text(document), "linear:5") == ["1,071", *"------"]


def test_an_epoch_zero_and_a_share_of_zero_are_no_dashes(document):
    (one,) = document["candidates"]
    one |= {"train_accuracy": 0.0, "test_loss": 0.0, "lowest_test_loss_epoch": 0}
    one["scores"]["accuracy"] = {"mean": 0.0, "fold_sd": 0.0, "seed_sd": None}
    assert row(comparison_text(document), "linear:5") == ["1,071", "0.0%", "0.0%", "±", "0.0%", "-", "0.0000", "0"]


@pytest.mark.parametrize(
    "name", ["relu:64,64@lr=0.003,optimizer=adamw,dropout=0.1,weight_decay=0.01" * 3, "nets/é.py:" + "N" * 150]
)
def test_a_long_name_stays_in_one_piece_and_no_number_is_cut(document, name):
    document["candidates"][0]["name"] = name
    text = comparison_text(document)
    assert "…" not in text
    (line,) = [line for line in text.splitlines() if name in line]
    assert line.split()[-8:] == ["84.5%", "82.5%", "±", "6.0%", "±", "2.5%", "0.4117", "999"]
    # What is wide for the name's sake alone leaves the table's own width as it was.
    document["candidates"][0]["name"] = "relu:5"
    assert max(map(len, comparison_text(document).splitlines())) <= 110


def test_diverged_networks_and_notes_are_told_below_the_table(document):
    document["notes"] = ["column 'x' is 1 in every row; it carries nothing and becomes zero"]
    document["candidates"][0] |= {"n_diverged": 3, "note": "it takes the general, slower way"}
    words = " ".join(comparison_text(document).split())
    assert "linear:5: 3 of 500 networks diverged and are left out of its figures." in words
    assert "linear:5: it takes the general, slower way." in words
    assert words.endswith("Note: column 'x' is 1 in every row; it carries nothing and becomes zero")


def test_square_brackets_in_names_and_notes_are_shown_as_they_are(document):
    document |= {"target": "y[bold]", "table": "t[1]", "notes": ["column 'x[red]' is 1"]}
    document["candidates"][0]["name"] = "nets[red]/a.py:Net"
    text = comparison_text(document)
    for words in ("y[bold] of t[1]:", "nets[red]/a.py:Net", "column 'x[red]' is 1"):
        assert words in text


def test_the_text_has_no_colours_and_no_spaces_at_line_ends(document):
    text = comparison_text(document)
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_one_split_and_one_seed_are_counted_as_one(document):
    document["plan"] |= {"repeats": 1, "folds": 1, "seeds": 1}
    assert "1 split x 1 seed;" in " ".join(comparison_text(document).split())


def test_a_recipe_of_its_own_is_told_below_the_table():
    document = copy.deepcopy(DOCUMENT)
    assert "lr 0.1," not in comparison_text(document)
    document["candidates"][0]["recipe"] = "SGD, lr 0.1, full batch, 1000 epochs"
    name = document["candidates"][0]["name"]
    assert f"{name}: SGD, lr 0.1, full batch, 1000 epochs." in comparison_text(document)
