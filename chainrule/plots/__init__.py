"""Pictures: how a network hangs together, what it predicts, and where it is wrong.

Each needs matplotlib (the extra ``plots``) and returns a figure. A notebook shows it; elsewhere,
``figure.savefig("name.png")``. No window is opened. Learning curves are `History.plot`.

architecture.py        layers or nodes as boxes, and the arrows between them
confusion.py           which classes are taken for which
mistakes.py            the worst single cases
roc.py                 true positives over false ones, at every threshold
decision_boundary.py   what a classifier of two features says where
regression.py          predicted against true, and residuals
learning_curves.py     what `History.plot` draws
inputs.py figures.py   what they are made of, checked; what they are drawn on
"""

from chainrule.plots.architecture import plot_network
from chainrule.plots.confusion import plot_confusion
from chainrule.plots.decision_boundary import plot_decision_boundary
from chainrule.plots.mistakes import plot_mistakes, worst_mistakes
from chainrule.plots.regression import plot_predictions, plot_residuals
from chainrule.plots.roc import plot_roc

__all__ = [
    "plot_confusion",
    "plot_decision_boundary",
    "plot_mistakes",
    "plot_network",
    "plot_predictions",
    "plot_residuals",
    "plot_roc",
    "worst_mistakes",
]
