"""scikit-learn estimators: `NetworkClassifier` and `NetworkRegressor`.

This is the one part that needs scikit-learn, the extra ``sklearn``.

classifier.py, regressor.py   the two, with their options and what they predict
base.py                       what they share: the whole way of `fit`
defaults.py                   every default, and how members differ
options.py                    what the words of the options stand for, and their bounds
rows.py                       X and the weights, through the door; rows that are held out
targets.py                    y: classes, answers of yes or no, numbers
learners.py                   what learns: an ensemble, or a ready network
calibration.py                probabilities and intervals that keep their promise
"""

from chainrule.extras import require

require("sklearn", "sklearn", "chainrule.estimators")

from chainrule.estimators.classifier import NetworkClassifier  # noqa: E402
from chainrule.estimators.regressor import NetworkRegressor  # noqa: E402

__all__ = ["NetworkClassifier", "NetworkRegressor"]
