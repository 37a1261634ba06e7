"""Tables in: read, typed and checked; split; made inputs of networks by training rows only."""

from seedbed.data.cells import in_order
from seedbed.data.frame import SERIOUS, Frame, Note, Remark, as_notes, check_characters, check_flat
from seedbed.data.inspection import inspect_table
from seedbed.data.kinds import LEFT_OUT
from seedbed.data.layout import DATE_MIDDLES, layout_of
from seedbed.data.preprocessing import Oddities, OddityReport, Preprocessor
from seedbed.data.reading import coded_table, given_frame, label_texts, read_table, table_from_arrays
from seedbed.data.scaling import target_moments
from seedbed.data.sources.memory import as_frame, frame_of_values, native_frame
from seedbed.data.sources.opening import EXAMPLES, read_new_rows
from seedbed.data.sources.options import EveryName, quoted
from seedbed.data.splits import (
    Split,
    check_training,
    holdout,
    repeated_folds,
    sample_rows,
    time_folds,
    time_holdout,
)
from seedbed.data.table import Column, ColumnSchema, Table, Task
from seedbed.data.target import likely_target
from seedbed.data.typed import NewRows, as_text

__all__ = [
    "DATE_MIDDLES",
    "EXAMPLES",
    "LEFT_OUT",
    "SERIOUS",
    "Column",
    "ColumnSchema",
    "EveryName",
    "Frame",
    "NewRows",
    "Note",
    "Oddities",
    "OddityReport",
    "Preprocessor",
    "Remark",
    "Split",
    "Table",
    "Task",
    "as_frame",
    "as_notes",
    "as_text",
    "check_characters",
    "check_flat",
    "check_training",
    "coded_table",
    "frame_of_values",
    "given_frame",
    "holdout",
    "in_order",
    "inspect_table",
    "label_texts",
    "layout_of",
    "likely_target",
    "native_frame",
    "quoted",
    "read_new_rows",
    "read_table",
    "repeated_folds",
    "sample_rows",
    "table_from_arrays",
    "target_moments",
    "time_folds",
    "time_holdout",
]
