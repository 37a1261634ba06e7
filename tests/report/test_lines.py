"""The lines that the tutorial prints for each epoch."""

import numpy as np

from seedbed.report.sentences import epoch_lines


def curves(*values):
    return [np.array([value], dtype=np.float32) for value in values]


def test_one_network_is_printed_as_in_the_tutorial():
    lines = list(epoch_lines(*curves([0.693147], [0.510460], [0.6932], [0.48333]), every=100))
    assert lines == ["Epoch: 0, Loss: 0.69315, Accuracy: 51.05% | Test loss: 0.69320, Test acc: 48.33%"]


def test_many_networks_are_printed_as_mean_and_interquartile_range():
    losses, shares = [0.1, 0.2, 0.3, 0.8], [0.5, 0.6, 0.7, 1.0]
    (line,) = epoch_lines(*curves(losses, shares, losses, shares), every=1)
    assert line == (
        "Epoch: 0, Loss: 0.35000 (0.17500 to 0.42500), Accuracy: 70.00% (57.50 to 77.50) | "
        "Test loss: 0.35000 (0.17500 to 0.42500), Test acc: 70.00% (57.50 to 77.50)"
    )


def test_a_single_network_that_diverged_shows_nan():
    gone, share = curves([np.nan], [0.5])
    (line,) = epoch_lines(gone, share, gone, share, every=1)
    assert line == "Epoch: 0, Loss: nan, Accuracy: 50.00% | Test loss: nan, Test acc: 50.00%"


def test_r2_is_a_plain_number():
    losses, scores = [1.00123, 1.2], [-0.00123, -0.25]
    (line,) = epoch_lines(*curves(*([one[0]] for one in (losses, scores, losses, scores))), every=1, score_name="R2")
    assert line == "Epoch: 0, Loss: 1.00123, R2: -0.0012 | Test loss: 1.00123, Test R2: -0.0012"
    (line,) = epoch_lines(*curves(losses, scores, losses, scores), every=1, score_name="R2")
    assert "R2: -0.1256 (-0.1878 to -0.0634) | Test loss: 1.1" in line
