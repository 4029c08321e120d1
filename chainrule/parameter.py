"""What a module learns (Parameter), what it only keeps (Buffer), and all of it in one vector.

Parameter        a value and the loss's gradient with respect to it
Buffer           a value that is saved with the model but not learned
FlatParameters   every value of a network in one vector, every gradient in another
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule.checks import check_bool
from chainrule.checks.habits import Absent
from chainrule.checks.own_code import described, named
from chainrule.errors import ConfigurationError, ShapeError

Array = NDArray[Any]
Initializer = Callable[[tuple[int, ...], "np.random.Generator"], Array]


class Parameter:
    """An array that is learned, and the gradient of the loss with respect to it.

    Assigning to `value` or `grad` copies into the array that is there, so a parameter stays part
    of its network's flat vectors whatever is assigned to it. Lists and other real numbers will do.

    Parameters
    ----------
    value : array_like
        The first value. Integers become float32.
    decay : bool
        Whether this is a weight: weight decay applies to it, and `Network(initialization=...)`
        draws it. False for biases and for the gains of normalisation layers.
    initializer : callable, optional
        ``initializer(shape, rng) -> array``; draws a fresh value in `initialize`.

    Attributes
    ----------
    value : ndarray
        What is learned.
    grad : ndarray
        The gradient of the loss with respect to `value`, of the same shape.
    trainable : bool
        True, unless it is frozen: then no step moves it, nor does weight decay, and its network's
        backward pass leaves it a gradient of zero. `Module.freeze` sets it for a whole module.
    flat : FlatParameters or None
        The network's vectors, if `value` and `grad` are views of them.

    Raises
    ------
    ConfigurationError
        The value does not hold real numbers.

    Examples
    --------
    >>> weight = Parameter([1.0, 2.0])
    >>> weight.grad = [0.5, -0.5]
    >>> weight.value = weight.value - 0.1 * weight.grad
    >>> weight.value.tolist()
    [0.95, 2.05]
    """

    value: Array
    grad: Array
    trainable: bool = True
    requires_grad = Absent("requires_grad", "freeze it with parameter.trainable = False")
    requires_grad_ = Absent("requires_grad_", "freeze it with parameter.trainable = False")

    __array_ufunc__ = None  # x * parameter is an error: the numbers are in parameter.value

    def __init__(
        self, value: ArrayLike, *, decay: bool = True, initializer: Initializer | None = None
    ) -> None:
        array = _owned(value)
        if array.dtype.kind in "iub":
            array = array.astype(np.float32)
        if array.dtype.kind != "f":
            raise ConfigurationError(f"A Parameter holds real numbers, got {array.dtype}.")
        self.value = array
        self.grad = np.zeros_like(array)
        self.decay = decay
        self.initializer = initializer
        self.flat: FlatParameters | None = None

    @classmethod
    def from_initializer(
        cls,
        shape: tuple[int, ...],
        initializer: Initializer,
        rng: np.random.Generator,
        *,
        decay: bool = True,
    ) -> Parameter:
        """Return a float32 parameter of this shape, its first value drawn by `initializer`."""
        parameter = cls(filled(shape, 0.0), decay=decay, initializer=initializer)
        parameter.initialize(rng)
        return parameter

    def __setattr__(self, name: str, new: Any) -> None:
        """Copy what is assigned to `value` or `grad` into the array that is there."""
        if name in ("value", "grad") and name in vars(self):
            self._copy_into(vars(self)[name], new, name)
        else:
            if name == "trainable":
                check_bool(name, new)
                if new != self.trainable:
                    leave_vectors(self)  # they say which parameters learn
            super().__setattr__(name, new)

    def _copy_into(self, target: Array, new: ArrayLike, what: str) -> None:
        new = np.asarray(new)
        if new.shape != target.shape:
            advice = "a parameter keeps its shape for life, build a new layer for another one."
            if what == "grad":
                advice = "a gradient has the shape of what it is the gradient of"
                advice += "; transpose it?" if new.shape == target.shape[::-1] else "."
            raise ShapeError(
                f"a parameter's {what} has the shape {target.shape} and cannot become {new.shape}; "
                + advice
            )
        kind = target.dtype
        if new.dtype is not kind and not np.can_cast(new.dtype, kind, "same_kind"):
            refuse_other_numbers(f"a parameter's {what}", new, target)
        target[...] = new

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `value` and of `grad`."""
        return self.value.shape

    @property
    def size(self) -> int:
        """How many numbers are learned."""
        return self.value.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating-point type of `value` and of `grad`."""
        return self.value.dtype

    def initialize(self, rng: np.random.Generator, initializer: Initializer | None = None) -> None:
        """Draw a new value, from `initializer` or else from the parameter's own.

        Nothing is drawn while a module is built from a file: its values come from there.
        """
        initializer = initializer or self.initializer
        if initializer is not None and _bytes_left.get() is None:
            value = self.drawn(initializer, rng)
            array = np.asarray(value)
            numbers = array.dtype.kind in "fiu" and bool(np.isfinite(array).all())
            if array.shape != self.shape or not numbers:
                what = described(value) if array.shape != self.shape else "what is no finite number"
                raise ConfigurationError(
                    f"The initializer {named(initializer)} returned {what}; for this parameter it "
                    f"must return an array of shape {self.shape}, of finite numbers."
                )
            self.value = array

    def drawn(self, initializer: Initializer, rng: np.random.Generator) -> Array:
        """Return a first value; a subclass may draw it part by part."""
        return initializer(self.shape, rng)

    def cast(self, dtype: DTypeLike) -> None:
        """Change the floating-point type, unless the parameter has it already."""
        if self.dtype != np.dtype(dtype):
            self._hold(self.value.astype(dtype), self.grad.astype(dtype))
            leave_vectors(self)
            self.flat = None

    def _hold(self, value: Array, grad: Array) -> None:
        """Keep these two arrays, of the same shape, from now on."""
        vars(self).update(value=value, grad=grad)

    def __getstate__(self) -> dict[str, Any]:
        """Give a copy arrays of its own: it is no part of the original's flat vectors."""
        own = {"value": self.value.copy(), "grad": self.grad.copy(), "flat": None}
        return {**vars(self), **own}

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={self.dtype})"


def leave_vectors(parameter: Parameter) -> None:
    """Let a network gather its vectors again when it next wants them: they are out of date."""
    if parameter.flat is not None:
        parameter.flat.current = False


def refuse_other_numbers(what: str, new: Array, target: Array) -> None:
    """Raise ConfigurationError if these values would not be the same in target's type."""
    with np.errstate(invalid="ignore"):
        real = new.dtype.kind in "fiub"
        if not real or not np.array_equal(new, new.astype(target.dtype)):
            raise ConfigurationError(f"{what} holds {target.dtype} and cannot become {new.dtype}.")


MOST_NUMBERS = 500_000_000
"""A parameter of more, 2 GB in float32, is a mistake in its sizes, not a layer for NumPy."""


def refuse_huge_shape(shape: tuple[int, ...]) -> None:
    """Raise ConfigurationError before memory is taken for a parameter of this shape."""
    numbers = math.prod(shape)
    if numbers > MOST_NUMBERS:
        raise ConfigurationError(
            f"A parameter of the shape {shape} would hold {numbers:,} numbers; there may be "
            f"{MOST_NUMBERS:,}. Look at the sizes of this layer."
        )


class Buffer:
    """An array that is saved with the model but not learned, such as a running mean.

    Parameters
    ----------
    value : array_like
        The initial value. Assigning to `value` later copies into this array; the shape stays.
    least : float, optional
        What no number in it is below, such as 0 for a variance; `load_state` refuses others.

    Examples
    --------
    >>> mean = Buffer([0.0, 0.0])
    >>> mean.value = 0.9 * mean.value + 0.1
    >>> mean.value.tolist()
    [0.1, 0.1]
    """

    value: Array

    def __init__(self, value: ArrayLike, *, least: float | None = None) -> None:
        self.value = _owned(value)
        self.least = least

    def __setattr__(self, name: str, new: Any) -> None:
        """Copy what is assigned to `value` into the array that is there."""
        if name == "value" and "value" in vars(self):
            new = np.asarray(new)
            if new.shape != self.shape:
                raise ShapeError(
                    f"a buffer's value has the shape {self.shape} and cannot become "
                    f"{new.shape}; a buffer keeps its shape for life."
                )
            kind = self.value.dtype
            if new.dtype is not kind and not np.can_cast(new.dtype, kind, "same_kind"):
                refuse_other_numbers("a buffer's value", new, self.value)
            self.value[...] = new
        else:
            super().__setattr__(name, new)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `value`."""
        return self.value.shape

    def cast(self, dtype: DTypeLike) -> None:
        """Change the type of a floating-point buffer; counters stay integers."""
        if self.value.dtype.kind == "f":
            vars(self)["value"] = self.value.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"Buffer(shape={self.shape}, dtype={self.value.dtype})"


# ---------------------------------------------------------------- first values, and their memory

ARRAY = 128
"""Bytes that an array counts for besides its numbers, so that very many small ones count too."""

SPARE = 1 << 20
"""Bytes that a module built from a file may take beyond what the file justifies."""

_bytes_left: ContextVar[list[int] | None] = ContextVar("_bytes_left", default=None)


def filled(shape: tuple[int, ...], value: float) -> Array:
    """Return float32 numbers that are all the same, to begin a Parameter or a Buffer with.

    They take no memory; the Parameter or Buffer does, once it has been counted.
    """
    refuse_huge_shape(shape)
    return np.broadcast_to(np.float32(value), shape)


def bytes_of(array: Array) -> int:
    """Return what an array counts for where memory is limited."""
    return array.nbytes + ARRAY


@contextlib.contextmanager
def limited_memory(held: int) -> Iterator[None]:
    """Refuse, in this block and thread, parameters and buffers of more than a file has values for.

    For building what a file describes: a few bytes can ask for terabytes. `held` is what the
    file's arrays count for. There is room for twice as much and a little more: a constructor may
    throw a first choice away, or begin in float64 what is saved in float32.
    """
    token = _bytes_left.set([2 * held + SPARE])
    try:
        yield
    finally:
        _bytes_left.reset(token)


def _owned(value: ArrayLike) -> Array:
    """Return a copy of the value, after counting it: every Parameter and Buffer starts here."""
    array = np.asarray(value)
    left = _bytes_left.get()
    if left is not None:
        left[0] -= bytes_of(array)
        if left[0] < 0:
            raise ConfigurationError(
                f"An array of shape {array.shape} is more than the file has values for."
            )
    return np.array(array)


class FlatParameters:
    """All parameters of a network as two contiguous vectors, `values` and `grads`.

    Each parameter's `value` and `grad` become views of these vectors, so an optimizer step,
    clipping, averaging or a checkpoint is a few operations on whole vectors, whatever the depth.
    What is assigned to `values` or `grads` is copied into them.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        The parameters by name, in the order in which they lie in the vectors.

    Attributes
    ----------
    values, grads : ndarray, shape (total size,)
    decay : ndarray of bool, shape (total size,)
        True where weight decay applies.
    slices : dict of str to slice
        Where each parameter lies.
    frozen : set of str
        The names of those that do not learn; their gradients are zero.
    current : bool
        False once another FlatParameters has taken over one of the parameters, or one has been
        frozen, unfrozen or replaced.
    """

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        dtypes = {p.dtype for p in parameters.values()}
        if len(dtypes) > 1:
            raise ConfigurationError(
                f"All parameters of a network share one dtype, got {sorted(map(str, dtypes))}."
            )
        dtype = dtypes.pop() if dtypes else np.dtype(np.float32)
        size = sum(p.size for p in parameters.values())
        self.values: Array = np.empty(size, dtype)
        self.grads: Array = np.empty(size, dtype)
        self.decay: Array = np.empty(size, np.bool_)
        self.slices: dict[str, slice] = {}
        self.frozen: set[str] = set()
        self.current = True
        start = 0
        for name, parameter in parameters.items():
            place = slice(start, start + parameter.size)
            self.slices[name] = place
            if not parameter.trainable:
                self.frozen.add(name)
            self._take(parameter, place)
            start = place.stop
        if self.frozen:
            self.clear_frozen()

    def __setattr__(self, name: str, new: Any) -> None:
        """Copy what is assigned to `values` or `grads` into the vector: all are views of it."""
        if name in ("values", "grads") and name in vars(self):
            vars(self)[name][...] = new
        else:
            super().__setattr__(name, new)

    def clear_frozen(self) -> None:
        """Set the gradients of frozen parameters to zero: no step, norm or clipping counts them."""
        for name in self.frozen:
            self.grads[self.slices[name]] = 0

    def _take(self, parameter: Parameter, place: slice) -> None:
        value = self.values[place].reshape(parameter.shape)
        grad = self.grads[place].reshape(parameter.shape)
        value[...] = parameter.value
        grad[...] = parameter.grad
        self.decay[place] = parameter.decay
        if parameter.flat is not None:
            parameter.flat.current = False
        parameter._hold(value, grad)
        parameter.flat = self

    def shared_with(self, parameters: Mapping[str, Parameter]) -> FlatParameters:
        """Return the vectors of a copy of the network: the same values, gradients of its own.

        `parameters` are the copy's; they become views of these vectors.
        """
        twin = copy.copy(self)
        vars(twin)["grads"] = np.zeros_like(self.grads)
        for name, place in self.slices.items():
            parameter = parameters[name]
            shape = parameter.shape
            parameter._hold(twin.values[place].reshape(shape), twin.grads[place].reshape(shape))
            parameter.flat = twin
        return twin

    def __len__(self) -> int:
        return self.values.size


def replica_of(network: Any) -> Any:
    """Return a copy that shares a network's values: whatever changes them changes the copy.

    Gradients, buffers, random generators and what a pass saves are the copy's own, so that it may
    run forward and backward while the network does.
    """
    replica = copy.deepcopy(network)
    share_values(network, replica)
    return replica


def share_values(network: Any, replica: Any) -> None:
    """Let a copy of a network have that network's values, if it does not have them yet."""
    if replica._flat is None or replica._flat.values is not network.flat.values:
        replica._flat = network.flat.shared_with(replica.named_parameters())
