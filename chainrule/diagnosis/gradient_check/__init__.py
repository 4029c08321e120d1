"""Is this backward right? Every gradient against finite differences, in float64.

`check_module` checks a layer or a whole network, `check_loss` a loss; both return a `Report` that
prints as a verdict.

subjects.py   what is checked: a number that depends on the input and the parameters
slopes.py     the slope of such a function, measured so that it can be trusted
compare.py    backward's gradients compared with measured slopes
hints.py      what a wrong gradient looks like
report.py     the verdict
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_instance
from chainrule.diagnosis.gradient_check.compare import Comparison
from chainrule.diagnosis.gradient_check.report import TOLERANCE, GradientResult, Report
from chainrule.diagnosis.gradient_check.subjects import LossSubject, ModuleSubject, plain_arrays
from chainrule.errors import ConfigurationError
from chainrule.loss_functions import Loss
from chainrule.module import Module
from chainrule.pytree import PyTree

__all__ = ["GradientResult", "Report", "check_loss", "check_module"]


def check_module(
    module: Module,
    x: PyTree,
    *,
    loss: Loss | None = None,
    y_true: Any = None,
    arguments: Mapping[str, Any] | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Report:
    """Check the gradients of a module's input and of all its parameters.

    The module itself is not changed: a copy in float64 is checked, and whatever is random in it
    (dropout) is repeated the same in every pass.

    Parameters
    ----------
    module : Module
        A layer, a container or a whole network.
    x : array_like, or a tuple or dict of them
        A small batch. What is checked is Σ c · y with random c, or the loss. Of several inputs
        those of floating-point numbers are checked.
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

    Raises
    ------
    Exception
        Whatever forward or backward raises, with the path to the module that did.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Linear, check_module
    >>> print(check_module(Linear(3, 2, seed=0), np.ones((4, 3))))  # doctest: +ELLIPSIS
    Linear(3, 2): all gradients are right
    ...
    """
    check_instance(module, Module, "check_module takes a Module, such as Linear(4, 8)")
    if (loss is None) != (y_true is None):
        raise ConfigurationError("Give loss and y_true together, or neither.")
    rng = _stream(seed)
    subject = ModuleSubject(module, x, loss, y_true, arguments or {}, rng)
    report = _verdict(subject, repr(module), tolerance, rng, nearby=True)
    misuse = subject.misuse() if report.gradients else {}
    for result in report.gradients:
        result.hint = misuse.get(result.name, result.hint)
    report.notes = [
        f"{path} is a plain array, a constant: not learned, and not checked. "
        "What is learned must be a Parameter."
        for path in plain_arrays(module)
    ]
    wrong = [result.name for result in report.gradients if not result.passed]
    if len(wrong) > 1 and len(module.named_modules()) > 1:
        report.notes.append(
            "a wrong backward spoils all gradients before it, never those after it: "
            f"begin with {wrong[-1]} and what comes next to it."
        )
    return report


def check_loss(
    loss: Loss,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Report:
    """Check a loss's gradient at the predictions; see `check_module`."""
    subject = LossSubject(loss, y_true, y_pred, sample_weight)
    # Not nearby: predictions may lie at the edge of what the loss is defined for.
    return _verdict(subject, repr(loss), tolerance, _stream(seed), nearby=False)


def _stream(seed: int) -> np.random.Generator:
    """Return a generator whose numbers differ from default_rng(seed)'s.

    `x` is often drawn from that one. With c = x, a backward that takes dy for x looks right.
    """
    return np.random.default_rng(seed).spawn(1)[0]


def _verdict(
    subject: LossSubject | ModuleSubject,
    name: str,
    tolerance: float,
    rng: np.random.Generator,
    nearby: bool,
) -> Report:
    problems = subject.obstacles()
    if problems:
        return Report(name, problems=problems)
    problems = subject.broken_rules()
    comparison = Comparison(subject, tolerance, rng)
    gradients = [comparison.check(variable, nearby) for variable in subject.variables]
    return Report(name, gradients, problems)
