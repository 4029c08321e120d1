"""Compares backward's gradients with measured slopes.

Every gradient is compared element by element, then along a random direction that involves all
elements, then along another direction at a point nearby: an `x` of all ones or zeros hides errors.
Where a kink makes a slope impossible to measure, a nearby point is used instead, so a gradient is
never called right just because it is at a kink.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from chainrule.diagnosis.gradient_check.hints import WrongGradient, looks_like, wrong_shape
from chainrule.diagnosis.gradient_check.report import GradientResult
from chainrule.diagnosis.gradient_check.slopes import (
    Slope,
    restored,
    rounding_noise,
    slope,
    typical_size,
)
from chainrule.diagnosis.gradient_check.subjects import Subject
from chainrule.parameter import Array

MOST_ELEMENTS = 256  # compared one by one; a larger array is sampled at random
MOST_MOVES = 20  # attempts to find points without a kink
WANTED_MOVES = 4  # points to compare: a kink has two sides, and either one may be wrong
MOST_FAILURES = 8  # unmeasurable elements before giving up on a gradient


class Pair(NamedTuple):
    """One slope from backward, and as measured (NaN where that is impossible)."""

    analytic: float
    numeric: float
    uncertainty: float = 0.0
    moved: bool = False

    def gap(self) -> float:
        """Return how far apart they are; 0 if there is nothing to compare with."""
        if np.isnan(self.numeric):
            return 0.0
        return abs(self.analytic - self.numeric) if np.isfinite(self.analytic) else np.inf


class Comparison:
    """Compares the gradients of one subject with finite differences."""

    def __init__(self, subject: Subject, tolerance: float, rng: np.random.Generator) -> None:
        self.subject, self.tolerance, self.rng = subject, tolerance, rng
        self.magnitude = subject.magnitude()
        self.variables = list(subject.variables.values())
        self.noise = rounding_noise(self._value, self.variables, self.magnitude, rng)
        self.gradients = subject.gradients()
        self.at_kink = self._is_kink()

    def check(self, name: str, nearby: bool) -> GradientResult:
        """Return the verdict on one gradient."""
        values, gradient = self.subject.variables[name], self.gradients[name]
        result = GradientResult(name, values.shape, tolerance=self.tolerance)
        if gradient is None or gradient.shape != values.shape:
            result.error, result.hint = np.inf, wrong_shape(gradient, values.shape)
            return result
        self._compare_elements(result, gradient, self._chosen(gradient))
        if result.passed:
            measured = self._compare_direction(result, gradient)
            if not measured and result.compared < gradient.size:
                result.hint = _unmeasured("the slope along a direction")
        if result.passed and nearby:
            self._compare_nearby(result)
        return result

    def _chosen(self, gradient: Array) -> Array:
        """Return the indices of the elements to compare: all, or some of a large array."""
        odd = np.flatnonzero(~np.isfinite(gradient))[:MOST_ELEMENTS]
        if odd.size or gradient.size <= MOST_ELEMENTS:
            return np.union1d(odd, np.arange(min(gradient.size, MOST_ELEMENTS)))
        return np.sort(self.rng.choice(gradient.size, MOST_ELEMENTS, replace=False))

    def _compare_elements(self, result: GradientResult, gradient: Array, chosen: Array) -> None:
        """Compare element by element, and describe a wrong gradient."""
        least = 1e-3 * float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))
        pairs: list[Pair] = []
        for element in chosen:
            direction = np.zeros(gradient.shape)
            direction.reshape(-1)[element] = 1.0
            pairs.append(self._pair(result.name, direction, gradient, least))
            if sum(np.isnan(pair.numeric) for pair in pairs) == MOST_FAILURES:
                break
        chosen = chosen[: len(pairs)]
        analytic, numeric, uncertainty, moved = np.array(pairs).T
        errors = relative_errors(analytic, numeric, uncertainty / self.tolerance)
        wrong = errors > self.tolerance
        among_worst = errors >= 0.99 * errors.max()  # rounding must not decide between them
        worst = int(np.where(among_worst, np.abs(analytic - numeric), -1.0).argmax())
        result.error = float(errors[worst])
        result.compared, result.moved = len(chosen), int(moved.sum())
        result.zero = bool((np.abs(analytic) <= uncertainty).all()) and not wrong.any()
        unmeasured = np.isnan(numeric)
        if wrong.any():
            known = wrong | ~unmeasured
            result.worst = tuple(int(i) for i in np.unravel_index(chosen[worst], gradient.shape))
            result.got, result.expected = float(analytic[worst]), float(numeric[worst])
            result.hint = looks_like(
                WrongGradient(
                    result.name,
                    gradient,
                    self.subject.variables[result.name],
                    self.subject.dy,
                    self.subject.sizes,
                    *(c[known] for c in (chosen, analytic, numeric, wrong, moved.astype(bool))),
                )
            )
        elif unmeasured.any():
            result.hint = _unmeasured(f"{unmeasured.sum()} of {len(chosen)} elements")

    def _compare_direction(self, result: GradientResult, gradient: Array) -> bool:
        """Compare along a random direction; return whether the slope there could be measured."""
        signs = self.rng.choice((-1.0, 1.0), result.shape)
        direction = signs * self.rng.integers(128, 256, result.shape)
        direction *= 2.0 ** -np.round(np.log2(np.linalg.norm(direction)))  # a length of about 1
        scale = float(np.linalg.norm(gradient * direction))
        moves = MOST_MOVES if result.compared < gradient.size else 0  # or it was all compared
        pair = self._pair(result.name, direction, gradient, scale, moves)
        if np.isnan(pair.numeric):
            return False
        size = max(abs(pair.numeric), pair.uncertainty / self.tolerance, 1e-300)
        error = pair.gap() / (max(size, scale) if np.isfinite(scale) else size)
        if error > self.tolerance:
            place = self._hunt(result.name, direction, gradient)
            self._compare_elements(result, gradient, _lines_through(place, gradient.shape))
            if result.worst is None:
                result.got, result.expected = pair.analytic, pair.numeric
        result.error = max(result.error, error)
        result.zero = result.zero and abs(pair.analytic) <= pair.uncertainty
        return True

    def _hunt(self, name: str, direction: Array, gradient: Array) -> int:
        """Return the index of a wrong element, by halving the direction that shows the error."""
        places = np.arange(gradient.size)
        while places.size > 1:
            halves, gaps = np.array_split(places, 2), []
            for half in halves:
                part = np.zeros(gradient.shape)
                part.reshape(-1)[half] = direction.reshape(-1)[half]
                gaps.append(self._pair(name, part, gradient, 0.0).gap())
            places = halves[int(gaps[1] > gaps[0])]
        return int(places[0])

    def _compare_nearby(self, result: GradientResult) -> None:
        """Compare at a point without symmetry: an x of all ones or zeros hides errors."""
        compared, moved = result.compared, result.moved
        with self._moved(0.05):
            if not np.isfinite(self._value()):
                return  # x lies at the edge of the function's domain
            gradient = self.subject.gradients()[result.name]
            self._compare_direction(result, gradient)
        if result.passed:
            result.compared, result.moved = compared, moved
        else:
            result.hint = f"{result.hint} (seen at a point close to this x)".strip()

    # ------------------------------------------------------------ one slope

    def _pair(
        self, name: str, direction: Array, gradient: Array, least: float, moves: int = MOST_MOVES
    ) -> Pair:
        """Return the slope along a direction, from backward and as measured, here or nearby."""
        analytic, variable = _along(gradient, direction), self.subject.variables[name]

        def measure() -> Slope | None:
            noise, tolerance = self.noise * self.magnitude, self.tolerance
            options = {"noise": noise, "least": least, "tolerance": tolerance}
            return slope(self._value, variable, direction, **options)

        measured = measure()
        if measured is not None:
            pair = Pair(analytic, *measured)
            right = self.tolerance * max(abs(pair.numeric), least) + pair.uncertainty
            if pair.gap() <= right or not self.at_kink:
                return pair
        pairs: list[Pair] = []
        for attempt in range(moves):
            with self._moved(0.02 * 1.15**attempt):
                measured = measure()
                if measured is not None:
                    moved = _along(self.subject.gradients()[name], direction)
                    pairs.append(Pair(moved, *measured, moved=True))
            if len(pairs) == WANTED_MOVES:
                break
        worst = max(pairs, key=Pair.gap, default=Pair(analytic, np.nan))
        return worst if np.isfinite(analytic) else worst._replace(analytic=analytic)

    def _is_kink(self) -> bool:
        """Whether there is a kink exactly here: the test moves everything in a random direction.

        Along one variable a kink may not show. relu(x) - relu(-x) is smooth, with slope 1 at 0. But
        ReLU's gradient at 0 is 0, so by the chain rule backward correctly returns 0.
        """
        distance = np.zeros(1)
        directions = [typical_size(v) * self.rng.uniform(-1, 1, v.shape) for v in self.variables]

        def value() -> float:
            for variable, first, direction in zip(self.variables, start, directions, strict=True):
                variable[...] = first + distance[0] * direction
            return self._value()

        with restored(self.variables) as start:
            noise, least = self.noise * self.magnitude, 1e-3 * self.magnitude
            found = slope(value, distance, np.ones(1), noise=noise, least=least, tolerance=1e-3)
        return found is None

    def _value(self) -> float:
        """Return the value; NaN if a ValueError says that this point is outside the domain."""
        try:
            return self.subject.value()
        except ValueError:
            return np.nan

    @contextlib.contextmanager
    def _moved(self, reach: float) -> Iterator[None]:
        """Move all variables by about this fraction of their size within the with-block."""
        magnitude, at_kink = self.magnitude, self.at_kink
        with restored(self.variables), np.errstate(all="ignore"):  # it may leave the domain
            for value in self.variables:
                sizes = np.maximum(np.abs(value), typical_size(value) / 100)
                value += reach * sizes * self.rng.standard_normal(value.shape)
            self.at_kink = False
            if np.isfinite(self._value()):
                self.magnitude = self.subject.magnitude()
            yield
        self.magnitude, self.at_kink = magnitude, at_kink


def relative_errors(analytic: Array, numeric: Array, floor: Array) -> Array:
    """Return |a - n| / max(|n|, largest |n| / 1000, floor).

    A gradient that is not finite has an infinite error; one that could not be measured has none.
    """
    measured = ~np.isnan(numeric)
    largest = np.abs(numeric[measured]).max(initial=0.0)
    errors = np.zeros(len(numeric))
    size = np.maximum(np.maximum(np.abs(numeric), 1e-3 * largest), np.maximum(floor, 1e-300))
    errors[measured] = (np.abs(analytic - numeric) / size)[measured]
    errors[~np.isfinite(analytic)] = np.inf
    return errors


def _along(gradient: Array, direction: Array) -> float:
    """Return the slope along a direction that a gradient implies."""
    part = direction != 0
    return float((gradient[part] * direction[part]).sum())


def _lines_through(place: int, shape: tuple[int, ...]) -> Array:
    """Return the indices of all elements that differ from this one in a single axis."""
    places = np.arange(int(np.prod(shape))).reshape(shape)
    if places.size <= MOST_ELEMENTS:
        return places.reshape(-1)
    index = np.unravel_index(place, shape)
    lines = (np.moveaxis(places, axis, 0)[:, *np.delete(index, axis)] for axis in range(len(shape)))
    share = MOST_ELEMENTS // len(shape)
    return np.unique(np.concatenate([[place], *(line[:share] for line in lines)]))


def _unmeasured(what: str) -> str:
    return (
        f"{what} could not be measured: forward jumps, is rough (does it round, or compute in "
        "float32?), or has kinks everywhere; a smaller batch has fewer kinks"
    )
