"""scikit-learn's classifier and regressor: they work wherever scikit-learn takes an estimator."""

from seedbed.estimators.classifier import SeedbedClassifier
from seedbed.estimators.regressor import SeedbedRegressor

__all__ = ["SeedbedClassifier", "SeedbedRegressor"]
