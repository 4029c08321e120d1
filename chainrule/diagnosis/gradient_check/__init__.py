"""Checks backward: compares every gradient with finite differences, in float64.

`check_module` checks a layer or a whole network, `check_loss` a loss; both return a
`GradientReport`, which prints as a verdict.

subjects.py   what is checked: a scalar function of the input and the parameters
slopes.py     the slope of such a function, measured reliably
compare.py    backward's gradients against measured slopes
hints.py      describes a wrong gradient or output: a factor, a transpose, a missing mask
report.py     the verdict
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.checks import check_function, check_instance
from chainrule.checks.own_code import fits, named
from chainrule.checks.own_module import unchecked
from chainrule.diagnosis.gradient_check.compare import Comparison, relative_errors
from chainrule.diagnosis.gradient_check.hints import output_looks_like
from chainrule.diagnosis.gradient_check.report import TOLERANCE, GradientReport, GradientResult
from chainrule.diagnosis.gradient_check.subjects import LossSubject, ModuleSubject, Subject
from chainrule.errors import BackwardError, ConfigurationError
from chainrule.loss_functions import Loss
from chainrule.module import Module, cast, locate
from chainrule.pytree import PyTree

__all__ = ["GradientReport", "GradientResult", "check_loss", "check_module"]


def check_module(
    module: Module,
    x: PyTree,
    *,
    loss: Loss | None = None,
    y_true: Any = None,
    reference: Callable[..., Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> GradientReport:
    """Check the gradients of a module's input and of all its parameters; and its output.

    A wrong forward may have a backward that is right for it. So the output is compared with that
    of a `reference`, if there is one. The module itself is not changed: a copy in float64 is
    checked. Anything random in it, such as dropout, is the same in every pass.

    Parameters
    ----------
    module : Module
        A layer, a container or a whole network.
    x : array_like, or a tuple or dict of them
        A small batch. Inputs of floating-point numbers are checked, integers and masks are not.
    loss : Loss, optional
        If given, the gradients are those of the loss of the module's output; otherwise those of
        Σ c · y with random c.
    y_true : array_like, optional
        The loss's targets.
    reference : callable, optional
        ``reference(x) -> y`` computes the output independently, in float64 and with the module's
        parameters, such as ``lambda x: x @ layer.weight.value + layer.bias.value``. It is given the
        further arguments by name. The pass that is compared is one of training; outside training,
        if the module is random in training.
    arguments : mapping of str to object, optional
        Further arguments of forward. Each array of floats among them is checked, too. Then
        backward must return a tuple: the gradient of x, then theirs, in the order of forward.
    tolerance : float
        The largest relative error that passes.
    seed : int
        Sets c, the random directions, and which elements of large arrays are compared.

    Returns
    -------
    GradientReport
        True if all gradients are right, and the output is; prints as a verdict.

    Raises
    ------
    ConfigurationError
        If only one of `loss` and `y_true` is given, or `reference` cannot be called.
    InputError
        If `x` is empty, or holds NaN or infinity.
    Exception
        Any error of forward or backward, with a note of the path to the module.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Linear, check_module
    >>> print(check_module(Linear(3, 2, seed=0), np.ones((4, 3))))  # doctest: +ELLIPSIS
    Linear(3, 2): all gradients are right
    ...
    >>> layer = Linear(3, 2, seed=0)
    >>> def mean(x):
    ...     return (x[:, :, None] * layer.weight.value).mean(axis=1) + layer.bias.value
    >>> report = check_module(layer, np.ones((4, 3)), reference=mean)
    >>> report.outputs[0].hint
    "off by the factor 3 = the length of the input's axis 1: mean or sum?"
    """
    check_instance(module, Module, "check_module takes a Module, such as Linear(4, 8)")
    if (loss is None) != (y_true is None):
        raise ConfigurationError("Give loss and y_true together, or neither.")
    if reference is not None:
        check_function(reference, "reference must be a function reference(x)")
        if not fits(reference, x, **(arguments or {})):
            raise ConfigurationError(
                f"{named(reference)} cannot be called as "
                f"reference({', '.join(['x', *(arguments or {})])}), which is how it is called."
            )
    rng, checked = _stream(seed), copy.deepcopy(module)
    cast(checked, np.float64)
    with _errors_located(checked), unchecked():
        subject = ModuleSubject(checked, x, loss, y_true, arguments or {}, rng)
        report = _verdict(subject, repr(module), tolerance, rng, nearby=True)
        if reference is not None:
            report.outputs = _compare_outputs(subject, reference, tolerance)
        misuse = subject.misuse() if report.gradients else {}
    for result in report.gradients:
        result.hint = misuse.get(result.name, result.hint)
    report.notes = [
        f"{path} is a plain array, so it is a constant: neither learned nor checked. "
        "What is to be learned must be a Parameter."
        for path in _plain_arrays(module)
    ]
    wrong = [result.name for result in report.gradients if not result.passed]
    if len(wrong) > 1 and len(module.named_modules()) > 1:
        report.notes.append(
            "a wrong backward makes all gradients before it wrong, but none after it: "
            f"start with {wrong[-1]} and the module next to it."
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
) -> GradientReport:
    """Check a loss: its gradient at the predictions, and what training relies on.

    Training relies on a mean over the rows, which weights turn into Σ w_n loss_n / Σ w_n, and on
    `value_and_gradient`, which must agree with `forward` and `backward`.

    Parameters
    ----------
    loss : Loss
    y_true, y_pred : array_like
        Targets and predictions of a small batch.
    sample_weight : array_like, optional
        How much each sample counts.
    tolerance, seed
        As in `check_module`.

    Returns
    -------
    GradientReport
        True if the loss is right; prints as a verdict.

    Examples
    --------
    >>> from chainrule import MeanSquaredError, check_loss
    >>> check_loss(MeanSquaredError(), [[1.0], [2.0]], [[0.5], [3.0]]).passed
    True
    >>> class Mine(MeanSquaredError):
    ...     def losses(self, y_true, y_pred):
    ...         return ((y_pred - y_true) ** 2).mean()
    >>> print(check_loss(Mine(), [[1.0], [2.0]], [[0.5], [3.0]]))  # doctest: +ELLIPSIS
    Mine(): cannot be checked
      WRONG  Mine.losses returned a single number for 2 rows; it must return the loss of each row...
    """
    if isinstance(loss, type):
        check_instance(loss, Loss, "check_loss takes a Loss, such as MeanSquaredError()")
    try:
        if isinstance(loss, Loss):
            loss.check_usable()
        subject = LossSubject(loss, y_true, y_pred, sample_weight)
        # not nearby: predictions may be at the edge of the loss's domain
        report = _verdict(subject, repr(loss), tolerance, _stream(seed), nearby=False)
    except ConfigurationError as error:  # a method that cannot be called, or returned another shape
        return GradientReport(repr(loss), problems=[str(error)])
    report.notes = subject.notes
    return report


def _compare_outputs(
    subject: ModuleSubject, reference: Callable[..., Any], tolerance: float
) -> list[GradientResult]:
    """Return how each output compares with what the reference says."""
    outputs, expected = subject.outputs(), subject.expected_outputs(reference)
    if outputs.keys() != expected.keys():
        raise ConfigurationError(
            f"reference returned {list(expected)}, and forward {list(outputs)}; they must have the "
            "same outputs."
        )
    x = subject.x if isinstance(subject.x, np.ndarray) else None
    results = []
    for name, y in outputs.items():
        wanted = expected[name]
        result = GradientResult(name, y.shape, tolerance=tolerance)
        result.told_by = "forward says", "the reference says"
        if y.shape != wanted.shape:
            result.error, result.hint = np.inf, output_looks_like(y, wanted, x)
        else:
            errors = relative_errors(y.ravel(), wanted.ravel(), np.zeros(y.size))
            errors[~np.isfinite(wanted.ravel()) & (y.ravel() != wanted.ravel())] = np.inf
            worst = int(errors.argmax())
            result.error, result.compared = float(errors[worst]), y.size
            if not result.passed:
                result.worst = tuple(int(i) for i in np.unravel_index(worst, y.shape))
                result.got, result.expected = float(y[result.worst]), float(wanted[result.worst])
                result.hint = output_looks_like(y, wanted, x)
        results.append(result)
    return results


def _stream(seed: int) -> np.random.Generator:
    """Return a generator whose numbers differ from those of default_rng(seed).

    `x` is often drawn from that one, and with c = x a backward that confuses dy with x looks right.
    """
    return np.random.default_rng(seed).spawn(1)[0]


@contextlib.contextmanager
def _errors_located(module: Module) -> Iterator[None]:
    """Add the path to the module that raised it to any error in the with-block."""
    try:
        yield
    except Exception as error:
        if not getattr(error, "__notes__", None):  # a network adds the path itself
            locate(error, module)
        if isinstance(error, BackwardError):
            error.add_note(
                "The check did call forward(x, training=True). Forward must keep what backward "
                "needs with self.save_for_backward(..., training=training), and backward must "
                "take it once with self.saved_values()."
            )
        raise


def _plain_arrays(module: Module) -> list[str]:
    """Return the paths of all float arrays that are neither Parameter nor Buffer."""
    return [
        f"{path}.{name}" if path else name
        for path, child in module.named_modules().items()
        for name, value in vars(child).items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    ]


def _verdict(
    subject: Subject,
    name: str,
    tolerance: float,
    rng: np.random.Generator,
    nearby: bool,
) -> GradientReport:
    obstacle = subject.obstacle()
    if obstacle:
        return GradientReport(name, problems=[obstacle])
    problems = subject.broken_rules()
    comparison = Comparison(subject, tolerance, rng)
    gradients = [comparison.check(variable, nearby) for variable in subject.variables]
    return GradientReport(name, gradients, problems)
