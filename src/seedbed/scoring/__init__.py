"""Predictions for rows that weren't trained on: what they cost, their scores, and the verdicts on them."""

from seedbed.scoring.predictions import Result
from seedbed.scoring.verdicts import NoVerdict, difference, verdicts_on

__all__ = ["NoVerdict", "Result", "difference", "verdicts_on"]
