"""The model: networks fitted to all rows, which predict and can be saved in one safe file."""

from seedbed.model.blending import OutOfBag, blend_table, blend_tables, fit_model, n_calibrating
from seedbed.model.effects import effects_in
from seedbed.model.model import Model, load
from seedbed.model.model_file import check_target, check_writable
from seedbed.model.portfolio import AUTO, member_costs, members_for, networks_for, recipe_for
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
    "blend_table",
    "blend_tables",
    "check_target",
    "check_writable",
    "effects_in",
    "fit_model",
    "load",
    "member_costs",
    "members_for",
    "n_calibrating",
    "networks_for",
    "predict_frame",
    "predict_rows",
    "recipe_for",
    "values_of",
    "write_predictions",
]
