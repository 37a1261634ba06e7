"""The lines of a training on one split: those of the tutorial, and one about the seeds."""

import numpy as np
import pytest

from seedbed.report.sentences import epoch_lines, seeds_sentence


def curves(*values):
    return [np.array([value], dtype=np.float32) for value in values]


LOSSES, SHARES, SCORES = [0.1, 0.2, 0.3, 0.8], [0.5, 0.6, 0.7, 1.0], [-0.00123, -0.25]
MEAN = "0.35000 (0.17500 to 0.42500)"
SHARE = "70.00% (57.50 to 77.50)"
SCORE = "-0.1256 (-0.1878 to -0.0634)"
LINES = {
    "Loss: 0.69315, Accuracy: 51.05% | Test loss: 0.69320, Test acc: 48.33%": (
        [0.693147],
        [0.51046],
        [0.6932],
        [0.48333],
    ),
    f"Loss: {MEAN}, Accuracy: {SHARE} | Test loss: {MEAN}, Test acc: {SHARE}": (
        LOSSES,
        SHARES,
        LOSSES,
        SHARES,
    ),
    "Loss: nan, Accuracy: 50.00% | Test loss: nan, Test acc: 50.00%": (
        [np.nan],
        [0.5],
        [np.nan],
        [0.5],
    ),
    "Loss: 1.00123, R2: -0.0012 | Test loss: 1.00123, Test R2: -0.0012": (
        [1.00123],
        SCORES[:1],
        [1.00123],
        SCORES[:1],
    ),
    f"Loss: {MEAN}, R2: {SCORE} | Test loss: {MEAN}, Test R2: {SCORE}": (
        LOSSES,
        SCORES,
        LOSSES,
        SCORES,
    ),
}


@pytest.mark.parametrize("line", LINES)
def test_an_epoch_is_printed_as_in_the_tutorial_or_with_the_interquartile_range_of_networks(
    line,
):
    name = {"score_name": "R2"} if "R2" in line else {}
    assert list(epoch_lines(curves(*LINES[line]), every=100, **name)) == [
        f"Epoch: 0, {line}"
    ]


@pytest.mark.parametrize(
    ("scores", "n_seeds", "name", "expected"),
    [
        ([0.8], 1, "accuracy", "Test accuracy 80.0%, once: "),
        (
            [0.55, 0.85],
            2,
            "accuracy",
            "Test accuracy 70.0%; 2 seeds between 55.0% and 85.0%. ",
        ),
        (
            [0.5],
            3,
            "R2",
            "Test R2 0.500; 3 seeds between 0.500 and 0.500, 2 diverged. ",
        ),
        ([], 2, "R2", ""),
    ],
)
def test_the_last_line_gives_the_range_that_seeds_show(scores, n_seeds, name, expected):
    sentence = seeds_sentence(np.array(scores, dtype=np.float32), n_seeds, name)
    assert sentence.startswith(expected)
    assert bool(sentence) == bool(scores)
