"""Plots of a network, its predictions and its mistakes.

Each needs matplotlib (the extra ``plots``) and returns a figure. A notebook shows it; elsewhere,
use ``figure.savefig("name.png")``. No window is opened. Learning curves are `History.plot`.

architecture.py        a network's layers or nodes as boxes and arrows
confusion.py           the confusion matrix
mistakes.py            the images of the worst mistakes
roc.py                 the ROC curve
decision_boundary.py   what a classifier of two features predicts where
regression.py          predictions over targets, and residuals
learning_curves.py     what `History.plot` shows
training_flow.py       what the doctor's report shows
inputs.py figures.py   the names of classes, checked; how figures are made
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
