"""Tables in: read, typed and checked; split; standardised by training rows only."""

from seedbed.data.arrays import table_from_arrays
from seedbed.data.examples import EXAMPLES
from seedbed.data.notes import Note
from seedbed.data.read import read_table
from seedbed.data.splits import Split, fold_pairs, holdout, inner_holdout, repeated_folds
from seedbed.data.standardise import Design, fold_standardisation, standardise
from seedbed.data.table import Column, ColumnSchema, Table, Task

__all__ = [
    "EXAMPLES",
    "Column",
    "ColumnSchema",
    "Design",
    "Note",
    "Split",
    "Table",
    "Task",
    "fold_pairs",
    "fold_standardisation",
    "holdout",
    "inner_holdout",
    "read_table",
    "repeated_folds",
    "standardise",
    "table_from_arrays",
]
