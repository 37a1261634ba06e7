"""The Open Inference Protocol, version 2: each column a tensor by itself.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedbed.model import Model, Predictions
from seedbed.serve.limits import RefusedError
from seedbed.serve.rows import RequestRows, RowFormat

__all__ = ["DATATYPES", "Tensors"]

_REQUEST = {"id", "parameters", "inputs", "outputs"}
_INPUT = {"name", "shape", "datatype", "parameters", "data"}


def _is_whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value < high


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


DATATYPES: Mapping[str, Callable[[Any], bool]] = {
    "BOOL": lambda value: type(value) is bool,
    **{f"UINT{bits}": _is_whole(0, 1 << bits) for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": _is_whole(-(1 << bits - 1), 1 << bits - 1) for bits in (8, 16, 32, 64)},
    **dict.fromkeys(("FP16", "FP32", "FP64", "BF16"), _is_number),
    "BYTES": lambda value: type(value) is str,
}
"""Whether a value has the protocol's type. Every tensor may also contain null, for a missing value."""


@dataclass(frozen=True)
class _Echo:
    """What an answer needs of its request: its id, and the wanted outputs, None for all."""

    id: str | None
    outputs: frozenset[str] | None


class Tensors:
    """Reads and writes the protocol for one model, which is called `name` in paths."""

    def __init__(self, model: Model, name: str, rows: RowFormat) -> None:
        self._model, self._name, self._rows = model, name, rows

    def metadata(self) -> dict[str, Any]:
        """Return the model's inputs and outputs. A tensor of n rows may also be [n, 1]."""
        schemas = self._model.preprocessor.layout.schemas
        kinds = {schema.name: "FP64" if schema.kind == "number" else "BYTES" for schema in schemas}
        labels = list(self._model.labels)
        outputs: list[dict[str, Any]] = [{"name": "value", "datatype": "FP64", "shape": [-1]}]
        if labels:
            of_labels = {"shape": [-1, len(labels)], "parameters": {"labels": labels}}
            outputs = [
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
                {"name": "probabilities", "datatype": "FP64", **of_labels},
            ]
        outputs += [
            {"name": "spread", "datatype": "FP64", "shape": [-1]},
            {"name": "doubtful", "datatype": "BOOL", "shape": [-1]},
            {"name": "flags", "datatype": "BYTES", "shape": [-1]},
        ]
        return {
            "name": self._name,
            "versions": [],
            "platform": "pytorch_seedbed",
            "inputs": [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in kinds.items()],
            "outputs": outputs,
        }

    def read(self, values: Any) -> RequestRows:
        """Read a request of the protocol."""
        if not isinstance(values, dict) or not isinstance(values.get("inputs"), list) or not values.keys() <= _REQUEST:
            hint = 'Send {"inputs": [{"name": ..., "shape": [n], "datatype": ..., "data": [...]}, ...]}.'
            raise RefusedError(400, "tensor", "the body isn't an inference request", hint)
        columns: dict[str, list[Any]] = {}
        for tensor in values["inputs"]:
            name, data = self._tensor(tensor)
            if name in columns:
                raise RefusedError(400, "tensor", f"the input '{name[:60]}' is there twice")
            columns[name] = data
        n_rows = len(next(iter(columns.values()))) if columns else 0
        rows, own_id = self._rows.of_columns(columns, n_rows), values.get("id")
        if own_id is not None and not isinstance(own_id, str):
            raise RefusedError(400, "tensor", "the id isn't a text")
        return replace(rows, echo=_Echo(own_id, self._wanted(values.get("outputs"))))

    def write(self, rows: RequestRows, predictions: Predictions) -> dict[str, Any]:
        """Return the answer; probabilities are row by row."""
        echo: _Echo = rows.echo
        data: dict[str, list[Any]] = {"spread": predictions.spreads.tolist(), "doubtful": predictions.doubtful.tolist()}
        if self._model.task == "regression":
            data["value"] = predictions.values.tolist()
        else:
            data["label"] = self._rows.labels(predictions)
            data["probabilities"] = predictions.probabilities.ravel().tolist()
        if echo.outputs is None or "flags" in echo.outputs:
            data["flags"] = [json.dumps(flags) for flags in self._rows.flags(predictions)]
        n_rows = len(predictions.values)
        outputs = [
            {**about, "shape": [n_rows, *about["shape"][1:]], "data": data[about["name"]]}
            for about in self.metadata()["outputs"]
            if echo.outputs is None or about["name"] in echo.outputs
        ]
        answer: dict[str, Any] = {"model_name": self._name, "outputs": outputs}
        if echo.id is not None:
            answer["id"] = echo.id
        return answer | ({"parameters": {"ignored": ", ".join(rows.ignored)}} if rows.ignored else {})

    def _tensor(self, tensor: Any) -> tuple[str, list[Any]]:
        """Return a tensor's name and its values [row]."""
        shaped = isinstance(tensor, dict) and tensor.keys() <= _INPUT and isinstance(tensor.get("name"), str)
        if not shaped or not isinstance(data := tensor.get("data"), list):
            raise RefusedError(400, "tensor", "an input lacks its name or data, or has a key that isn't known")
        name, shape, datatype = tensor["name"], tensor.get("shape"), tensor.get("datatype")
        if data and all(isinstance(value, list) and len(value) == 1 for value in data):
            data = [value[0] for value in data]
        if shape not in ([len(data)], [len(data), 1]):
            message = f"the input '{name[:60]}' has {len(data)} values, which isn't the shape that it names"
            raise RefusedError(400, "tensor", message, "A column of n rows has the shape [n].")
        if not isinstance(datatype, str) or datatype not in DATATYPES:
            message = f"the input '{name[:60]}' has a datatype that isn't known"
            raise RefusedError(400, "tensor", message, f"Known: {', '.join(DATATYPES)}.")
        fits = DATATYPES[datatype]
        if not all(value is None or fits(value) for value in data):
            raise RefusedError(400, "tensor", f"the input '{name[:60]}' contains a value that isn't {datatype}")
        return name, data

    def _wanted(self, outputs: Any) -> frozenset[str] | None:
        if outputs is None or outputs == []:
            return None
        if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
            raise RefusedError(400, "tensor", "the outputs aren't a list of objects", 'Send [{"name": ...}].')
        known = [about["name"] for about in self.metadata()["outputs"]]
        if any(output.get("name") not in known for output in outputs):
            raise RefusedError(400, "tensor", "an output isn't known", f"Known: {', '.join(known)}.")
        return frozenset(output["name"] for output in outputs)
