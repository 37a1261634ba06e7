"""The model: networks fitted to all rows, which predict and can be saved in one safe file."""

from seedbed.model.blending import OutOfBag, blend_table, blend_tables, fit_model, n_calibrating
from seedbed.model.members import AUTO, blend_cost, blend_size
from seedbed.model.model import Model, load
from seedbed.model.model_file import check_target, check_writable
from seedbed.model.predicting import FLAGS, Predictions, predict_frame, predict_rows, values_of
from seedbed.model.predictions_file import write_predictions
from seedbed.model.sets import COVERAGE

__all__ = [
    "AUTO",
    "COVERAGE",
    "FLAGS",
    "Model",
    "OutOfBag",
    "Predictions",
    "blend_cost",
    "blend_size",
    "blend_table",
    "blend_tables",
    "check_target",
    "check_writable",
    "fit_model",
    "load",
    "n_calibrating",
    "predict_frame",
    "predict_rows",
    "values_of",
    "write_predictions",
]
