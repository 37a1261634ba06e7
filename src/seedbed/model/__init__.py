"""The model: networks fitted to all rows, which predict and can be saved in one safe file."""

from seedbed.model.blending import (
    OutOfBag,
    blend_members,
    blend_table,
    blended_predictions,
    fit_model,
    member_predictions,
)
from seedbed.model.effects import effects_in
from seedbed.model.member import Member, MemberData, is_network
from seedbed.model.members import Fit, Running, trained_members
from seedbed.model.model import Model, load
from seedbed.model.model_file import check_target, check_writable
from seedbed.model.portfolio import AUTO, LINES, anchors, candidates_for, default_models, linear_name, n_networks_for
from seedbed.model.predicting import FLAGS, Predictions, predict_frame, predict_rows
from seedbed.model.predictions_file import write_predictions
from seedbed.model.sets import COVERAGE

__all__ = [
    "AUTO",
    "COVERAGE",
    "FLAGS",
    "LINES",
    "Fit",
    "Member",
    "MemberData",
    "Model",
    "OutOfBag",
    "Predictions",
    "Running",
    "anchors",
    "blend_members",
    "blend_table",
    "blended_predictions",
    "candidates_for",
    "check_target",
    "check_writable",
    "default_models",
    "effects_in",
    "fit_model",
    "is_network",
    "linear_name",
    "load",
    "member_predictions",
    "n_networks_for",
    "predict_frame",
    "predict_rows",
    "trained_members",
    "write_predictions",
]
