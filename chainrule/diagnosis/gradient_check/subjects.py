"""What is checked: a module or a loss, as a scalar function of named arrays.

A comparison changes these arrays, `variables`, in place. `sizes` names the factors by which a
gradient may be off, such as ``{32: "the batch size"}``, and `dy` is the gradient at the output.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule.checks import check_numbers
from chainrule.diagnosis.gradient_check.hints import named_sizes
from chainrule.diagnosis.gradient_check.slopes import restored
from chainrule.errors import ConfigurationError, InputError, ModuleError
from chainrule.loss_functions import Loss
from chainrule.module import Module, named_generators
from chainrule.network import code_columns
from chainrule.parameter import Array
from chainrule.pytree import PyTree, first_array, is_tuple, named_arrays, tree_leaves, tree_map


class LossSubject:
    """loss(y_true, y_pred) as a function of y_pred."""

    dy: Array | None = None

    def __init__(
        self, loss: Loss, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
    ) -> None:
        self.loss, self.y_true = loss, y_true
        self.options = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.y_pred = _batch(y_pred, "y_pred", np.float64)
        self.variables = {"y_pred": self.y_pred}
        self.sizes = named_sizes(self.y_pred)
        self.notes: list[str] = []

    def value(self) -> float:
        """Return the value of the function."""
        return float(self.loss.forward(self.y_true, self.y_pred.copy(), **self.options))

    def gradients(self) -> dict[str, Any]:
        """Return the gradient of each variable, from backward."""
        gradient = self.loss.backward(self.y_true, self.y_pred.copy(), **self.options)
        return {"y_pred": _as_own_array(gradient)}

    def magnitude(self) -> float:
        """Return the sum of the absolute terms that add up to the value."""
        return _size_of_terms(self.value(), self.gradients()["y_pred"], self.y_pred)

    def obstacle(self) -> str:
        """Return why the gradients cannot be measured, or an empty string."""
        value = self.value()
        return "" if np.isfinite(value) else f"the loss is {value}."

    def broken_rules(self) -> list[str]:
        """Return the rules that the loss breaks: those that training relies on."""
        y_pred = self.y_pred.copy()
        value = self.loss.forward(self.y_true, y_pred, **self.options)
        gradient = self.loss.backward(self.y_true, y_pred, **self.options)
        problems = []
        if not np.array_equal(y_pred, self.y_pred):
            problems.append("the loss writes into y_pred; make a new array instead.")
        if not isinstance(self.loss, Loss):  # anything with forward and backward can be checked
            return problems
        try:
            both = self.loss.value_and_gradient(self.y_true, self.y_pred.copy(), **self.options)
            same = {"forward": np.allclose(both[0], value, rtol=1e-9)}
            same["backward"] = np.allclose(both[1], gradient, rtol=1e-9)
            problems += [
                f"value_and_gradient, which training calls, differs from {name}."
                for name in same
                if not same[name]
            ]
            return problems + self._broken_means()
        except ConfigurationError as error:
            return [*problems, str(error)]

    def _broken_means(self) -> list[str]:
        """Return what is wrong with the mean over the rows, and with the samples' weights."""
        count = len(self.y_pred)
        if self.y_true is None or np.shape(self.y_true)[:1] != (count,):
            return []
        once, twice = self.value(), self._repeated(np.full(count, 2))[0]
        if np.isclose(twice, 2 * once, rtol=1e-6) and once != 0:
            return [
                "of a batch given twice the loss is twice as large: forward must return the mean "
                "over the rows, not their sum."
            ]
        if not np.isclose(twice, once, rtol=1e-6):
            self.notes.append(
                "a batch given twice has another loss, so the loss is no mean over rows: training "
                "with micro-batches, workers or sample weights takes other steps."
            )
            return []
        problems = []
        times = 1 + np.arange(count) % 3
        own = np.asarray(self.options.get("sample_weight", 1.0), np.float64)
        weight = own * times.reshape(-1, *[1] * max(own.ndim - 1, 0))
        expected = self._repeated(times)
        given = {"sample_weight": weight}
        value, gradient = self.loss.value_and_gradient(self.y_true, self.y_pred.copy(), **given)
        if not np.isclose(value, expected[0], rtol=1e-6):
            problems.append(
                f"with sample_weight the loss is {value:.6g}, but {expected[0]:.6g} where each "
                "sample is given as often as it weighs: it must be Σ weight · loss / Σ weight."
            )
        elif not np.allclose(gradient, expected[1], rtol=1e-6, atol=1e-12):
            self.notes.append(
                "with sample_weight the gradient is not that of samples given as often as they "
                "weigh; check_loss(..., sample_weight=...) says more."
            )
        total = self.loss.total_weight(self.y_true, self.y_pred.copy(), **given)
        whole = self._repeated(times, total=True)[0]
        if not isinstance(total, int | float | np.number) or not np.isclose(total, whole):
            problems.append(
                f"total_weight returned {total!r}; a sample's weight must count as often giving "
                f"the sample, {whole!r} here."
            )
        return problems

    def _repeated(self, times: Array, total: bool = False) -> tuple[float, Array]:
        """Return the loss of a batch that has each sample so many times, and its gradient.

        The gradient is the sum over each sample's copies. With `total`, the loss's place has what
        the mean is divided by.
        """
        options = {
            name: np.repeat(np.asarray(value), times, axis=0)
            for name, value in self.options.items()
        }
        y_true = np.repeat(np.asarray(self.y_true), times, axis=0)
        y_pred = np.repeat(self.y_pred, times, axis=0)
        if total:
            return self.loss.total_weight(y_true, y_pred, **options), y_pred
        value, gradient = self.loss.value_and_gradient(y_true, y_pred, **options)
        starts = np.append(0, np.cumsum(times)[:-1])
        return float(value), np.add.reduceat(gradient, starts, axis=0)


class WeightedSum:
    """Σ c · y with random c: what is differentiated where no loss is given."""

    def __init__(self, y: PyTree, rng: np.random.Generator) -> None:
        self.c = tree_map(lambda array: rng.standard_normal(array.shape), y)

    def forward(self, y_true: None, y: PyTree) -> float:
        """Return Σ c · y."""
        pairs = zip(tree_leaves(self.c), tree_leaves(y), strict=True)
        return sum(float((c * array).sum()) for c, array in pairs)

    def backward(self, y_true: None, y: PyTree) -> PyTree:
        """Return a copy of c, which the module may overwrite."""
        return tree_map(np.copy, self.c)


class ModuleSubject:
    """loss(y_true, module(x)), or Σ c · module(x), as a function of x and the parameters.

    The module must be a copy in float64. Its generators and buffers are reset before every forward
    pass, so that dropout's mask is the same in all passes.
    """

    def __init__(
        self,
        module: Module,
        x: PyTree,
        loss: Loss | None,
        y_true: Any,
        arguments: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> None:
        self.module = module
        generators = [g.bit_generator for g in named_generators(module).values()]
        self.generators = [(generator, generator.state) for generator in generators]
        self.buffers = [(b, b.value.copy()) for b in module.named_buffers().values()]
        self.x = _inputs_of(module, x)
        codes = code_columns(module)
        self.codes: Array | None = np.array(self.x)[..., -codes:] if codes else None
        in_order = sorted(arguments, key=[*module.keyword_inputs(), *arguments].index)
        self.arguments = {  # as forward names them
            name: value.astype(np.float64) if _is_float_array(value) else value
            for name, value in ((name, arguments[name]) for name in in_order)
        }
        self.given = self.everything = named_arrays(self.x, "input") | self.arguments
        self.inputs = {n: v for n, v in self.everything.items() if _is_float_array(v)}
        self.parameters = module.named_parameters()
        self.variables = self.inputs | {n: p.value for n, p in self.parameters.items() if p.size}
        y = self.forward()
        self.loss: Loss | WeightedSum = WeightedSum(y, rng) if loss is None else loss
        self.y_true = y_true
        self.sizes = named_sizes(first_array(y))
        dy = self.loss.backward(y_true, y)
        self.dy: Array | None = dy if isinstance(dy, np.ndarray) else None

    # ------------------------------------------------------------ the two passes

    def forward(self, training: bool = True) -> PyTree:
        """Return the output for copies of the inputs, which `given` holds afterwards."""
        self.given = copy.deepcopy(self.everything)
        if self.codes is not None:  # never moved, so that their slope is 0
            self.given["input"][..., -self.codes.shape[-1] :] = self.codes
        for generator, state in self.generators:
            generator.state = state
        for buffer, value in self.buffers:
            buffer.value = value
        names = iter(self.given)
        x = tree_map(lambda _: self.given[next(names)], self.x)
        y = self.module.forward(x, training, **{name: self.given[name] for name in self.arguments})
        for output in tree_leaves(y):
            if not isinstance(output, np.ndarray) or output.ndim == 0:
                raise ModuleError(
                    "forward must return an array with one row a sample, got "
                    f"{type(output).__name__}. Is its return missing?",
                    self.module,
                )
        return y

    def backward(self, dy: PyTree) -> dict[str, Any]:
        """Return the gradients that backward returns, by the names of the inputs."""
        returned = self.module.backward(dy)
        gradients = list(returned) if isinstance(returned, tuple) else [returned]
        if isinstance(gradients[0], Mapping):  # a graph's inputs, then further ones
            at_x = gradients[0]
            keys = self.x if isinstance(self.x, Mapping) else at_x
            gradients[:1] = [at_x.get(key) for key in keys]
        names = [n for n in self.everything if n in self.inputs or n not in self.arguments]
        if len(gradients) != len(names):  # nothing flows back to indices
            names = list(self.inputs)
        if len(gradients) != len(names):
            raise ModuleError(
                f"backward returned {len(gradients)} gradient(s), "
                f"expected {len(self.inputs)}: of {', '.join(self.inputs)}.",
                self.module,
            )
        return {n: g for n, g in zip(names, gradients, strict=True) if n in self.inputs}

    def outputs(self) -> dict[str, Array]:
        """Return each output by name; those of a pass outside training if training is random."""
        y = self.forward(training=not self.generators)
        return named_arrays(y, "output")

    def expected_outputs(self, reference: Callable[..., Any]) -> dict[str, Array]:
        """Return what a reference makes of the inputs, by the outputs' names."""
        self.given = copy.deepcopy(self.everything)
        names = iter(self.given)
        x = tree_map(lambda _: self.given[next(names)], self.x)
        y = reference(x, **{name: self.given[name] for name in self.arguments})
        return {name: np.asarray(array) for name, array in named_arrays(y, "output").items()}

    def value(self) -> float:
        """Return the value of the function."""
        return float(self.loss.forward(self.y_true, self.forward()))

    def gradients(self, filling: float = 0.0) -> dict[str, Any]:
        """Return the gradient of each variable, from a backward that finds `filling` in grads."""
        for parameter in self.parameters.values():
            parameter.grad[...] = filling
        found = self.backward(self.loss.backward(self.y_true, self.forward()))
        found = {name: _as_own_array(dx) for name, dx in found.items()}
        return found | {name: p.grad.copy() for name, p in self.parameters.items()}

    def magnitude(self) -> float:
        """Return the sum of the absolute terms that add up to the value."""
        y = self.forward()
        value = 0.0 if isinstance(self.loss, WeightedSum) else self.value()
        return _size_of_terms(value, self.loss.backward(self.y_true, y), y)

    # ------------------------------------------------------------ the rules

    def obstacle(self) -> str:
        """Return why the gradients cannot be measured, or an empty string."""
        weights = {name: p.value.copy() for name, p in self.parameters.items()}
        y, again = _flat(self.forward()), _flat(self.forward())
        if y.dtype != np.float64:
            return f"forward returns {y.dtype} for float64; keep the type of x, x.dtype."
        if not np.isfinite(y).all():
            count = np.count_nonzero(~np.isfinite(y))
            return f"forward returns NaN or infinity, in {count} of {y.size} numbers."
        if not np.array_equal(y, again):
            return (
                "the same input gives different outputs. Draw random numbers from a numpy "
                "Generator that is an attribute of the module, so that a pass can be repeated."
            )
        near, far = _flat(self._scaled(1 + 2.0**-30)), _flat(self._scaled(1 + 2.0**-9))
        moved = np.abs(far - y) > 1e-6 * np.abs(y)
        if (moved & (near == y)).sum() > moved.sum() / 2:
            return (
                "forward does not react to a change of its input by 1e-9, so slopes cannot be "
                "measured: does it round, or compute in float32 (np.float32, dtype=)?"
            )
        if not np.isfinite(self.value()):
            return "the loss is NaN or infinite."
        self.gradients()
        if not _equal(weights, {name: p.value for name, p in self.parameters.items()}):
            return "a pass changes the values of the parameters; leave that to the optimizer."
        return ""

    def _scaled(self, factor: float) -> PyTree:
        """Return the output for scaled inputs; for the same inputs if those are refused."""
        with restored(self.inputs.values()), np.errstate(all="ignore"):
            for value in self.inputs.values():
                value *= factor
            try:
                return self.forward()
            except ValueError:  # outside of the domain
                pass
        return self.forward()

    def broken_rules(self) -> list[str]:
        """Return the rules about shared arrays that the module breaks."""
        y = self.forward()
        given = {name: self.given[name] for name in self.inputs}
        broken = [] if _equal(given, self.inputs) else ["forward writes into its input"]
        dy = self.loss.backward(self.y_true, y)
        negative = tree_map(np.negative, dy)
        held = {
            "backward writes into its input dy": dy,
            "backward writes into the input of forward": given,
            "backward writes into the output of forward": y,
        }
        before = copy.deepcopy(held)
        dx = self.backward(dy)
        broken += [rule for rule in held if not _equal(held[rule], before[rule])]
        held = {
            "a second forward writes into the first one's output": y,
            "a second backward writes into what the first returned": dx,
        }
        before = copy.deepcopy(held)
        self._scaled(1.01)
        with np.errstate(all="ignore"):
            self.backward(negative)
        broken += [rule for rule in held if not _equal(held[rule], before[rule])]
        problems = [f"{rule}; make a new array instead." for rule in broken]
        if any(g.dtype != first_array(dy).dtype for g in dx.values() if isinstance(g, np.ndarray)):
            problems.append("backward changes the type of dy; keep it, dy.dtype.")
        return problems

    def misuse(self) -> dict[str, str]:
        """Say what backward does instead, for each parameter whose gradient it does not set."""
        first = self.gradients()
        numbers = _flat({"": np.zeros(1)} | {name: first[name] for name in self.parameters})
        filling = 1.0 + 2.0 * float(np.abs(numbers[np.isfinite(numbers)]).max())
        second = self.gradients(filling)
        found = {}
        for name in self.parameters:
            kept = (first[name] == 0) & (second[name] == filling)
            if kept.all():
                found[name] = "backward never sets it"
            elif np.allclose(second[name], first[name] + filling):
                found[name] = "backward adds it to what was there; set it instead"
            elif kept.any():
                found[name] = (
                    f"backward sets only a part; {kept.sum()} of {kept.size} elements keep what "
                    "an earlier pass left there"
                )
        return found


Subject = LossSubject | ModuleSubject


# ---------------------------------------------------------------- helpers


def _size_of_terms(value: float, dy: PyTree, y: PyTree) -> float:
    """Return the size of the terms of a loss, estimated from its gradient as Σ |dy · y|."""
    if dy is None or _flat(dy).shape != _flat(y).shape:
        return abs(value)
    terms = np.abs(_flat(dy) * _flat(y))
    return abs(value) + float(terms[np.isfinite(terms)].sum())


def _inputs_of(module: Module, x: PyTree) -> PyTree:
    """Return copies of the input's arrays, in float64 except for indices and masks."""
    several = isinstance(x, Mapping) or is_tuple(x)

    def prepared(array: ArrayLike) -> Array:
        whole = np.asarray(array).dtype.kind in "iub" and (several or module.takes_indices)
        return _batch(array, "x", None if whole else np.float64)

    return tree_map(prepared, x)


def _batch(x: ArrayLike, name: str, dtype: DTypeLike | None) -> Array:
    """Return a copy of a batch of finite numbers, of at least one sample."""
    array = check_numbers(name, x, dtype=dtype, empty=True)
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{name} must be a batch of at least one sample, got {array.shape}.")
    return array.copy()


def _is_float_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _as_own_array(gradient: Any) -> Array | None:
    return None if gradient is None else np.array(gradient)


def _flat(data: PyTree) -> Array:
    """Return one or several arrays as one flat array."""
    return np.concatenate([np.ravel(array) for array in tree_leaves(data)])


def _equal(a: PyTree, b: PyTree) -> bool:
    """Whether two sets of arrays are equal; NaN counts as equal to NaN."""
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    return all(x is None or np.array_equal(x, y, equal_nan=True) for x, y in pairs)
