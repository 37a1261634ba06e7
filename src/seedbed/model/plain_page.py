"""The program that is exported with a model as plain PyTorch. `export` copies this file as it is.

It uses torch, safetensors and the standard library alone. The layers and what becomes of each column are data in the
weights file. A cell is a number, a date (a datetime, ISO text, or seconds since 1970-01-01 UTC), or the text of a level
as the table has it. None, NaN and the empty text are missing. Any other cell is an error, because a warning that it
counts as missing would not be seen.
"""

import json
import math
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

MISSING = ("", "nan", "NaT", "<NA>")  # texts of None, NaN, and pandas' NaT and NA


# fmt: off
def text(cell: Any) -> str:
    """Return a cell as text: 1.0 is 1, and None is empty."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def number(cell: Any, column: dict[str, Any]) -> list[float]:
    """Return a list of one number, 0 or 1 for a level; an empty list if the cell is missing."""
    if text(cell) in MISSING:
        return []
    if column["kind"] == "boolean":
        return [float(column["levels"][text(cell)])]
    return [value] if math.isfinite(value := float(cell)) else []


def date_parts(cell: Any) -> list[float]:
    """Return days since 1970, month, weekday and hour; an empty list if the date is missing."""
    if text(cell) in MISSING:
        return []
    if isinstance(cell, int | float):
        cell = datetime.fromtimestamp(0, UTC) + timedelta(seconds=cell)
    when = datetime.fromisoformat(text(cell))
    when = when.astimezone(UTC) if when.tzinfo else when
    return [when.toordinal() - 719_163, when.month, when.weekday(), when.hour]


def level_input(cell: Any, column: dict[str, Any]) -> Any:
    """Return the input of a category's level: its own, or one for missing or other levels."""
    level, others = text(cell), column["others"]
    if level in column["levels"]:
        return column["levels"][level]
    if level in MISSING:
        return others[0] if column["missing"] is None else column["missing"]
    return others[zlib.crc32(level.encode(errors="surrogatepass")) % len(others)]


def fill(inputs: list[float], cell: Any, column: dict[str, Any]) -> None:
    """Write the inputs of a cell into the inputs of its row."""
    if column["kind"] == "category":
        inputs[level_input(cell, column)] = 1.0
        return
    values = date_parts(cell) if column["kind"] == "date" else number(cell, column)
    for place, value in zip(column["inputs"], values or column["filled"], strict=False):
        inputs[place] = value
    if column["flag"] is not None and not values:
        inputs[column["flag"]] = 1.0


def layer(spec: list[Any]) -> Any:
    """Build a layer from its class, its arguments and its inner layers."""
    kind, arguments, inner = spec
    made = [layer(one) for one in inner]
    if kind in ("Embeddings", "Blend"):
        arguments = {**arguments, {"Embeddings": "layers", "Blend": "networks"}[kind]: made}
        made = []
    return (globals().get(kind) or getattr(nn, kind))(*made, **arguments)


class Net:
    """The trained networks, one per seed, and the preprocessing."""

    def __init__(self, path: str) -> None:
        with safe_open(path, "pt") as file:
            self.about = json.loads(file.metadata()["seedbed.plain"])
            weights = {name: file.get_tensor(name) for name in [*file.keys()]}
        self.mean, self.deviation = weights.pop("mean"), weights.pop("deviation")
        self.networks = []
        for which in range(self.about["n_networks"]):
            network = layer(self.about["layers"])
            network.load_state_dict({name: value[which] for name, value in weights.items()})
            self.networks.append(network.eval())

    def inputs(self, row: dict[str, Any]) -> list[float]:
        """Return the inputs of a network for a row, a dict of cells by column."""
        numbers = [0.0] * len(self.mean)
        for column in self.about["columns"]:
            name = column["name"]
            try:
                fill(numbers, row[name], column)
            except (KeyError, ValueError, TypeError) as error:
                why = f"{row[name]!r} can't be read" if name in row else "no cell"
                raise ValueError(f"column {name!r}: {why}") from error
        return numbers

    @torch.inference_mode()
    def predict(self, rows: Any) -> Any:
        """Return the probabilities of the labels, or the number, for each row; `rows` may be a single row."""
        rows = [rows] if isinstance(rows, dict) else list(rows)
        x = torch.tensor([self.inputs(row) for row in rows], dtype=torch.float64)
        x = ((x.reshape(len(rows), len(self.mean)) - self.mean) / self.deviation).float()
        outputs = torch.stack([network(x) for network in self.networks]).double()
        if self.about["task"] == "multiclass":
            return torch.softmax(outputs, dim=2).mean(dim=0).tolist()
        if self.about["task"] == "regression":
            scaled = outputs[:, :, 0].mean(dim=0) * self.about["target_deviation"]
            return (scaled + self.about["target_mean"]).tolist()
        positive = torch.sigmoid(outputs[:, :, 0]).mean(dim=0)
        return torch.stack([1 - positive, positive], dim=1).tolist()

    def label(self, rows: Any) -> list[Any]:
        """Return the label of each row; of two, the second one above the threshold."""
        labels, predictions = self.about["labels"], self.predict(rows)
        if self.about["task"] == "binary":
            return [labels[int(p > self.about["threshold"])] for _, p in predictions]
        return [labels[row.index(max(row))] for row in predictions]

    def covering(self, rows: Any) -> list[list[Any]]:
        """Return whether each label is in the set of each row, or the ends of the interval of each row."""
        limits, predictions = self.about["sets"]["thresholds"], self.predict(rows)
        if self.about["task"] == "regression":
            return [[value - limits[0], value + limits[0]] for value in predictions]
        return [[1 - p <= limit for p, limit in zip(row, limits, strict=True)] for row in predictions]
