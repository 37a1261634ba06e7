"""A graph of ONNX, built node by node."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from seedbed.errors import OptionError

__all__ = ["FLOAT", "IR_VERSION", "OPSETS", "Graph"]

OPSETS = {"": 13, "ai.onnx.ml": 2}
"""ONNX 1.8, of 2020: the first in which all that is needed takes its axes and numbers in one way."""

IR_VERSION = 7
FLOAT = np.float32

_LIMIT = 2**31 - 2**20
"""What a protobuf can hold, less some room for all that isn't a tensor."""


class Graph:
    """Nodes and constants. What is computed has a name that no column has, so a column may have any.

    Args:
        taken: names that belong to others.

    Attributes:
        nodes, constants: in order.
    """

    def __init__(self, taken: Collection[str]) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = "seedbed"
        while any(name.startswith(self._prefix) for name in taken):
            self._prefix += "_"
        self._size = 0

    def add(self, kind: str, *inputs: str, domain: str = "", output: str = "", **attributes: Any) -> str:
        """Add a node with one output.

        Args:
            kind: of operation.
            inputs: names of values.
            output: the name of what it gives, if it must have one.

        Returns:
            The name of what it gives.
        """
        name = f"{self._prefix}/{len(self.nodes)}.{kind}"
        output = output or name
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, domain=domain, **attributes))
        return output

    def constant(self, value: Any, dtype: Any = None) -> str:
        """A constant; texts have the type `object`.

        Returns:
            Its name.

        Raises:
            OptionError: with it, the file would be too large.
        """
        array = np.array(value, dtype=dtype, order="C")
        self._size += sum(map(len, array)) if array.dtype == object else array.nbytes
        if self._size > _LIMIT:
            raise OptionError("the model takes over 2 GiB, which no ONNX file holds", "Fit fewer or smaller networks.")
        name = f"{self._prefix}/constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def cast(self, value: str, to: int) -> str:
        """A value as another type, a member of `TensorProto.DataType`."""
        return self.add("Cast", value, to=to)

    def joined(self, values: Sequence[str]) -> str:
        """Several values [n, ...] side by side."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=1)

    def halves(self, value: str, axis: int) -> tuple[str, str]:
        """The two halves of a value along an axis."""
        name = f"{self._prefix}/{len(self.nodes)}.Split"
        outputs = f"{name}.first", f"{name}.second"
        self.nodes.append(helper.make_node("Split", [value], outputs, name=name, axis=axis))
        return outputs

    def taken(self, value: str, places: NDArray[np.int64]) -> str:
        """Those columns of a value [n, column], in this order."""
        return self.add("Gather", value, self.constant(places, np.int64), axis=1)
