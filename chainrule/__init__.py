"""chainrule: neural networks in NumPy that you can read, trust and ship.

    from chainrule import Adam, CategoricalCrossEntropy, Network, Trainer

    network = Network([4, 16, 3], seed=0)
    trainer = Trainer(network, CategoricalCrossEntropy(), Adam(0.01))
    trainer.fit(X, y, epochs=20)
    probabilities = network.predict(X)

The names below are here, and in the part that they belong to:

    chainrule.layers            Linear, Conv2d, LSTM, MultiHeadAttention ... and Graph, Sequential
    chainrule.loss_functions    how wrong predictions are, and the gradient of that
    chainrule.optimizers        SGD, Adam ..., learning-rate schedules, clipping
    chainrule.initializers      how weights begin
    chainrule.data              batches, splits, files; chainrule.augmentation for images
    chainrule.preparation       raw rows to numbers and back, saved with the network
    chainrule.metrics           accuracy, F1, ROC AUC, RMSE ...: how good predictions are
    chainrule.training          Trainer, callbacks, checkpoints, history
    chainrule.doctor            diagnose and Doctor: what keeps a network from learning
    chainrule.ensemble          Ensemble: many networks trained at once, predicting together
    chainrule.diagnosis         check_module: is this backward right? And post-mortems
    chainrule.plots             pictures of a network, its predictions and its mistakes
    chainrule.estimators        for scikit-learn: NetworkClassifier, NetworkRegressor
"""

import importlib
from typing import TYPE_CHECKING, Any

from chainrule import (
    data,
    errors,
    initializers,
    layers,
    loss_functions,
    metrics,
    optimizers,
    preparation,
)
from chainrule.checks.habits import NAMES
from chainrule.data import *
from chainrule.data import augmentation, train_test_split
from chainrule.errors import *
from chainrule.layers import *
from chainrule.loss_functions import *
from chainrule.network import Network
from chainrule.optimizers import *
from chainrule.parameter import Buffer, Parameter
from chainrule.preparation import *

if TYPE_CHECKING:
    from chainrule import diagnosis, doctor, ensemble, plots, training
    from chainrule.diagnosis import *
    from chainrule.doctor import *
    from chainrule.ensemble import *
    from chainrule.training import *

__version__ = "0.2.0"

LATER = {
    "diagnosis": (
        *("Environment", "check_loss", "check_module", "check_optimizer"),
        *("environment", "replay"),
    ),
    "doctor": ("Doctor", "diagnose"),
    "ensemble": ("Ensemble", "Member"),
    "plots": (),
    "training": (
        *("CSVLog", "Callback", "Checkpoint", "EarlyStopping", "ExponentialMovingAverage"),
        *(
            "History",
            "ReduceOnPlateau",
            "StopFile",
            "StopOnInterrupt",
            "TensorBoardLog",
            "Trainer",
            "find_learning_rate",
        ),
    ),
}
"""Parts that are loaded when one of their names is first wanted: a network that only predicts
needs none of them, and they are a third of the time that the import would take."""

__all__ = ["Buffer", "Network", "Parameter", "augmentation", "metrics"]
__all__ += [name for name in data.__all__ if name != "train_test_split"]  # scikit-learn's name too
__all__ += errors.__all__
__all__ += layers.__all__
__all__ += loss_functions.__all__
__all__ += optimizers.__all__
__all__ += [name for name in preparation.__all__ if name not in data.__all__]
__all__ += [name for part, names in LATER.items() for name in (part, *names)]
__all__.remove("ensemble")  # scikit-learn's name too; `chainrule.ensemble` is there all the same


def __getattr__(name: str) -> Any:
    """Load the part that a name belongs to."""
    for part, names in LATER.items():
        if name == part or name in names:
            module = importlib.import_module(f"chainrule.{part}")
            value = module if name == part else getattr(module, name)
            globals()[name] = value
            return value
    if name in NAMES:  # `from chainrule import Dense` shows an ImportError's words alone
        raise ImportError(f"cannot import name {name!r} from 'chainrule': {NAMES[name]}.")
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return every name, those to be loaded later too."""
    return sorted({*globals(), *__all__})
