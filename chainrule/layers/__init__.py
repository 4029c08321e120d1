"""Every layer there is, one file a family."""

from chainrule.layers import (
    activations,
    attention,
    category_embedding,
    containers,
    convolution,
    dropout,
    embedding,
    graph,
    joins,
    linear,
    normalization,
    pooling,
    recurrent,
    shape,
    smooth_activations,
    stacked,
    transformer,
)
from chainrule.layers.activations import *
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
from chainrule.layers.pooling import *
from chainrule.layers.recurrent import *
from chainrule.layers.shape import *
from chainrule.layers.smooth_activations import *
from chainrule.layers.stacked import *
from chainrule.layers.transformer import *
from chainrule.module import Module as Module

__all__ = ["Module"]
__all__ += activations.__all__
__all__ += attention.__all__
__all__ += category_embedding.__all__
__all__ += containers.__all__
__all__ += convolution.__all__
__all__ += dropout.__all__
__all__ += embedding.__all__
__all__ += graph.__all__
__all__ += joins.__all__
__all__ += linear.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += recurrent.__all__
__all__ += shape.__all__
__all__ += smooth_activations.__all__
__all__ += stacked.__all__
__all__ += transformer.__all__
