"""The kernel that the page contains is the one of the source."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from seedbed.networks import kernel_program as program
from seedbed.networks import layers
from seedbed.networks.activations import ACTIVATIONS, read_activation
from seedbed.play.page import STATIC
from seedbed.training.native import library


@pytest.mark.slow
def test_the_committed_kernel_is_what_its_source_compiles_to(tmp_path):
    pytest.importorskip("ziglang")
    builder = Path(__file__).with_name("build_kernel.py")
    subprocess.run(
        [sys.executable, str(builder), str(tmp_path / "kernel.wasm")], check=True
    )
    same = (tmp_path / "kernel.wasm").read_bytes() == (
        STATIC / "kernel.wasm"
    ).read_bytes()
    assert same, "training/native/ has changed: run make kernel, and commit the file"


@pytest.mark.parametrize("name", ["POINTERS", "NUMBERS"])
def test_the_page_fills_in_the_job_as_python_does(name):
    found = re.search(
        rf"const {name} = \[(.*?)\];", (STATIC / "kernel.js").read_text(), re.DOTALL
    )
    assert re.findall(r'"(\w+)"', found[1]) == list(getattr(library, f"_{name}"))


def test_the_page_calls_activations_by_the_numbers_and_arguments_of_python():
    text = re.search(
        r"const FUNCTIONS = \{(.*?)\};", (STATIC / "kernel.js").read_text(), re.DOTALL
    )[1]
    for name, number, in_place, numbers in re.findall(
        r"(\w+): \[(\d+), (true|false)((?:, [\d.]+)*)\]", text
    ):
        entry = ACTIVATIONS[name.replace("_", "")]
        function, *arguments = entry.native(*read_activation(entry.torch.lower())[1])
        given = [float(one) for one in numbers.split(", ")[1:]]
        assert program.FUNCTIONS[int(number)] == function
        assert (in_place == "true") == (function in layers._IN_PLACE)
        assert [*given, 0, 0, 0][:3] == arguments
