"""The exported Python file predicts what the model predicts, without seedbed, and contains no foreign code."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import seedbed as sb
from seedbed.errors import OptionError
from seedbed.model import export as exporting
from seedbed.model import fit_model
from seedbed.networks import ACTIVATIONS
from seedbed.settings import recipe_named

from .conftest import CANDIDATES, FAST, PARTS, TARGETS
from .onnx_cells import cells, sown

QUICK = recipe_named("trained", lr=0.02, epoch="last", epochs=5)
CLOSE = 1e-5
TABLES = ("titanic.csv", "telco_churn.csv", "credit_approval.csv", "sick.csv", "wine_quality.csv", "heart_failure.csv")
RUN = """
import json, runpy, sys
found = []
for page, rows in json.load(sys.stdin):
    predict = runpy.run_path(page)["predict"]
    found.append(predict(rows))
    assert predict([]) == []
assert not any(name.split(".")[0] == "seedbed" for name in sys.modules)
json.dump(found, open(sys.argv[1], "w"))
"""


def predicted(folder: Path, *given: tuple[Path, list[dict[str, object]]]) -> list[np.ndarray]:
    """Run files on rows in a Python that finds neither this folder nor seedbed."""
    said = json.dumps([(str(page), rows) for page, rows in given])
    command = [sys.executable, "-I", "-c", RUN, str(folder / "found.json")]
    subprocess.run(command, input=said, text=True, check=True, cwd=folder, timeout=120)
    return [np.array(values) for values in json.loads((folder / "found.json").read_text())]


def inside(page: Path, records: list[dict[str, object]]) -> np.ndarray:
    """Run the file in this process, which is faster."""
    space = {"__file__": str(page)}
    exec(compile(page.read_text(encoding="utf-8"), str(page), "exec"), space)
    return np.array(space["predict"](records))


def expected(model, rows: pd.DataFrame) -> np.ndarray:
    said = model.predictions(rows)
    return said.values if model.task == "regression" else said.probabilities


def test_without_seedbed_the_files_equal_their_models(fitted, frame, tmp_path):
    models = [fitted("relu:5", target) for target in TARGETS]
    files = [model.export(tmp_path / f"net{number}.py").files for number, model in enumerate(models)]
    assert files[0] == (tmp_path / "net0.py", tmp_path / "net0.safetensors")
    rows = [sown(frame.head(60), model) for model in models]
    found = predicted(tmp_path, *((page, cells(*pair)) for (page, _), *pair in zip(files, models, rows, strict=True)))
    for model, own, values in zip(models, rows, found, strict=True):
        assert np.abs(values - expected(model, own)).max() / model.target_deviation < CLOSE


@pytest.mark.parametrize("name", TABLES)
def test_the_file_equals_the_model_for_real_tables(real_table, tmp_path, name):
    frame = pd.read_csv(real_table(name), nrows=3_000)
    model = fit_model(sb.read_table(frame, target=frame.columns[-1]), "tanh:4", recipe=QUICK, **FAST)
    page = model.export(tmp_path / "net.py").files[0]
    rows = sown(frame.head(200), model)
    assert np.abs(inside(page, cells(model, rows)) - expected(model, rows)).max() < CLOSE


@pytest.mark.parametrize("candidate", [*CANDIDATES, *(f"{name}:4" for name in ACTIVATIONS), "leaky_relu(0.2):4"])
def test_the_file_equals_the_model_for_all_layers(table_for, frame, tmp_path, candidate):
    model = fit_model(table_for("grade"), candidate, recipe=QUICK, **FAST)
    page = model.export(tmp_path / "net.py").files[0]
    assert np.abs(inside(page, cells(model, frame)) - expected(model, frame)).max() < CLOSE


@pytest.mark.parametrize("spelling", ["%d/%m/%Y", "%Y-%m-%d %H:%M"])
def test_a_date_may_be_seconds_a_datetime_or_iso_text(tmp_path, spelling):
    rng = np.random.default_rng(0)
    moments = pd.to_datetime(rng.integers(-6e9, 6e9, 300).astype("datetime64[s]")).floor("min")
    frame = pd.DataFrame({"when": moments.strftime(spelling), "y": np.arange(300) % 2})
    model = fit_model(sb.read_table(frame, target="y"), "tanh:6", recipe=QUICK, **FAST)
    page = model.export(tmp_path / "net.py").files[0]
    moments = moments if "%H" in spelling else moments.floor("D")
    seconds = (moments - pd.Timestamp(0)).total_seconds()
    for typed in (seconds, moments.to_pydatetime(), moments.astype(str), [f"{moment}+00:00" for moment in moments]):
        records = [{"when": when} for when in typed]
        assert np.abs(inside(page, records) - expected(model, frame)).max() < CLOSE


def test_levels_missing_cells_and_true_and_false_are_read(tmp_path):
    rng = np.random.default_rng(2)
    towns = [f"town {number}" for number in rng.geometric(0.01, 600)]
    frame = pd.DataFrame({"pay": rng.normal(size=600), "sick": rng.choice(["no", "yes"], 600), "town": towns})
    frame.loc[::7, "pay"] = None
    table = sb.read_table(frame.assign(y=rng.integers(2, size=600)), target="y", categorical=["town"])
    model = fit_model(table, "tanh:6", recipe=QUICK, **FAST)
    page = model.export(tmp_path / "net.py").files[0]
    rows = frame.assign(town=[*towns[:-200], *(f"new {number}" for number in range(200))])
    for sick in (rows["sick"], rows["sick"] == "yes", (rows["sick"] == "yes") * 1.0):
        for pay in (rows["pay"], rows["pay"].astype(object).where(rows["pay"].notna(), None)):
            records = rows.assign(sick=sick, pay=pay).to_dict("records")
            assert np.abs(inside(page, records) - expected(model, rows)).max() < CLOSE


@pytest.mark.parametrize("candidate", ["relu:5", *PARTS])
def test_inputs_without_training_rows_have_no_effect(fitted, frame, tmp_path, candidate):
    model = fitted(candidate)
    live = model.preprocessor.live.copy()
    live[model.preprocessor.layout.places.indicators[::2]] = False
    model = replaced(model, live)
    page = model.export(tmp_path / "net.py").files[0]
    assert load_file(tmp_path / "net.safetensors")["deviation"][~torch.from_numpy(live)].isinf().all()
    assert np.abs(inside(page, cells(model, frame)) - expected(model, frame)).max() < CLOSE


def replaced(model, live):
    from dataclasses import replace

    return replace(model, preprocessor=replace(model.preprocessor, live=live))


HOSTILE = (
    '"""\nimport os\nos.abort()\n"""',
    "'''+str(1/0)+'''",
    "\\",
    "{1/0}",
    "a\r\nraise SystemExit",
    "both ' and \"",
    "größe \u202e\u2028\x00",
    "]); raise SystemExit #",
)


def test_hostile_names_remain_text(tmp_path):
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({name: rng.normal(size=120) for name in HOSTILE})
    frame["level"] = rng.choice(HOSTILE, 120)
    frame['target """ \\'] = rng.choice([HOSTILE[0], HOSTILE[4]], 120)
    table = sb.read_table(frame, target=frame.columns[-1], categorical=["level"])
    model = fit_model(table, sb.Candidate("x\n1/0 '''\"\"\"", sb.MLP((3,))), recipe=QUICK, **FAST)
    page = model.export(tmp_path / "net.py").files[0]
    kinds = {type(node) for node in ast.walk(ast.parse(page.read_text(encoding="utf-8")))}
    assert not kinds & {ast.Global, ast.While}
    assert sum(isinstance(node, ast.Raise) for node in ast.walk(ast.parse(page.read_text(encoding="utf-8")))) == 1
    assert not any(name in page.read_text(encoding="utf-8") for name in HOSTILE[:2])
    assert np.abs(inside(page, cells(model, frame)) - expected(model, frame)).max() < CLOSE


def test_the_file_is_formatted_like_by_a_formatter(fitted, tmp_path):
    for candidate, target in [*(("relu:5", target) for target in TARGETS), *((part, "ill") for part in PARTS)]:
        page = fitted(candidate, target).export(tmp_path / "net.py", coverage=0.8).files[0]
        command = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", str(page)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_an_unreadable_cell_is_an_error(fitted, frame, tmp_path):
    page, (row,) = fitted().export(tmp_path / "net.py").files[0], cells(fitted(), frame.head(1))
    for name, cell in (("size", "1,234"), ("smokes", "perhaps"), ("day", "soon")):
        with pytest.raises(ValueError, match=f"^column '{name}': '{cell}' can't be read$"):
            inside(page, [{**row, name: cell}])
    row.pop("town")
    with pytest.raises(ValueError, match=r"^column 'town': no cell$"):
        inside(page, [row])


@pytest.mark.parametrize("target", ["ill", "grade"])
def test_labels_equal_the_models_and_a_single_row_gives_a_list_of_one(table_for, frame, tmp_path, target):
    threshold = 0.3 if target == "ill" else 0.5
    model = fit_model(table_for(target), "tanh:4", recipe=QUICK, threshold=threshold, **FAST)
    space = {"__file__": str(model.export(tmp_path / "net.py").files[0])}
    exec(compile(Path(space["__file__"]).read_text(encoding="utf-8"), "net.py", "exec"), space)
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    assert space["label"](records) == model.predict(frame).tolist()
    assert space["predict"](records[0]) == space["predict"](records[:1])


def test_an_export_replaces_only_an_export(fitted, tmp_path):
    model = fitted()
    model.save(tmp_path / "net.safetensors")
    with pytest.raises(OptionError, match=r"net\.safetensors already exists and is not an export"):
        model.export(tmp_path / "net.py")
    (tmp_path / "mine.py").write_text("x = 1\n")
    with pytest.raises(OptionError, match=r"mine\.py already exists"):
        model.export(tmp_path / "mine.py")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.py", "net.safetensors"]
    for _ in range(2):
        model.export(tmp_path / "other.py")


def test_both_files_are_written_or_none(fitted, tmp_path, monkeypatch):
    def broken(path, what, write):
        if path.suffix == ".safetensors":
            raise OSError("disk full")
        real(path, what, write)

    real = exporting.write_checked
    monkeypatch.setattr(exporting, "write_checked", broken)
    with pytest.raises(OptionError, match="disk full"):
        fitted().export(tmp_path / "net.py")
    assert list(tmp_path.iterdir()) == []


def test_the_weights_equal_those_of_the_model(fitted, tmp_path):
    model = fitted("prelu:4@batchnorm,dropout=0.2")
    model.export(tmp_path / "net.py")
    weights = load_file(tmp_path / "net.safetensors")
    assert weights.keys() == model.states.keys() | {"mean", "deviation"}
    torch.testing.assert_close(weights["4.weight"], model.states["4.weight"], rtol=0, atol=0)
