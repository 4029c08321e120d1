"""chainrule: neural networks in NumPy that you can read, trust and ship."""

from chainrule.data import Standardizer, batches, one_hot, train_test_split
from chainrule.data_files import *
from chainrule.environment import *
from chainrule.errors import *
from chainrule.gradient_check import check_loss, check_module
from chainrule.layers import *
from chainrule.loss_functions import *
from chainrule.network import Network
from chainrule.optimizers import *
from chainrule.parameter import Buffer, Parameter
from chainrule.schedules import *
from chainrule.training import *

__version__ = "0.1.0"
