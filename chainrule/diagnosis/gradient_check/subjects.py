"""What is checked: a module or a loss, as a number that depends on named arrays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from chainrule.errors import BackwardError, InputError, ModuleError
from chainrule.loss_functions import Loss
from chainrule.module import Module, cast, locate, named_generators
from chainrule.network import code_columns
from chainrule.parameter import Array
from chainrule.pytree import PyTree, is_tuple, named_arrays, tree_leaves, tree_map


class Subject(Protocol):
    """A number that depends on named arrays, which a comparison changes in place."""

    variables: dict[str, Array]
    sizes: dict[str, int]
    """Sizes that a factor may be equal to: ``{"the batch size": 32}``."""
    dy: Array | None
    """What backward is given."""

    def value(self) -> float:
        """Return the number."""

    def magnitude(self) -> float:
        """Return the size of the terms whose sum the number is."""

    def gradients(self) -> dict[str, Any]:
        """Return the gradient of each array by backward; of the same shape, if it is right."""


class LossSubject:
    """loss(y_true, y_pred) as a function of y_pred."""

    def __init__(
        self, loss: Loss, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
    ) -> None:
        self.loss, self.y_true = loss, y_true
        self.options = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.y_pred = _batch(y_pred, "y_pred", np.float64)
        self.variables = {"y_pred": self.y_pred}
        self.sizes = counts(self.y_pred)
        self.dy: Array | None = None

    def value(self) -> float:
        return float(self.loss.forward(self.y_true, self.y_pred.copy(), **self.options))

    def gradients(self) -> dict[str, Any]:
        gradient = self.loss.backward(self.y_true, self.y_pred.copy(), **self.options)
        return {"y_pred": None if gradient is None else np.array(gradient)}

    def magnitude(self) -> float:
        return loss_terms(self.value(), self.gradients()["y_pred"], self.y_pred)

    def obstacles(self) -> list[str]:
        """Return what makes a measurement impossible."""
        value = self.value()
        return [] if np.isfinite(value) else [f"the loss is {value}."]

    def broken_rules(self) -> list[str]:
        """Return which rules of a loss are broken."""
        y_pred = self.y_pred.copy()
        self.loss.forward(self.y_true, y_pred, **self.options)
        self.loss.backward(self.y_true, y_pred, **self.options)
        same = np.array_equal(y_pred, self.y_pred)
        return [] if same else ["the loss writes into y_pred; make a new array instead."]


class ModuleSubject:
    """Σ c · module(x), or loss(y_true, module(x)), as a function of x and the parameters.

    It works on a copy of the module, in float64. Generators and buffers are reset before every
    forward pass, so that dropout's mask is the same in all passes.
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
        self.module = copy.deepcopy(module)
        cast(self.module, np.float64)
        self.restore = list(_rng_states_and_buffers(self.module))
        self.loss, self.y_true = loss, y_true
        self.x = _inputs_of(self.module, x)
        codes = code_columns(module)
        self.codes: Array | None = np.array(self.x)[..., -codes:] if codes else None
        in_order = sorted(arguments, key=[*module.keyword_inputs(), *arguments].index)
        given = {name: arguments[name] for name in in_order}  # as forward names them
        self.arguments = {
            name: value.astype(np.float64) if _is_float_array(value) else value
            for name, value in given.items()
        }
        at_x = {n: v for n, v in named_arrays(self.x, "input").items() if _is_float_array(v)}
        self.inputs = at_x | {n: v for n, v in self.arguments.items() if _is_float_array(v)}
        self.parameters = self.module.named_parameters()
        self.variables = self.inputs | {n: p.value for n, p in self.parameters.items() if p.size}
        self.arrangement: PyTree = None  # of the output, where it is several arrays
        y = self.forward()
        self.c = rng.standard_normal(y.shape)
        self.sizes = counts(y)
        self.dy: Array | None = self.gradient_at(y)

    # ------------------------------------------------------------ the two passes

    def forward(self, given: Mapping[str, Array] | None = None) -> Array:
        """Return the output for these inputs; by default for copies of the present ones.

        Several outputs are concatenated to one array.
        """
        given = self.copies() if given is None else given
        names = iter(named_arrays(self.x, "input"))
        x = tree_map(lambda array: given.get(next(names), array.copy()), self.x)
        if self.codes is not None:
            x[..., -self.codes.shape[-1] :] = self.codes  # even if moved: their slope is 0
        further = {n: a for n, a in given.items() if n in self.arguments}
        for restore in self.restore:
            restore()
        try:
            y = self.module.forward(x, True, **(self.arguments | further))
        except Exception as error:
            self._locate(error)
            raise
        for output in tree_leaves(y):
            if not isinstance(output, np.ndarray) or output.ndim == 0:
                raise ModuleError(
                    "forward must return an array with one row a sample, got "
                    f"{type(output).__name__}. Is its return missing?",
                    self.module,
                )
        if isinstance(y, np.ndarray):
            return y
        self.arrangement = tree_map(np.shape, y)
        return np.concatenate([array.reshape(len(array), -1) for array in tree_leaves(y)], axis=1)

    def arranged(self, flat: Array) -> PyTree:
        """Return the module's own outputs from what `forward` has concatenated."""
        if self.arrangement is None:
            return flat
        ends = np.cumsum([np.prod(shape[1:], dtype=int) for shape in tree_leaves(self.arrangement)])
        parts = iter(np.split(flat, ends[:-1], axis=1))
        return tree_map(lambda shape: next(parts).reshape(shape), self.arrangement)

    def backward(self, dy: Array) -> dict[str, Any]:
        """Return the gradients that backward returns, by the names of the inputs."""
        try:
            returned: Any = self.module.backward(self.arranged(dy))
        except Exception as error:
            self._locate(error)
            if isinstance(error, BackwardError):
                error.add_note(
                    "The check did call forward(x, training=True). Forward must keep what backward "
                    "needs with self.save_for_backward(..., training=training), and backward must "
                    "take it once with self.saved_values()."
                )
            raise
        gradients = self._in_order(returned)
        if len(gradients) != len(self.inputs):
            raise ModuleError(
                f"backward returned {len(gradients)} gradient(s), "
                f"expected {len(self.inputs)}: of {', '.join(self.inputs)}.",
                self.module,
            )
        return dict(zip(self.inputs, gradients, strict=True))

    def _in_order(self, returned: Any) -> list[Any]:
        """Return what backward returned as a list: one gradient for each input, if it is right."""
        gradients = list(returned) if isinstance(returned, tuple) else [returned]
        if isinstance(gradients[0], Mapping):  # a graph's inputs, then further ones
            gradients[:1] = gradients[0].values()
            there = [
                *named_arrays(self.x, "input"),
                *(n for n in self.inputs if n in self.arguments),
            ]
            return [g for name, g in zip(there, gradients, strict=True) if name in self.inputs]
        if is_tuple(self.x) and self.module.joins:
            return gradients
        if self.module.takes_indices and len(gradients) == len(self.inputs) + 1:
            return gradients[1:]  # nothing flows back to indices
        return gradients

    def _locate(self, error: Exception) -> None:
        if not getattr(error, "__notes__", None):  # a network has told the place already
            locate(error, self.module)

    def gradient_at(self, y: Array) -> Array:
        """Return the gradient that backward is given."""
        if self.loss is None or self.y_true is None:
            return self.c.copy()
        dy = self.loss.backward(self.y_true, self.arranged(y))
        if self.arrangement is None:
            return dy
        return np.concatenate([array.reshape(len(array), -1) for array in tree_leaves(dy)], axis=1)

    def value(self) -> float:
        y = self.forward()
        if self.loss is None or self.y_true is None:
            return float((self.c * y).sum())
        if not np.isfinite(y).all():
            return np.nan
        return float(self.loss.forward(self.y_true, self.arranged(y)))

    def gradients(self, filling: float = 0.0) -> dict[str, Any]:
        for parameter in self.parameters.values():
            parameter.grad[...] = filling
        found = self.backward(self.gradient_at(self.forward()))
        found = {name: None if dx is None else np.array(dx) for name, dx in found.items()}
        return found | {name: p.grad.copy() for name, p in self.parameters.items()}

    def magnitude(self) -> float:
        y = self.forward()
        if self.loss is None or not np.isfinite(y).all():
            return float(np.abs(self.c * y).sum())
        return loss_terms(self.value(), self.gradient_at(y), y)

    def copies(self) -> dict[str, Array]:
        """Return copies of the inputs, which the module may change."""
        return {name: value.copy() for name, value in self.inputs.items()}

    # ------------------------------------------------------------ the rules

    def obstacles(self) -> list[str]:
        """Return what makes a measurement impossible."""
        weights = {name: p.value.copy() for name, p in self.parameters.items()}
        y, again = self.forward(), self.forward()
        if y.dtype != np.float64:
            return [f"forward returns {y.dtype} for float64; keep the type of x, x.dtype."]
        if not np.isfinite(y).all():
            count = np.count_nonzero(~np.isfinite(y))
            return [f"forward returns NaN or infinity, in {count} of {y.size} numbers."]
        if not np.array_equal(y, again):
            return [
                "the same input gives different outputs. Draw random numbers from a numpy "
                "Generator that is an attribute of the module, so that a pass can be repeated."
            ]
        if self._is_rough(y):
            return [
                "forward does not react to a change of its input by 1e-9, so slopes cannot be "
                "measured: does it round, or compute in float32 (np.float32, dtype=)?"
            ]
        if not np.isfinite(self.value()):
            return ["the loss is NaN or infinite."]
        self.gradients()
        if not _equal(weights, {name: p.value for name, p in self.parameters.items()}):
            return ["a pass changes the values of the parameters; leave that to the optimizer."]
        return []

    def _is_rough(self, y: Array) -> bool:
        """Whether most of the output reacts to a large change of the input but not to a small."""
        near, far = self._scaled(1 + 2.0**-30), self._scaled(1 + 2.0**-9)
        moved = np.abs(far - y) > 1e-6 * np.abs(y)
        return bool((moved & (near == y)).sum() > moved.sum() / 2)

    def _scaled(self, factor: float) -> Array:
        """Return the output for scaled inputs; for the same inputs if those are refused."""
        try:
            with np.errstate(all="ignore"):  # they may lie outside of the domain
                return self.forward({name: factor * value for name, value in self.inputs.items()})
        except ValueError:
            return self.forward()

    def broken_rules(self) -> list[str]:
        """Return the broken rules of a module about arrays that others hold."""
        given = self.copies()
        y = self.forward(given)
        dy = self.gradient_at(y)
        y_kept, dy_kept = y.copy(), dy.copy()
        instead = "; make a new array instead."
        broken = {"forward writes into its input" + instead: not _equal(given, self.inputs)}
        given_kept = copy.deepcopy(given)
        dx = self.backward(dy)
        dx_kept = copy.deepcopy(dx)
        broken |= {
            "backward writes into its input dy" + instead: not _equal([dy], [dy_kept]),
            "backward writes into the input of forward" + instead: not _equal(given, given_kept),
            "backward writes into the output of forward" + instead: not _equal([y], [y_kept]),
            "backward changes the type of dy; keep it, dy.dtype.": any(
                isinstance(array, np.ndarray) and array.dtype != dy.dtype for array in dx.values()
            ),
        }
        y_kept = y.copy()
        self._scaled(1.01)
        with np.errstate(all="ignore"):
            self.backward(-dy_kept)
        broken |= {
            "a second forward writes into the first one's output" + instead: not _equal(
                [y], [y_kept]
            ),
            "a second backward writes into what the first returned" + instead: not _equal(
                dx, dx_kept
            ),
        }
        return [rule for rule, is_so in broken.items() if is_so]

    def misuse(self) -> dict[str, str]:
        """Return what happens instead, for each parameter whose gradient backward does not set."""
        first = self.gradients()
        finite = [first[name][np.isfinite(first[name])] for name in self.parameters]
        filling = 1.0 + 2.0 * max((float(np.abs(g).max(initial=0.0)) for g in finite), default=0.0)
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


# ---------------------------------------------------------------- helpers


def plain_arrays(module: Module) -> list[str]:
    """Return the paths of all arrays that are neither Parameter nor Buffer."""
    return [
        f"{path}.{name}" if path else name
        for path, child in module.named_modules().items()
        for name, value in vars(child).items()
        if _is_float_array(value)
    ]


def counts(y: Array) -> dict[str, int]:
    """Return the sizes by which a mean in place of a sum, or the reverse, is off."""
    sizes = {
        "the batch size": len(y),
        "the number of outputs": y[0].size,
        "the length of the output's last axis": y.shape[-1],
        "the number of samples and positions": y.size // y.shape[-1],
    }
    return {name: n for i, (name, n) in enumerate(sizes.items()) if n not in [*sizes.values()][:i]}


def loss_terms(value: float, dy: Any, y: Array) -> float:
    """Return the size of the terms of a loss, as far as its gradient shows them."""
    if np.shape(dy) != y.shape:
        return abs(value)
    terms = np.abs(dy * y)
    return abs(value) + float(terms[np.isfinite(terms)].sum())


def _inputs_of(module: Module, x: PyTree) -> PyTree:
    """Return copies of the input's arrays, in float64 except for indices and masks."""
    if isinstance(x, Mapping | tuple):

        def prepared(array: Any) -> Array:
            whole = np.asarray(array).dtype.kind in "iub"
            return _batch(array, "x", None if whole else np.float64)

        return tree_map(prepared, x)
    return _batch(x, "x", None if module.takes_indices else np.float64)


def _batch(x: ArrayLike, name: str, dtype: type | None) -> Array:
    """Return a copy of a batch of finite numbers, of at least one sample."""
    array = np.array(x, dtype)
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{name} must be a batch of at least one sample, got {array.shape}.")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinity; give finite numbers.")
    return array


def _is_float_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _equal(a: Any, b: Any) -> bool:
    """Whether two lists or dicts hold equal arrays; NaN is equal to NaN."""
    if isinstance(a, dict):
        a, b = list(a.values()), [b[name] for name in a]
    return all(
        np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True) if x is not None
    )


def _rng_states_and_buffers(module: Module) -> Iterator[Callable[[], None]]:
    """Yield functions that reset every generator and buffer to its present state."""
    for generator in named_generators(module).values():
        yield _restorer(generator.bit_generator, "state")
    for buffer in module.named_buffers().values():
        yield _restorer(buffer, "value")


def _restorer(thing: Any, name: str) -> Callable[[], None]:
    """Return a function that resets an attribute to its present value."""
    kept = copy.deepcopy(getattr(thing, name))
    return lambda: setattr(thing, name, kept)
