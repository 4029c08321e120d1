"""Pictures: how a network hangs together, and where a classifier is wrong.

Each needs matplotlib (the extra ``plots``) and returns a figure, for
``figure.savefig("name.png")``. No window is opened.

architecture.py   layers or nodes as boxes, and the arrows between them
mistakes.py       which classes are taken for which, and the worst single cases
"""

from chainrule.plots.architecture import plot_network
from chainrule.plots.mistakes import plot_confusion, plot_mistakes, worst_mistakes

__all__ = ["plot_confusion", "plot_mistakes", "plot_network", "worst_mistakes"]
