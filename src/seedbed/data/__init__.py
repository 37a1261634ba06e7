"""Tables in: read, typed and checked; split; made inputs of networks by training rows only."""

from seedbed.data.arrays import table_from_arrays
from seedbed.data.design import Design
from seedbed.data.encoding import Encoding, encode
from seedbed.data.examples import EXAMPLES
from seedbed.data.inspection import inspect_table
from seedbed.data.new_rows import Transformed
from seedbed.data.notes import WARNINGS, Note
from seedbed.data.preprocessing import Preprocessor
from seedbed.data.read import read_table
from seedbed.data.splits import Split, fold_pairs, holdout, inner_holdout, repeated_folds
from seedbed.data.table import Column, ColumnSchema, Table, Task
from seedbed.data.target_design import TargetDesign, target_design

__all__ = [
    "EXAMPLES",
    "WARNINGS",
    "Column",
    "ColumnSchema",
    "Design",
    "Encoding",
    "Note",
    "Preprocessor",
    "Split",
    "Table",
    "TargetDesign",
    "Task",
    "Transformed",
    "encode",
    "fold_pairs",
    "holdout",
    "inner_holdout",
    "inspect_table",
    "read_table",
    "repeated_folds",
    "table_from_arrays",
    "target_design",
]
