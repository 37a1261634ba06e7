"""Experiments: what to train, the plan, the run, and what came out."""

from seedbed.experiment.baselines import BASELINES
from seedbed.experiment.compare import compare
from seedbed.experiment.comparison import Comparison, carry_out
from seedbed.experiment.fitted import without_auto
from seedbed.experiment.frozen import check_no_part_of_a_run, file_hash, frozen_in
from seedbed.experiment.kept import Kept
from seedbed.experiment.limiting import plan_within
from seedbed.experiment.model_plan import model_plan_from
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.run import run
from seedbed.experiment.run_folder import folder_for, is_finished, numbered, open_folder
from seedbed.experiment.single import finished_curves, train, training_on
from seedbed.experiment.spec import Experiment, specify
from seedbed.experiment.watch import Watch, watch_plan

__all__ = [
    "BASELINES",
    "Comparison",
    "Experiment",
    "Kept",
    "Plan",
    "Watch",
    "carry_out",
    "check_no_part_of_a_run",
    "compare",
    "file_hash",
    "finished_curves",
    "folder_for",
    "frozen_in",
    "is_finished",
    "make_plan",
    "model_plan_from",
    "numbered",
    "open_folder",
    "plan_within",
    "run",
    "specify",
    "train",
    "training_on",
    "watch_plan",
    "without_auto",
]
