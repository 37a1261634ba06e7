"""What a user may call a table, opened: files, databases, data frames, examples."""

from seedbed.data.sources.examples import EXAMPLES
from seedbed.data.sources.frames import frame_columns
from seedbed.data.sources.opening import Source, open_source

__all__ = ["EXAMPLES", "Source", "frame_columns", "open_source"]
