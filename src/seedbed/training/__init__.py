"""The engine: many networks in one step."""

from seedbed.training.board import Board
from seedbed.training.candidates import are_shares, ends_in_shares, own_module, plan_candidate, told_of
from seedbed.training.chunk import Chunk, ChunkResult
from seedbed.training.cluster import Cluster, processor
from seedbed.training.data import TrainingData, counted_rows, table_data
from seedbed.training.history import History
from seedbed.training.looking import look_at
from seedbed.training.many import train_many
from seedbed.training.parallel import (
    end_workers,
    pick_jobs,
    pick_workers,
    side_by_side,
    time_chunk,
    train_chunk,
    train_chunks,
    wake_workers,
)
from seedbed.training.planning import StackPlan, plan_stack, torch_seconds
from seedbed.training.process import one_thread
from seedbed.training.randomness import derive, seeded
from seedbed.training.savepoint import Savepoint
from seedbed.training.stacked import StackedNetworks
from seedbed.training.versions import versions

__all__ = [
    "Board",
    "Chunk",
    "ChunkResult",
    "Cluster",
    "History",
    "Savepoint",
    "StackPlan",
    "StackedNetworks",
    "TrainingData",
    "are_shares",
    "counted_rows",
    "derive",
    "end_workers",
    "ends_in_shares",
    "look_at",
    "one_thread",
    "own_module",
    "pick_jobs",
    "pick_workers",
    "plan_candidate",
    "plan_stack",
    "processor",
    "seeded",
    "side_by_side",
    "table_data",
    "time_chunk",
    "told_of",
    "torch_seconds",
    "train_chunk",
    "train_chunks",
    "train_many",
    "versions",
    "wake_workers",
]
