"""`from layers import Linear` in a checkout; the layers themselves are in chainrule/layers/."""

from chainrule.layers import *
