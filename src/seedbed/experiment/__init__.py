"""Experiments: what to train, the plan, the run, and what came out."""

from seedbed.experiment.asked import without_passwords
from seedbed.experiment.baselines import BASELINES, Baseline
from seedbed.experiment.compare import compare
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.frozen import freeze
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.results import BaselineResult, CandidateResult
from seedbed.experiment.run import Progress, run
from seedbed.experiment.scoring import Score
from seedbed.experiment.single import Run, train
from seedbed.experiment.spec import TUTORIAL, Experiment, specify

__all__ = [
    "BASELINES",
    "TUTORIAL",
    "Baseline",
    "BaselineResult",
    "CandidateResult",
    "Comparison",
    "Experiment",
    "Plan",
    "Progress",
    "Run",
    "Score",
    "compare",
    "freeze",
    "make_plan",
    "run",
    "specify",
    "train",
    "without_passwords",
]
