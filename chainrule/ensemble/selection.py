"""Which members predict together: a greedy choice on the validation part.

Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble Selection from Libraries of Models", 2004.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.ensemble.objective import Score
from chainrule.parameter import Array


def greedy_choice(
    outputs: Array, score: Callable[[Array], Array], rule: Score, rounds: int
) -> Array:
    """Return how much each member counts, (K,), summing to 1.

    Begin with the best member. In each round, add the one with which the mean of all that were
    added so far is best; a member may be added again. What counts in the end is the best mean
    over all rounds: the earliest of equal ones.

    Parameters
    ----------
    outputs : ndarray, shape (N, K, outputs)
        What each member predicts for the validation part.
    score : callable
        Predictions (N, candidates, outputs) -> the score of each candidate.
    rule : Score
        Which way is better.
    rounds : int
        How many members are added in all.
    """
    counts = np.zeros(outputs.shape[1])
    total = np.zeros_like(outputs[:, :1])
    best_score, best_counts = np.nan, counts
    for added in range(1, rounds + 1):
        scores = score((total + outputs) / added)
        chosen = rule.best(scores)
        counts[chosen] += 1
        total += outputs[:, [chosen]]
        if added == 1 or rule.better(scores[chosen], best_score):
            best_score, best_counts = scores[chosen], counts.copy()
    return best_counts / best_counts.sum()
