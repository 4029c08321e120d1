"""Which members predict together: greedy ensemble selection on validation samples.

Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble Selection from Libraries of Models", 2004.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.ensemble.scorer import Scorer
from chainrule.parameter import Array


def greedy_selection(
    outputs: Array, score: Callable[[Array], Array], scorer: Scorer, rounds: int
) -> Array:
    """Return the weight of each member, (K,); the weights sum to 1.

    Start with the best member. In each round, add the member that makes the mean of all added so
    far the best; a member may be added several times. The weights are the counts of the round
    whose mean was the best, the earliest one if several were equally good.

    Parameters
    ----------
    outputs : ndarray, shape (N, K, outputs)
        What each member predicts for the validation samples.
    score : callable
        Predictions (N, candidates, outputs) -> the score of each candidate.
    scorer : Scorer
        Which of two scores is better.
    rounds : int
        How many members are added in all.
    """
    counts = np.zeros(outputs.shape[1])
    total = np.zeros_like(outputs[:, :1])
    best_score, best_counts = np.nan, counts
    for added in range(1, rounds + 1):
        scores = score((total + outputs) / added)
        chosen = scorer.best(scores)
        counts[chosen] += 1
        total += outputs[:, [chosen]]
        if added == 1 or scorer.better(scores[chosen], best_score):
            best_score, best_counts = scores[chosen], counts.copy()
    return best_counts / best_counts.sum()
