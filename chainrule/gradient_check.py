"""Is this backward right? Every gradient against finite differences, in float64.

`check_module` checks a layer or a whole network, `check_loss` a loss; both return a `Report`
that prints as a verdict. The slope of a function f along a direction is measured at two step
sizes, D(h) = (f(h) - f(-h)) / 2h and D(h/2), and extrapolated: (4 D(h/2) - D(h)) / 3.

A kink (the corner of a ReLU, a tie under a maximum) within reach of the step would spoil the
measurement. It shows: in a smooth function D(h) and D(h/2) agree, and so do the second differences
at both steps. Where they don't, that gradient is checked at another point nearby.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from chainrule.errors import ConfigurationError
from chainrule.loss_functions import Loss
from chainrule.module import Module, cast, locate, named_buffers, named_parameters, walk
from chainrule.parameter import Array

STEP = 1e-4  # the extrapolated slope is off by the order of STEP⁴, and by rounding: 1e-15 / STEP
TOLERANCE = 1e-6
MOST_ELEMENTS = 256  # are checked one by one in each array; a random choice of larger ones
MOST_MOVES = 20


# ---------------------------------------------------------------- what a check returns


@dataclass
class GradientResult:
    """The verdict on one gradient: that of the input, or of one parameter.

    Attributes
    ----------
    name : str
        ``"input"`` or the parameter's path.
    error : float
        The worst relative error, elementwise or along a random direction.
    worst : tuple of int, optional
        Where the worst element is.
    got, expected : float
        What backward says there, and what finite differences say.
    hint : str
        What the error looks like, where that can be told.
    moved : int
        How many measurements were made at another point because of a kink.
    """

    name: str
    shape: tuple[int, ...]
    error: float = 0.0
    worst: tuple[int, ...] | None = None
    got: float = 0.0
    expected: float = 0.0
    hint: str = ""
    moved: int = 0
    tolerance: float = TOLERANCE

    @property
    def passed(self) -> bool:
        """Whether this gradient is right."""
        return not self.hint and self.error <= self.tolerance

    def __str__(self) -> str:
        mark = "right" if self.passed else "WRONG"
        line = f"  {mark}  {self.name} {self.shape}: relative error {self.error:.1e}"
        if self.moved:
            line += f" ({self.moved} points moved away from kinks)"
        if self.passed:
            return line
        if self.worst is not None:
            line += (
                f"\n         worst at {self.worst}: backward says {self.got:.6g}, "
                f"finite differences say {self.expected:.6g}"
            )
        return line + (f"\n         it looks like: {self.hint}" if self.hint else "")


@dataclass
class Report:
    """The verdict on a module or a loss; true if everything is right. Print it to read it."""

    subject: str
    gradients: list[GradientResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every gradient is right and no rule of a module is broken."""
        return not self.problems and all(result.passed for result in self.gradients)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        wrong = [result.name for result in self.gradients if not result.passed]
        verdict = "all gradients are right" if self.passed else f"wrong: {', '.join(wrong)}"
        if not self.passed and not wrong:
            verdict = "the gradients are right, but a rule is broken"
        lines = [f"{self.subject}: {verdict}", *map(str, self.gradients)]
        return "\n".join(lines + [f"  WRONG  {problem}" for problem in self.problems])


# ---------------------------------------------------------------- the two checks


def check_module(
    module: Module,
    x: ArrayLike,
    *,
    loss: Loss | None = None,
    y_true: ArrayLike | None = None,
    arguments: Mapping[str, Any] | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Report:
    """Check the gradients of a module's input and of all its parameters.

    The module itself is not changed: a copy in float64 is checked, and any chance in it (dropout)
    is repeated the same in every pass.

    Parameters
    ----------
    module : Module
        A layer, a container or a whole network.
    x : array_like
        A small batch. What is checked is Σ c · y with random c, or the loss.
    loss, y_true : Loss and array_like, optional
        With these the module's output goes through the loss.
    arguments : mapping, optional
        Further arguments of forward. Each that is an array of floats is an input too, and
        backward must return a tuple: the gradient of x, then theirs, in this order.
    tolerance : float
        The largest relative error that passes.
    seed : int
        Chooses c, the directions, and the elements of large arrays.

    Returns
    -------
    Report
        True if all is right; prints as a verdict.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Linear, check_module
    >>> print(check_module(Linear(3, 2, seed=0), np.ones((4, 3))))  # doctest: +ELLIPSIS
    Linear(3, 2): all gradients are right
    ...
    """
    if (loss is None) != (y_true is None):
        raise ConfigurationError("Give loss and y_true together, or neither.")
    rng = np.random.default_rng(seed)
    function = _ModuleFunction(module, x, loss, y_true, dict(arguments or {}), rng)
    return _check(function, repr(module), tolerance, rng)


def check_loss(
    loss: Loss, y_true: ArrayLike, y_pred: ArrayLike, *, tolerance: float = TOLERANCE, seed: int = 0
) -> Report:
    """Check a loss's gradient at the predictions; see `check_module`."""
    return _check(
        _LossFunction(loss, y_true, y_pred), repr(loss), tolerance, np.random.default_rng(seed)
    )


def _check(function: _Function, subject: str, tolerance: float, rng: np.random.Generator) -> Report:
    report = Report(subject, problems=function.problems)
    gradients = function.gradients()
    if function.value() != function.value():
        function.problems.append(
            "the same input gives different outputs: draw random numbers from a numpy Generator "
            "that is an attribute of the module, so that a pass can be repeated."
        )
        return report
    for name, variable in function.variables.items():
        result = GradientResult(name, variable.shape, tolerance=tolerance)
        report.gradients.append(result)
        got = gradients[name]
        if got.shape != variable.shape:
            result.error = np.inf
            result.hint = f"a gradient of shape {got.shape} for an array of shape {variable.shape}"
            if got.shape == variable.shape[::-1]:
                result.hint += ": transposed"
            continue
        _check_elements(function, result, got, rng)
        _check_direction(function, result, rng)
        if not result.hint:
            result.hint = function.misuse.get(name, "")
    return report


# ---------------------------------------------------------------- functions with a gradient


class _Function(Protocol):
    """A number that depends on named arrays, which the check moves in place."""

    variables: dict[str, Array]
    problems: list[str]
    misuse: dict[str, str]
    batch_size: int
    magnitude: float  # of the terms that value adds up: what its rounding is relative to

    def value(self) -> float:
        """Return the number."""

    def gradients(self) -> dict[str, Array]:
        """Return what backward says about each array."""


class _LossFunction:
    """loss(y_true, y_pred) as a function of y_pred."""

    def __init__(self, loss: Loss, y_true: ArrayLike, y_pred: ArrayLike) -> None:
        self.loss, self.y_true = loss, y_true
        self.variables = {"y_pred": np.array(y_pred, np.float64)}
        self.problems: list[str] = []
        self.misuse: dict[str, str] = {}
        self.batch_size = len(self.variables["y_pred"])
        self.magnitude = max(abs(self.value()), 1.0)

    def value(self) -> float:
        return self.loss.forward(self.y_true, self.variables["y_pred"])

    def gradients(self) -> dict[str, Array]:
        return {"y_pred": np.asarray(self.loss.backward(self.y_true, self.variables["y_pred"]))}


class _ModuleFunction:
    """Σ c · module(x), or loss(y_true, module(x)), as a function of x and the parameters."""

    def __init__(
        self,
        module: Module,
        x: ArrayLike,
        loss: Loss | None,
        y_true: ArrayLike | None,
        arguments: dict[str, Any],
        rng: np.random.Generator,
    ) -> None:
        self.module = copy.deepcopy(module)
        cast(self.module, np.float64)
        self.x = np.array(x) if module.takes_indices else np.array(x, np.float64)
        self.inputs = {} if module.takes_indices else {"input": self.x}
        self.arguments = arguments
        for name, value in arguments.items():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                self.arguments[name] = self.inputs[name] = value.astype(np.float64)
        self.parameters = named_parameters(self.module)
        self.variables = self.inputs | {n: p.value for n, p in self.parameters.items()}
        self.loss, self.y_true = loss, y_true
        self.batch_size = len(self.x)
        self.problems: list[str] = []
        self.misuse: dict[str, str] = {}
        self._beginning = list(_chance_and_buffers(self.module))
        y = self._forward()
        self.c = rng.standard_normal(y.shape)
        terms = float(np.abs(self.c * y).sum())
        self.magnitude = terms if loss is None else max(abs(self.value()), 1.0)
        self._look_for_misuse()

    def _forward(self, x: Array | None = None) -> Array:
        for restore in self._beginning:
            restore()
        try:
            return self.module.forward(self.x if x is None else x, True, **self.arguments)
        except Exception as error:
            locate(error, self.module)
            raise

    def value(self) -> float:
        y = self._forward()
        if self.loss is None or self.y_true is None:
            return float((self.c * y).sum())
        return self.loss.forward(self.y_true, y)

    def gradients(self) -> dict[str, Array]:
        y = self._forward()
        dy = self.c
        if self.loss is not None and self.y_true is not None:
            dy = self.loss.backward(self.y_true, y)
        dx: Any = self.module.backward(dy)
        returned = dx if isinstance(dx, tuple) else (dx,)
        first = () if self.module.takes_indices else ("input",)
        names = (*first, *(name for name in self.inputs if name != "input"))
        if self.module.takes_indices and len(returned) > len(names):
            returned = returned[1:]  # nothing flows back to indices
        if len(returned) != len(names):
            raise ConfigurationError(
                f"backward returned {len(returned)} gradient(s), expected those of {names}."
            )
        found = {name: np.array(dx) for name, dx in zip(names, returned, strict=True)}
        return found | {name: p.grad.copy() for name, p in self.parameters.items()}

    def _look_for_misuse(self) -> None:
        """Look for gradients that are not set, or added up, and for writing into x and dy."""
        filled = []
        for filling in (0.0, 7.0):
            for parameter in self.parameters.values():
                parameter.grad[...] = filling
            filled.append(self.gradients())
        for name in self.parameters:
            difference = filled[1][name] - filled[0][name]
            if not filled[0][name].any() and (difference == 7.0).all():
                self.misuse[name] = "a gradient that backward never sets"
            elif np.allclose(difference, 7.0):
                self.misuse[name] = "a gradient that is added to what was there; set it instead"
        x, c = self.x.copy(), self.c.copy()
        y = self._forward(x)
        if not np.array_equal(x, self.x):
            self.problems.append("forward writes into its input x; make a new array instead.")
        kept = y.copy()
        self.module.backward(c)
        if not np.array_equal(c, self.c):
            self.problems.append("backward writes into its input dy; make a new array instead.")
        if not np.array_equal(y, kept):
            self.problems.append("backward writes into the output that forward returned.")


def _chance_and_buffers(module: Module) -> Iterator[Callable[[], None]]:
    """Yield functions that put every generator and buffer back to where it is now."""
    for _, thing in walk(module):
        if isinstance(thing, Module):
            for value in vars(thing).values():
                if isinstance(value, np.random.Generator):
                    yield _restorer(value.bit_generator, "state")
    for buffer in named_buffers(module).values():
        yield _restorer(buffer, "value")


def _restorer(thing: Any, name: str) -> Callable[[], None]:
    """Return a function that sets an attribute back to what it is now."""
    kept = copy.deepcopy(getattr(thing, name))
    return lambda: setattr(thing, name, kept)


# ---------------------------------------------------------------- measuring slopes


def _check_elements(
    function: _Function, result: GradientResult, got: Array, rng: np.random.Generator
) -> None:
    """Compare element by element, and tell what a wrong gradient looks like."""
    size = got.size
    chosen = np.arange(size)
    if size > MOST_ELEMENTS:
        chosen = np.sort(rng.choice(size, MOST_ELEMENTS, replace=False))
    analytic, numeric = got.reshape(-1)[chosen].astype(np.float64), np.zeros(len(chosen))
    scale = float(np.abs(analytic[np.isfinite(analytic)]).max(initial=0.0))
    for place, element in enumerate(chosen):
        direction = np.zeros(got.shape)
        direction.reshape(-1)[element] = 1.0
        slope, smooth = _slope(function, result.name, direction, scale)
        if smooth:
            numeric[place] = slope
        else:
            analytic[place], numeric[place] = _compare_elsewhere(
                function, result, direction, rng, scale
            )
    errors = relative_errors(analytic, numeric, _rounding(function) / result.tolerance)
    result.error = float(errors.max(initial=0.0))
    if result.error > result.tolerance:
        worst = int(errors.argmax())
        result.worst = tuple(int(i) for i in np.unravel_index(chosen[worst], got.shape))
        result.got, result.expected = float(analytic[worst]), float(numeric[worst])
        result.hint = function.misuse.get(result.name) or _looks_like(
            function, result, analytic, numeric, errors, chosen
        )


def _check_direction(function: _Function, result: GradientResult, rng: np.random.Generator) -> None:
    """Compare along one random direction, in which every element has a part."""
    direction = rng.standard_normal(result.shape)
    direction /= max(float(np.linalg.norm(direction)), 1e-300)
    gradient = function.gradients()[result.name]
    analytic = float((gradient * direction).sum())
    numeric, smooth = _slope(function, result.name, direction, abs(analytic))
    if not smooth:
        analytic, numeric = _compare_elsewhere(function, result, direction, rng, abs(analytic))
    scale = max(
        abs(numeric),
        float(np.abs(gradient * direction).max(initial=0.0)),
        _rounding(function) / result.tolerance,
        1e-300,
    )
    result.error = max(result.error, abs(analytic - numeric) / scale)


def relative_errors(analytic: Array, numeric: Array, floor: float = 1e-9) -> Array:
    """Return |a - n|, relative to |n| or at least to a thousandth of the largest and to `floor`."""
    if not np.isfinite(analytic).all():
        return np.where(np.isfinite(analytic), 0.0, np.inf)
    largest = max(float(np.abs(numeric).max()), float(np.abs(analytic).max()))
    least = max(1e-3 * largest, floor, 1e-300)
    return np.abs(analytic - numeric) / np.maximum(np.abs(numeric), least)


def _slope(function: _Function, name: str, direction: Array, scale: float) -> tuple[float, bool]:
    """Return the slope along a direction, and whether the function is smooth there."""
    variable = function.variables[name]
    start = variable.copy()

    def at(distance: float) -> float:
        variable[...] = start + distance * direction
        return function.value()

    try:
        here, half_up, half_down = at(0.0), at(STEP / 2), at(-STEP / 2)
        up, down = at(STEP), at(-STEP)
    finally:
        variable[...] = start
    whole, half = (up - down) / (2 * STEP), (half_up - half_down) / STEP
    bend = (up - 2 * here + down) - 4 * (half_up - 2 * here + half_down)
    limit = 1e-6 * max(scale, abs(whole)) + 100 * _rounding(function)
    smooth = abs(whole - half) <= limit and abs(bend) / STEP <= limit
    return (4 * half - whole) / 3, smooth


def _rounding(function: _Function) -> float:
    """Return how far rounding alone may put a measured slope off."""
    return 1e-15 * function.magnitude / STEP


def _compare_elsewhere(
    function: _Function,
    result: GradientResult,
    direction: Array,
    rng: np.random.Generator,
    scale: float,
) -> tuple[float, float]:
    """Return backward's and the measured slope along a direction, at a smooth point nearby."""
    start = {name: variable.copy() for name, variable in function.variables.items()}
    result.moved += 1
    try:
        for _ in range(MOST_MOVES):
            for name, variable in function.variables.items():
                reach = 0.05 * max(float(np.abs(start[name]).mean()), 1e-3)
                variable[...] = start[name] + reach * rng.standard_normal(variable.shape)
            slope, smooth = _slope(function, result.name, direction, scale)
            if smooth:
                gradient = function.gradients()[result.name]
                return float((gradient * direction).sum()), slope
    finally:
        for name, variable in function.variables.items():
            variable[...] = start[name]
    result.hint = "no gradient at all: forward has a step or a kink wherever it is looked at"
    return 0.0, slope


# ---------------------------------------------------------------- what an error looks like


def _looks_like(
    function: _Function,
    result: GradientResult,
    analytic: Array,
    numeric: Array,
    errors: Array,
    chosen: Array,
) -> str:
    """Return what the wrong gradient looks like, or nothing where that cannot be told."""
    if not np.isfinite(analytic).all():
        return f"{np.count_nonzero(~np.isfinite(analytic))} values that are NaN or infinite"
    if not analytic.any():
        return "zero everywhere"
    factor = float(analytic @ numeric / max(float(numeric @ numeric), 1e-300))
    if relative_errors(analytic, factor * numeric).max() < 1e-4:
        return _factor_name(factor, function.batch_size, result.shape)
    shape = result.shape
    if len(shape) == 2 and shape[0] == shape[1] and len(chosen) == shape[0] * shape[1]:
        transposed = numeric.reshape(shape).T.reshape(-1)
        if relative_errors(analytic, transposed).max() < 1e-4:
            return "transposed"
    wrong = errors > result.tolerance
    values = function.variables[result.name].reshape(-1)[chosen]
    for side, name in ((values < 0, "negative"), (values > 0, "positive")):
        if wrong.any() and not (wrong & ~side).any() and (side & ~wrong).sum() <= wrong.sum():
            return (
                f"wrong only where the {result.name} is {name} ({wrong.sum()} of {side.sum()} "
                "elements): is a mask missing or the wrong way round?"
            )
    share = f"{wrong.sum()} of {len(wrong)} elements are off"
    return f"{share}, by no common factor: is a term missing?"


def _factor_name(factor: float, batch_size: int, shape: tuple[int, ...]) -> str:
    if abs(factor + 1) < 1e-4:
        return "the right gradient with its sign flipped"
    known = {float(batch_size): "the batch size: mean or sum?"}
    if batch_size > 1:
        known[1 / batch_size] = "1 / the batch size: mean or sum?"
    for axis, length in enumerate(shape):
        if length > 1:
            known.setdefault(float(length), f"the length of axis {axis}")
            known.setdefault(1 / length, f"1 / the length of axis {axis}")
    known.setdefault(2.0, "is a 1/2 missing?")
    known.setdefault(0.5, "is a 2 missing?")
    for value, meaning in known.items():
        if value != 1 and abs(abs(factor) / value - 1) < 1e-4:
            return f"off by the factor {factor:.6g} = {'-' if factor < 0 else ''}{meaning}"
    return f"off by the factor {factor:.6g} everywhere"
