"""Tables in: read, typed and checked; split; made inputs of networks by training rows only."""

from seedbed.data.arrays import table_from_arrays
from seedbed.data.encoding import Design, Encoding, Preprocessor, TargetDesign, Transformed, encode, target_design
from seedbed.data.inspection import inspect_table
from seedbed.data.notes import WARNINGS, Note
from seedbed.data.read import read_table
from seedbed.data.sources import EXAMPLES
from seedbed.data.splits import (
    Split,
    check_training,
    fold_pairs,
    holdout,
    inner_holdout,
    repeated_folds,
    time_folds,
    time_holdout,
)
from seedbed.data.table import Column, ColumnSchema, Table, Task

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
    "check_training",
    "encode",
    "fold_pairs",
    "holdout",
    "inner_holdout",
    "inspect_table",
    "read_table",
    "repeated_folds",
    "table_from_arrays",
    "target_design",
    "time_folds",
    "time_holdout",
]
