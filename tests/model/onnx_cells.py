"""Inputs and outputs of ONNX Runtime, and rows that are hard to read."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seedbed.data.sources.opening import read_new_rows
from seedbed.data.typed import as_text
from seedbed.model.model import Model


def feed_of(model: Model, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Each column as an input [n, 1]: the values that seedbed's reader finds, and texts of
    levels."""
    feed = {}
    columns = read_new_rows(
        rows, model.feature_names_in_, as_text=as_text(model.schemas)
    )
    read = model.read(columns)[0]
    for schema, values in zip(model.schemas, read.columns, strict=True):
        position = columns.names.index(schema.name)
        if schema.kind == "category" or (
            schema.kind == "boolean" and schema.levels != ("0", "1")
        ):
            cells = zip(values.tolist(), columns.cells(position), strict=True)
            texts = [
                ""
                if code != code
                else schema.levels[int(code)]
                if code >= 0
                else (text or "").strip()
                for code, text in cells
            ]
            values = np.array(texts, dtype=object)
        feed[schema.name] = values[:, None]
    return feed


def run_onnx(path: Path, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of the file by name."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def sown(rows: pd.DataFrame, model: Model, share: float = 0.1) -> pd.DataFrame:
    """Rows with missing cells, unknown levels, and numbers up to a thousand deviations away."""
    rng = np.random.default_rng(5)
    rows = rows.astype(object)
    for schema in model.preprocessor.layout.schemas:
        cells = rows[schema.name].to_list()
        numbers = pd.to_numeric(rows[schema.name], errors="coerce")
        for row in np.flatnonzero(rng.random(len(rows)) < share):
            drawn = rng.integers(3)
            if drawn == 0 and schema.kind == "category":
                cells[row] = f"level {row % 7}"
            elif drawn == 0 and schema.kind == "number":
                cells[row] = float(
                    numbers.mean()
                    + numbers.std() * 10 ** rng.uniform(0, 3) * rng.choice([-1, 1])
                )
            elif drawn == 1:
                cells[row] = None
        rows[schema.name] = cells
    return rows


def far_off(model: Model, found: dict[str, np.ndarray], rows: Any) -> float:
    """The largest difference from the model's prediction, in probability or standard deviations of
    the target."""
    said = model.predictions(rows)
    if model.task == "regression":
        assert found.keys() == {"value", "spread"}
        apart = np.abs(found["value"] - said.values).max()
    else:
        assert found.keys() == {"probabilities", "spread", "label"}
        apart = np.abs(found["probabilities"] - said.probabilities).max()
        ordered = np.sort(said.probabilities, axis=1)
        sure = ordered[:, -1] - ordered[:, -2] > 1e-4
        assert (found["label"] == model.labelled(said))[sure].all()
    spread = said.spread
    if model.task == "multiclass":
        best = said.values.argmax(axis=1)[:, None]
        spread = np.take_along_axis(spread, best, axis=1)[:, 0]
    apart = max(apart, np.abs(found["spread"] - spread).max())
    return float(apart / model.target_deviation)
