"""What a column is, by its cells: number, boolean, date or category; and what the target is."""

from seedbed.data.kinds.target import Target, encode_target
from seedbed.data.kinds.typed import Typed, decimal_mark, read_as, type_columns

__all__ = ["Target", "Typed", "decimal_mark", "encode_target", "read_as", "type_columns"]
