"""The terms of the report, each in one sentence; `docs/glossary.md` has them and more."""

from __future__ import annotations

__all__ = ["TERMS"]

TERMS = {
    "accuracy": "Share of rows whose predicted label is right.",
    "baseline": "A model that isn't a network, fitted on the same splits: predicting the class frequencies, logistic "
    "regression, boosted trees, or a scikit-learn model that you name.",
    "Brier score": "Mean squared error of predicted probabilities. 0 is perfect; predicting the class frequencies of "
    "two equal classes costs 0.25.",
    "calibration": "How well predicted probabilities agree with observed frequencies.",
    "candidate": "A network architecture, with its training settings, that is compared.",
    "confidence interval": "A range that covers the true value in 95 % of tables like this one.",
    "cross-validation": "Rows are divided into folds; each fold is predicted by networks trained on the others.",
    "epoch": "One pass over the training rows.",
    "margin": "The smallest difference that matters to you (`--margin`).",
    "no practical difference": "The confidence interval lies within the margin: the difference is too small to matter.",
    "R2": "Share of the target's variance that a model explains. 1 is perfect; predicting the mean has 0.",
    "reference": "The candidate or baseline that the others are compared with (`--reference`).",
    "ROC AUC": "Probability that a random positive row gets a higher score than a random negative one.",
    "seed": "The number that decides a network's initial parameters, and the order of its batches.",
    "single run": "One network, trained once: one split and one seed.",
    "split": "A division of the rows into training and test rows.",
    "squared error": "Mean squared difference between prediction and target, as a share of the target's variance.",
    "undecided": "The confidence interval includes differences of either sign that matter: these rows can't decide.",
    "worse, better": "The confidence interval, corrected for the number of comparisons, excludes zero.",
}
"""Terms in alphabetical order, each with one or two sentences."""
