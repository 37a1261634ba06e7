"""The model to take home: networks fitted to all rows, saved in one safe file, and predicting."""

from seedbed.model.blending import OutOfBag, blend_table
from seedbed.model.fitting import N_NETWORKS, fit_model
from seedbed.model.loading import load
from seedbed.model.model import Model
from seedbed.model.portfolio import AUTO, blend_seconds, blend_size
from seedbed.model.predicting import FLAGS, Blocks, Predictions, values_of
from seedbed.model.saving import check_target, check_writable
from seedbed.model.tabulating import write_predictions

__all__ = [
    "AUTO",
    "FLAGS",
    "N_NETWORKS",
    "Blocks",
    "Model",
    "OutOfBag",
    "Predictions",
    "blend_seconds",
    "blend_size",
    "blend_table",
    "check_target",
    "check_writable",
    "fit_model",
    "load",
    "values_of",
    "write_predictions",
]
