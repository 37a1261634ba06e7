"""Private parts of other libraries: each has a fallback."""

import importlib
import sys

import pytest
from torch import nn

import seedbed as sb
from seedbed.training import undocumented
from seedbed.training.native import library


def test_without_the_private_part_each_hook_does_nothing(monkeypatch):
    def missing(name):
        raise ImportError(name)

    levels = library.levels()
    monkeypatch.setattr(importlib, "import_module", missing)
    undocumented.keep_large_workers()
    assert library.levels() == (
        levels if sys.platform == "linux" or levels == ("arm64",) else ()
    )


def test_training_in_this_process_does_not_import_joblib(monkeypatch):
    """A thread imports scikit-learn, and with it joblib, beside the networks; two imports at once
    may fail."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "joblib"]:
        monkeypatch.delitem(sys.modules, name)
    options = dict(seeds=2, epochs=1, n_jobs=1)
    sb.train_many("relu:2", [[0.0], [1.0]], [0, 1], [[0.0], [1.0]], [0, 1], **options)
    assert "joblib" not in sys.modules


@pytest.mark.parametrize("name", ["_forward_hooks", "_forward_pre_hooks"])
def test_attributes_that_reveal_hooks_exist_in_this_torch(name):
    module = nn.ReLU()
    assert hasattr(module, name)
    assert not undocumented.has_hooks(module)
    getattr(module, f"register{name.removesuffix('s')}")(lambda *args: None)
    assert undocumented.has_hooks(module)
