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
    chainrule.metrics           accuracy and the like
    chainrule.training          Trainer, callbacks, checkpoints, history
    chainrule.diagnosis         check_module: is this backward right? And post-mortems
    chainrule.plots             pictures of what a network takes for what
"""

from chainrule import (
    data,
    diagnosis,
    errors,
    initializers,
    layers,
    loss_functions,
    machine,
    metrics,
    optimizers,
    plots,
    training,
)
from chainrule.data import *
from chainrule.data import augmentation, train_test_split
from chainrule.diagnosis import *
from chainrule.errors import *
from chainrule.layers import *
from chainrule.loss_functions import *
from chainrule.machine import *
from chainrule.network import Network
from chainrule.optimizers import *
from chainrule.parameter import Buffer, Parameter
from chainrule.training import *

__version__ = "0.1.0"

__all__ = ["Buffer", "Network", "Parameter", "augmentation", "metrics", "plots"]
__all__ += [name for name in data.__all__ if name != "train_test_split"]  # scikit-learn's name too
__all__ += diagnosis.__all__
__all__ += errors.__all__
__all__ += layers.__all__
__all__ += loss_functions.__all__
__all__ += machine.__all__
__all__ += optimizers.__all__
__all__ += training.__all__
