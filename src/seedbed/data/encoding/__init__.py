"""From typed columns to the inputs of networks, by each split's training rows."""

from seedbed.data.encoding.design import Design
from seedbed.data.encoding.encode import Encoding, encode
from seedbed.data.encoding.new_rows import Transformed
from seedbed.data.encoding.preprocessing import Preprocessor
from seedbed.data.encoding.target_design import TargetDesign, target_design

__all__ = ["Design", "Encoding", "Preprocessor", "TargetDesign", "Transformed", "encode", "target_design"]
