"""Tables in: read, typed and checked; split; standardised by training rows only."""

from seedbed.data.arrays import table_from_arrays
from seedbed.data.examples import EXAMPLES
from seedbed.data.read import read_table
from seedbed.data.splits import Split, holdout, repeated_folds
from seedbed.data.standardise import Design, fold_standardisation, standardise
from seedbed.data.table import Table

__all__ = [
    "EXAMPLES",
    "Design",
    "Split",
    "Table",
    "fold_standardisation",
    "holdout",
    "read_table",
    "repeated_folds",
    "standardise",
    "table_from_arrays",
]
