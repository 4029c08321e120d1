"""All of scikit-learn's own checks of an estimator, in several settings.

What scikit-learn's MLP cannot do either is named, with the reason, in SHARED; everything else passes.
"""

import warnings

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule import (
    BatchNorm,
    CategoricalCrossEntropy,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    Softmax,
)
from chainrule.estimators import NetworkClassifier, NetworkRegressor

QUICK = {"hidden_layers": (12,), "epochs": 12, "learning_rate": 0.03, "batch_size": 16}


def ready(features, outputs):
    """Build a network of one's own, as a user might."""
    return Network([Linear(features, 12), BatchNorm(12), ReLU(), Linear(12, outputs)], seed=0)


SETTINGS = {
    "one": {"members": 1, **QUICK},
    "several": {"members": 3, **QUICK},
    "held out": {"members": 2, "early_stopping": True, **QUICK},
    "all at once": {"members": 2, "batch_norm": True, "dropout": 0.1, "activation": "tanh", **QUICK},
    "ready": {"network": ready, **QUICK},
    "unprepared": {"members": 2, "preparation": None, **QUICK, "epochs": 40},
}
WEIGHTED = {
    **QUICK,
    "members": 2,
    "preparation": None,  # statistics of columns do not count weights, nor do scikit-learn's MLP's
    "early_stopping": False,
    "dropout": 0.0,
    "optimizer": "sgd",
    "batch_size": 100,
    "dtype": "float64",
}
"""Where giving a row twice is the same as a weight of two: one batch an epoch, no chance."""

EQUIVALENCE = "check_sample_weight_equivalence_on_{}_data"
SHARED = {
    EQUIVALENCE.format(kind): (
        "batches are drawn from the rows, so that a row given twice is in other batches than one "
        "of weight two; scikit-learn checks its MLP with one batch and a plain solver, as below"
    )
    for kind in ("dense", "sparse")
}


def expected_to_fail(estimator):
    return {} if estimator.optimizer == "sgd" else SHARED


def estimators():
    for kind in (NetworkClassifier, NetworkRegressor):
        for setting in SETTINGS.values():
            yield kind(**setting)
        yield kind(**WEIGHTED)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(list(estimators()), expected_failed_checks=expected_to_fail)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
