"""The engine: many networks in one step."""

from seedbed.training.candidates import (
    ends_in_shares,
    n_parameters_of,
    own_module,
    plan_candidate,
    warn_of_shares,
    with_inputs_of,
)
from seedbed.training.chain import StackedNetworks
from seedbed.training.chunk import PATIENT_SHARE, Chunk, ChunkResult
from seedbed.training.cluster import Cluster
from seedbed.training.data import TrainingData, counted_rows
from seedbed.training.inputs import look_at
from seedbed.training.machine import one_thread, processor, single_threads, versions
from seedbed.training.many import History, train_many
from seedbed.training.native.walking import tree_leaves
from seedbed.training.parallel import (
    Beside,
    end_workers,
    pick_jobs,
    pick_workers,
    train_chunk,
    train_chunks,
)
from seedbed.training.planning import network_seconds, operation_seconds, plan_stack
from seedbed.training.randomness import derive, seeded

__all__ = [
    "PATIENT_SHARE",
    "Beside",
    "Chunk",
    "ChunkResult",
    "Cluster",
    "History",
    "StackedNetworks",
    "TrainingData",
    "counted_rows",
    "derive",
    "end_workers",
    "ends_in_shares",
    "look_at",
    "n_parameters_of",
    "network_seconds",
    "one_thread",
    "operation_seconds",
    "own_module",
    "pick_jobs",
    "pick_workers",
    "plan_candidate",
    "plan_stack",
    "processor",
    "seeded",
    "single_threads",
    "train_chunk",
    "train_chunks",
    "train_many",
    "tree_leaves",
    "versions",
    "warn_of_shares",
    "with_inputs_of",
]
