"""What the room shows."""

import inspect
import os
import subprocess
import sys

import seedbed.evaluation as room


def test_every_public_name_is_there_once():
    assert len(room.__all__) == len(set(room.__all__))
    assert all(hasattr(room, name) for name in room.__all__)


def test_every_public_function_and_class_is_documented():
    things = {name: getattr(room, name) for name in room.__all__}
    own = {name for name, thing in things.items() if inspect.isfunction(thing) or inspect.isclass(thing)}
    assert [name for name in sorted(own) if not (things[name].__doc__ or "").strip()] == []
    assert {"judge_all", "Verdict"} <= own


def test_importing_the_room_loads_neither_scipy_nor_scikit_learn():
    code = "import sys, seedbed.evaluation; print([m for m in ('scipy', 'sklearn', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_with_source())
    assert done.stdout.strip() == "[]"


def _with_source():
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
