"""Network: the module that a user builds, trains, saves and asks."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule import module as tree
from chainrule.checks import all_finite, check_array, check_sizes
from chainrule.errors import (
    BackwardError,
    ConfigurationError,
    FileFormatError,
    InputError,
    ShapeError,
)
from chainrule.initializers import get_initializer
from chainrule.layers.activations import ReLU, Sigmoid, Softmax
from chainrule.layers.containers import Sequential, listed
from chainrule.layers.linear import Linear
from chainrule.memory import keep_freed_memory
from chainrule.module import Module
from chainrule.parameter import Array, FlatParameters, Initializer, Parameter
from chainrule.storage import architecture
from chainrule.storage.archive import read_archive, write_archive
from chainrule.summary import summarize


class Network(Sequential):
    """Layers one after the other, with a door: input is checked and cast once, here.

    Parameters
    ----------
    layers : sequence of int, or sequence of Module
        Sizes build a classifier: ``Network([4, 8, 3])`` is Linear → ReLU → Linear → Softmax
        (a last size of 1 ends in Sigmoid, since a softmax over one class is always 1).
        Modules are taken as they are: ``Network([Linear(4, 8), ReLU(), Linear(8, 3)])``.
    initialization : str or callable, optional
        ``"kaiming"`` (the default for sizes), ``"zero"``, ``"random"``, or any function
        ``(shape, rng) -> array``.
    seed : int, optional
        The same seed gives the same weights and, later, the same dropout masks.
    dtype : dtype
        float32 (the default) or float64: what the network computes in.

    Attributes
    ----------
    metadata : dict
        What `save` writes beside the values; see there.

    Notes
    -----
    Given modules, their values stay as they are, unless `initialization` or `seed` is given:
    then every parameter is drawn anew. To keep trained modules, leave both out.
    """

    def __init__(
        self,
        layers: Sequence[Any],
        *,
        initialization: str | Initializer | None = None,
        seed: int | None = None,
        dtype: DTypeLike = "float32",
    ) -> None:
        layers = listed(self, layers)  # a generator could be looked at only once
        from_sizes = any(isinstance(layer, int | np.integer) for layer in layers)
        super().__init__(classifier_layers(layers) if from_sizes else layers)
        draw = from_sizes or initialization is not None or seed is not None
        tree.refuse_repeats(self)
        self.dtype = network_dtype(dtype)
        tree.cast(self, self.dtype)
        if draw:
            initializer = None if initialization is None else get_initializer(initialization)
            tree.initialize(self, np.random.default_rng(seed), initializer)
        keep_freed_memory()
        self.metadata: dict[str, Any] = {}
        self._flat: FlatParameters | None = None
        self._has_gradient = False

    # ------------------------------------------------------------ the two passes

    def forward(self, x: ArrayLike, training: bool = True) -> Array:
        """Return the output for a batch, and keep what backward needs.

        Raises
        ------
        InputError
            `x` is empty, not numeric, or holds NaN or infinity.
        ShapeError
            `x` does not fit a layer; the message names it.
        """
        if training:
            self._saved = None  # should this pass fail halfway, no backward may mix two batches
        x = self._validate(x)
        try:
            y = super().forward(x, training)
        except Exception as error:
            tree.locate(error, self)
            raise
        Module.save_for_backward(self, y.shape, training=training)  # Network.save writes a file
        return y

    def backward(self, dy: ArrayLike, input_gradient: bool = True) -> Any:
        """Return the loss's gradient at the input, given the one at the output; set every grad.

        A network whose input is whole numbers, beginning with an Embedding, returns None. So
        does ``input_gradient=False``, which leaves that gradient uncomputed: learning has no
        use for it, and it can be a quarter of the arithmetic of a small network.
        """
        (shape,) = self.saved_values()
        dy = np.asarray(dy, self.dtype)
        if dy.shape != shape:
            self._saved = (shape,)  # a call that was refused loses nothing
            raise ShapeError(
                f"the gradient must have the output's shape {shape}, got {dy.shape}.", self
            )
        dx = None
        try:
            if input_gradient:
                dx = super().backward(dy)
            else:
                super().backward_parameters(dy)
        except Exception as error:
            tree.locate(error, self)
            raise
        self._has_gradient = True
        return dx

    def predict(self, x: ArrayLike) -> Array:
        """Return the output for a batch, outside training; nothing in the network changes."""
        return self.forward(x, training=False)

    def _validate(self, x: ArrayLike) -> Array:
        """Check and cast an input, at the door."""
        array = check_array("the input", x)
        if array.dtype.kind not in "fiub":
            raise InputError(
                f"The input must hold numbers, got {array.dtype}; encode text and dates first."
            )
        if array.size == 0:
            raise InputError(f"The input is empty: its shape is {array.shape}.")
        if self.takes_indices:
            return array
        if array.dtype != self.dtype:
            with np.errstate(over="ignore"):  # too large for float32 becomes infinity, told below
                array = array.astype(self.dtype)
        if not all_finite(array):
            finite = np.isfinite(array)
            first = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise InputError(
                f"The input holds {np.count_nonzero(~finite)} value(s) that are NaN, infinite or "
                f"too large for {self.dtype}, the first at index {first}. "
                "Fill or drop those rows first."
            )
        return array

    # ------------------------------------------------------------ learning

    @property
    def flat(self) -> FlatParameters:
        """All values and all gradients, as two vectors; made when first wanted."""
        if self._flat is None or not self._flat.current:
            self._flat = FlatParameters(self.named_parameters())
        return self._flat

    def update(self, learning_rate: float) -> None:
        """Take one step of plain gradient descent: w ← w - learning_rate · gradient."""
        self.require_gradient()
        is_number = isinstance(learning_rate, int | float | np.integer | np.floating)
        if not (is_number and np.isfinite(learning_rate) and learning_rate > 0):
            raise ConfigurationError(
                f"learning_rate must be a positive number, got {learning_rate!r}."
            )
        self.flat.values -= float(learning_rate) * self.flat.grads

    def require_gradient(self) -> None:
        """Raise BackwardError if no backward pass has set the gradients yet."""
        if not self._has_gradient:
            raise BackwardError(
                "there are no gradients to learn from yet. Call forward, the loss's backward and "
                "network.backward(gradient) first.",
                self,
            )

    # ------------------------------------------------------------ looking inside, saving

    def named_parameters(self) -> dict[str, Parameter]:
        """Return every parameter by its path, such as ``layers.0.weight``, in order."""
        return tree.named_parameters(self)

    def state(self) -> dict[str, Array]:
        """Return a copy of every parameter and buffer by its path."""
        return tree.state(self)

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Write the values of `state` into the network; all of them fit, or nothing is written.

        Raises
        ------
        StateError
            A name is missing or not known, or a shape differs; the message lists them all.
        """
        tree.load_state(self, state)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        class_names: Sequence[str] | None = None,
        standardizer: Any = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Write the network into one ``.npz`` file: architecture, values, what it was trained with.

        The file is written atomically and holds no pickle. It needs NumPy alone to be read.
        (In other modules `save` keeps values for backward. A network's own forward does not need
        that name, and its users expect a file behind it.)

        Parameters
        ----------
        path : path
            Where to, such as ``"model.npz"``.
        class_names : sequence of str, optional
            What the outputs stand for.
        standardizer : Standardizer, optional
            What inputs were standardised with.
        metrics : mapping of str to float, optional
            How good the network is. `Trainer.fit` leaves its last epoch's numbers in `metadata`.

        What is given here goes into `metadata`, and all of `metadata` into the file.
        """
        given = {"class_names": class_names, "metrics": metrics, "standardizer": standardizer}
        if class_names is not None:
            given["class_names"] = [str(name) for name in class_names]
        if standardizer is not None:
            given["standardizer"] = {"mean": standardizer.mean, "std": standardizer.std}
        self.metadata |= {name: value for name, value in given.items() if value is not None}
        self.metadata["version"] = sys.modules[__package__].__version__
        arrays, metadata = architecture.split_metadata(self.metadata)
        described = architecture.describe(self, architecture.own_classes(Network))
        arrays |= {f"network/{name}": value for name, value in self.state().items()}
        write_archive(path, "network", arrays, {"network": described, "metadata": metadata})

    @classmethod
    def load(cls, path: str | os.PathLike[str], modules: Sequence[type[Module]] = ()) -> Network:
        """Return the network that `save` wrote; its predictions are the same, bit for bit.

        Parameters
        ----------
        path : path
            The file.
        modules : sequence of classes
            Your own module classes that the network contains. A file cannot name code to run:
            only chainrule's layers and these classes are built.

        Raises
        ------
        FileFormatError
            The file is damaged, comes from elsewhere, or asks for a class that was not given.
        StateError
            Values and architecture in the file do not fit together.
        """
        arrays, description = read_archive(path, "network")
        prefix = "network/"
        values = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        network = architecture.build(
            description.get("network"),
            architecture.own_classes(Network),
            architecture.classes_by_name(modules),
            sum(array.size for array in values.values()),
        )
        if not isinstance(network, Network):
            raise FileFormatError(f"{path} holds a {type(network).__name__}, not a Network.")
        network.load_state(values)
        network.metadata = architecture.join_metadata(arrays, description.get("metadata"))
        return network

    def summary(self, sample_shape: Sequence[int] | None = None) -> str:
        """Return a table of layers, output shapes, parameters and memory.

        `sample_shape` is one sample's shape, without the batch axis; a first layer that has
        `in_features` makes it needless.
        """
        return summarize(self, sample_shape, self.dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the flat vectors behind: a copy makes its own when it first wants them."""
        return {**super().__getstate__(), "_flat": None}


def classifier_layers(sizes: Sequence[Any]) -> list[Module]:
    """Return Linear and ReLU in turn for these sizes, then Softmax (or Sigmoid for one output)."""
    if any(isinstance(size, Module) for size in sizes):
        raise ConfigurationError("Give either sizes or modules, not a mixture of both.")
    if len(sizes) < 2:
        raise ConfigurationError(
            f"A network needs the size of its input and of its output, got {list(sizes)}."
        )
    check_sizes(**{f"size {place}": size for place, size in enumerate(sizes)})
    layers: list[Module] = []
    for in_features, out_features in itertools.pairwise(sizes):
        layers += [Linear(int(in_features), int(out_features)), ReLU()]
    layers[-1] = Sigmoid() if sizes[-1] == 1 else Softmax()
    return layers


def network_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64 as a dtype; raise ConfigurationError for anything else."""
    with contextlib.suppress(TypeError):  # raised where that is no dtype; None is float64 to NumPy
        if dtype is not None and np.dtype(dtype) in (np.float32, np.float64):
            return np.dtype(dtype)
    raise ConfigurationError(f"dtype must be float32 or float64, got {dtype!r}.")
