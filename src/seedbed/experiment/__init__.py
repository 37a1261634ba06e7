"""Experiments: what to train, the plan, the run, and what came out."""

from seedbed.experiment.by_column import conclusion_by, grouping_of
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.columns import specify_columns, with_alone
from seedbed.experiment.compare import columns, compare, rows
from seedbed.experiment.comparison import Comparison, carry_out
from seedbed.experiment.model_plan import ModelPlan, experiment_of_run, model_plan_from, plan_model
from seedbed.experiment.plan import Plan, make_plan
from seedbed.experiment.run import run
from seedbed.experiment.run_folder import finished_in, folder_for, open_folder
from seedbed.experiment.sizes import check_sizes, with_rows
from seedbed.experiment.spec import Experiment, specify
from seedbed.experiment.specification_file import check_no_part_of_a_run
from seedbed.experiment.training_run import finished_curves, train, training_on

__all__ = [
    "Checkpoint",
    "Comparison",
    "Experiment",
    "ModelPlan",
    "Plan",
    "carry_out",
    "check_no_part_of_a_run",
    "check_sizes",
    "columns",
    "compare",
    "conclusion_by",
    "experiment_of_run",
    "finished_curves",
    "finished_in",
    "folder_for",
    "grouping_of",
    "make_plan",
    "model_plan_from",
    "open_folder",
    "plan_model",
    "rows",
    "run",
    "specify",
    "specify_columns",
    "train",
    "training_on",
    "with_alone",
    "with_rows",
]
