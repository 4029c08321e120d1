"""Module: what every layer, container and network is. And how a tree of modules is walked.

A module is forward and backward, written next to each other. Its parameters, buffers and
children are plain attributes (or stand in a list, tuple or dict that is one); the functions
below find them, in the order in which they were assigned, and name them by their path:
``layers.0.weight``.
"""

from __future__ import annotations

import inspect
from collections.abc import Container, Iterator, Mapping
from traceback import walk_tb
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.errors import BackwardError, ConfigurationError, ModuleError, ShapeError, StateError
from chainrule.parameter import Array, Buffer, Initializer, Parameter


class Module:
    """The parent of everything with a forward and a backward pass.

    A subclass writes `forward` and `backward`. Forward keeps what backward will need with
    `save_for_backward`; backward takes it out with `saved_values`, sets the ``grad`` of the
    parameters and returns the gradient of the loss at the input::

        class Scale(Module):
            def __init__(self, features):
                self.gain = Parameter(np.ones(features))

            def forward(self, x, training=True):
                self.save_for_backward(x, training=training)
                return x * self.gain.value

            def backward(self, dy):
                (x,) = self.saved_values()
                self.gain.grad = (dy * x).sum(axis=0)
                return dy * self.gain.value

    There is no training mode to forget: whether a pass is for training is an argument. A
    module never writes into ``x``, ``dy`` or an array that it returned before. Keep every
    constructor argument as an attribute of the same name, then the module can show and save
    itself.
    """

    takes_indices = False
    """True where the input is whole numbers, as of an embedding: nothing flows back to those."""

    _saved: tuple[Any, ...] | None = None

    def forward(self, x: Array, training: bool = True) -> Array:
        """Return the output for `x`; with ``training=False`` nothing in the module changes."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(x, training=True).")

    def backward(self, dy: Array) -> Any:
        """Return the loss's gradient at the input, given that at the output; set every grad.

        Where the input is whole numbers it returns None. Where forward was given further arrays
        that get a gradient (a context, a first state), it returns a tuple: x's, then theirs.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward(dy).")

    def backward_parameters(self, dy: Array) -> None:
        """Set every grad as `backward` does, where nobody wants the gradient at the input.

        A layer that saves work by it overrides this.
        """
        self.backward(dy)

    def predict(self, x: Array) -> Array:
        """Return the output for `x`, outside training: pure, so threads may share the module."""
        return self.forward(x, training=False)

    def save_for_backward(self, *values: Any, training: bool) -> None:
        """Keep `values` for the backward pass, if this forward pass is for training."""
        if training:
            self._saved = values

    def saved_values(self) -> tuple[Any, ...]:
        """Hand over, once, what the last training forward pass saved."""
        values = self._saved
        if values is None:
            raise BackwardError(
                "there is no forward pass for this backward. Call forward(x) first; each forward "
                "pass allows one backward, and predict(x) or training=False keeps nothing for it.",
                self,
            )
        self._saved = None
        return values

    def __getstate__(self) -> dict[str, Any]:
        """Leave a half-done pass behind: a copy starts without one."""
        return {name: value for name, value in vars(self).items() if name != "_saved"}

    def __repr__(self) -> str:
        required = [
            name
            for name, argument in inspect.signature(type(self)).parameters.items()
            if argument.default is argument.empty and argument.kind != argument.KEYWORD_ONLY
        ]
        shown = (
            repr(value) if name in required else f"{name}={value!r}"
            for name, value in arguments(self).items()
        )
        return f"{type(self).__name__}({', '.join(shown)})"


# ---------------------------------------------------------------- walking a tree of modules


def walk(root: Module, path: str = "") -> Iterator[tuple[str, Module | Parameter | Buffer]]:
    """Yield (path, thing) for `root` and every module, parameter and buffer below it, in order."""
    yield path, root
    for name, value in vars(root).items():
        if name != "_saved":
            yield from _find(value, f"{path}.{name}" if path else name)


def _find(value: Any, path: str) -> Iterator[tuple[str, Module | Parameter | Buffer]]:
    if isinstance(value, Module):
        yield from walk(value, path)
    elif isinstance(value, Parameter | Buffer):
        yield path, value
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _find(item, f"{path}.{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _find(item, f"{path}.{key}")


def named_modules(root: Module) -> dict[str, Module]:
    """Return every module by its path; `root` itself has the path ``""``."""
    return {path: thing for path, thing in walk(root) if isinstance(thing, Module)}


def named_parameters(root: Module) -> dict[str, Parameter]:
    """Return every parameter by its path."""
    return {path: thing for path, thing in walk(root) if isinstance(thing, Parameter)}


def named_buffers(root: Module) -> dict[str, Buffer]:
    """Return every buffer by its path."""
    return {path: thing for path, thing in walk(root) if isinstance(thing, Buffer)}


def named_generators(root: Module) -> dict[str, np.random.Generator]:
    """Return every module's random generator by its path, such as ``layers.1.rng``."""
    return {
        f"{path}.{name}" if path else name: value
        for path, thing in walk(root)
        if isinstance(thing, Module)
        for name, value in vars(thing).items()
        if isinstance(value, np.random.Generator)
    }


def refuse_repeats(root: Module) -> None:
    """Raise ConfigurationError if one module, parameter or buffer stands twice below `root`.

    Each forward pass saves for one backward, and backward sets gradients, so the second use
    would overwrite what the first one needs.
    """
    seen: dict[int, str] = {}
    for path, thing in walk(root):
        if id(thing) in seen:
            raise ConfigurationError(
                f"The same {type(thing).__name__} stands at {seen[id(thing)]!r} and at {path!r}. "
                "Build one for each place (copy.deepcopy makes a second one with equal values)."
            )
        seen[id(thing)] = path


def arguments(module: Module) -> dict[str, Any]:
    """Return the constructor arguments that differ from their defaults, read from the attributes.

    `seed` and `initialization` are left out: they chose the first values, which are not
    part of the architecture. A parameter stands for the ``True`` that asked for it, or for
    the ``False`` where it is None.
    """
    shown = {}
    for name, argument in inspect.signature(type(module)).parameters.items():
        if name in ("seed", "initialization") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if argument.default is True or argument.default is False:
            value = value is not None and value is not False
        if isinstance(value, np.ndarray) or value != argument.default:
            shown[name] = value
    return shown


# ---------------------------------------------------------------- values: type, start, state


def cast(root: Module, dtype: DTypeLike) -> None:
    """Change the floating-point type of every parameter and buffer, and of networks themselves."""
    for _, thing in walk(root):
        if not isinstance(thing, Module):
            thing.cast(dtype)
        elif hasattr(thing, "dtype"):
            thing.dtype = np.dtype(dtype)


def initialize(
    root: Module, rng: np.random.Generator, initializer: Initializer | None = None
) -> None:
    """Draw every parameter anew, and give every module with a generator one of its own.

    `initializer` draws the weights; without it each parameter is drawn as its module likes.
    Biases and normalisation gains always go back to their own first value.
    """
    for _, thing in walk(root):
        if isinstance(thing, Parameter):
            thing.initialize(rng, initializer if thing.decay else None)
        elif isinstance(thing, Module):
            for name, value in vars(thing).items():
                if isinstance(value, np.random.Generator):
                    setattr(thing, name, rng.spawn(1)[0])


def state(root: Module) -> dict[str, Array]:
    """Return a copy of every parameter and buffer by its path."""
    return {path: t.value.copy() for path, t in walk(root) if not isinstance(t, Module)}


def load_state(root: Module, values: Mapping[str, Array]) -> None:
    """Write saved values into every parameter and buffer; nothing is written unless all of it fits.

    Raises
    ------
    StateError
        Names are missing or too many, a shape differs, or a value is not a finite number. The
        message lists them all.
    """
    places = {path: t for path, t in walk(root) if not isinstance(t, Module)}
    problems = [f"missing: {name}" for name in places if name not in values]
    problems += [f"not in this network: {name}" for name in values if name not in places]
    arrays = {name: np.asarray(values[name]) for name in places if name in values}
    for name, array in arrays.items():
        problem = _misfit(array, places[name].value)
        if problem:
            problems.append(f"{name}: {problem}")
    if problems:
        raise StateError(
            "The saved values do not fit; nothing was loaded.\n  " + "\n  ".join(problems)
        )
    for name, array in arrays.items():
        places[name].value = array


def _misfit(array: Array, target: Array) -> str:
    """Return why `array` cannot be written into `target`, or nothing if it can."""
    if array.shape != target.shape:
        return f"has shape {array.shape}, expected {target.shape}"
    if array.dtype.kind not in "fiub":
        return f"holds {array.dtype}, expected numbers"
    with np.errstate(over="ignore"):  # too large for the target's type becomes infinity
        if not (np.isfinite(array).all() and np.isfinite(array.astype(target.dtype)).all()):
            return f"holds NaN, infinity or numbers too large for {target.dtype}"
    return ""


# ---------------------------------------------------------------- errors, told with their place


def check_features(module: Module, x: Array, features: int) -> None:
    """Raise ShapeError unless `x` is a batch whose last axis has this many features."""
    if x.ndim < 2:
        raise ShapeError(
            f"expected a batch (N, {features}), got an input of shape {x.shape}; "
            "one sample goes in as a batch of one, x[None].",
            module,
        )
    if x.shape[-1] != features:
        raise ShapeError(f"expected {features} features, got an input of shape {x.shape}.", module)


def locate(error: Exception, root: Module) -> None:
    """Write into `error` which module below `root` it came from, and the shape it was given.

    The innermost frame of the traceback that is a method of one of the modules tells; so a
    composite module needs no code of its own for this.
    """
    paths = {id(module): path for path, module in named_modules(root).items()}
    module, given = _innermost(error, paths)
    if module is None:
        return
    if isinstance(error, ModuleError):
        error.module = error.module or module
        error.path = paths.get(id(error.module), "")
        return
    shape = "" if given is None else f", given an array of shape {given.shape}"
    error.add_note(f"in {type(module).__name__} ({paths[id(module)] or 'the network'}){shape}")


def _innermost(error: Exception, modules: Container[int]) -> tuple[Module | None, Array | None]:
    """Return the module in whose method `error` arose, and the first array it was given there."""
    module, given = None, None
    for frame, _ in walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        if id(owner) not in modules:
            continue
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        arrays = [a for a in map(frame.f_locals.get, names) if isinstance(a, np.ndarray)]
        if arrays:
            given = arrays[0]
        elif owner is not module:  # while a helper method without the array keeps its caller's
            given = None
        module = owner
    return module, given
