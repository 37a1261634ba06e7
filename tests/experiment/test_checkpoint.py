"""An interrupted run keeps finished work and continues to the same results, bit for bit."""

import functools
import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from torch import nn

from seedbed.errors import OptionError
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.fits import Fitted
from seedbed.experiment.run import run
from seedbed.experiment.specification_file import code_hash
from seedbed.networks.mlp import MLP
from seedbed.networks.user import FileArchitecture, UserArchitecture

from .conftest import StopError

pytestmark = pytest.mark.usefixtures("plain_charts")

MODELS = dict(
    candidates=["relu:3", "linear:3"], baselines=["prior", {"mine": GaussianNB()}]
)

NET = "import torch\n\n\nclass Net(torch.nn.Sequential):\n    def __init__(self):\n        super().__init__({layers})\n"


@pytest.fixture
def cut(small, tmp_path):
    """A function that runs a comparison, stops it after some fits and chunks, and returns its
    folder."""

    def go(after, **options):
        seen = []

        def stop(progress):
            seen.append(progress)
            if len(seen) == after:
                raise StopError

        options = {**MODELS, "folder": tmp_path / "run", **options}
        if after:
            with pytest.raises(StopError):
                small(on_progress=stop, **options)
        else:
            small(on_progress=seen.append, **options)
        return seen

    return go


def files(folder):
    return sorted(path.name for path in folder.glob("unfinished/*"))


def document(folder):
    found = json.loads((folder / "comparison.json").read_text())
    return {
        key: value for key, value in found.items() if key not in ("seconds", "files")
    }


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    """A function that returns the folder of a run that wasn't stopped; each is made once."""

    @functools.cache
    def folder_of(**options):
        folder = tmp_path_factory.mktemp("whole")
        small(**MODELS, folder=folder, **options)
        return folder

    return folder_of


@pytest.fixture(autouse=True)
def _one_split_at_a_time(monkeypatch):
    monkeypatch.setattr("seedbed.experiment.plan._MOST_SPLITS", 1)


@pytest.mark.few(2)
@pytest.mark.product
@pytest.mark.parametrize("recipe", ["tutorial", "default"])
@pytest.mark.parametrize(
    "after", [1, 4, 9, 12]
)  # of three models on three splits, and three fits of an estimator
def test_a_stopped_run_continues_to_the_same_results(
    cut, tmp_path, fitted, whole, after, recipe
):
    other = whole(recipe=recipe)
    fitted.clear()
    cut(after, recipe=recipe)
    n_kept = (after - 1) // 3 if after < 10 else 3 + after - 10
    assert len(files(tmp_path / "run")) == n_kept
    cut(0, recipe=recipe)
    # only the interrupted split was fitted twice
    assert len(fitted) == (3 if after > 9 else 4)
    assert document(tmp_path / "run") == document(other)
    one, other = (folder / "curves.safetensors" for folder in (tmp_path / "run", other))
    assert one.read_bytes() == other.read_bytes()
    assert not (tmp_path / "run" / "unfinished").exists()


def test_another_specification_is_refused_or_replaces_the_stored_run(cut, tmp_path):
    cut(10)
    before = files(tmp_path / "run")
    with pytest.raises(OptionError, match=r"holds another run: "):
        cut(0, label_smoothing=0.1)
    assert files(tmp_path / "run") == before
    cut(4, overwrite=True, epochs=5)
    assert len(files(tmp_path / "run")) == len(before) + 1
    cut(0, epochs=5)
    assert not (tmp_path / "run" / "unfinished").exists()


DAMAGE = {
    "truncated": lambda whole: whole[: len(whole) // 2],
    "empty": lambda whole: b"",
    "text": lambda whole: b"no fit at all",
    "a bit": lambda whole: whole[:-5] + bytes([whole[-5] ^ 4]) + whole[-4:],
    "zeros at the end": lambda whole: whole[:-16] + bytes(16),
}


@pytest.mark.few(1)
@pytest.mark.parametrize("how", [*DAMAGE, "a folder", "another split"])
def test_a_damaged_file_is_fitted_again(cut, tmp_path, fitted, whole, how):
    other = whole()
    cut(10)
    n_before = len(fitted)
    paths = [*(tmp_path / "run" / "unfinished").iterdir()]
    contents = [path.read_bytes() for path in paths]
    for number, path in enumerate(paths):
        path.unlink()
        if how == "a folder":
            path.mkdir()
        else:
            path.write_bytes(
                contents[number - 1]
                if how == "another split"
                else DAMAGE[how](contents[number])
            )
    cut(0)
    assert len(fitted) == n_before + 3
    assert document(tmp_path / "run") == document(other)


def test_the_time_of_earlier_starts_counts(planned, tmp_path):
    plan = planned("relu:3")
    for split, rows in enumerate(plan.splits[1:], 1):
        of_split = {"relu:3": Fitted(np.zeros(len(rows.test), dtype=np.float32))}
        Checkpoint(plan, tmp_path).keep(0, split, of_split, seconds=1000.0)
    assert 2000 < run(plan, tmp_path).seconds < 2000 + 60


def test_only_splits_of_this_run_are_counted(cut, planned, tmp_path):
    # a group of two on three splits, and two fits of the estimator
    cut(8, candidates=["relu:3"], folder=tmp_path)
    plan = planned("relu:3", baselines=MODELS["baselines"])
    assert Checkpoint(plan, tmp_path).n_splits == 4
    other = planned("relu:3", baselines=["prior"], recipe={"lr": 0.25})
    assert Checkpoint(other, tmp_path).n_splits == 0


def test_a_run_continues_if_its_state_cannot_be_written(cut, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("seedbed.experiment.checkpoint.write_whole", full)
        cut(10)
        assert files(tmp_path / "run") == []
    cut(10)  # there is space again
    assert len(files(tmp_path / "run")) == 3


def test_partial_files_are_removed_and_foreign_files_are_not(cut, tmp_path):
    cut(4)
    place = tmp_path / "run" / "unfinished"
    for path in (
        place / ".abc.fit.xyz.seedbed-part",
        tmp_path / "run" / ".report.html.abc.seedbed-part",
    ):
        path.write_bytes(b"half")
    (place / "notes.txt").write_text("mine")
    cut(0)
    assert files(tmp_path / "run") == ["notes.txt"]
    assert not list((tmp_path / "run").glob(".*"))


def test_models_beside_a_lambda_are_fitted_again_because_its_code_is_unknown(
    cut, tmp_path, fitted
):
    options = dict(
        candidates={"mine": lambda: nn.Linear(3, 1), "theirs": "relu:3"}, baselines=[]
    )
    cut(4, **options)
    assert files(tmp_path / "run") == []
    cut(0, **options)
    assert len(fitted) == 2 + 3


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.product
@pytest.mark.parametrize("changed", [False, True], ids=["the same", "changed between"])
@pytest.mark.parametrize("where", ["net.py", "layers_of_mine.py"])
def test_the_code_hash_of_a_file_includes_its_imports(
    cut, tmp_path, fitted, changed, where, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "layers_of_mine.py").write_text("import torch\n\nSIZE = 3\n")
    layers = "torch.nn.Linear(layers_of_mine.SIZE, 1)"
    (tmp_path / "net.py").write_text(
        "import layers_of_mine\n" + NET.format(layers=layers)
    )
    options = {"candidates": [f"{tmp_path / 'net.py'}:Net"], "baselines": []}
    cut(3, **options)
    if changed:
        (tmp_path / where).write_text((tmp_path / where).read_text() + "# changed\n")
    cut(0, **options)
    assert len(fitted) == (6 if changed else 4)  # two of three splits are kept
    sys.modules.pop("layers_of_mine")


class Own(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 1))


@pytest.mark.slow
def test_a_code_hash_changes_with_contents_and_is_none_without_a_file(tmp_path):
    things = [
        MLP((3,), ("relu",)),
        MLP((4,), ("relu",)),
        UserArchitecture(Own, "Own"),
        UserArchitecture(Own, "other"),
    ]
    found = [code_hash(thing) for thing in things]
    assert len(set(found)) == 4
    assert found == [code_hash(thing) for thing in things]
    assert None not in found
    assert code_hash(UserArchitecture(lambda: Own(), "Own")) is None
    namespace = {"__name__": "__main__"}
    exec("def build(): pass", namespace)
    assert code_hash(UserArchitecture(namespace["build"], "build")) is None
    (tmp_path / "net.py").write_text("")
    assert code_hash(FileArchitecture(str(tmp_path / "net.py"), "Net")) != code_hash(
        FileArchitecture("net.py", "Net")
    )


@pytest.mark.slow
def test_a_code_hash_is_the_same_in_another_process(capsys):
    code = (
        "from seedbed.experiment.specification_file import code_hash; from seedbed.networks.mlp import MLP\n"
        "import functools; from torch import nn; from seedbed.experiment.user_estimators import estimators_from\n"
        "print(code_hash(functools.partial(MLP, (3, 4), ('relu', 'tanh'))))\n"
        "(one,) = estimators_from(['sklearn.naive_bayes.GaussianNB'], random_state=3)\n"
        "print(code_hash(one.estimator))\n"
    )
    exec(code)
    here = capsys.readouterr().out
    typed = "class Net(nn.Linear):\n    def __init__(self): super().__init__(3, 1)\nprint(code_hash(Net))"
    done = subprocess.run(
        [sys.executable, "-c", code + typed], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{here}None\n"
    assert "None" not in here
