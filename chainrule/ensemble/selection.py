"""Which members predict together: greedy ensemble selection on validation samples.

Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble Selection from Libraries of Models", 2004.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.parameter import Array


def greedy_selection(outputs: Array, cost: Callable[[Array], Array], rounds: int) -> Array:
    """Return the weight of each member, (K,); the weights sum to 1.

    Start with the best member. In each round, add the member that makes the mean of all added so
    far the best; a member may be added several times. The weights are the counts of the round
    whose mean was the best, the earliest one if several were equally good.

    Parameters
    ----------
    outputs : ndarray, shape (N, K, outputs)
        What each member predicts for the validation samples.
    cost : callable
        Predictions (N, candidates, outputs) -> a number for each candidate; the smallest is best.
    rounds : int
        How many members are added in all.
    """
    counts = np.zeros(outputs.shape[1])
    total = np.zeros_like(outputs[:, :1])
    best_cost, best_counts = np.inf, counts
    for added in range(1, rounds + 1):
        costs = cost((total + outputs) / added)
        chosen = int(np.argmin(costs))
        counts[chosen] += 1
        total += outputs[:, [chosen]]
        if added == 1 or costs[chosen] < best_cost:
            best_cost, best_counts = costs[chosen], counts.copy()
    return best_counts / best_counts.sum()
