"""Experiments: what to train, the plan, the run, and what came out."""

from seedbed.experiment.asked import without_passwords
from seedbed.experiment.baselines import BASELINES, Baseline
from seedbed.experiment.compare import compare
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.finding_runs import check_no_part_of_a_run
from seedbed.experiment.frozen import file_hash, freeze, frozen_in
from seedbed.experiment.kept import Kept
from seedbed.experiment.limiting import plan_within
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.results import BaselineResult, CandidateResult
from seedbed.experiment.run import run
from seedbed.experiment.run_folder import RunFolder, is_finished, open_folder
from seedbed.experiment.scoring import Score
from seedbed.experiment.single import Run, finished_curves, train
from seedbed.experiment.spec import TUTORIAL, Experiment, specify
from seedbed.experiment.taking_home import TakeHome, take_home_from
from seedbed.experiment.watch import Task, Watch, watch_model, watch_plan
from seedbed.report import Progress

__all__ = [
    "BASELINES",
    "TUTORIAL",
    "Baseline",
    "BaselineResult",
    "CandidateResult",
    "Comparison",
    "Experiment",
    "Kept",
    "Plan",
    "Progress",
    "Run",
    "RunFolder",
    "Score",
    "TakeHome",
    "Task",
    "Watch",
    "check_no_part_of_a_run",
    "compare",
    "file_hash",
    "finished_curves",
    "freeze",
    "frozen_in",
    "is_finished",
    "make_plan",
    "open_folder",
    "plan_within",
    "run",
    "specify",
    "take_home_from",
    "train",
    "watch_model",
    "watch_plan",
    "without_passwords",
]
