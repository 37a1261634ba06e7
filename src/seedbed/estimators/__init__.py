"""scikit-learn's classifier and regressor: networks that go wherever an estimator goes.

classifier = SeedbedClassifier(candidate="relu:20", random_state=0).fit(X, y)
classifier.predict_proba(X_new)
classifier.model_.save("mine.safetensors")
"""

from seedbed.estimators.classifier import SeedbedClassifier
from seedbed.estimators.regressor import SeedbedRegressor

__all__ = ["SeedbedClassifier", "SeedbedRegressor"]
