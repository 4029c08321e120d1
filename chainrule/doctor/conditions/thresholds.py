"""Every number that a verdict hangs on, with the reason for it.

Where a reason says "clinic", the value was chosen on the clinic's tuning part (benchmarks/clinic/),
never on the part that judges. "Problem" is meant to be said of no healthy network, so those values
are far from what healthy ones show; "warning" is said a good deal earlier.
"""

# ---------------------------------------------------------------- columns of the data

WILD = 100.0
"""From this size on inputs are a problem: weights are drawn for inputs of about 1, and with
numbers a hundred times as large so are the first outputs and the gradients."""

LARGE = 30.0
"""From this root mean square on inputs get a warning."""

WILD_RATIO = 1000.0
"""From this ratio of two columns' standard deviations on, one rate cannot serve both."""

TINY = 0.01
"""Inputs whose spread is below this: the signal is lost beside the biases."""

OFFSET = 10.0
"""How many standard deviations a column's mean may lie from 0, before a warning: the gradients of a
neuron's weights then all have the same sign (LeCun et al., "Efficient BackProp", 1998)."""

MOST_COLUMNS = 2000
"""Tables of more columns are not searched for duplicates among them."""

LEAK = 0.9999
"""A column that correlates like this with the target, or tells the class this purely, knows it."""

OVERLAP, MUCH_OVERLAP = 0.02, 0.1
"""The share of validation rows that are training rows too: from here a warning, and a problem. Real
tables have some duplicates of their own (Iris has one in 150)."""

BEYOND_CHANCE, FAR_BEYOND_CHANCE = 3.0, 100.0
"""Rows of a table are called duplicates where there are so many times as many as there would be by
chance: a warning, and a problem. Columns are not independent, so real tables have up to ten times
as many: those of few columns with few values, in which rows are alike without being copies."""

# ---------------------------------------------------------------- targets

FEW = 10
"""With fewer samples, a toy, that all targets are the same is no mistake; nor is it a leak that a
column tells a class of fewer."""

IMBALANCE = 10.0
"""From this ratio of the largest class to the smallest one on, a warning."""

LOST_RECALL = 0.1
"""A class of which less than this is recognised in the end has been given up."""

TARGET_LARGE, TARGET_WILD = 30.0, 100.0
"""From this root mean square of a regression's targets on, a warning, and a problem: the squared
error's gradient grows with them, and a bias that moves by 0.001 a step never arrives."""

OUTLIER = 30.0
"""Targets this many interquartile ranges away from the median dominate a squared error. A normal
distribution has none beyond 4, an exponential one (of 10,000 numbers) beyond 9."""

OWNED = 0.9
"""With this part of all squared deviations from the median, they leave nothing of the loss to the
others, and that is a problem."""

# ---------------------------------------------------------------- the start

CHANCE_EXCESS = 2.0
"""How far the first loss may lie above ln C: logits of variance 2, as Kaiming's weights make them,
give about 0.7 more; 2 more needs logits that are sure of wrong things."""

EQUAL = 1e-6
"""Neurons of a layer whose weights differ by less than this part of their size are the same one."""

SIGNAL_GROWN = 30.0
"""Through healthy layers the signal keeps its size; a factor of 3 or so is lost or won in deep ones
without normalisation. Thirty times as large, a softmax or tanh behind it is saturated. (clinic)"""

GAIN_LARGE, GAIN_SMALL = 2.5, 0.4
"""By what a layer's weights multiply the spread of its input. Kaiming's are drawn for 1.41,
Xavier's for about 1; only beyond these are they to blame for a signal that grows or dies out."""

DEEP = 6
"""In chains of more layers than this a signal grows with less, too."""

SIGNAL_SHRUNK = 0.02
"""Below this part of the input's signal, outputs no longer depend on the input. (clinic)"""

# ---------------------------------------------------------------- activations

DEAD, MANY_DEAD = 0.4, 0.7
"""The share of a layer's ReLUs that are zero for every sample looked at: from here a warning, and a
problem. Wide trained layers have up to a third of them and learn well. (clinic)"""

SATURATED, MANY_SATURATED = 0.5, 0.8
"""The share of a tanh or sigmoid layer's outputs that lie within 2 % of its ends. Their slope there
is below 4 % of the largest. (clinic)"""

NEAR_THE_END = 0.98
"""|tanh| from which an output counts as saturated; for a sigmoid 2 y - 1 is looked at."""

# ---------------------------------------------------------------- gradients

VANISHED, VANISHING = 1e-4, 1e-3
"""The gradient at the first layer's output as a part of the one at the last layer's: from here a
problem, a warning. A sigmoid multiplies it by at most a quarter, so that eight are enough."""

EXPLODED = 1e3
"""The same, the other way; or this many times the gradient's norm where it is usual."""

SPIKE = 30.0
"""A gradient's norm this many times the median of its steps is a spike."""

DOMINATED = 0.5
"""The part of the summed gradient at the output that comes from the most extreme 2 % of samples."""

TOP = 0.02

# ---------------------------------------------------------------- labels that others speak against

SURE_OF_ANOTHER = 2.0
"""The loss of a sample, of networks that did not see it, from which its label is worth a look: its
class has a probability below 0.14. On the clinic's tuning part, with 3 to 15 % of the labels wrong,
two thirds to all of what it names are wrong where the others are known well. (clinic)"""

MOSTLY_LABELS = 0.6
"""The part of the errors that are such samples from which labels are to blame: where the task is
hard, errors are mostly unsure. (clinic)"""

MANY_LABELS = 0.05
"""And the share of all samples: networks that learn by heart are sure of a few wrong things too."""

FEW_ERRORS, MANY_SUSPECTS = 0.1, 0.08
"""With more errors than this, a sample that others speak against is mostly a hard one, and not
worth a word, unless there are many of them. (clinic)"""

KNOWN_WELL, SURPRISING = 0.7, 3.0
"""The usual loss of samples that were trained on, below which one of this size is worth a look."""

LEARNED = 0.7
"""The loss of a trial must fall below this part of the first for its answers to be asked for."""

# ---------------------------------------------------------------- steps

UPDATE_TOO_SMALL = 1e-4
"""The update of a weight matrix as a part of its own size, per step: about 1e-3 is usual
(Karpathy); below 1e-4 a hundred steps move it by less than a hundredth."""

UPDATE_TOO_LARGE = 0.1
"""Above this a matrix is another one after ten steps."""

NOTHING_LEARNED = 0.9
"""The part of the first loss that is left where a training came to nothing."""

CLEARLY_BETTER = 0.7
"""A trial with another rate must end with less than this part of the loss that is left (above the
best loss seen) to put the blame on the rate. (clinic)"""

DIVERGED = 1.5
"""The loss at the end as a multiple of that at the start from which training has diverged."""

# ---------------------------------------------------------------- the course of the loss

STILL_FALLING = 0.01
"""By which part the loss has fallen over the last tenth of the epochs, if it is still falling."""

FLAT = 0.001
"""By which part it may still fall over the last third, if it has converged."""

BATCH_LEARNED = 0.5
"""A batch of 16 whose loss cannot be brought below this part of what guessing its mean gives has
not been learned; a healthy network brings it near 0 within 200 steps."""

OVERFITTED, OVERFITTING = 1.5, 1.15
"""The validation loss at the end as a multiple of its lowest: a problem, a warning."""

SURE = 3.0
"""Standard errors by which a mean must lie above another one, not to be chance."""

UNDERFITTED = 1.5
"""The loss on rows that were held out as a multiple of a plain reference network's."""

BOTTLENECK = 2
"""Units of a layer that everything goes through, up to which it is too narrow to learn a batch."""

# ---------------------------------------------------------------- batch normalisation

FEW_FOR_STATISTICS = 8
"""Numbers a channel's mean and variance are taken of. Of 4 the deviation is off by 40 %."""

GAP, LEAST_GAP = 2.0, 0.01
"""The loss in prediction as a multiple of the same batch's in training, after the trial, and by how
much it lies above. Healthy networks have 0.8 to 1.2 times it. (clinic)"""

# ---------------------------------------------------------------- trials with another rate

MUCH_LEFT, ALL_LEFT = 0.5, 0.8
"""The part of the loss (above the best that a trial saw) that is left in the end: from here on
training has not arrived, and has hardly begun. (clinic)"""

MUCH_BETTER = 0.3
"""A tenth of the rate that leaves less than this part of what is left proves the rate guilty."""

STEPS_TO_JUDGE = 100
"""A trial of fewer, where training is to be much longer, gives a warning at most."""

WORTH = 0.1
"""Differences below this part of the loss are not worth a word."""

SWINGS = 0.2
"""How far means of five steps differ from the next ones, as a part of the loss, where it swings."""

UPDATE_USUAL = 3e-3
"""Updates above this are not small, whatever another rate does."""
