"""Module, the base class of every layer, container and network; and walking a tree of modules.

A module is forward and backward, written next to each other. Its parameters, buffers and child
modules are plain attributes, or items of a list, tuple or dict that is one. `walk` finds them in
the order of assignment and names them by their path: ``layers.0.weight``. Something that is used
in several places is found once, at the first.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from traceback import walk_tb
from types import FunctionType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from chainrule.checks import check_bool, check_numbers
from chainrule.checks.constructor import arguments, constructor_arguments
from chainrule.checks.habits import MODULE_ATTRIBUTES, GivesAdvice
from chainrule.checks.own_module import check_passes
from chainrule.errors import (
    BackwardError,
    ConfigurationError,
    FileFormatError,
    InputError,
    ModuleError,
    ShapeError,
    StateError,
)
from chainrule.parameter import Array, Buffer, Initializer, Parameter, leave_vectors
from chainrule.pytree import copied, read_only, tree_map

NO_FORWARD = (
    "there is no forward pass for this backward. Call forward(x) first; each forward pass allows "
    "one backward, and predict(x) or training=False keeps nothing for it."
)

WEIGHTS_MOVED = (
    "the weights have moved since the forward pass, so its gradients would mix old weights with "
    "new ones. Call forward(x) again: forward, backward, and then the step."
)

READ_ONLY = (
    "What forward and backward are given, and what a layer has returned, is needed elsewhere and "
    "must not be written into. Make a new array: y = 2 * x instead of x *= 2, or copy it first."
)

MOST_PROBLEMS, LONGEST_PROBLEM = 20, 200
"""How many reasons, and how much of each, an error lists when values do not fit a module."""

FLOATS = frozenset(map(np.dtype, (np.float32, np.float64)))
"""What layers compute in. An array of another type or byte order is cast at the door."""

WATCHED_METHODS = ("forward", "backward", "backward_parameters")
"""The methods that `chainrule.watching` wraps while somebody watches."""


class Module(GivesAdvice):
    """Base class of everything with a forward and a backward pass.

    A subclass writes `forward` and `backward`, which only compute. Forward saves what backward
    will need with `save_for_backward`; backward gets it from `saved_values`, sets the ``grad`` of
    the parameters and returns the gradient of the loss with respect to the input::

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

    There is no training mode to forget: whether a pass is for training is an argument, True by
    default. A module never writes into ``x``, ``dy`` or an array that it returned before: others
    need them. A network gives your modules read-only arrays, so ``x *= 2`` is an error there. Keep
    every constructor argument as an attribute of the same name; then the module can print and
    save itself.

    ``layer(x)`` copies what goes in and what comes out, so that nothing outside can change what
    backward needs. `forward` itself copies nothing, as containers call it. A layer that saves its
    own output calls `save_output`, which makes that read-only.

    Further inputs, such as lengths or a mask, are keyword-only arguments of forward. One that
    holds floating-point numbers has a gradient; integers and booleans have none.
    """

    takes_indices: bool | tuple[bool, ...] = False
    """True if the input is integers, as for an embedding: they have no gradient. A module of
    several inputs may state it for each."""

    joins = False
    """True if the input is a tuple of arrays, as for a sum; backward then returns a tuple."""

    attribute_advice = MODULE_ATTRIBUTES
    positional_advice = "takes {count} argument(s) by position; give the others by name: {names}."

    built_in: ClassVar[bool] = True
    """Whether the class is chainrule's own. These never write into what they are given; all others
    are given it read-only."""

    library_classes: ClassVar[dict[str, type[Any]]] = {}
    """chainrule's own modules (and a graph's nodes) by name: what a file may ask for."""

    own_classes: ClassVar[bool] = False
    """Whether there is any module of the user's own."""

    trainable: bool = True
    """False while it is frozen; assigning True or False is `unfreeze` or `freeze`."""

    _saved: tuple[Any, ...] | None = None

    _complete = False
    """Whether a container has been built of it, which knows what is in it."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Register a module of chainrule's own, so that `load` can build it; check any other."""
        super().__init_subclass__(**options)
        cls.built_in = cls.__module__.startswith("chainrule.")
        if cls.built_in:
            Module.library_classes[cls.__name__] = cls
            _name_inherited_init(cls)
        else:
            Module.own_classes = True
            check_passes(cls)
            for name, value in vars(cls).items():
                if isinstance(value, Parameter | Buffer | Module):
                    raise ConfigurationError(
                        f"{cls.__name__}.{name} belongs to the class, where no optimizer finds it "
                        f"and all its layers would share it. Write self.{name} = ... in __init__."
                    )

    def __call__(self, x: Any, training: bool = True, **inputs: Any) -> Any:
        """Return the output for a batch that may be written in any way, such as ``[[1, 2]]``.

        ``layer(x)`` checks the input, turns lists and integers into an array of floats, and calls
        `forward`, which only computes. Like `forward` it trains by default: it saves what backward
        needs, and Dropout drops. For predictions use ``predict(x)``.

        What backward needs is out of reach: the input is copied, and the output is a copy. So you
        may fill `x` with the next batch, or write into the output, before the backward pass.

        Parameters
        ----------
        x : array_like, or a tuple or dict of arrays
            The batch, (N, ...).
        training : bool
            Whether a backward pass will follow.
        **inputs : array_like
            Further inputs that forward takes by name.

        Raises
        ------
        InputError
            The input holds no numbers.
        ShapeError
            The input is a single number, or has a shape that the layer cannot take.
        """
        x = tree_map(self._as_batch, x)
        if training:
            x, inputs = copied(x), copied(inputs)
        with np.errstate(all="ignore"):  # what overflows becomes infinity, as in any formula
            return copied(self.forward(x, training, **inputs))

    def _as_batch(self, values: Any) -> Array:
        """Return one input as an array: of float32 or float64, unless it is indices."""
        if type(values) is not np.ndarray or values.dtype not in FLOATS:
            what = f"the input of {type(self).__name__}"
            numbers = np.asarray(check_numbers(what, values, finite=False, empty=True))
            dtype = numbers.dtype if self.takes_indices else self._float_for(values)
            values = numbers.astype(dtype, copy=False)
        if values.ndim == 0:
            raise ShapeError("expected a batch of samples, got a single number.", self)
        return values

    def _float_for(self, values: Any) -> np.dtype[Any]:
        """Return the type to compute in: that of an array of floats, or else the parameters'."""
        own = values.dtype.newbyteorder("=") if isinstance(values, np.ndarray) else None
        if own in FLOATS:
            return own
        parameter = next(iter(self.parameters()), None)
        return np.dtype(np.float32) if parameter is None else parameter.dtype

    # ------------------------------------------------------------ the two passes

    def forward(self, x: Any, training: bool = True) -> Any:
        """Return the output for `x`; with ``training=False`` nothing in the module changes.

        Each forward pass in training is for one backward pass. A second one before it takes the
        place of the first, which then has no backward any more.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward(x, training=True).")

    def backward(self, dy: Any) -> Any:
        """Return the loss's gradient at the input, given that at the output; set every grad.

        Where the input is whole numbers it returns None. Where forward was given further inputs
        that get a gradient (a context, a first state), it returns a tuple: x's, then theirs, in the
        order of forward's arguments.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward(dy).")

    def backward_parameters(self, dy: Any) -> None:
        """Set every grad as `backward` does, without returning the gradient at the input.

        A layer that can save work that way overrides this.
        """
        self.backward(dy)

    def predict(self, x: Any, **inputs: Any) -> Any:
        """Return the output for `x` outside training: pure, so threads may share the module."""
        return self(x, training=False, **inputs)

    def keyword_inputs(self) -> tuple[str, ...]:
        """Return the names of the further inputs of forward, such as ``mask``."""
        return _keyword_only(type(self).forward)

    def save_for_backward(self, *values: Any, training: bool) -> None:
        """Save `values` for the backward pass, if this forward pass is for training."""
        if training:
            self.__dict__["_saved"] = values  # as quick as it was without __setattr__

    def save_output(self, *values: Any, training: bool) -> None:
        """Save `values`; the first is what forward returns, or what that will be a view of.

        It becomes read-only: nobody who is given it can change what backward needs.
        """
        if training:
            values[0].setflags(False)
            self.__dict__["_saved"] = values

    def saved_values(self) -> tuple[Any, ...]:
        """Return what the last forward pass in training saved; it can be asked for once.

        Raises
        ------
        BackwardError
            No forward pass in training came before, or its backward pass is done already.
        """
        values = self._saved
        if values is None:
            raise BackwardError(NO_FORWARD, self)
        self.__dict__["_saved"] = None
        return values

    def take_pass(self) -> Any:
        """Remove and return what the last forward pass saved; `put_pass` puts it back.

        For a container that runs a module several times before the backward pass.
        """
        kept, self.__dict__["_saved"] = self._saved, None
        return kept

    def put_pass(self, kept: Any) -> None:
        """Put back what `take_pass` returned."""
        self.__dict__["_saved"] = kept

    def _cast(self, dtype: DTypeLike) -> None:
        """Note that the floating-point type of everything in this module changes."""

    # ------------------------------------------------------------ attributes

    def __setattr__(self, name: str, new: Any) -> None:
        """Keep an attribute; an array in place of a parameter or a buffer becomes its value.

        Another parameter or module may take the place of one until a container is built of this
        module: it could not know. A network then gathers its vectors again.
        """
        if name == "trainable":
            self._set_trainable(check_bool(name, new))
            return
        held = self.__dict__.get(name)
        if isinstance(held, Parameter | Buffer) and not isinstance(new, REPLACEMENTS):
            held.value = new
            return
        if isinstance(held, HOLDERS) and held is not new:
            self._refuse_replacement(name, held, new)
        super().__setattr__(name, new)

    def _refuse_replacement(self, name: str, held: Any, new: Any) -> None:
        """Raise ConfigurationError where other parameters or modules would come too late."""
        before, after = (
            [t for _, t in walk(x)] if isinstance(x, HOLDERS) else [] for x in (held, new)
        )
        if [*map(id, before)] == [*map(id, after)]:
            return
        if self._complete:
            kind = type(self).__name__
            raise ConfigurationError(
                f"{kind}.{name} cannot be replaced any more: a container or a network has been "
                f"built with it. Replace it before, or build new ones, such as "
                "Network([*network.layers[:-1], Linear(8, 3)]): layers keep their values. An array "
                "in place of a parameter becomes its value."
            )
        for parameter in before:
            if isinstance(parameter, Parameter):
                leave_vectors(parameter)

    def freeze(self) -> Self:
        """Keep all values of this module as they are while a network learns; return the module.

        No step moves the parameters in it, nor does weight decay; their gradients are zero after a
        network's backward pass, so they have no share in the norm that clipping limits. `BatchNorm`
        uses its running statistics in training too, and keeps them. Everything else in the module
        does what it did: Dropout still drops. A parameter that another module shares is frozen
        there, too. An optimizer forgets what it remembers of a frozen parameter.

        ``module.trainable = False`` does the same; ``parameter.trainable = False`` freezes a single
        parameter. What is frozen is saved with the module.

        Examples
        --------
        >>> network = Network([Linear(4, 8), ReLU(), Linear(8, 3)])
        >>> _ = network.layers[0].freeze()
        >>> [name for name, p in network.named_parameters().items() if p.trainable]
        ['layers.2.weight', 'layers.2.bias']
        """
        self._set_trainable(False)
        return self

    def unfreeze(self) -> Self:
        """Let all parameters in this module learn again; return the module."""
        self._set_trainable(True)
        return self

    def _set_trainable(self, trainable: bool) -> None:
        for _, thing in walk(self):
            if isinstance(thing, Module):
                thing.__dict__["trainable"] = trainable
            elif isinstance(thing, Parameter):
                thing.trainable = trainable

    # ------------------------------------------------------------ parameters, buffers, children

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield, by name, the attributes that may hold parameters, buffers and modules."""
        for name, value in vars(self).items():
            if name != "_saved":
                yield name, value

    def parameters(self) -> list[Parameter]:
        """Return every parameter of this module and its children, each once."""
        return list(self.named_parameters().values())

    def named_parameters(self) -> dict[str, Parameter]:
        """Return every parameter by its path, such as ``layers.0.weight``, in order."""
        return {path: thing for path, thing in walk(self) if isinstance(thing, Parameter)}

    def named_buffers(self) -> dict[str, Buffer]:
        """Return every buffer by its path."""
        return {path: thing for path, thing in walk(self) if isinstance(thing, Buffer)}

    def named_modules(self) -> dict[str, Module]:
        """Return every module by its path, in order; this one has the path ``""``."""
        modules: dict[str, Module] = {}
        for path, thing in walk(self):
            if isinstance(thing, Module):
                modules.setdefault(path, thing)  # a network's body has the network's own path
        return modules

    def state(self) -> dict[str, Array]:
        """Return a copy of every parameter and buffer by its path."""
        return {path: t.value.copy() for path, t in walk(self) if not isinstance(t, Module)}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Copy saved values into every parameter and buffer: all of them, or none if one misfits.

        Raises
        ------
        StateError
            A name is missing or unknown, a shape differs, or a value is not a finite number. The
            message lists all of them.
        """
        for name, place in places_for(state, self).items():
            place.value = state[name]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the module into one ``.npz`` file: its architecture and all its values.

        The file is written atomically and holds no pickle. Reading it takes chainrule and NumPy
        alone.

        Parameters
        ----------
        path : path
            The file; an existing one is replaced.

        Raises
        ------
        ConfigurationError
            A constructor argument cannot be saved; the message names it. Nothing is written.
        StateError
            A value is NaN or infinity. Nothing is written.

        Examples
        --------
        >>> Linear(2, 3).save("layer.npz")
        >>> Linear.load("layer.npz")
        Linear(2, 3)
        """
        from chainrule.storage.module_file import save_module

        save_module(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], modules: Sequence[type[Module]] = ()) -> Self:
        """Return the module that `save` wrote; its predictions are the same, bit for bit.

        Parameters
        ----------
        path : path
            The file.
        modules : sequence of classes
            Your own module classes that the file needs. A file cannot name code to run: only
            chainrule's modules and these classes are built.

        Raises
        ------
        FileFormatError
            The file is damaged, comes from elsewhere, or needs a class that was not passed.
        StateError
            Values and architecture in the file do not fit together.
        """
        from chainrule.storage.module_file import load_module

        return load_module(cls, path, modules)[0]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what a pass saved, and watchers: a copy starts without them."""
        hidden = ("_saved", *WATCHED_METHODS)
        return {name: value for name, value in vars(self).items() if name not in hidden}

    def __repr__(self) -> str:
        required = [
            name
            for name, argument in constructor_arguments(type(self)).items()
            if argument.default is argument.empty and argument.kind != argument.KEYWORD_ONLY
        ]
        shown = (
            repr(value) if name in required else f"{name}={value!r}"
            for name, value in arguments(self).items()
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def _name_inherited_init(cls: Any) -> None:
    """Let Python's errors about a call name the class called: Conv2d, not a base class of it."""
    inherited = cls.__init__
    if "__init__" not in vars(cls) and isinstance(inherited, FunctionType):
        parts = ("code", "globals", "name", "defaults", "closure")
        own = FunctionType(*(getattr(inherited, f"__{part}__") for part in parts))
        for part in ("kwdefaults", "annotations", "doc", "module"):
            setattr(own, f"__{part}__", getattr(inherited, f"__{part}__"))
        own.__qualname__ = f"{cls.__qualname__}.__init__"
        cls.__init__ = own


# ---------------------------------------------------------------- one layer after the other


def forward_through(layers: Sequence[Module], x: Any, training: bool) -> Any:
    """Return y = f_n(... f_2(f_1(x)))."""
    for layer in layers:
        x = layer.forward(x if layer.built_in else read_only(x), training)
    return x


def backward_through(layers: Sequence[Module], dy: Any) -> Any:
    """Return the gradient at the input of layers that ran one after the other.

    By the chain rule it is dy · f_n' · ... · f_2' · f_1': each layer's backward turns the gradient
    at its output into that at its input, from the last layer to the first.
    """
    for layer in reversed(layers):
        dy = layer.backward(dy if layer.built_in else read_only(dy))
    return dy


def backward_parameters_through(layers: Sequence[Module], dy: Any) -> None:
    """Set every grad of layers that ran one after the other; nobody needs the input's gradient."""
    if layers:
        dy = backward_through(layers[1:], dy)
        layers[0].backward_parameters(dy if layers[0].built_in else read_only(dy))


# ---------------------------------------------------------------- walking a tree of modules

CONTAINERS = (list, tuple, dict)


def walk(root: Any, path: str = "") -> list[tuple[str, Module | Parameter | Buffer]]:
    """Return (path, thing) for `root` and every module, parameter and buffer below it, in order.

    Something that is used in several places comes once, with the path to the first.
    """
    found: list[tuple[str, Any]] = []
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [(path, root)]
    while waiting:
        path, thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        inside: Iterable[tuple[Any, Any]] = ()
        if isinstance(thing, CONTAINERS):
            inside = _items(thing)
        else:
            found.append((path, thing))
            if isinstance(thing, Module):
                inside = thing.children()
        held = [(f"{key}", item) for key, item in inside if isinstance(item, HOLDERS)]
        before = f"{path}." if path else ""
        waiting += [(before + key if key else path, item) for key, item in reversed(held)]
    return found


def _items(container: Any) -> Iterable[tuple[Any, Any]]:
    """Return (place, item) for each item of a list, tuple or dict."""
    return container.items() if isinstance(container, dict) else enumerate(container)


def _joined(path: str, name: str) -> str:
    """Return the path to `name` below `path`; an empty name adds nothing."""
    return f"{path}.{name}" if path and name else path or name


def named_generators(root: Module) -> dict[str, np.random.Generator]:
    """Return every module's random generator by its path, such as ``layers.1.rng``.

    Like parameters, generators may be items of a list, tuple or dict: ``layers.1.rngs.0``.
    """
    found: dict[str, np.random.Generator] = {}
    for path, thing in walk(root):
        if isinstance(thing, Module):
            for name, value in vars(thing).items():
                if name != "_saved":
                    found |= _generators_in(value, _joined(path, name))
    return found


def _generators_in(
    value: Any, path: str, seen: frozenset[int] = frozenset()
) -> dict[str, np.random.Generator]:
    if isinstance(value, np.random.Generator):
        return {path: value}
    found: dict[str, np.random.Generator] = {}
    if isinstance(value, CONTAINERS) and id(value) not in seen:
        for key, item in _items(value):
            if isinstance(item, (np.random.Generator, *CONTAINERS)):
                found |= _generators_in(item, _joined(path, str(key)), seen | {id(value)})
    return found


@cache
def _keyword_only(forward: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the keyword-only arguments of forward."""
    arguments = inspect.signature(forward).parameters.values()
    return tuple(a.name for a in arguments if a.kind == a.KEYWORD_ONLY)


# ---------------------------------------------------------------- what is frozen


def frozen_names(things: Sequence[tuple[str, Any]]) -> list[str]:
    """Return the paths of modules and parameters that are frozen, among those that `walk` found."""
    found = []
    for path, thing in things:
        if not isinstance(thing, Buffer) and not thing.trainable:
            found.append(path)
    return found


def freeze_only(root: Module, names: Sequence[str], where: str) -> None:
    """Freeze what has these paths, and unfreeze all else; `where` is the file that says so."""
    things = walk(root)
    wanted, known = set(names), {path for path, _ in things}
    if not wanted <= known:
        unknown = min(wanted - known)
        raise FileFormatError(f"{where} says that {unknown!r:.60} is frozen, which is not there.")
    for path, thing in things:
        if isinstance(thing, Module):
            thing.__dict__["trainable"] = path not in wanted
        elif isinstance(thing, Parameter):
            thing.trainable = path not in wanted


# ---------------------------------------------------------------- setting values


def cast(root: Module, dtype: DTypeLike) -> None:
    """Change the floating-point type of every parameter and buffer, and of networks in it."""
    for _, thing in walk(root):
        if isinstance(thing, Module):
            thing._cast(dtype)
        else:
            thing.cast(dtype)


def initialize(
    root: Module, rng: np.random.Generator, initializer: Initializer | None = None
) -> None:
    """Draw new values for every parameter, and give each random generator a new state.

    `initializer` draws the weights; without it each parameter uses the initializer of its layer.
    Biases and the gains of normalisation layers always return to their own initial values.
    """
    for _, thing in walk(root):
        if isinstance(thing, Parameter):
            thing.initialize(rng, initializer if thing.decay else None)
        elif isinstance(thing, Module):
            for name, value in vars(thing).items():
                if _generators_in(value, name):
                    setattr(thing, name, with_generators(value, lambda _: rng.spawn(1)[0]))


HOLDERS = (Module, Parameter, Buffer, *CONTAINERS)
"""Whatever a walk goes into; it passes over numbers, arrays and text."""

REPLACEMENTS = (Module, Parameter, Buffer, type(None))
"""What takes the place of a parameter; anything else assigned to it is a value."""


def with_generators(
    value: Any,
    new: Callable[[np.random.Generator], np.random.Generator],
    seen: frozenset[int] = frozenset(),
) -> Any:
    """Return `value` with each generator in it replaced by ``new(generator)``.

    A value without generators is returned as it is.
    """
    if isinstance(value, np.random.Generator):
        return new(value)
    if id(value) in seen or not _generators_in(value, ""):
        return value
    seen |= {id(value)}
    if isinstance(value, dict):
        return {key: with_generators(item, new, seen) for key, item in value.items()}
    return type(value)(with_generators(item, new, seen) for item in value)


def places_for(state: Mapping[str, Array], root: Module) -> dict[str, Parameter | Buffer]:
    """Return every parameter and buffer by its path, after checking that these values fit them.

    Raises
    ------
    StateError
        Names are missing or too many, a shape differs, or a value is not a finite number or not
        one that this buffer can have. The message lists them.
    """
    places = {path: t for path, t in walk(root) if not isinstance(t, Module)}
    problems = [f"missing: {name}" for name in places if name not in state]
    problems += [f"not in this network: {name}" for name in state if name not in places]
    for name, place in places.items():
        if name in state:
            array = np.asarray(state[name])
            problem = unusable(array, place)
            problems += [f"{name}: {problem}"] if problem else []
    if problems:
        told = [problem[:LONGEST_PROBLEM] for problem in problems[:MOST_PROBLEMS]]
        if len(problems) > MOST_PROBLEMS:
            told.append(f"and {len(problems) - MOST_PROBLEMS} more")
        raise StateError("The saved values do not fit; nothing was loaded.\n  " + "\n  ".join(told))
    return places


def misfit(array: Array, target: Array) -> str:
    """Return why `array` cannot be copied into `target`, or an empty string if it can."""
    if array.shape != target.shape:
        return f"has shape {array.shape}, expected {target.shape}"
    if array.dtype.kind not in "fiub":
        return f"holds {array.dtype}, expected numbers"
    if not np.can_cast(array.dtype, target.dtype, "same_kind"):
        return f"holds {array.dtype}, expected {target.dtype}"
    return ""


def unusable(array: Array, place: Parameter | Buffer) -> str:
    """Return why `array` cannot be what a parameter or buffer holds, or an empty string."""
    least = getattr(place, "least", None)
    problem = misfit(array, place.value) or _not_finite(array, place.value.dtype)
    if not problem and least is not None and (array < least).any():
        return f"holds {array.min():g}, and is at least {least:g}"
    return problem


def _not_finite(array: Array, dtype: np.dtype[Any]) -> str:
    """Return what is wrong with an array that holds NaN or infinity, or an empty string."""
    with np.errstate(over="ignore"):  # too large for the target's type becomes infinity
        if np.isfinite(array).all() and np.isfinite(array.astype(dtype)).all():
            return ""
    return f"holds NaN, infinity or numbers too large for {dtype}"


# ---------------------------------------------------------------- errors name their module


def check_features(module: Module, x: Array, features: int) -> None:
    """Raise ShapeError unless `x` is a batch whose last axis has this many features."""
    shape = getattr(x, "shape", None)
    if shape is None:
        raise InputError(
            f"{type(module).__name__}.forward takes an array, got {type(x).__name__}. "
            "Call the layer itself, layer(x), to have lists turned into arrays. In a network, look "
            "at what the module before it returned."
        )
    if len(shape) < 2:
        raise ShapeError(
            f"expected a batch (N, {features}), got an input of shape {shape}; "
            "one sample goes in as a batch of one, x[None].",
            module,
        )
    if shape[-1] != features:
        flat = math.prod(shape[1:])
        hint = f" Flatten() before it makes rows of {flat} numbers of them." if x.ndim > 3 else ""
        raise ShapeError(
            f"expected {features} features, got an input of shape {shape}.{hint}", module
        )


def locate(error: Exception, root: Module) -> None:
    """Add to `error` which module below `root` raised it, and the shape of its input.

    The module is that of the innermost frame in the traceback that is one of its methods. So a
    composite module needs no code for this, and a pass without errors pays nothing.
    """
    paths = {id(thing): path for path, thing in walk(root) if isinstance(thing, Module)}
    module, given = _innermost(error, paths)
    if module is None:
        return
    if isinstance(error, ModuleError):
        error.module = error.module or module
        error.path = paths.get(id(error.module), "")
        return
    shape = "" if given is None else f", given an array of shape {given.shape}"
    error.add_note(f"in {type(module).__name__} ({paths[id(module)] or 'the network'}){shape}")
    if "read-only" in str(error):
        error.add_note(READ_ONLY)


def _innermost(error: Exception, modules: Container[int]) -> tuple[Module | None, Array | None]:
    """Return the module in whose method `error` was raised, and that method's first array."""
    module, given = None, None
    for frame, _ in walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        if id(owner) not in modules:
            continue
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        arrays = [a for a in map(frame.f_locals.get, names) if isinstance(a, np.ndarray)]
        if arrays:
            given = arrays[0]
        elif owner is not module:  # a helper without an array keeps that of its caller
            given = None
        module = owner
    return module, given
