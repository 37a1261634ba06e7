"""Better, or chance? Pure functions from arrays to numbers: scores, intervals, paired tests, calibration, verdicts.

Nothing here trains, reads or prints. Differences are always `loss of the reference - loss of the candidate`, so
positive means that the candidate is better. A value that isn't defined is None.
"""

from seedbed.evaluation.bootstrap import row_mean_se, score_interval, widening
from seedbed.evaluation.calibration import consistency_band, expected_calibration_error, reliability
from seedbed.evaluation.checks import (
    Check,
    confined_outputs,
    consistent,
    dead_units,
    diverged,
    no_better_than_prior,
    over_trained,
    seeds_alike,
    seeds_apart,
    under_trained,
    worse_than_logistic,
)
from seedbed.evaluation.choosing import Choice, Waiting, best_temperature, blend_weights, choose, mean_loss, tempered
from seedbed.evaluation.classification import FoldAuc, confusion_matrix
from seedbed.evaluation.curves import CURVES, MOST_GHOSTS, MeanInterval, summarize_curves
from seedbed.evaluation.estimates import (
    CorrectedT,
    Estimate,
    HoldOut,
    corrected_t,
    holm,
    more_repeats_ratio,
    nested_interval,
    paired_hold_out,
    seed_difference,
    wilson,
)
from seedbed.evaluation.judging import fold_differences, judge, judge_all
from seedbed.evaluation.lottery import Lottery, lottery, paired_runs
from seedbed.evaluation.metrics import (
    METRICS,
    Margin,
    Metric,
    default_margin,
    default_metric,
    margin_beside,
    prior_loss,
    row_losses,
)
from seedbed.evaluation.protocol import Protocol, protocol
from seedbed.evaluation.ranking import (
    Advice,
    advise,
    bbc_cv,
    brackets,
    critical_difference,
    mean_ranks,
    rank_groups,
    separated,
    signed_rank,
)
from seedbed.evaluation.verdicts import SHORT, Verdict, percent, plain_number

__all__ = [
    "CURVES",
    "METRICS",
    "MOST_GHOSTS",
    "SHORT",
    "Advice",
    "Check",
    "Choice",
    "CorrectedT",
    "Estimate",
    "FoldAuc",
    "HoldOut",
    "Lottery",
    "Margin",
    "MeanInterval",
    "Metric",
    "Protocol",
    "Verdict",
    "Waiting",
    "advise",
    "bbc_cv",
    "best_temperature",
    "blend_weights",
    "brackets",
    "choose",
    "confined_outputs",
    "confusion_matrix",
    "consistency_band",
    "consistent",
    "corrected_t",
    "critical_difference",
    "dead_units",
    "default_margin",
    "default_metric",
    "diverged",
    "expected_calibration_error",
    "fold_differences",
    "holm",
    "judge",
    "judge_all",
    "lottery",
    "margin_beside",
    "mean_loss",
    "mean_ranks",
    "more_repeats_ratio",
    "nested_interval",
    "no_better_than_prior",
    "over_trained",
    "paired_hold_out",
    "paired_runs",
    "percent",
    "plain_number",
    "prior_loss",
    "protocol",
    "rank_groups",
    "reliability",
    "row_losses",
    "row_mean_se",
    "score_interval",
    "seed_difference",
    "seeds_alike",
    "seeds_apart",
    "separated",
    "signed_rank",
    "summarize_curves",
    "tempered",
    "under_trained",
    "widening",
    "wilson",
    "worse_than_logistic",
]
