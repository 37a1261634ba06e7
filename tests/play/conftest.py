"""The page's modules without its looks, in Chromium: tests call their functions with plain values.
A request, an error or a word on the console fails the test."""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seedbed.data.reading import read_table
from seedbed.data.table import Table
from seedbed.figures.pictures import csv_library
from seedbed.play.document import table_document
from seedbed.play.page import POLICY, STATIC, bundled

MODULES = "engine.js table.js cells.js csv.js survey.js verdict.js export.js words.js folds.js".split()
EXPOSED = (
    *"createEngine requestProblem decodeTable exampleTable readCsv csvText judge exports".split(),
    *"splitRows testSize sharedInputs splitDesign initialParameters widths".split(),
    *"numeral survey studentQuantile candidateWord scoreText signedText useText".split(),
    *"foldsOf withFolds groupsOf ratesOf patientsTable rareTable".split(),
)
HELPERS = """
const later = (wanted) => new Promise((resolve) => wanted(resolve));
const finish = async (table, request) => {
  window.engine ??= await createEngine({ workers: 2 });
  return later((resolve) => engine.train(table, request, (run) => run.status === "running" || resolve(run)));
};
const plainRun = (run) => ({
  status: run.status, message: run.message, trained: run.trained, epochs: Array.from(run.epochs), request: run.request,
  curves: Object.fromEntries(Object.entries(run.curves).map(([name, values]) => [name, Array.from(values)])),
  weights: run.request.networks.map((_, net) => (run.weights(net) ?? [])
    .flatMap(({ weight, bias }) => [Array.from(weight), Array.from(bias)])),
});
"""


@pytest.fixture(scope="session")
def lab_page(
    chromium: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, list[str]]]:
    """A page with the modules' functions, and what it has said or asked for."""
    kernel = base64.b64encode((STATIC / "kernel.wasm").read_bytes()).decode()
    exposed = ", ".join(EXPOSED)
    path = tmp_path_factory.mktemp("lab") / "lab.html"
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<link rel="icon" href="data:,"><script type="text/plain" id="play-kernel">{kernel}</script>'
        f'<script type="text/plain" id="play-worker">{csv_library()}{bundled(["worker.js"])}</script>'
        f'<script type="module">{csv_library()}{bundled(MODULES)}{HELPERS}'
        f"Object.assign(window, {{ {exposed}, finish, plainRun }}); window.ready = true;</script>"
    )
    heard: list[str] = []
    page = chromium.new_page()
    page.on("console", lambda message: heard.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.goto(path.as_uri())
    page.on(
        "request",
        lambda one: (
            one.url.startswith("blob:") or heard.append(f"request: {one.url[:100]}")
        ),
    )
    page.wait_for_function("window.ready")
    yield page, heard
    page.close()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of such small products cost more than they save, above all where Chromium uses the
    other cores."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def lab(lab_page: tuple[Any, list[str]]) -> Iterator[Callable[..., Any]]:
    """Calls a JavaScript function with plain values: lab("(a, b) => a + b", 1, 2)."""
    page, heard = lab_page

    def call(function: str, *values: Any) -> Any:
        text = json.dumps(values)  # Playwright's own encoding takes seconds for a table
        return page.evaluate(f"async (text) => ({function})(...JSON.parse(text))", text)

    yield call
    said, heard[:] = list(heard), []
    assert said == []


def request(network: str = "relu:5", **words: Any) -> dict[str, Any]:
    """A request with some settings in place of the usual ones; hidden layers are written
    `relu:5,4`."""
    activation, units = network.split(":") if network else ("", "")
    layers = [
        {"units": int(one), "activation": activation} for one in units.split(",") if one
    ]
    usual = dict(hidden=layers, optimizer="sgd", lr=0.1, weightDecay=0, epochs=30)
    return {
        **usual,
        "networks": [{"split": 0, "seed": seed} for seed in range(3)],
        **words,
    }


@pytest.fixture(name="request_of")
def _request_of() -> Callable[..., dict[str, Any]]:
    return request


@pytest.fixture(scope="session")
def mixed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with numbers, missing cells and categories, one of them with a rare level, and three
    targets."""
    path = tmp_path_factory.mktemp("mixed") / "mixed.csv"
    random = np.random.default_rng(3)
    lines = ["size,gap,colour,flag,kind,kinds,number"]
    for row in range(90):
        size = 1000 + 5 * random.normal()
        gap = "" if row % 7 == 0 else f"{random.normal():.4f}"
        colour = (
            "rare"
            if row % 45 == 0
            else ("red", "green", "", "blue")[random.integers(4)]
        )
        kind = int(size + (colour == "red") + random.normal() > 1000)
        number = 3 * (size - 1000) + 100 * (colour == "red") + random.normal()
        lines.append(
            f"{size:.3f},{gap},{colour},{'yes' if row % 3 else 'no'},{kind},{'abc'[row % 3]},{number:.3f}"
        )
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="session")
def mixed(mixed_file: Path) -> Callable[[str], Table]:
    """The same table with the target of each task."""
    targets = {"binary": "kind", "multiclass": "kinds", "regression": "number"}

    def read(task: str) -> Table:
        others = [name for name in targets.values() if name != targets[task]]
        return read_table(mixed_file, target=targets[task], drop=others)

    return read


@pytest.fixture(scope="session")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A table of 60 patients with one to five rows each, which are in no order."""
    path = tmp_path_factory.mktemp("grouped") / "visits.csv"
    random = np.random.default_rng(5)
    patient = random.permutation(np.repeat(np.arange(60), random.integers(1, 6, 60)))
    dose = random.normal(size=len(patient))
    frame = pd.DataFrame(
        dict(patient=patient, dose=dose, age=patient % 17, sick=dose + patient % 17 > 8)
    )
    frame.to_csv(path, index=False)
    return read_table(path, target="sick", group="patient")


@pytest.fixture
def document(mixed: Callable[[str], Table]) -> Callable[[str], dict[str, Any]]:
    """The same tables as the page takes them."""
    return lambda task: table_document(mixed(task))
