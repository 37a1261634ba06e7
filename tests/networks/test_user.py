"""Networks of the user's own: callables, and classes in files."""

import copy
import pickle

import pytest
from torch import nn

from seedbed.errors import CandidateError
from seedbed.networks import FileArchitecture, UserArchitecture, parse_candidate


class NoArgument(nn.Module):
    """Like the tutorial's LinearModel()."""

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
        Builder().build,
        lambda: nn.Linear(12, 1),
        lambda n_features, n_outputs: nn.Linear(n_features, n_outputs),
        lambda n_features=12, n_outputs=1: nn.Linear(n_features, n_outputs),
        lambda n_features, n_outputs, width=5: nn.Linear(n_features, n_outputs),
        lambda *sizes: nn.Linear(12, 1),
    ],
)
def test_a_callable_with_no_argument_or_two_builds_a_network(build):
    network = UserArchitecture(build, "mine")(12, 1)
    weights = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert (weights[0].in_features, weights[-1].out_features) == (12, 1)


@pytest.mark.parametrize("build", [lambda n: nn.Linear(n, 1), lambda a, b, c: None, lambda *, n_features: None])
def test_a_callable_that_wants_other_arguments_is_refused_with_its_signature(build):
    with pytest.raises(CandidateError, match=r"'mine' takes \(.*\). It must take no argument, or two: n_features and"):
        UserArchitecture(build, "mine")(12, 1)


@pytest.mark.parametrize(("made", "kind"), [(None, "NoneType"), (5, "int"), (nn.Linear, "type")])
def test_a_callable_that_builds_no_module_is_refused_with_what_it_built(made, kind):
    with pytest.raises(CandidateError, match=rf"'mine' built a {kind}. It must return a torch.nn.Module"):
        UserArchitecture(lambda: made, "mine")(12, 1)


def test_a_mistake_in_the_users_own_code_keeps_its_traceback():
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

def sized(n_features, n_outputs):
    return nn.Linear(n_features, n_outputs)

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
    assert FileArchitecture(str(file), "sized")(3, 2).out_features == 2
    assert parse_candidate(f"{file}:LinearModel@lr=0.1").overrides == (("lr", 0.1),)


def test_a_file_is_found_from_the_working_folder_and_its_architecture_travels(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    candidate = parse_candidate("my net.py:LinearModel")
    assert candidate.name == "my net.py:LinearModel"
    assert isinstance(pickle.loads(pickle.dumps(candidate)).architecture(12, 1), nn.Module)
    assert isinstance(copy.deepcopy(candidate.architecture(12, 1)), nn.Module)


def test_an_edited_file_is_loaded_anew_and_files_of_one_name_do_not_collide(file, tmp_path):
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
        (SOURCE, "LinearModle", "no class or function 'LinearModle' in .*. Did you mean 'LinearModel'"),
        (SOURCE, "VALUE", "no class or function 'VALUE' in"),
        (SOURCE, "", "no class or function '' in .*Known: LinearModel, sized"),
        ("class Net(:\n", "Net", "can't be imported: SyntaxError: "),
        ("import nowhere_to_be_found\n", "Net", "can't be imported: ModuleNotFoundError: No module named 'nowhere"),
        ("1 / 0\n", "Net", "can't be imported: ZeroDivisionError"),
        ("def Net():\n    return 5\n", "Net", "'Net' built a int"),
    ],
)
def test_a_file_that_does_not_help_is_one_clear_line(file, source, name, message):
    file.write_text(source)
    for _ in range(2):  # a failed import leaves nothing half made behind
        with pytest.raises(CandidateError, match=message) as caught:
            FileArchitecture(str(file), name)(12, 1)
        assert "\n" not in str(caught.value)


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    (tmp_path / "folder.py").mkdir()
    for path in (tmp_path / "nowhere.py", tmp_path / "folder.py"):
        with pytest.raises(
            CandidateError, match=rf"no such file: {path}. A network of your own is named FILE.py:CLASS"
        ):
            parse_candidate(f"{path}:Net").architecture(12, 1)
