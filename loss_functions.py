"""`from loss_functions import CategoricalCrossEntropy` in a checkout; see chainrule/."""

from chainrule.loss_functions import BinaryCrossEntropy as BinaryCrossEntropy
from chainrule.loss_functions import CategoricalCrossEntropy as CategoricalCrossEntropy
from chainrule.loss_functions import Huber as Huber
from chainrule.loss_functions import MeanAbsoluteError as MeanAbsoluteError
from chainrule.loss_functions import MeanSquaredError as MeanSquaredError
