"""From typed columns to the inputs of networks, by each split's training rows."""

from seedbed.data.encoding.design import Design
from seedbed.data.encoding.encode import Encoding, encode
from seedbed.data.encoding.new_rows import Oddities, Transformed
from seedbed.data.encoding.preprocessing import Preprocessor, state_shapes
from seedbed.data.encoding.stored import layout_from_values
from seedbed.data.encoding.target_design import TargetDesign, target_design

__all__ = [
    "Design",
    "Encoding",
    "Oddities",
    "Preprocessor",
    "TargetDesign",
    "Transformed",
    "encode",
    "layout_from_values",
    "state_shapes",
    "target_design",
]
