"""Verdicts on anybody's scores: from a file or a data frame of scores to what may be said of the candidates."""

from seedbed.judgement.judge import judge
from seedbed.judgement.shown import Judgement

__all__ = ["Judgement", "judge"]
