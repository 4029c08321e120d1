"""A line search: how far to go in a direction, so that the strong Wolfe conditions hold.

With φ(t) the loss at distance t, they ask for a loss that is low enough for the distance,
φ(t) <= φ(0) + c₁ t φ'(0), at a place that is flat enough, |φ'(t)| <= -c₂ φ'(0).

Nocedal, Wright, "Numerical Optimization", 2006, algorithms 3.5 and 3.6, with the safeguards of
Schmidt's minFunc, 2005, which PyTorch has too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from chainrule.parameter import Array

ENOUGH, FLAT = 1e-4, 0.9
"""c₁ and c₂."""


class Place(NamedTuple):
    """What is known at a distance: the loss, its slope in the direction, its whole gradient."""

    distance: float
    loss: float
    slope: float
    gradient: Array


Evaluate = Callable[[float], Place]


def search_line(
    evaluate: Evaluate, start: Place, first: float, *, narrow: float, evaluations: int
) -> Place:
    """Return a place that fulfils the conditions, or else the lowest that was found.

    Parameters
    ----------
    evaluate : callable
        Returns what is known at a distance. A loss of infinity means too far.
    start : Place
        At distance 0, where the slope is negative.
    first : float
        The distance to try first.
    narrow : float
        An interval narrower than this is not searched any further.
    evaluations : int
        The most distances to try.
    """
    before, place = start, evaluate(first)
    for tried in range(1, evaluations + 1):
        if _too_high(place, start) or (before is not start and place.loss >= before.loss):
            return _zoom(evaluate, start, before, place, narrow, evaluations - tried)
        if _flat(place, start):
            return place
        if place.slope >= 0:
            return _zoom(evaluate, start, before, place, narrow, evaluations - tried)
        if tried < evaluations:
            step = place.distance - before.distance
            bounds = place.distance + 0.01 * step, 10 * place.distance
            further = cubic_minimum(before, place, *bounds)
            before, place = place, evaluate(further)
    return min(start, place, key=lambda each: each.loss)


def _zoom(
    evaluate: Evaluate, start: Place, one: Place, other: Place, narrow: float, evaluations: int
) -> Place:
    """Search between two places, between which the conditions are fulfilled somewhere."""
    low, high = (one, other) if one.loss <= other.loss else (other, one)
    close = False  # whether the last distance was close to an end of the interval
    for _ in range(evaluations):
        left, right = sorted((low.distance, high.distance))
        if right - left < narrow:
            break
        distance = cubic_minimum(low, high, left, right)
        margin = 0.1 * (right - left)
        was_close, close = close, min(right - distance, distance - left) < margin
        if close and (was_close or not left < distance < right):
            nearer_right = right - distance < distance - left
            distance = right - margin if nearer_right else left + margin
            close = False
        place = evaluate(distance)
        if _too_high(place, start) or place.loss >= low.loss:
            low, high = (low, place) if low.loss <= place.loss else (place, low)
        elif _flat(place, start):
            return place
        else:
            if place.slope * (high.distance - low.distance) >= 0:
                high = low
            low = place
    return low


def _too_high(place: Place, start: Place) -> bool:
    return place.loss > start.loss + ENOUGH * place.distance * start.slope


def _flat(place: Place, start: Place) -> bool:
    return abs(place.slope) <= -FLAT * start.slope


def cubic_minimum(one: Place, other: Place, lowest: float, highest: float) -> float:
    """Return where the cubic through two places, with their slopes, is lowest, within bounds.

    Where it has no minimum, or something is infinite, the middle is returned.

    Examples
    --------
    >>> import numpy as np
    >>> def parabola(t):
    ...     return Place(t, (t - 1) ** 2, 2 * (t - 1), np.empty(0))
    >>> cubic_minimum(parabola(0.0), parabola(3.0), 0.0, 3.0)
    1.0
    """
    left, right = (one, other) if one.distance <= other.distance else (other, one)
    width = right.distance - left.distance
    s = left.slope + right.slope - 3 * (right.loss - left.loss) / width
    square = s * s - left.slope * right.slope
    if not 0 <= square < math.inf:
        return (lowest + highest) / 2
    root = math.sqrt(square)
    below = right.slope - left.slope + 2 * root
    if below == 0:
        return (lowest + highest) / 2
    minimum = right.distance - width * (right.slope + root - s) / below
    return min(max(minimum, lowest), highest)
