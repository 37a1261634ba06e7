"""Better, or luck? Pure functions from arrays to numbers: scores, intervals, paired tests, calibration, verdicts.

Nothing here trains, reads or prints. Differences are always `loss of the reference - loss of the candidate`, so
positive means that the candidate is better. A value that isn't defined is None.
"""

from seedbed.evaluation.advice import Advice, advise
from seedbed.evaluation.blending import best_temperature, blend_weights, mean_loss, tempered
from seedbed.evaluation.bootstrap import (
    BootstrapInterval,
    bootstrap_interval,
    row_mean_se,
    score_interval,
    widening,
)
from seedbed.evaluation.brackets import brackets
from seedbed.evaluation.calibration import (
    CalibrationError,
    ConsistencyBand,
    Reliability,
    consistency_band,
    expected_calibration_error,
    reliability,
)
from seedbed.evaluation.checks import (
    CODES,
    Check,
    confined_outputs,
    consistent,
    dead_units,
    no_better_than_prior,
    seeds_alike,
    seeds_apart,
    worse_than_logistic,
)
from seedbed.evaluation.choosing import Choice, choose
from seedbed.evaluation.curve_checks import diverged, over_trained, under_trained
from seedbed.evaluation.curves import CURVES, MOST_GHOSTS, MeanInterval, summarize_curves
from seedbed.evaluation.estimates import Estimate, p_better, rows_needed
from seedbed.evaluation.held_out import HoldOut, McNemar, mcnemar, paired_hold_out
from seedbed.evaluation.judging import fold_differences, judge, judge_all, opposite_share, seed_share
from seedbed.evaluation.losses import (
    Margin,
    default_margin,
    largest_loss,
    margin_beside,
    predicted_classes,
    prior_loss,
    row_losses,
)
from seedbed.evaluation.lottery import Lottery, Runs, lottery, paired_runs
from seedbed.evaluation.metrics import METRICS, Metric, default_metric, greater_is_better, metric
from seedbed.evaluation.nested import NestedInterval, nested_interval
from seedbed.evaluation.protocol import Design, protocol
from seedbed.evaluation.ranking import roc_auc
from seedbed.evaluation.resampled import (
    CorrectedT,
    VarianceShares,
    corrected_t,
    holm,
    more_repeats_ratio,
    variance_shares,
)
from seedbed.evaluation.scores import FoldAuc, confusion_matrix, fold_auc, scores
from seedbed.evaluation.selection import ChosenScore, bbc_cv, bbc_cv_scores
from seedbed.evaluation.verdicts import AccuracyDifference, Verdict, decide
from seedbed.evaluation.weighted import RowScore, row_score
from seedbed.evaluation.wilson import Wilson, wilson

__all__ = [
    "CODES",
    "CURVES",
    "METRICS",
    "MOST_GHOSTS",
    "AccuracyDifference",
    "Advice",
    "BootstrapInterval",
    "CalibrationError",
    "Check",
    "Choice",
    "ChosenScore",
    "ConsistencyBand",
    "CorrectedT",
    "Design",
    "Estimate",
    "FoldAuc",
    "HoldOut",
    "Lottery",
    "Margin",
    "McNemar",
    "MeanInterval",
    "Metric",
    "NestedInterval",
    "Reliability",
    "RowScore",
    "Runs",
    "VarianceShares",
    "Verdict",
    "Wilson",
    "advise",
    "bbc_cv",
    "bbc_cv_scores",
    "best_temperature",
    "blend_weights",
    "bootstrap_interval",
    "brackets",
    "choose",
    "confined_outputs",
    "confusion_matrix",
    "consistency_band",
    "consistent",
    "corrected_t",
    "dead_units",
    "decide",
    "default_margin",
    "default_metric",
    "diverged",
    "expected_calibration_error",
    "fold_auc",
    "fold_differences",
    "greater_is_better",
    "holm",
    "judge",
    "judge_all",
    "largest_loss",
    "lottery",
    "margin_beside",
    "mcnemar",
    "mean_loss",
    "metric",
    "more_repeats_ratio",
    "nested_interval",
    "no_better_than_prior",
    "opposite_share",
    "over_trained",
    "p_better",
    "paired_hold_out",
    "paired_runs",
    "predicted_classes",
    "prior_loss",
    "protocol",
    "reliability",
    "roc_auc",
    "row_losses",
    "row_mean_se",
    "row_score",
    "rows_needed",
    "score_interval",
    "scores",
    "seed_share",
    "seeds_alike",
    "seeds_apart",
    "summarize_curves",
    "tempered",
    "under_trained",
    "variance_shares",
    "widening",
    "wilson",
    "worse_than_logistic",
]
