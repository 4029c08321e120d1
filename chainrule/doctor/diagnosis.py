"""diagnose: checks what the user gave, has it examined, and reports."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.checks import check_instance, check_range, check_whole
from chainrule.data.samples import as_arrays
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.names import Names
from chainrule.doctor.conditions.search import all_findings
from chainrule.doctor.examine import MOST_SAMPLES, MOST_STEPS, examine
from chainrule.doctor.report import Report
from chainrule.errors import InputError
from chainrule.loss_functions import Loss
from chainrule.network import Network
from chainrule.optimizers import Adam, Optimizer
from chainrule.parameter import Array
from chainrule.pytree import PyTree, concatenate, first_array, take, tree_leaves, tree_map
from chainrule.training.options import as_loss

BATCHES_OF_AN_ITERABLE = 32
"""Of an iterable, the first of its batches are examined."""


def diagnose(
    network: Network,
    X: Any,
    y: Any = None,
    *,
    loss: Loss | Mapping[str, Loss],
    optimizer: Optimizer | None = None,
    validation_data: Any = None,
    batch_size: int = 32,
    epochs: int = 10,
    clip_norm: float | None = None,
    class_weight: Any = None,
    steps: int = MOST_STEPS,
    seed: int = 0,
) -> Report:
    """Report what is likely to keep a network from learning, why, and what to do.

    The data, the labels, the network and the loss are checked. Then copies of the network and the
    optimizer are trained for a few hundred steps, also with a tenth and with ten times the learning
    rate, and on a single small batch. The network, the optimizer and their random generators are
    left as they were, to the last bit.

    Parameters
    ----------
    network : Network
        What is to be trained.
    X, y : array_like, or an iterable of batches
        The training data, as `Trainer.fit` takes them.
    loss : Loss, or mapping of str to Loss
        What is to be minimised.
    optimizer : Optimizer, optional
        What it is to be trained with; by default Adam.
    validation_data : tuple of arrays, optional
        ``(X, y)``: checked for rows that are training rows too.
    batch_size, epochs, clip_norm, class_weight
        What `Trainer` and its `fit` will be given: whether a learning rate is too low depends on
        how many steps there will be.
    steps : int
        The length of the trial run; never longer than the training.
    seed : int
        The order of the samples follows from it. The same seed finds the same.

    Returns
    -------
    Report
        What was found, the root first; ``print(report)``, ``report.save_html(path)``,
        ``report.prescribe()``.

    Raises
    ------
    ConfigurationError
        If an option is out of its range.
    InputError
        If X and y hold different numbers of samples.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Adam, CategoricalCrossEntropy, Network, diagnose
    >>> X = np.random.default_rng(0).standard_normal((200, 4)) * 1000
    >>> y = (X > 0).sum(axis=1) // 2
    >>> report = diagnose(Network([4, 8, 3], seed=0), X, y, loss=CategoricalCrossEntropy())
    >>> report.findings[0].id
    'input-scale'
    """
    whole = as_loss(loss, None)
    check_instance(network, Network, "network must be a Network")
    check_instance(whole, Loss, "loss must be a Loss")
    if optimizer is not None:
        check_instance(optimizer, Optimizer, "optimizer must be an Optimizer")
        optimizer.check_network(network)
    batch_size, epochs = check_whole("batch_size", batch_size), check_whole("epochs", epochs)
    steps = check_whole("steps", steps, least=10)
    if clip_norm is not None:
        clip_norm = check_range("clip_norm", clip_norm, inclusive=False)
    X, y = gathered(X, y)
    # one copy, from which all others are made: not a bit of the user's own is written to
    network, optimizer = copy.deepcopy((network, Adam() if optimizer is None else optimizer))
    if optimizer.needs_closure:
        batch_size = max(batch_size, len(first_array(X)))  # it needs all data in every step
    planned = epochs * -(-len(first_array(X)) // batch_size)
    X, y, rows = sampled(X, y, seed)
    exam = Examination(
        network, whole, optimizer, X, y, None, batch_size, planned, clip_norm, class_weight
    )
    if validation_data is not None:
        exam.validation = gathered(*tuple(validation_data)[:2])
    exam.planned_epochs, exam.names = epochs, Names(rows=rows)
    examine(exam, min(steps, planned), seed)
    return Report(all_findings(exam), exam, rows)


def gathered(X: Any, y: Any) -> tuple[PyTree, PyTree]:
    """Return arrays; those of the first batches of an iterable."""
    if y is None:
        if not hasattr(X, "__iter__") or isinstance(X, np.ndarray | Mapping):
            raise InputError("Give X and y, or an iterable of batches (x, y).")
        parts = []
        for batch, _ in zip(X, range(BATCHES_OF_AN_ITERABLE), strict=False):
            # copies: the iterable may fill the same arrays for its next batch
            parts.append(tuple(tree_map(np.array, part) for part in tuple(batch)[:2]))
        if not parts:
            raise InputError("The iterable yields no batch.")
        X, y = concatenate([x for x, _ in parts]), concatenate([t for _, t in parts])
    X, y = as_arrays(X, "X"), as_arrays(y, "y")
    lengths = {len(array) for array in (*tree_leaves(X), *tree_leaves(y))}
    if len(lengths) > 1:
        raise InputError(f"X and y must have the same number of samples, got {sorted(lengths)}.")
    return X, y


def sampled(X: PyTree, y: PyTree, seed: int) -> tuple[PyTree, PyTree, Array]:
    """Return at most MOST_SAMPLES of the samples, drawn at random, and which they are."""
    samples = len(first_array(X))
    rows = np.arange(samples)
    if samples > MOST_SAMPLES:
        rows = np.sort(np.random.default_rng(seed).permutation(samples)[:MOST_SAMPLES])
    return take(X, rows), take(y, rows), rows
