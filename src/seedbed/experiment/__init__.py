"""Experiments: what to train, the plan, the run, and what came out."""

from seedbed.experiment.compare import compare
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.results import CandidateResult, Score
from seedbed.experiment.run import Progress, run
from seedbed.experiment.single import Run, train
from seedbed.experiment.spec import TUTORIAL, Experiment, specify

__all__ = [
    "TUTORIAL",
    "CandidateResult",
    "Comparison",
    "Experiment",
    "Plan",
    "Progress",
    "Run",
    "Score",
    "compare",
    "make_plan",
    "run",
    "specify",
    "train",
]
