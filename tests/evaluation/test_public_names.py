"""The public names of the package."""

import inspect
import os
import subprocess
import sys

from seedbed import evaluation


def test_every_public_name_exists_and_is_listed_once():
    assert len(evaluation.__all__) == len(set(evaluation.__all__))
    assert all(hasattr(evaluation, name) for name in evaluation.__all__)


def test_every_public_function_and_class_is_documented():
    things = {name: getattr(evaluation, name) for name in evaluation.__all__}
    own = {name for name, thing in things.items() if inspect.isfunction(thing) or inspect.isclass(thing)}
    assert [name for name in sorted(own) if not (things[name].__doc__ or "").strip()] == []
    assert {"conclude", "Verdict"} <= own


def test_importing_the_package_loads_neither_scipy_nor_scikit_learn():
    code = "import sys, seedbed.evaluation; print([m for m in ('scipy', 'sklearn', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_with_source())
    assert done.stdout.strip() == "[]"


def _with_source():
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
