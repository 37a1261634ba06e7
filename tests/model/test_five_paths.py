"""One model gives the same probabilities in five ways: the Python object, the loaded file, the
command line, the server and ONNX; on every example and every real table, with missing cells,
unknown levels and extreme numbers."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import seedbed as sb
from seedbed.cli.program import main
from seedbed.data.reading import read_table
from seedbed.data.sources.opening import EXAMPLES
from seedbed.data.table import Table
from seedbed.model.blending import fit_model
from seedbed.model.model import Model
from seedbed.serve.app import make_app
from seedbed.serve.predictor import Limits
from seedbed.settings.recipe import recipe_named

from .conftest import FAST, PARTS, TARGETS
from .onnx_cells import feed_of, run_onnx, sown

MOST_ROWS, ASKED = 3_000, 200
ADDRESS = "http://127.0.0.1:8000"


def by_file(model: Model, saved: Path, rows: pd.DataFrame) -> np.ndarray:
    return sb.load(saved).predictions(rows).values


def by_command(model: Model, saved: Path, rows: pd.DataFrame) -> np.ndarray:
    table, out = saved.with_name("rows.csv"), saved.with_name("predictions.parquet")
    rows.to_csv(table, index=False)
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(saved), str(table), "-o", str(out), "-q"])
    assert not stop.value.code
    found = pd.read_parquet(out)
    return shaped(
        model,
        found
        if model.task == "regression"
        else found[[f"probability_{one}" for one in model.labels]],
    )


def served(saved: Path, rows: pd.DataFrame, **asked: Any) -> list[dict[str, Any]]:
    records = json.loads(rows.to_json(orient="records", double_precision=15))

    async def ask() -> httpx.Response:
        app = make_app(sb.load(saved), frozenset({"127.0.0.1:8000"}), None, Limits())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=ADDRESS
        ) as client:
            return await client.post("/predict", json={"rows": records, **asked})

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(asyncio.run, ask()).result()
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def by_server(model: Model, saved: Path, rows: pd.DataFrame) -> np.ndarray:
    said = served(saved, rows)
    if model.task == "regression":
        return np.array([one["value"] for one in said])
    return shaped(
        model, pd.DataFrame([one["probabilities"] for one in said])[list(model.labels)]
    )


def by_onnx(model: Model, saved: Path, rows: pd.DataFrame) -> np.ndarray:
    path = saved.with_suffix(".onnx")
    model.export(path)
    found = run_onnx(path, feed_of(model, rows))
    said: Any = found["value"] if model.task == "regression" else found["probabilities"]
    return said if model.task == "regression" else shaped(model, pd.DataFrame(said))


def shaped(model: Model, values: pd.DataFrame) -> np.ndarray:
    """Reshape like `Predictions.values`."""
    if model.task == "regression":
        return values["prediction"].to_numpy()
    return values.to_numpy()[:, 1] if model.task == "binary" else values.to_numpy()


PATHS = (by_file, by_command, by_server, by_onnx)


def tables(folder: Path) -> Iterator[tuple[str, pd.DataFrame, Table]]:
    """Every example and every real table: its name, some rows, and the table of them."""
    for name in EXAMPLES:
        if (
            name != "heart-failure"
        ):  # which isn't embedded, and is among the real tables
            table = read_table(f"example:{name}")
            yield (
                name,
                pd.DataFrame(table.features, columns=list(table.feature_names)),
                table,
            )
    for path in sorted(folder.glob("*.csv*")):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, nrows=MOST_ROWS)
        yield path.name, frame, read_table(frame, target=frame.columns[-1])


@pytest.mark.slow
def test_five_paths_give_the_same_probabilities_on_every_table(data_folder, tmp_path):
    recipe, n_tables = recipe_named("default", lr=0.02, epochs=5), 0
    for name, frame, table in tables(data_folder):
        model = fit_model(table, "relu:5", recipe=recipe, **FAST)
        rows = sown(frame[list(model.feature_names_in_)].head(ASKED), model)
        saved = model.save(tmp_path / "model.safetensors")
        expected = model.predictions(rows).values
        assert np.ptp(expected) > 0
        for path in PATHS:
            scaled = (
                np.abs(path(model, saved, rows) - expected).max()
                / model.target_deviation
            )
            assert scaled <= 1e-5, f"{name}, {path.__name__}: {scaled:.2g}"
        n_tables += 1
    assert n_tables >= 30


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("candidate", "target"),
    [
        *((part, "ill") for part in PARTS),
        *((name, t) for name in ("relu:5", "auto") for t in TARGETS),
    ],
)
def test_five_paths_give_the_same_for_every_column_target_and_part(
    fitted, frame, tmp_path, candidate, target
):
    model = fitted(candidate, target)
    rows = sown(frame[list(model.feature_names_in_)].head(60), model)
    saved = model.save(tmp_path / "model.safetensors")
    expected = model.predictions(rows).values
    for path in PATHS:
        assert_allclose(
            path(model, saved, rows), expected, atol=1e-5 * model.target_deviation
        )


@pytest.mark.few(2)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("per_class", [False, True])
def test_python_file_command_and_server_give_the_same_sets(
    fitted, frame, tmp_path, target, per_class
):
    model = fitted("relu:5", target)
    options = {"per_class": True} if per_class and target != "cost" else {}
    rows = frame[list(model.feature_names_in_)].head(60)
    saved, out = model.save(tmp_path / "m.safetensors"), tmp_path / "predictions.csv"
    predicted = model.predictions(rows)
    expected = model.covering(predicted, 0.8, **options)
    assert_array_equal(sb.load(saved).covering(predicted, 0.8, **options), expected)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = [
        "predict",
        saved,
        tmp_path / "rows.csv",
        "-o",
        out,
        *"-q --coverage 0.8".split(),
    ]
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words), *(["--per-class"] if options else [])])
    assert not stop.value.code
    written, answers = pd.read_csv(out), served(saved, rows, coverage=0.8, **options)
    if target == "cost":
        assert_allclose(written[["low", "high"]], expected)
        assert_allclose([[row["low"], row["high"]] for row in answers], expected)
        return
    sets = [
        [label for label, inside in zip(model.labels, row, strict=True) if inside]
        for row in expected
    ]
    assert len(set(map(tuple, sets))) > 1
    assert [row["set"] for row in answers] == sets
    assert written["set"].fillna("").tolist() == ["; ".join(labels) for labels in sets]


def test_python_command_and_server_flag_the_same_cells(fitted, frame, tmp_path):
    model = fitted()
    rows = frame[list(model.feature_names_in_)].head(4).astype(object)
    # weights had gaps in training, days had none
    rows.loc[0, ["weight", "day"]] = ("heavy", "someday")
    rows.loc[1, ["smokes", "town"]] = "vaping", "Atlantis"
    rows.loc[2, ["weight", "size"]] = None, None
    rows.loc[3, "size"] = 1e6
    saved = model.save(tmp_path / "model.safetensors")
    by_server = [
        {kind: names for kind, names in one["flags"].items() if names}
        for one in served(saved, rows)
    ]
    expected = [{"unreadable": ["weight", "day"]}, {"unseen": ["smokes", "town"]}]
    assert by_server[:2] == expected
    assert by_server[2:] == [{"missing": ["size"]}, {"outlying": ["size"]}]
    by_python = model.predictions(rows).flags(model.preprocessor.layout.schemas)
    assert [by_python.get(row, {}) for row in range(4)] == by_server
    by_command(model, saved, rows)
    reported = (
        pd.read_parquet(saved.with_name("predictions.parquet"))["flags"]
        .fillna("")
        .tolist()
    )
    assert reported == [
        "; ".join(f"{kind}: {', '.join(names)}" for kind, names in one.items())
        for one in by_server
    ]
