"""What a wrong gradient looks like: a factor, a sign, a transpose, a missing mask.

`looks_like` compares backward's gradient with finite differences. If a usual mistake explains the
whole difference, it names that mistake; otherwise it says where the wrong elements are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chainrule.parameter import Array

EXPLAINED = 0.01  # an explanation leaves at most this share of the error


@dataclass
class WrongGradient:
    """A wrong gradient, element by element.

    Attributes
    ----------
    name : str
        The input or parameter: ``"input"``, ``"weight"``.
    gradient, values : ndarray
        The whole gradient from backward, and the value of the input or parameter.
    dy : ndarray, optional
        The gradient at the output, which backward was given.
    sizes : dict of int to str
        Sizes that a wrong factor may be equal to: ``{32: "the batch size"}``.
    chosen : ndarray of int, shape (n,)
        The elements that were compared, as indices into the flattened arrays.
    analytic, numeric : ndarray, shape (n,)
        Their gradients from backward and from finite differences.
    wrong, moved : ndarray of bool, shape (n,)
        Which of them differ, and which were compared at a nearby point instead.
    what : str
        What it is called: ``"gradient"``, or ``"output"`` beside that of a reference.
    """

    name: str
    gradient: Array
    values: Array
    dy: Array | None
    sizes: dict[int, str]
    chosen: Array
    analytic: Array
    numeric: Array
    wrong: Array
    moved: Array
    what: str = "gradient"


def looks_like(evidence: WrongGradient) -> str:
    """Describe a wrong gradient; the text follows the words "it looks like: "."""
    if not np.isfinite(evidence.analytic).all():
        count = np.count_nonzero(~np.isfinite(evidence.analytic))
        return f"{count} values that are NaN or infinite{_where(evidence)}"
    if not evidence.gradient.any():
        return "zero everywhere"
    return _whole_factor(evidence) or _repair(evidence) or _partly_wrong(evidence)


def output_looks_like(y: Array, expected: Array, x: Array | None) -> str:
    """Describe an output that differs from a reference's; the two may have different shapes."""
    if y.shape != expected.shape:
        hint = f"an output of shape {y.shape} where the reference has {expected.shape}"
        if y.shape == expected.shape[::-1]:
            return f"{hint}: transposed"
        return f"{hint}: a reshape is missing" if y.size == expected.size else hint
    sizes = named_sizes(y)
    if x is not None:
        sizes = {n: f"the length of the input's axis {axis}" for axis, n in enumerate(x.shape)}
    same = x is not None and x.shape == y.shape and x.dtype.kind == "f"
    found, wanted = y.reshape(-1), expected.reshape(-1)
    size = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0))
    wrong = ~np.isclose(found, wanted, rtol=1e-9, atol=1e-12 * size)
    if not np.isfinite(wanted).all():
        return f"finite in {np.isfinite(y).sum()} of {y.size} numbers, the reference in " + str(
            np.isfinite(wanted).sum()
        )
    evidence = WrongGradient(
        "input" if same else "output",
        y,
        x if same and x is not None else expected,
        None,
        sizes,
        np.arange(y.size),
        found,
        wanted,
        wrong,
        np.zeros(y.size, bool),
        "output",
    )
    difference = y - expected
    if np.isfinite(y).all() and len(y) > 1 and not _whole_factor(evidence):
        spread = np.ptp(difference, axis=0).max(initial=0.0)
        if spread < 1e-9 * np.abs(difference).max():
            return "off by the same amounts in every sample: is a bias missing, or added twice?"
    return looks_like(evidence)


def named_sizes(y: Array) -> dict[int, str]:
    """Return the factors by which a gradient is off if a mean takes the place of a sum.

    If two sizes are equal, the name that is listed last counts.
    """
    return {
        y.size // y.shape[-1]: "the number of samples and positions",
        y.shape[-1]: "the length of the output's last axis",
        y[0].size: "the number of outputs",
        len(y): "the batch size",
    }


def wrong_shape(gradient: Array | None, shape: tuple[int, ...]) -> str:
    """Describe a gradient of the wrong shape."""
    if gradient is None:
        return "backward returns None; is its return missing?"
    hint = f"a gradient of shape {gradient.shape} for an array of shape {shape}"
    if gradient.shape == shape[::-1]:
        return f"{hint}: transposed"
    if gradient.shape == shape[1:]:
        return f"{hint}: summed over the batch?"
    if gradient.size == np.prod(shape):
        return f"{hint}: a reshape is missing"
    return hint


def _explains(repaired: Array, analytic: Array, numeric: Array) -> bool:
    """Whether repairing the gradient removes nearly all of its error."""
    error, rest = np.abs(analytic - numeric), np.abs(repaired - numeric)
    return bool(rest.max(initial=0.0) < EXPLAINED * error.max(initial=0.0))


def _is(factor: float, number: float) -> bool:
    return abs(factor / number - 1) < 1e-4


# ---------------------------------------------------------------- the whole gradient


def _whole_factor(evidence: WrongGradient) -> str:
    """Return the factor by which the whole gradient is off, if that explains everything."""
    factor = _factor(evidence.analytic, evidence.numeric)
    if factor is None:
        return ""
    if _is(factor, -1):
        return f"the right {evidence.what} with its sign flipped"
    name = _factor_name(factor, evidence)
    if not name and np.count_nonzero(evidence.numeric) < 2:
        return ""  # one number is always off by some factor
    return f"off by the factor {factor:.8g}{name or ' everywhere'}"


def _factor(analytic: Array, numeric: Array) -> float | None:
    """Return f where analytic = f · numeric, or None."""
    square = float(numeric @ numeric)
    if square == 0:
        return None
    factor = float(analytic @ numeric) / square
    if factor == 0 or not _explains(analytic / factor, analytic, numeric):
        return None
    return factor


def _factor_name(factor: float, evidence: WrongGradient) -> str:
    """Return the size that is equal to the factor, such as " = the batch size: mean or sum?"."""
    lengths = reversed([*enumerate(evidence.gradient.shape)])
    sizes = {length: f"the length of axis {axis}" for axis, length in lengths} | evidence.sizes
    sign = "-" if factor < 0 else ""
    for size, name in sizes.items():
        if size > 1 and _is(abs(factor), size):
            return f" = {sign}{name}: mean or sum?"
        if size > 1 and _is(abs(factor), 1 / size):
            return f" = {sign}1 / {name}: mean or sum?"
    if _is(factor, 2):
        return ": is a 1/2 missing?"
    if _is(factor, 0.5):
        return ": is a 2 missing?"
    return ""


def _repair(evidence: WrongGradient) -> str:
    """Return the usual mistake whose repair makes the gradient right, if there is one."""
    here = ~evidence.moved
    analytic, numeric = evidence.analytic[here], evidence.numeric[here]
    for name, candidate in _repaired(evidence.gradient, evidence.dy):
        if _explains(candidate.reshape(-1)[evidence.chosen[here]], analytic, numeric):
            return name
    return ""


def _repaired(gradient: Array, dy: Array | None) -> Iterator[tuple[str, Array]]:
    """Yield the names of usual mistakes, each with the gradient after undoing it."""
    for a, b in itertools.combinations(range(gradient.ndim), 2):
        swapped = gradient.swapaxes(a, b)
        if swapped.shape == gradient.shape:
            yield f"transposed (axes {a} and {b})", swapped
        reshaped = gradient.reshape(swapped.shape).swapaxes(a, b)
        yield f"a reshape where axes {a} and {b} must be transposed", reshaped
    for axis in range(gradient.ndim):
        yield f"reversed along axis {axis}", np.flip(gradient, axis)
    if gradient.ndim > 1:
        yield "reversed along the last two axes", np.flip(gradient, (-2, -1))
    for axis, shift in itertools.product(range(gradient.ndim), (1, -1)):
        yield f"shifted by {shift} along axis {axis}", np.roll(gradient, -shift, axis)
    if dy is not None and dy.shape == gradient.shape:
        yield "dy is missing from it: where y = x + ..., dx = dy + ...", gradient + dy


# ---------------------------------------------------------------- a part of the gradient


def _partly_wrong(evidence: WrongGradient) -> str:
    """Describe the wrong elements, and what they have in common."""
    wrong, where = evidence.wrong, _where(evidence)
    analytic, numeric = evidence.analytic[wrong], evidence.numeric[wrong]
    count = f"{len(analytic)} of {len(wrong)} elements"
    nothing = 1e-9 * max(np.abs(evidence.numeric).max(), np.abs(analytic).max())
    is_zero, should_be_zero = np.abs(analytic) <= nothing, np.abs(numeric) <= nothing
    if is_zero.all():
        return f"zero in {count}{where}: is a part left out?"
    if should_be_zero.all():
        return f"not zero in {count} where it should be{where}: is a mask missing?"
    if (is_zero != should_be_zero).all():
        return "zero where it should not be, and the reverse: is a mask inverted?"
    factor = _factor(analytic, numeric) if len(analytic) > 1 else None
    if factor is not None:
        name = _factor_name(factor, evidence)
        sign = "its sign flipped" if _is(factor, -1) else f"a factor {factor:.8g}{name}"
        return f"{sign} in {count}{where}"
    if where or len(analytic) <= len(wrong) / 10:
        return f"{count} are off{where}"
    if evidence.dy is not None and np.array_equal(evidence.gradient, evidence.dy):
        return "dy passed on unchanged: is a derivative or a mask missing?"
    return f"{count} are off, by no common factor: is a term missing?"


def _where(evidence: WrongGradient) -> str:
    """Return what the wrong elements have in common: the sign of their values, or an index."""
    wrong, shape = evidence.wrong, evidence.gradient.shape
    if wrong.all():
        return ""
    if not evidence.moved.any():  # the values were different there
        values = evidence.values.reshape(-1)[evidence.chosen]
        sides = {"negative": values < 0, "positive": values > 0, "zero": values == 0}
        for name, side in sides.items():
            if np.array_equal(side, wrong):
                return f", only where the {evidence.name} is {name}"
    for axis, index in enumerate(np.unravel_index(evidence.chosen, shape)):
        found = np.unique(index[wrong])
        if len(found) <= min(3, shape[axis] - 1) and wrong[np.isin(index, found)].mean() > 0.5:
            names = ", ".join("the last" if i == shape[axis] - 1 else str(i) for i in found)
            return f", only at {names} of axis {axis}"
    return ""
