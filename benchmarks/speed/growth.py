"""How the time of a training step grows: against batch, width and depth, with its exponent."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from math import log

from benchmarks.speed.measure import Measured, measure
from benchmarks.speed.sides import Side
from benchmarks.speed.work import growing

AXES = {
    "batch": "784-256-128-10, against the batch",
    "width": "three square layers, batch 128, against their width",
    "depth": "layers of 64, batch 64, against their number",
}


@dataclass
class Growth:
    """Steps of one network with one of its sizes growing."""

    axis: str
    points: dict[int, Measured]

    def line(self, side: str) -> tuple[list[int], list[float]]:
        """Return the sizes and the seconds of a step."""
        points = {n: point for n, point in self.points.items() if side in point.seconds}
        return list(points), [point.median(side) for point in points.values()]

    def exponent(self, side: str) -> float:
        """Return b of the curve t = a n^b, by least squares on the logarithms."""
        sizes, seconds = self.line(side)
        return statistics.linear_regression(list(map(log, sizes)), list(map(log, seconds))).slope


def grow(axis: str, sides: Iterable[Side], rounds: int) -> Growth:
    sides = list(sides)
    return Growth(axis, {n: measure(work, sides, rounds) for n, work in growing(axis).items()})
