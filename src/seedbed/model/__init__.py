"""The model to take home: networks fitted to all rows, saved in one safe file, and predicting."""

from seedbed.model.choosing import Settled
from seedbed.model.fitting import fit_model
from seedbed.model.loading import load
from seedbed.model.model import Model
from seedbed.model.predicting import Blocks, Predictions
from seedbed.model.versions import versions

__all__ = ["Blocks", "Model", "Predictions", "Settled", "fit_model", "load", "versions"]
