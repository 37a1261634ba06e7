"""Candidates in words train and predict without PyTorch; what needs it says so, and how to get
it."""

import json
import subprocess
import sys

import pytest

BLOCK = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "torch" else find(name, *more)
sys.modules["torch"] = None  # so that an import fails
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
print(json.dumps([found, sys.modules.get("torch") is not None]))
for one, history in zip(words, histories):  # the tutorial's loop trains a single network where torch is there
    single = sb.train_many(one, *parts, seeds=1, epochs=5)
    assert np.abs(single.test_loss - history.test_loss[:, :1]).max() < 1e-4
"""
REFUSE = """
def refused(build="relu:5", networks=False, **options):
    try:
        history = sb.train_many(build, *parts, seeds=2, epochs=2, **options)
        history.networks() if networks else None
    except sb.OptionError as error:
        return str(error)

found = [refused("elu:4@batchnorm"), refused("relu:5@batchnorm"), refused(lambda n_features: None)]
found += [refused(engine="torch"), refused(device="cuda"), refused(networks=True)]
planning.kernel = lambda dtype: (None, "it was built for none")
print(json.dumps([*found, refused()]))
"""


def run(*code):
    options = dict(capture_output=True, text=True)
    done = subprocess.run([sys.executable, "-c", "".join(code)], check=False, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_words_train_and_predict_without_torch_as_with_it():
    without, loaded = run(BLOCK, DATA, TRAIN)
    assert not loaded
    assert run(DATA, TRAIN) == [without, False]


def test_what_needs_torch_is_refused_in_one_sentence_with_the_command_that_installs_it():
    subjects = ["a network that the training kernel doesn't cover"] * 2 + [
        "a network of your own",
        "the engine torch",
    ]
    subjects += [
        "the device cuda",
        "a network as a module",
        "training without the kernel (it was built for none)",
    ]
    wanted = [
        f"{one} needs PyTorch. Install it: pip install 'seedbed[torch]'."
        for one in subjects
    ]
    assert run(BLOCK, DATA, REFUSE) == wanted
