"""`train_many`: accepted arguments, and errors for others."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

from seedbed.errors import OptionError, SeedbedError, TrainingError
from seedbed.settings.design import Compute
from seedbed.training.many import train_many

from ..cases import with_texts

QUICK = {"seeds": 2, "epochs": 3, "n_jobs": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "no seeds are given. Give at least one"),
        (
            {"seeds": 2.5},
            "seeds is 2.5. It must be a list of whole numbers or a whole number",
        ),
        ({"seeds": [2**70]}, "seed is too large"),
        ({"engine": "fast"}, "engine is 'fast'. It must be auto, native or torch"),
        ({"device": "gpu"}, "no device 'gpu'.*Use auto, cpu or cuda"),
        (
            {"device": "vulkan"},
            "^no device 'vulkan': this torch has no such backend. Use auto, cpu or cuda.$",
        ),
        ({"device": None}, "device is None. It must be a text"),
        ({"n_jobs": 0}, "n_jobs is 0. Give 1 to 1,024"),
    ],
    ids=str,
)
@pytest.mark.parametrize("seeds", [2, 1], ids=["stack", "single"])
def test_an_invalid_option_is_named_with_advice(task, options, message, seeds):
    with pytest.raises(OptionError, match=message):
        train_many("relu:3", *task("bce").parts, **{**QUICK, "seeds": seeds, **options})


def with_cell(array, value):
    array = array.astype(float)
    array.flat[3] = value
    return array


UNFIT = {
    "NaN": {"X_train": lambda a: with_cell(a, np.nan)},
    "large": {"X_test": lambda a: with_cell(a, 1e300)},
    "text": {"X_train": lambda a: a.astype(str)},
    "columns": {"X_test": lambda a: a[:, :4]},
    "rows": {"y_train": lambda a: a[:-1]},
    "targets": {"y_test": lambda a: np.stack([a, a], 1)},
    "weights": {"sample_weight": lambda a: a[:5]},
    "no weights": {"sample_weight": lambda a: a * 0},
    "one output": dict(
        loss=lambda a: "cross_entropy", build=lambda a: lambda: nn.Linear(5, 1)
    ),
    "ones and twos": {"loss": lambda a: "bce", "y_train": lambda a: a + 1},
}
UNFIT = with_texts(
    UNFIT,
    r"""
NaN: X_train contains NaN or infinite numbers. Replace or drop
large: X_test contains numbers too large for float32. Standardise
text: X_train contains <U.* It must contain numbers
columns: X_train has shape \[70, 5\], X_test \[25, 4\]
rows: X_train has shape \[70, 5\], y_train \[69\]
targets: y_train has shape \[70\], y_test \[25, 2\]
weights: sample_weight has shape \[5\]. It must be \[70\]
no weights: sample_weight is .*all zero
one output: class codes 0 to 0
ones and twos: bce needs a target of zeros and ones
""",
)


@pytest.mark.parametrize("case", UNFIT)
def test_arrays_that_do_not_fit_are_refused_with_their_shape(task, case):
    change, message = UNFIT[case]
    X_train, y_train, X_test, y_test = task("bce").parts
    given = dict(
        X_train=X_train, y_train=y_train, X_test=X_test, y_test=y_test, build="relu:3"
    )
    given |= {name: make(given.get(name, y_train)) for name, make in change.items()}
    with pytest.raises(TrainingError, match=message):
        train_many(**given, **QUICK)


def test_lists_arrays_and_tensors_of_any_dtype_give_the_same_result(task):
    expected = train_many("relu:3", *task("bce").parts, **QUICK)
    X_train, y_train, X_test, y_test = task("bce").parts
    for kind in (
        lambda a: a.tolist(),
        torch.tensor,
        lambda a: torch.tensor(a, requires_grad=a.dtype == float),
        lambda a: a[:, None].astype(np.int8) if a.ndim == 1 else np.asfortranarray(a),
        lambda a: a.astype(bool) if a.ndim == 1 else a[::-1][::-1],
    ):
        found = train_many(
            "relu:3", kind(X_train), kind(y_train), kind(X_test), kind(y_test), **QUICK
        )
        assert_array_equal(found.test_loss, expected.test_loss)


@pytest.mark.parametrize(
    "seeds",
    [2, np.int64(2), [0, 1], (0, 1), range(2), np.arange(2), torch.arange(2)],
    ids=repr,
)
def test_seeds_are_an_integer_or_any_sequence_of_integers(task, seeds):
    history = train_many("relu:3", *task("bce").parts, **{**QUICK, "seeds": seeds})
    assert history.seeds == (0, 1)
    assert {type(seed) for seed in history.seeds} == {int}
    assert history.train_loss.shape == (3, 2)


@pytest.mark.parametrize(
    ("loss", "asked", "n_outputs"),
    [
        *(
            ("bce", "auto", 1),
            ("bce", "cross_entropy", 2),
            ("cross_entropy", "auto", 3),
        ),
        *(("cross_entropy", "mse", 1), ("mse", "auto", 1)),
    ],
)
def test_a_candidate_gets_as_many_outputs_as_loss_needs(task, loss, asked, n_outputs):
    history = train_many("relu:3", *task(loss).parts, loss=asked, **QUICK)
    assert history.networks()[0][-1].out_features == n_outputs
    assert history.score_name == ("R2" if "mse" in (loss, asked) else "accuracy")


def with_labels(task, *labels):
    """Return a task of three classes with other labels in their place."""
    X_train, y_train, X_test, y_test = task("cross_entropy").parts
    labels = np.array(labels)
    return X_train, labels[y_train], X_test, labels[y_test]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ((-1, 1, 1), "numbers"),
        ((1, 2, 2), "codes of 3 classes"),
        ((0.0, 1.0, 2.0), "codes of 3 classes"),
        ((0, 1, 1), "labels 0 and 1"),
    ],
)
def test_without_a_loss_the_note_says_what_the_target_was_taken_as(task, labels, words):
    history = train_many("relu:3", *with_labels(task, *labels), **QUICK)
    assert history.note.startswith(
        f"y was read as {words}, judging by its values; set loss='bce'"
    )


@pytest.mark.parametrize(
    ("labels", "asked", "n_outputs", "score"),
    [
        ((0.0, 1.0, 2.0), "mse", 1, "R2"),
        ((0, 1, 1), "mse", 1, "R2"),
        ((0, 1, 1), "bce", 1, "accuracy"),
        ((0, 1, 1), "cross_entropy", 2, "accuracy"),
        ((0, 60, 3), "cross_entropy", 61, "accuracy"),
    ],
)
@pytest.mark.parametrize("seeds", [2, 1], ids=["stack", "single"])
def test_the_loss_decides_score(task, labels, asked, n_outputs, score, seeds):
    history = train_many(
        "relu:3", *with_labels(task, *labels), **{**QUICK, "seeds": seeds}, loss=asked
    )
    assert history.networks()[0][-1].out_features == n_outputs
    assert history.score_name == score
    assert history.note == ""


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ((-1, 1, 1), {"loss": "bce"}, r"loss bce needs a target of zeros and ones"),
        (
            (0, 1, 20_000),
            {"loss": "cross_entropy"},
            r"3 class codes, and the largest is 20,000\. Code it as 0, 1, 2",
        ),
    ],
)
def test_a_target_that_the_loss_does_not_fit_is_refused(task, labels, options, message):
    with pytest.raises(SeedbedError, match=message):
        train_many("relu:3", *with_labels(task, *labels), **QUICK, **options)


def test_devices_and_dtypes_of_torch_are_accepted(task):
    named = train_many(
        "relu:3", *task("bce").parts, **QUICK, device="cpu", dtype="float64"
    )
    given = train_many(
        "relu:3",
        *task("bce").parts,
        **QUICK,
        device=torch.device("cpu"),
        dtype=torch.float64,
    )
    assert np.array_equal(named.test_loss, given.test_loss)
    assert Compute(device=torch.device("cuda", 1)) == Compute(device="cuda:1")
