"""Checks an optimizer: that it moves the values, as its formula says, and can be resumed.

`check_optimizer` gives it gradients of its own making, in a network of two layers, and looks at
what becomes of the values. It returns an `OptimizerReport`, which prints as a verdict.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.checks import check_function, check_instance
from chainrule.checks.own_code import check_call, described
from chainrule.errors import ConfigurationError
from chainrule.layers import Linear
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.optimizers.base import BLOCK
from chainrule.parameter import Array
from chainrule.summary.display import html_table

__all__ = ["OptimizerReport", "check_optimizer"]

VALUES, STEPS = 60, 8
"""How many values are moved, and how often."""

HIDDEN = 5
"""They are two weight matrices, one of them of a hidden layer of this size."""

Reference = Callable[[Array, Array], Array]


@dataclass(repr=False)
class OptimizerReport:
    """The verdict on an optimizer: true if nothing is wrong; prints as text.

    Attributes
    ----------
    subject : str
        What was checked.
    checks : list of str
        What was found to be right.
    problems : list of str
        What is wrong, and what to write instead.
    notes : list of str
        Remarks that are not errors.
    """

    subject: str
    checks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.passed

    @property
    def verdict(self) -> str:
        """The result of the check, in one line."""
        return f"{self.subject}: {'right' if self.passed else 'wrong'}"

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("right", text) for text in self.checks]
        rows += [("WRONG", text) for text in self.problems]
        return rows + [("note", text) for text in self.notes]

    def __str__(self) -> str:
        return "\n".join([self.verdict, *(f"  {kind:<5}  {text}" for kind, text in self._rows())])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = self._rows()
        wrong = [place for place, (kind, _) in enumerate(rows) if kind == "WRONG"]
        return html_table(("verdict", "found"), rows, title=self.verdict, bold=wrong)


def check_optimizer(
    optimizer: Optimizer,
    reference: Reference | None = None,
    *,
    tolerance: float = 1e-9,
    seed: int = 0,
) -> OptimizerReport:
    """Check an optimizer of your own: the steps that it takes, and what it remembers.

    A step must move the values in place and leave the gradients as they are; keep its memory in
    the vectors of `state_names`, so that it goes on exactly from a saved state; treat each value by
    itself, since it is given a network's values in blocks; keep float32 and float64; bring no NaN
    from gradients of 0; and lower a quadratic function.

    Parameters
    ----------
    optimizer : Optimizer
        It stays as it is: copies of it take the steps.
    reference : callable, optional
        ``reference(w, gradients) -> w`` is the formula, written independently: from the values
        w, (n,), and the gradients of T steps, (T, n), in float64, it returns the values after them.
        Weight decay, if the optimizer has it, applies to all of them.
    tolerance : float
        The largest relative error beside the reference that passes.
    seed : int
        Determines the values and gradients.

    Returns
    -------
    OptimizerReport
        True if nothing is wrong; prints as a verdict.

    Raises
    ------
    ConfigurationError
        `optimizer` is no optimizer, or `reference` cannot be called with values and gradients.
    Exception
        Any error of the optimizer's own code.

    Examples
    --------
    >>> from chainrule import Momentum, Optimizer
    >>> def reference(w, gradients):
    ...     v = 0
    ...     for g in gradients:
    ...         v = 0.9 * v + g
    ...         w = w - 0.01 * v
    ...     return w
    >>> check_optimizer(Momentum(0.01, momentum=0.9), reference).passed
    True
    >>> class Mine(Optimizer):
    ...     def update_rule(self, w, g, learning_rate):
    ...         w = w - learning_rate * g
    >>> print(check_optimizer(Mine(0.1)))  # doctest: +ELLIPSIS
    Mine(learning_rate=0.1, weight_decay=0.0): wrong
      WRONG  no value has moved in 8 steps: update_rule must write into w, as in w -= ..., ...
    """
    check_instance(optimizer, Optimizer, "check_optimizer takes an Optimizer, such as Adam(0.001)")
    if reference is not None:
        check_function(reference, "reference must be a function reference(w, gradients)")
        check_call(reference, ("w", "gradients"), "def reference(w, gradients)")
    report = OptimizerReport(repr(optimizer))
    check = _Check(optimizer, np.random.default_rng(seed))
    with np.errstate(all="ignore"):
        try:
            moves = _check_moves(check, report)
            if moves:
                _check_resume(check, report)
                _check_blocks(check, report)
                _check_types(check, report)
                _check_zeros(check, report)
                _check_descent(check, report)
                if reference is not None:
                    _check_reference(check, report, reference, tolerance)
        except ConfigurationError as error:  # it cannot be used at all
            report.problems.append(str(error))
    return report


class _Check:
    """Values and gradients, and copies of the optimizer that take steps by them."""

    def __init__(self, optimizer: Optimizer, rng: np.random.Generator) -> None:
        self.optimizer = optimizer
        self.w = rng.standard_normal(VALUES)
        sizes = 10.0 ** rng.uniform(-2, 1, VALUES)  # of a gradient, from value to value
        self.gradients = rng.standard_normal((STEPS, VALUES)) * sizes
        self.closure = optimizer.needs_closure

    def fresh(self) -> Optimizer:
        """Return a copy of the optimizer that has taken no step."""
        optimizer = copy.deepcopy(self.optimizer)
        optimizer.reset()
        return optimizer

    def network(self, w: Array, dtype: str = "float64") -> Network:
        """Return a network that has these values, all of them weights."""
        size = len(w) // (2 * HIDDEN)
        layers = [Linear(size, HIDDEN, bias=False), Linear(HIDDEN, size, bias=False)]
        network = Network(layers, dtype=dtype)
        network.flat.values[...] = w
        return network

    def take(self, optimizer: Optimizer, network: Network, gradients: Iterable[Array]) -> Array:
        """Take a step by each gradient; return the values after them."""
        for gradient in gradients:
            network.set_gradients(gradient.astype(network.dtype))
            self.step(optimizer, network, gradient)
        return network.flat.values.copy()

    def step(self, optimizer: Optimizer, network: Network, gradient: Array) -> None:
        """Take one step; one that evaluates the loss again finds a bowl of this gradient."""
        if not self.closure:
            optimizer.step(network)
            return

        start = network.flat.values.copy()

        def again() -> float:
            move = network.flat.values - start
            network.set_gradients((gradient + move).astype(network.dtype))
            return float(gradient @ move + move @ move / 2)

        optimizer.step(network, again, loss=again())  # type: ignore[call-arg, arg-type]

    def moved(self, w: Array, gradients: Array, dtype: str = "float64") -> Array:
        """Return these values after steps by a fresh copy of the optimizer."""
        return self.take(self.fresh(), self.network(w, dtype), gradients)


def _check_moves(check: _Check, report: OptimizerReport) -> bool:
    """Check that values and memory move in place, and that gradients stay; return the first."""
    optimizer, network = check.fresh(), check.network(check.w)
    for gradient in check.gradients:
        network.set_gradients(gradient)
        check.step(optimizer, network, gradient)
        if not check.closure and not np.array_equal(network.flat.grads, gradient):
            report.problems.append(
                "a step writes into the gradients g; make a new array instead, as in "
                "move = learning_rate * g."
            )
            break
    if np.array_equal(network.flat.values, check.w):
        report.problems.append(
            f"no value has moved in {STEPS} steps: update_rule must write into w, as in w -= ..., "
            "while w = w - ... makes a new array, which nobody sees."
        )
        return False
    report.checks.append("it moves the values in place")
    still = [name for name, vector in optimizer.state_vectors.items() if not vector.any()]
    if still and type(optimizer).step is Optimizer.step:
        report.problems.append(
            f"the memory {', '.join(still)} is still 0 after {STEPS} steps: update_rule must write "
            "into it, as in v *= ... and v += ..., while v = ... makes a new array."
        )
    return True


def _check_resume(check: _Check, report: OptimizerReport) -> None:
    """Check that an optimizer goes on from a saved state exactly as without the break."""
    half = STEPS // 2
    optimizer, network = check.fresh(), check.network(check.w)
    known = set(vars(optimizer))
    check.take(optimizer, network, check.gradients[:half])
    resumed, again = check.fresh(), check.network(network.flat.values)
    resumed.load_state(optimizer.state())
    here = check.take(optimizer, network, check.gradients[half:])
    there = check.take(resumed, again, check.gradients[half:])
    if np.array_equal(here, there):
        report.checks.append("it goes on exactly from a saved state")
        return
    own = [f"self.{name}" for name in vars(optimizer) if name not in known]
    where = f" It keeps {', '.join(own)}, which" if own else " Something that it remembers"
    report.problems.append(
        f"from a saved state it goes on differently.{where} is not in state(): name each vector of "
        "its memory in state_names, and update_rule is given it behind learning_rate."
    )


def _check_blocks(check: _Check, report: OptimizerReport) -> None:
    """Check that a value moves the same whatever other values there are, and in each block."""
    if not check.optimizer.elementwise:
        report.notes.append("values do not move one by one, which its class says: elementwise")
        return
    repeats = BLOCK // VALUES + 2
    alone = check.moved(check.w, check.gradients[:3])
    try:
        many = check.moved(np.tile(check.w, repeats), np.tile(check.gradients[:3], repeats))
    except ValueError:  # blocks are not equally long: memory of its own fits one of them alone
        many = np.full(VALUES * repeats, np.nan)
    if np.allclose(many.reshape(repeats, VALUES), alone, rtol=1e-12, atol=0):
        report.checks.append("it moves each value by itself, in blocks as in one go")
        return
    report.problems.append(
        f"a value moves otherwise where there are many: update_rule is given blocks of {BLOCK:,} "
        "values, and must move each by itself, with memory in the vectors of state_names alone. An "
        "optimizer that needs whole vectors overrides step."
    )


def _check_types(check: _Check, report: OptimizerReport) -> None:
    """Check that float32 stays float32, and moves as float64 does."""
    wanted = check.moved(check.w, check.gradients)
    optimizer, network = check.fresh(), check.network(check.w, "float32")
    found = check.take(optimizer, network, check.gradients)
    kinds = {str(vector.dtype) for vector in (found, *optimizer.state_vectors.values())}
    if kinds != {"float32"}:
        others = ", ".join(sorted(kinds - {"float32"}))
        report.problems.append(
            f"of float32 values it makes {others}; write into w and the state, which keep their "
            "type."
        )
    elif not np.allclose(found, wanted, rtol=1e-3, atol=1e-3 * float(np.abs(wanted).max())):
        report.problems.append("in float32 the steps are not those in float64, beyond rounding.")
    else:
        report.checks.append("it keeps float32 and float64")


def _check_zeros(check: _Check, report: OptimizerReport) -> None:
    """Check that gradients of 0 lead to no NaN, from the first step on and after others."""
    zeros = np.zeros((3, VALUES))
    at_once = check.moved(check.w, zeros)
    later = check.moved(check.w, np.concatenate([check.gradients, zeros]))
    if not np.isfinite(at_once).all() or not np.isfinite(later).all():
        report.problems.append(
            "gradients of 0 make values NaN or infinite: is something divided by 0? Add a small "
            "ε to the divisor."
        )
        return
    report.checks.append("gradients of 0 do no harm")
    if not check.optimizer.weight_decay and not np.array_equal(at_once, check.w):
        report.notes.append("values move although their gradients have always been 0")


def _check_descent(check: _Check, report: OptimizerReport) -> None:
    """Check that short steps lower f(w) = Σ a w² / 2."""
    optimizer, network = check.fresh(), check.network(check.w)
    if not callable(optimizer.learning_rate):
        optimizer.learning_rate = min(optimizer.learning_rate, 1e-3)
    a = np.linspace(0.1, 1.0, VALUES)
    values = network.flat.values

    def value() -> float:
        network.set_gradients(a * values)
        return 0.5 * float(a @ values**2)

    first = value()
    for _ in range(50):
        if check.closure:
            optimizer.step(network, value, loss=value())  # type: ignore[call-arg, arg-type]
        else:
            value()
            optimizer.step(network)
    if value() < first:
        report.checks.append("it lowers a quadratic function")
    else:
        report.problems.append(
            f"short steps raise a quadratic function from {first:.4g} to {value():.4g}: does it go "
            "up the slope? A step goes against the gradient, w -= ..."
        )


def _check_reference(
    check: _Check, report: OptimizerReport, reference: Reference, tolerance: float
) -> None:
    """Compare with the reference after each number of steps."""
    for steps in range(1, STEPS + 1):
        gradients = check.gradients[:steps]
        wanted: Any = reference(check.w.copy(), gradients.copy())
        if np.shape(wanted) != check.w.shape:
            raise ConfigurationError(
                f"reference returned {described(wanted)}; it must return the values after the "
                f"steps, an array of shape {check.w.shape}."
            )
        wanted, found = np.asarray(wanted, np.float64), check.moved(check.w, gradients)
        error = np.abs(found - wanted)
        size = np.maximum(np.abs(wanted), np.abs(wanted - check.w))
        if not (error <= tolerance * np.maximum(size, 1e-300)).all():
            place = int(np.nan_to_num(error, nan=np.inf).argmax())
            report.problems.append(
                f"after step {steps} it differs from the reference: value {place} went from "
                f"{check.w[place]:.6g} to {found[place]:.6g}, by the reference to "
                f"{wanted[place]:.6g}{_factor(found - check.w, wanted - check.w)}."
            )
            return
    report.checks.append(f"it agrees with the reference over {STEPS} steps")


def _factor(found: Array, wanted: Array) -> str:
    """Return by which factor all moves are off, if there is one."""
    if not np.isfinite(found).all() or not (wanted @ wanted):
        return ""
    factor = float(found @ wanted) / float(wanted @ wanted)
    if not np.allclose(found, factor * wanted, rtol=1e-6, atol=1e-12):
        return ""
    return ": the opposite way" if np.isclose(factor, -1) else f": {factor:.4g} times as far"
