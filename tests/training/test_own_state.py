"""Modules whose `forward` changes the module are no chain; each network equals the plain loop, the
first one too."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seedbed.training.many import train_many
from seedbed.training.torch.module_chains import changed_by_forward

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


class Counter(nn.Module):
    """Counts its forward passes, in a buffer or an attribute, without an effect on its outputs."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.n, self.last = kind, 0, nn.Linear(5, 1)
        if kind != "attribute":
            self.register_buffer("count", torch.zeros(()), persistent=kind == "buffer")

    def forward(self, x):
        if self.training:
            self.n += self.kind == "attribute"
            if self.kind != "attribute":
                self.count += 1
        return self.last(x)


@pytest.mark.parametrize("kind", ["buffer", "not persistent", "attribute"])
def test_what_forward_changes_is_found_and_the_module_stays_as_it_was(kind):
    network, X = Counter(kind), np.ones((7, 5), "f")
    assert changed_by_forward(network, X) == {
        "n" if kind == "attribute" else "_buffers"
    }
    assert (network.n, float(getattr(network, "count", 0))) == (0, 0)
    assert changed_by_forward(network.last, X) == set()


@pytest.mark.parametrize("kind", ["attribute", "buffer"])
def test_a_note_names_an_attribute_that_returned_networks_lose(task, kind):
    parts, options = task("bce").parts, {"seeds": 3, "epochs": 2, "n_jobs": 1}
    history = train_many(lambda: Counter(kind), *parts, **options)
    lost = "don't keep the trained value of n: register it as a buffer"
    assert (lost in history.note) == (kind == "attribute")


@pytest.mark.few(3)
@pytest.mark.parametrize("number", range(12))
def test_modules_drawn_at_random_equal_a_plain_loop(monkeypatch, number):
    monkeypatch.syspath_prepend(BENCHMARKS)
    assert importlib.import_module("fuzz_engines").own_gap(number) < 1e-9
