"""Every number on which a verdict depends, with its reason.

Where a reason says "clinic", the value was chosen on the clinic's tuning part (benchmarks/clinic/),
never on the part that judges. No healthy network should be called a problem, so those values are
far from what healthy networks show; a warning is given much earlier.
"""

# ---------------------------------------------------------------- inputs

WILD = 100.0
"""Inputs from this size on are a problem: weights are initialised for inputs of about 1, and with
values a hundred times as large so are the first outputs and the gradients."""

LARGE = 30.0
"""The root mean square of inputs from which there is a warning."""

WILD_RATIO = 1000.0
"""The ratio of two columns' standard deviations from which one learning rate cannot suit both."""

TINY = 0.01
"""Inputs with a smaller spread: the signal is lost next to the biases."""

OFFSET = 10.0
"""How many standard deviations a column's mean may be from 0, before a warning: beyond, the
gradients of a neuron's weights all have the same sign (LeCun et al., "Efficient BackProp", 1998).
"""

MOST_COLUMNS = 2000
"""Tables with more columns are not searched for duplicates among them."""

LEAK = 0.9999
"""The correlation with the target, or the purity of classes, from which a column gives it away."""

OVERLAP, MUCH_OVERLAP = 0.02, 0.1
"""The share of validation rows that are training rows too: a warning, and a problem. Real tables
have some duplicates of their own (Iris has one in 150)."""

BEYOND_CHANCE, FAR_BEYOND_CHANCE = 3.0, 100.0
"""How many times as many repeated rows there are as by chance: a warning, and a problem. Columns
are not independent, so real tables have up to ten times as many: tables of few columns with few
values, in which rows are alike without being copies."""

# ---------------------------------------------------------------- targets

FEW = 10
"""With fewer samples, a toy, constant targets are no mistake; nor is it a leak if a column
identifies a class of fewer."""

IMBALANCE = 10.0
"""The ratio of the largest class to the smallest from which there is a warning."""

LOST_RECALL = 0.1
"""A class with at most this recall after training has been given up."""

TARGET_LARGE, TARGET_WILD = 30.0, 100.0
"""The root mean square of a regression's targets: a warning, and a problem. The squared error's
gradient grows with them, and a bias that moves by 0.001 a step never arrives."""

OUTLIER = 30.0
"""Targets this many interquartile ranges from the median dominate a squared error. A normal
distribution has none beyond 4, an exponential one (of 10,000 numbers) beyond 9."""

OWNED = 0.9
"""The share of all squared deviations from the median with which outliers leave nothing of the loss
to the other samples: a problem."""

# ---------------------------------------------------------------- initial weights

CHANCE_EXCESS = 2.0
"""How far the first loss may be above ln C: logits of variance 2, as Kaiming initialisation gives,
add about 0.7; to add 2, logits must be sure of wrong things."""

EQUAL = 1e-6
"""Neurons whose weights differ by less than this share of their size are the same."""

SIGNAL_GROWN = 30.0
"""In healthy layers the signal keeps its size; deep ones without normalisation change it by a
factor of 3 or so. Thirty times as large, it saturates a softmax or tanh behind. (clinic)"""

GAIN_LARGE, GAIN_SMALL = 2.5, 0.4
"""The factor by which a layer's weights multiply the spread of its input. Kaiming initialisation
gives 1.41, Xavier about 1; only beyond these two are the weights to blame for a signal that grows
or dies out."""

DEEP = 6
"""In chains of more layers a smaller gain makes the signal grow, too."""

SIGNAL_SHRUNK = 0.02
"""Below this share of the input's signal, outputs no longer depend on the input. (clinic)"""

# ---------------------------------------------------------------- activations

DEAD, MANY_DEAD = 0.4, 0.7
"""The share of a layer's ReLUs that are 0 for every sample: a warning, and a problem. In wide
trained layers up to a third of them are, and the network learns well. (clinic)"""

SATURATED, MANY_SATURATED = 0.5, 0.8
"""The share of a tanh or sigmoid layer's outputs that are within 2 % of its limits: a warning, and
a problem. The slope there is below 4 % of the largest. (clinic)"""

NEAR_THE_END = 0.98
"""|tanh| from which an output is saturated; of a sigmoid, |2 y - 1|."""

# ---------------------------------------------------------------- gradients

VANISHED, VANISHING = 1e-4, 1e-3
"""The gradient at the first layer's output relative to that at the last layer's: a problem, a
warning. A sigmoid multiplies it by at most a quarter, so eight of them are enough."""

EXPLODED = 1e3
"""The same in the other direction; or the gradient norm, in most steps."""

SPIKE = 30.0
"""A gradient norm this many times the median of the steps is a spike."""

DOMINATED = 0.5
"""The share of the summed gradient at the output that the most extreme 2 % of samples make up."""

TOP = 0.02

# ---------------------------------------------------------------- wrong labels

SURE_OF_ANOTHER = 2.0
"""The loss of a sample, by networks that did not see it, from which its label is worth a look: the
labelled class has a probability below 0.14. On the clinic's tuning part, with 3 to 15 % wrong
labels, two thirds to all of the samples found are wrong, if the others are learned well.
(clinic)"""

MOSTLY_LABELS = 0.6
"""The share of the errors that are such samples from which labels are to blame: if the task is
hard, errors are mostly unsure. (clinic)"""

MANY_LABELS = 0.05
"""And their share of all samples: networks that memorise are sure of a few wrong things too."""

FEW_ERRORS, MANY_SUSPECTS = 0.1, 0.08
"""With more errors than this, a suspect sample is mostly a hard one and not worth a word, unless
there are many of them. (clinic)"""

KNOWN_WELL, SURPRISING = 0.7, 3.0
"""The usual loss of samples that were trained on, below which one of this size is worth a look."""

LEARNED = 0.7
"""A trial must lower the loss to less than this share of the initial one, or its predictions are
not asked for."""

# ---------------------------------------------------------------- learning rate

UPDATE_TOO_SMALL = 1e-4
"""The update of a weight matrix relative to its size, per step: about 1e-3 is usual (Karpathy);
below 1e-4 a hundred steps change it by less than a hundredth."""

UPDATE_TOO_LARGE = 0.1
"""Above this a matrix is another one after ten steps."""

UPDATE_USUAL = 3e-3
"""Updates above this are not small, whatever another learning rate does."""

NOTHING_LEARNED = 0.9
"""The share of the initial loss that is left if a training has learned nothing."""

CLEARLY_BETTER = 0.7
"""A trial with another learning rate must end with less than this share of the remaining loss
(above the best loss seen) for the rate to be to blame. (clinic)"""

MUCH_BETTER = 0.3
"""A tenth of the learning rate that leaves less than this share of it proves the rate guilty."""

DIVERGED = 1.5
"""The final loss relative to the initial one from which training has diverged."""

MUCH_LEFT, ALL_LEFT = 0.5, 0.8
"""The share of the loss (above the best that a trial reached) that is left in the end: from here on
training has not converged, and has hardly started. (clinic)"""

STEPS_TO_JUDGE = 100
"""A shorter trial of a longer training gives a warning at most."""

WORTH = 0.1
"""Differences below this share of the loss are not worth a word."""

SWINGS = 0.2
"""The mean difference from five losses to the next five, relative to the loss, if it swings."""

# ---------------------------------------------------------------- learning curves

STILL_FALLING = 0.01
"""The share by which the loss has fallen over the last tenth of the epochs, if it still falls."""

FLAT = 0.001
"""The share by which it may still fall over the last third, if it has converged."""

BATCH_LEARNED = 0.5
"""If a batch of 16 keeps more than this share of the loss of its best constant prediction, it has
not been learned; a healthy network brings the loss near 0 within 200 steps."""

OVERFITTED, OVERFITTING = 1.5, 1.15
"""The final validation loss relative to its lowest: a problem, a warning."""

SURE = 3.0
"""Standard errors by which a mean must exceed another one, not to be chance."""

UNDERFITTED = 1.5
"""The loss on held-out rows relative to that of a plain reference network."""

BOTTLENECK = 2
"""A layer of at most so many units that everything passes through may be too narrow."""

# ---------------------------------------------------------------- batch normalisation

FEW_FOR_STATISTICS = 8
"""Values behind a channel's mean and variance. Of 4, the standard deviation is off by 40 %."""

GAP, LEAST_GAP = 2.0, 0.01
"""The loss in prediction relative to the same batch's in training, after the trial, and the least
difference. Healthy networks have a ratio of 0.8 to 1.2. (clinic)"""
