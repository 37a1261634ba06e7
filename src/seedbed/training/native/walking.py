"""Walk through decision trees by the kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from seedbed.training.native.library import kernel


def tree_leaves(x: Tensor, feature: Tensor, threshold: Tensor, left: Tensor, n_trees: int, depth: int) -> Tensor | None:
    """Return the leaf that each row reaches in each tree [row, tree]; None where there is no kernel.

    Args:
        x: inputs [row, feature], on the CPU.
        feature, threshold, left, n_trees, depth: as in `DecisionTrees`.
    """
    library = kernel(str(x.dtype).removeprefix("torch.")).library if x.device.type == "cpu" else None
    types = feature.dtype, left.dtype, threshold.dtype
    are_whole = feature.is_contiguous() and left.is_contiguous() and threshold.is_contiguous()
    if library is None or not are_whole or types != (torch.int32, torch.int32, x.dtype) or n_trees > len(left):
        return None
    x, leaves = x.contiguous(), torch.empty(len(x), n_trees, dtype=torch.int64)
    nodes = feature.data_ptr(), threshold.data_ptr(), left.data_ptr()
    library.walk(x.data_ptr(), *x.shape, *nodes, len(left), n_trees, depth, leaves.data_ptr())
    return leaves
