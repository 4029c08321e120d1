"""`from loss_functions import CategoricalCrossEntropy` in a checkout; see chainrule/."""

from chainrule.loss_functions import BinaryCrossEntropy as BinaryCrossEntropy
from chainrule.loss_functions import BinaryFocalCrossEntropy as BinaryFocalCrossEntropy
from chainrule.loss_functions import CategoricalCrossEntropy as CategoricalCrossEntropy
from chainrule.loss_functions import CategoricalFocalCrossEntropy as CategoricalFocalCrossEntropy
from chainrule.loss_functions import CategoricalHinge as CategoricalHinge
from chainrule.loss_functions import CosineSimilarity as CosineSimilarity
from chainrule.loss_functions import Hinge as Hinge
from chainrule.loss_functions import Huber as Huber
from chainrule.loss_functions import KLDivergence as KLDivergence
from chainrule.loss_functions import Loss as Loss
from chainrule.loss_functions import MeanAbsoluteError as MeanAbsoluteError
from chainrule.loss_functions import MeanSquaredError as MeanSquaredError
from chainrule.loss_functions import MultiMargin as MultiMargin
from chainrule.loss_functions import Poisson as Poisson
from chainrule.loss_functions import Quantile as Quantile
