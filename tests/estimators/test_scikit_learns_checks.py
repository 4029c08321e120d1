"""All of scikit-learn's own checks of an estimator, in several settings.

What scikit-learn's MLP cannot do either is named, with the reason, in SHARED; all else passes.
"""

import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_sparse_data,
    estimator_checks_generator,
)

from chainrule import BatchNorm, Linear, Network, ReLU
from chainrule.estimators import NetworkClassifier, NetworkRegressor


def ready(features, outputs):
    """Build a network, as a user might."""
    return Network([Linear(features, 10), BatchNorm(10), ReLU(), Linear(10, outputs)], seed=0)


QUICK = {"hidden_layers": (10,), "epochs": 12, "learning_rate": 0.03, "batch_size": 32}
LONG = {"several", "ready"}  # are left to the long run
SETTINGS = {
    "one": {"members": 1, **QUICK},
    "several": {
        **QUICK,
        "members": 4,
        "batch_norm": True,
        "dropout": 0.1,
        "activation": "tanh",
        "early_stopping": True,
    },
    "ready": {"network": ready, **QUICK},
    "plain": {
        **QUICK,
        "members": 2,
        "preparation": None,  # what it measures of the columns does not count weights
        "early_stopping": False,
        "dropout": 0.0,
        "optimizer": "momentum",
        "batch_size": 1000,
        "epochs": 30,
        "dtype": "float64",
    },
}

SHARED = {
    f"check_sample_weight_equivalence_on_{kind}_data": (
        "batches are drawn from the rows, so that a row given twice is in other batches than one "
        "of weight two; scikit-learn too puts this to its MLP with one batch for all rows"
    )
    for kind in ("dense", "sparse")
}


def all_checks():
    """Return each check with its estimator, with the same names in every process."""
    checks = []
    for kind in (NetworkClassifier, NetworkRegressor):
        for name, setting in SETTINGS.items():
            expected = {} if name == "plain" else SHARED
            found = estimator_checks_generator(
                kind(**setting), expected_failed_checks=expected, mark="xfail"
            )
            for number, check in enumerate(found):
                estimator, function, *_ = getattr(check, "values", check)
                label = f"{kind.__name__}-{name}-{number}-{function.func.__name__}"
                marks = [*getattr(check, "marks", ()), *[pytest.mark.long] * (name in LONG)]
                checks.append(pytest.param(estimator, function, marks=marks, id=label))
    return checks


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), all_checks())
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_scikit_learns_mlp_fails_the_same_checks(kind):
    with pytest.raises(AssertionError, match="is not equivalent to fitting with removed"):
        check_sample_weight_equivalence_on_sparse_data(
            kind.__name__, kind(max_iter=20, batch_size=16)
        )
