"""All layers, one file for each family."""

from chainrule.layers.activations import *
from chainrule.layers.adaptive_pooling import *
from chainrule.layers.attention import *
from chainrule.layers.category_embedding import *
from chainrule.layers.containers import *
from chainrule.layers.convolution import *
from chainrule.layers.dropout import *
from chainrule.layers.embedding import *
from chainrule.layers.graph import *
from chainrule.layers.joins import *
from chainrule.layers.linear import *
from chainrule.layers.normalization import *
from chainrule.layers.padding import *
from chainrule.layers.pooling import *
from chainrule.layers.recurrent import *
from chainrule.layers.resampling import *
from chainrule.layers.shape import *
from chainrule.layers.smooth_activations import *
from chainrule.layers.stacked import *
from chainrule.layers.transformer import *
from chainrule.module import Module as Module

__all__ = sorted(name for name, thing in globals().items() if isinstance(thing, type))
