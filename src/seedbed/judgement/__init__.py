"""Verdicts on anybody's scores: from a file or a data frame of scores to what may be said of the candidates."""

from seedbed.judgement.judge import Judgement, judge

__all__ = ["Judgement", "judge"]
