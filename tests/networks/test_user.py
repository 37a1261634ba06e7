"""User-defined networks: callables, and classes in files."""

import copy
import functools
import pickle

import pytest
from torch import nn

from seedbed.errors import CandidateError
from seedbed.networks.candidate import parse_candidate
from seedbed.networks.user import FileArchitecture, UserArchitecture
from seedbed.training.torch.states import build_network


class NoArgument(nn.Module):
    """A network like the tutorial's LinearModel()."""

    def __init__(self):
        super().__init__()
        self.layer_1, self.layer_2 = nn.Linear(12, 5), nn.Linear(5, 1)

    def forward(self, x):
        return self.layer_2(self.layer_1(x))


class TwoArguments(nn.Linear):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)


class Builder:
    def __call__(self, n_features, n_outputs):
        return nn.Linear(n_features, n_outputs)

    def build(self):
        return nn.Linear(12, 1)


@pytest.mark.parametrize(
    "build",
    [
        NoArgument,
        TwoArguments,
        Builder(),
        lambda: nn.Linear(12, 1),
        lambda n_features, n_outputs: nn.Linear(n_features, n_outputs),
        lambda n_features, n_outputs, width=5: nn.Linear(n_features, n_outputs),
        lambda n_features: nn.Linear(n_features, 1),
        lambda n_outputs, n_features, *, width=5: nn.Linear(n_features, n_outputs),
        lambda n_outputs, width=5, **others: nn.Linear(12 + len(others), n_outputs),
        functools.partial(
            lambda width, n_features, n_outputs: nn.Linear(n_features, n_outputs), 7
        ),
        functools.partial(
            lambda n_features, width: nn.Linear(12, n_features), n_features=1, width=7
        ),
    ],
)
def test_a_callable_receives_the_sizes_that_its_signature_names(build):
    network = UserArchitecture(build, "mine")(12, 1)
    weights = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert (weights[0].in_features, weights[-1].out_features) == (12, 1)


def test_a_callable_receives_the_inputs_of_each_category_and_all_others():
    def build(n_outputs, numbers, n_categories, categories=None):
        return numbers, categories, n_categories

    result = UserArchitecture(build, "mine", ((1, 2), (4,)))(6, 1)
    assert result == ([0, 3, 5], [[1, 2], [4]], [2, 1])
    assert UserArchitecture(build, "mine")(2, 1) == ([0, 1], [], [])


class Own(nn.Linear):
    def __init__(self, in_features=12, hidden=32):
        super().__init__(in_features, hidden)


@pytest.mark.parametrize(
    "build", [Own, functools.partial(Own, hidden=32), functools.partial(Own, 12)]
)
def test_a_default_is_never_overwritten(build):
    network = UserArchitecture(build, "mine")(17, 1)
    assert (network.in_features, network.out_features) == (12, 32)


@pytest.mark.parametrize(
    ("build", "parameter"),
    [
        (lambda in_features, hidden=32: None, "in_features"),
        (lambda n_features, classes: None, "classes"),
        (lambda n_features, n_outputs, /: None, "n_features"),
        (nn.Linear, "in_features"),
    ],
)
def test_a_required_parameter_of_another_name_is_refused(build, parameter):
    message = (
        rf"it needs a value for '{parameter}': its signature is \(.*n_features, n_outputs, numbers, categories and "
        rf"n_categories only, by name\. Rename '{parameter}' to one of these.*mine\(\.\.\., {parameter}=\.\.\."
    )
    with pytest.raises(CandidateError, match=message):
        UserArchitecture(build, "mine")(12, 1)


def test_an_error_in_user_code_keeps_its_traceback():
    def build():
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        UserArchitecture(build, "mine")(12, 1)


SOURCE = """
import torch
from torch import nn

class LinearModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer_1 = nn.Linear(12, 5)

    def forward(self, x):
        return self.layer_1(x)

def sized(n_features, n_outputs, n_categories):
    return nn.Linear(n_features + sum(n_categories), n_outputs)

VALUE = 5
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my net.py"
    path.write_text(SOURCE)
    return path


def test_a_class_or_function_in_a_file_builds_a_network(file):
    network = parse_candidate(f"{file}:LinearModel@lr=0.1").architecture(12, 1)
    assert type(network).__name__ == "LinearModel"
    assert network.layer_1.out_features == 5
    assert FileArchitecture(str(file), "sized", ((0, 1),))(3, 2).in_features == 5
    assert parse_candidate(f"{file}:LinearModel@lr=0.1").overrides == (("lr", 0.1),)


def test_a_relative_file_is_found(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    candidate = parse_candidate("my net.py:LinearModel")
    assert candidate.name == "my net.py:LinearModel"
    assert isinstance(
        pickle.loads(pickle.dumps(candidate)).architecture(12, 1), nn.Module
    )
    assert isinstance(copy.deepcopy(candidate.architecture(12, 1)), nn.Module)


def test_an_edited_file_is_reloaded(file, tmp_path):
    assert FileArchitecture(str(file), "LinearModel")(12, 1).layer_1.out_features == 5
    file.write_text(SOURCE.replace("12, 5", "12, 7"))
    assert FileArchitecture(str(file), "LinearModel")(12, 1).layer_1.out_features == 7
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / file.name
    other.write_text(SOURCE.replace("12, 5", "12, 9"))
    assert FileArchitecture(str(other), "LinearModel")(12, 1).layer_1.out_features == 9


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        (
            SOURCE,
            "LinearModle",
            "no class, function or estimator 'LinearModle' in .*. Did you mean 'LinearModel'",
        ),
        (
            SOURCE,
            "",
            "no class, function or estimator '' in .*Known: LinearModel, sized",
        ),
        ("class Net(:\n", "Net", "can't be imported: SyntaxError: "),
        ("1 / 0\n", "Net", "can't be imported: ZeroDivisionError"),
        ("def Net():\n    return 5\n", "Net", r"build\(\) returned a int"),
    ],
)
def test_an_unusable_file_raises_an_error_of_one_line(file, source, name, message):
    file.write_text(source)
    for _ in range(2):  # a failed import leaves no partial module in sys.modules
        with pytest.raises(CandidateError, match=message) as caught:
            build_network(lambda: FileArchitecture(str(file), name)(12, 1), 0)
        assert "\n" not in str(caught.value)


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    (tmp_path / "folder.py").mkdir()
    for path in (tmp_path / "nowhere.py", tmp_path / "folder.py"):
        message = rf"no such file: {path}. Name what is in a file as FILE.py:NAME"
        with pytest.raises(CandidateError, match=message):
            parse_candidate(f"{path}:Net").architecture(12, 1)
