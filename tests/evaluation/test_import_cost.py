"""What importing the package costs."""

import os
import subprocess
import sys


def test_importing_verdicts_loads_neither_scipy_nor_scikit_learn_nor_torch():
    code = "import sys, seedbed.evaluation.conclusion; print({'scipy', 'sklearn', 'torch'} & sys.modules.keys())"
    source = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=source)
    assert done.stdout.strip() == "set()"
