"""Looking at what was learned, and at where it is wrong."""

from chainrule.inspection.plots import plot_confusion, plot_mistakes, worst_mistakes

__all__ = ["plot_confusion", "plot_mistakes", "worst_mistakes"]
