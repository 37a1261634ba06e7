"""Candidates in words train and predict without PyTorch; what needs it says so, and how to get it."""

import json
import subprocess
import sys

import pytest

BLOCK = """
import importlib.util, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "torch" else find(name, *more)
sys.meta_path.insert(0, Block())
"""
DATA = """
import json, sys
import numpy as np
import seedbed as sb
from seedbed.training import planning

planning._DRIVERS = ()  # as on a machine without an NVIDIA driver
X = np.random.default_rng(0).normal(size=(60, 4))
parts = X[:40], (X[:40, 0] > 0).astype(int), X[40:], (X[40:, 0] > 0).astype(int)
"""
TRAIN = """
words = "relu:5", "relu:4,4@residual,dropout=0.2,batch_size=16", "silu:4@layernorm,ple=4", "logistic@plr=2"
histories = [sb.train_many(one, *parts, seeds=3, epochs=5) for one in words]
found = [[one.test_loss.tolist(), one.predict(X).tolist(), one.n_parameters] for one in histories]
print(json.dumps([found, "torch" in sys.modules]))
for one, history in zip(words, histories):  # the tutorial's loop trains a single network where torch is there
    single = sb.train_many(one, *parts, seeds=1, epochs=5)
    assert np.abs(single.test_loss - history.test_loss[:, :1]).max() < 1e-4
"""
REFUSE = """
def fail(what, **options):
    try:
        what(**options)
    except sb.SeedbedError as error:
        return f"{type(error).__name__}: {error}"

def train(build="relu:5", **options):
    return sb.train_many(build, *parts, seeds=2, epochs=2, **options)

found = {name: fail(train, build=name) for name in ("rrelu:5", "softmax:5")}
found |= {"module": fail(train, build=lambda n_features: None), "engine": fail(train, engine="torch")}
found |= {"device": fail(train, device="cuda"), "networks": fail(train().networks)}
planning.kernel = lambda dtype: (None, "no kernel was built for this processor and system")
print(json.dumps(found | {"kernel": fail(train)}))
"""


def run(*code):
    done = subprocess.run([sys.executable, "-c", "".join(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_words_train_and_predict_without_torch_as_with_it():
    without, loaded = run(BLOCK, DATA, TRAIN)
    assert not loaded
    assert run(DATA, TRAIN) == [without, False]


@pytest.fixture(scope="module")
def refusals():
    return run(BLOCK, DATA, REFUSE)


NOT_COVERED = "a network that the training kernel doesn't cover"
NO_KERNEL = "training without the kernel (no kernel was built for this processor and system)"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        *(("rrelu:5", NOT_COVERED), ("softmax:5", NOT_COVERED), ("module", "a network of your own")),
        *(("engine", "the engine torch"), ("device", "the device cuda"), ("networks", "a network as a module")),
        ("kernel", NO_KERNEL),
    ],
)
def test_what_needs_torch_is_refused_in_one_sentence_with_the_command_that_installs_it(refusals, name, what):
    assert refusals[name] == f"OptionError: {what} needs PyTorch. Install it: pip install 'seedbed[torch]'."
