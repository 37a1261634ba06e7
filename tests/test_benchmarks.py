"""The programs in benchmarks/ find what they import from seedbed and from each other, also inside
functions."""

import ast
import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
FILES = sorted(FOLDER.glob("*.py"))
OWN = {"seedbed", *(file.stem for file in FILES)}


@pytest.mark.torch
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_import_of_a_benchmark_exists(file, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in OWN:
                    importlib.import_module(alias.name)
        elif (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").split(".")[0] in OWN
        ):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(
                    f"{node.module}.{alias.name}"
                )


def test_simulated_tables_are_compared_as_the_program_compares(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    setting = importlib.import_module("simulated").SETTINGS["blocks-100-auto"]
    assert setting.experiment(setting.world.draw(100, 1), number=1).reference == "first"
