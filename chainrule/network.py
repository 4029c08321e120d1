"""Network: the module that a user builds, trains, saves and asks."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike

from chainrule import module as tree
from chainrule.checks import (
    check_range,
    check_seed,
    network_dtype,
)
from chainrule.checks.habits import gives_advice
from chainrule.checks.own_code import SetByInit
from chainrule.errors import (
    BackwardError,
    ShapeError,
)
from chainrule.initializers import get_initializer
from chainrule.layers.allocator import keep_freed_memory
from chainrule.layers.containers import (
    Sequential,
    checked_modules,
    listed,
    multilayer_perceptron,
    one_module_a_line,
)
from chainrule.layers.graph import Graph
from chainrule.layers.inputs import Inputs
from chainrule.module import (
    NO_FORWARD,
    WEIGHTS_MOVED,
    Module,
    backward_parameters_through,
    backward_through,
    forward_through,
)
from chainrule.parameter import Array, FlatParameters, Initializer
from chainrule.preparation.base import Preparation, predict_raw
from chainrule.pytree import PyTree, copied, read_only, tree_map
from chainrule.storage.module_file import load_network, save_network
from chainrule.summary import html_of_network, summarize
from chainrule.summary.display import Shown


class Network(Module):
    """Layers, or a graph, that learn together; input is checked and cast once, here.

    Parameters
    ----------
    layers : sequence of int, sequence of Module, or Module
        Sizes build a classifier: ``Network([4, 8, 3])`` is Linear → ReLU → Linear → Softmax
        (a last size of 1 ends in Sigmoid, since a softmax over one class is always 1).
        Modules are taken as they are, one after the other: ``Network([Linear(4, 8), ReLU(),
        Linear(8, 3)])``. One module, such as a `Graph`, is the whole network.
    initialization : str or callable, optional
        ``"kaiming"`` (the default for sizes), ``"zero"``, ``"random"``, or any function
        ``(shape, rng) -> array``.
    seed : int, optional
        The same seed gives the same weights and, later, the same dropout masks.
    dtype : dtype
        float32 (the default) or float64: what the network computes in.

    Attributes
    ----------
    body : Module
        What computes: a `Sequential` of the layers, or the module that was given.
    metadata : dict
        What `save` writes beside the values; see there.
    preparation, target_preparation : Preparation or None
        What turns raw rows into this network's input, and a regression's targets into what it
        learns, such as a `Standardizer`. Set them (or give them to `save`): they are saved with
        the network, and `predict_raw` applies them. `forward`, `predict` and training take
        numbers that are prepared already.

    Notes
    -----
    Given modules, their values stay as they are, unless `initialization` or `seed` is given:
    then every parameter is drawn anew. To keep trained modules, leave both out.

    Layers that share a module or a parameter have to share it before the network is built.

    Examples
    --------
    >>> network = Network([4, 8, 3], seed=0)
    >>> network.predict([[5.1, 3.5, 1.4, 0.2]]).shape
    (1, 3)
    """

    positional_advice = (
        "takes its layers, or sizes, as one list: Network([Linear(4, 8), ReLU()]), "
        "Network([4, 8, 3])."
    )

    if not TYPE_CHECKING:
        dtype = SetByInit(
            "super().__init__([Linear(4, 8), ...]); a layer of your own, with a forward and a "
            "backward, is a subclass of Module"
        )

    def __init__(
        self,
        layers: Sequence[Any] | Module,
        *,
        initialization: str | Initializer | None = None,
        seed: int | None = None,
        dtype: DTypeLike = "float32",
    ) -> None:
        self.body: Any
        self.body, from_sizes = body_of(self, layers)
        draw = from_sizes or initialization is not None or seed is not None
        self.dtype = network_dtype(dtype)
        tree.cast(self, self.dtype)
        if draw:
            initializer = None if initialization is None else get_initializer(initialization)
            tree.initialize(self, check_seed(seed), initializer)
        keep_freed_memory()  # predictions and training by hand need it, too
        self.takes_indices = self.body.takes_indices
        self.joins = self.body.joins
        self.metadata: dict[str, Any] = {}
        self.preparation: Preparation | None = None
        self.target_preparation: Preparation | None = None
        self._inputs = Inputs(self.body)
        self._flat: FlatParameters | None = None
        self._has_gradient = False
        # A chain whose layers share nothing runs layer by layer, without any bookkeeping.
        self._is_chain = type(self.body) is Sequential and self.body.is_plain
        self._ran_as_chain = False
        # The shape of each output of a training pass that has had no backward pass yet; None where
        # there is none, and False if the weights have moved since.
        self._output: Any = None
        self._complete = True

    @property
    def layers(self) -> Any:
        """The layers of a chain, as a tuple; or else the one module."""
        return self.body.layers if isinstance(self.body, Sequential) else self.body

    # ------------------------------------------------------------ the two passes

    def __call__(self, x: PyTree, training: bool = True, **inputs: Any) -> Any:
        """Do what `forward` does, which checks and casts its input; it trains by default."""
        return self.forward(x, training, **inputs)

    def forward(self, x: PyTree, training: bool = True, **inputs: Any) -> Any:
        """Return the output for a batch, and keep what backward needs.

        Each forward pass in training allows one backward pass. A second forward before it takes
        the place of the first.

        What backward needs is out of reach. The input is copied, so the next batch may be written
        into the same array at once; and what is returned is yours, to be written into.

        Parameters
        ----------
        x : array_like, or a tuple or dict of them
            The batch. A network of several inputs, a `Graph`, takes them by name or in their
            order. Further inputs of its layers, such as lengths, may be in the dict too; the first
            input of a chain of layers is called ``"x"``.
        training : bool
            Whether a backward pass will follow.
        **inputs : array_like
            Further inputs by name: ``network.forward(x, lengths=lengths)``.

        Raises
        ------
        InputError
            An input is empty, not numeric, or holds NaN or infinity; or nobody takes it.
        ShapeError
            `x` does not fit a layer; the message names it.
        """
        own = self.__dict__  # written to directly: assigning would look at each attribute first
        if training:
            own["_output"] = None  # should this pass fail halfway, no backward may mix two batches
        as_wanted = type(x) is np.ndarray and x.dtype == self.dtype and self._inputs.one_float
        if not (as_wanted and not inputs and x.size and math.isfinite(np.vdot(x, x))):
            x, inputs = self._inputs.checked(x, inputs, self.dtype)
        if training:  # what is saved for backward is out of the caller's reach
            x = x.copy("K") if type(x) is np.ndarray else copied(x)
            inputs = copied(inputs) if inputs else inputs
        as_chain = self._is_chain and not inputs
        with np.errstate(all="ignore"):  # what overflows becomes infinity, as in any formula
            try:
                if as_chain:
                    y = forward_through(self.body.layers, x, training)
                else:
                    if not self.body.built_in:
                        x, inputs = read_only((x, inputs))
                    y = self.body.forward(x, training, **inputs)
            except Exception as error:
                tree.locate(error, self)
                raise
        if training:
            own["_ran_as_chain"] = as_chain
            own["_output"] = y.shape if type(y) is np.ndarray else tree_map(np.shape, y)
        # A copy, since layers save what they return, and contiguous: see layers/memory_format.py.
        if type(y) is np.ndarray:
            return y.copy()
        return tree_map(lambda array: np.array(array, order="C"), y)

    def backward(self, dy: PyTree) -> Any:
        """Return the loss's gradient at the input, given the one at the output; set every grad.

        The gradients of several outputs are arranged like the outputs, and those of several
        inputs come back as a dict. If the input is integers, as for an Embedding, it is None.
        """
        layers = self.body.layers if self._ran_as_chain else (self.body,)
        dx = self._backward(dy, layers, backward_through)
        return dx.copy() if type(dx) is np.ndarray else copied(dx, "C")

    def backward_parameters(self, dy: PyTree) -> None:
        """Set every grad as `backward` does, and leave the gradient at the input uncomputed.

        Learning has no use for it, and it can be a quarter of the arithmetic of a small network.
        """
        body = self.body
        layers = body.layers[body.first_learner :] if self._ran_as_chain else (body,)
        self._backward(dy, layers, backward_parameters_through)

    def _backward(
        self, dy: PyTree, layers: Sequence[Module], through: Callable[[Sequence[Module], Any], Any]
    ) -> Any:
        if not self._output:
            raise BackwardError(NO_FORWARD if self._output is None else WEIGHTS_MOVED, self)
        as_wanted = type(dy) is np.ndarray and dy.dtype == self.dtype
        if not (as_wanted and self._output == dy.shape):
            dy = self._checked_gradient(dy, self._output)  # one that is refused loses nothing
        own = self.__dict__
        own["_output"] = None
        with np.errstate(all="ignore"):
            try:
                dx = through(layers, dy)
            except Exception as error:
                tree.locate(error, self)
                raise
        own["_has_gradient"] = True
        flat = self._flat
        if flat is not None and flat.frozen and flat.current:
            flat.clear_frozen()
        return dx

    def _checked_gradient(self, dy: PyTree, expected: Any) -> Any:
        """Return the gradient at the output, cast; refuse another arrangement or shape."""
        if type(expected) is tuple:  # of the one output
            array = np.asarray(dy, self.dtype)
            if array.shape != expected:
                raise ShapeError(
                    f"the gradient must have the output's shape {expected}, got {array.shape}.",
                    self,
                )
            return array
        if not isinstance(dy, Mapping) or set(dy) != set(expected):
            raise ShapeError(
                f"the gradients must be a dict for the outputs {list(expected)}, got "
                f"{list(dy) if isinstance(dy, Mapping) else type(dy).__name__}.",
                self,
            )
        return {name: self._checked_gradient(dy[name], shape) for name, shape in expected.items()}

    def _cast(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)

    def predict(self, x: PyTree, **inputs: Any) -> Any:
        """Return the output for a batch, outside training; nothing in the network changes."""
        return self.forward(x, training=False, **inputs)

    def predict_raw(self, X: Any, **inputs: Any) -> Any:
        """Return the prediction for raw rows, as they are before `preparation`, in raw units.

        It is ``predict(preparation.transform(X))``, and what comes out goes back through
        ``target_preparation.inverse_transform``: of a regression whose targets were scaled, the
        prediction is in the units of the targets. Where one of the two is None, nothing is done
        in its place.

        Parameters
        ----------
        X : array_like or data frame
            The rows, as `preparation` was fitted on them.
        **inputs : array_like
            Further inputs of the network by name, which are not prepared.

        Raises
        ------
        ConfigurationError
            The network has no preparation, neither for rows nor for targets.
        InputError
            The rows are not like those that the preparation was fitted on.
        """
        return predict_raw(self, X, inputs)

    def take_pass(self) -> Any:
        kept, self.__dict__["_output"] = self._output, None
        return super().take_pass(), kept

    def put_pass(self, kept: Any) -> None:
        saved, self.__dict__["_output"] = kept
        super().put_pass(saved)

    def keyword_inputs(self) -> tuple[str, ...]:
        """Return the names of the further inputs."""
        return self.body.keyword_inputs()

    def input_kinds(self) -> dict[str, str]:
        """Return the names of all inputs, and what each is turned into; see `Graph`."""
        return self._inputs.kinds

    # ------------------------------------------------------------ learning

    @property
    def flat(self) -> FlatParameters:
        """All values and all gradients, as two vectors; made when first wanted."""
        if self._flat is None or not self._flat.current:
            self._flat = FlatParameters(self.named_parameters())
        return self._flat

    def look_for_replaced(self) -> None:
        """Gather the vectors anew if parameters were replaced unseen, such as an item of a list."""
        found, flat = self.parameters(), self._flat
        if flat is not None and [p for p in found if p.flat is not flat]:
            flat.current = False

    def set_gradients(self, gradient: Array) -> None:
        """Set every grad at once, from a vector like ``flat.grads``, as if by a backward pass."""
        if gradient is not self.flat.grads:
            self.flat.grads[...] = gradient
        if self.flat.frozen:
            self.flat.clear_frozen()
        self._has_gradient = True

    @gives_advice
    def update(self, learning_rate: float) -> None:
        """Take one step of plain gradient descent: w ← w - learning_rate · gradient."""
        self.require_gradient()
        rate = check_range("learning_rate", learning_rate, inclusive=False)
        self.end_pass()
        self.flat.values -= rate * self.flat.grads

    def end_pass(self) -> None:
        """Refuse the backward of a pass that waits for it: the weights move."""
        if self._output:
            self.__dict__["_output"] = False

    def require_gradient(self) -> None:
        """Raise BackwardError if no backward pass has set the gradients yet."""
        if not self._has_gradient:
            raise BackwardError(
                "there are no gradients to learn from yet. Call forward, the loss's backward and "
                "network.backward(gradient) first.",
                self,
            )

    # ------------------------------------------------------------ looking inside, saving

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield what is in it by name; the body has no name, so that paths begin inside it."""
        for name, value in super().children():
            yield "" if name == "body" else name, value

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        class_names: Sequence[str] | None = None,
        preparation: Preparation | None = None,
        target_preparation: Preparation | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Write the network into one ``.npz`` file: architecture, values and metadata.

        The file is written atomically and holds no pickle. Reading it takes chainrule and NumPy
        alone.

        Parameters
        ----------
        path : path
            The file, such as ``"model.npz"``; an existing one is replaced.
        class_names : sequence of str, optional
            The names of the outputs; kept in `metadata`.
        preparation, target_preparation : Preparation, optional
            How rows and targets are prepared, such as a `Standardizer`. They become the network's
            attributes of these names; without them, the attributes are saved as they are.
        metrics : mapping of str to float, optional
            How good the network is; kept in `metadata`. `Trainer.fit` puts the metrics of its last
            epoch there.

        Raises
        ------
        ConfigurationError
            Something in the network cannot be saved; the message names it. Nothing is written.
        StateError
            A value is NaN or infinity. Nothing is written.

        Examples
        --------
        >>> network = Network([4, 8, 3], seed=0)
        >>> network.save("iris.npz", class_names=["setosa", "versicolor", "virginica"])
        >>> Network.load("iris.npz").metadata["class_names"]
        ['setosa', 'versicolor', 'virginica']
        """
        save_network(
            self,
            path,
            class_names=class_names,
            preparation=preparation,
            target_preparation=target_preparation,
            metrics=metrics,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], modules: Sequence[type[Module]] = ()) -> Self:
        """Return the network that `save` wrote, with its metadata and preparations.

        Its predictions are the same, bit for bit.

        Parameters
        ----------
        path : path
            The file.
        modules : sequence of classes
            Your own module classes that the file needs; see `Module.load`.

        Raises
        ------
        FileFormatError
            The file is damaged, comes from elsewhere, or needs a class that was not passed.
        StateError
            Values and architecture in the file do not fit together.
        """
        return load_network(cls, path, modules)

    def summary(self, sample_shape: Any = None) -> Shown:
        """Return a table of layers, output shapes, parameters and memory.

        It is a string, which a notebook shows as a table. `sample_shape` is one sample's shape,
        without the batch axis, or a dict of them for several inputs; a first layer that has
        `in_features` makes it needless.
        """
        return summarize(self, sample_shape)

    def __len__(self) -> int:
        return 1 if not isinstance(self.body, Sequential | Graph) else len(self.body)

    def __getitem__(self, place: Any) -> Module:
        return self.layers[place]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.body) if isinstance(self.body, Sequential | Graph) else iter([self.body])

    def __repr__(self) -> str:
        if isinstance(self.layers, Module):
            return super().__repr__()
        return one_module_a_line(self, "layers")

    def _repr_html_(self) -> str:
        return html_of_network(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave a half-done pass and the flat vectors behind; a copy makes vectors of its own."""
        return {**super().__getstate__(), "_flat": None, "_output": None}


def body_of(network: Network, layers: Any) -> tuple[Module, bool]:
    """Return what computes, and whether it was built from sizes."""
    if isinstance(layers, Module):
        return layers, False
    layers = listed(network, layers)  # a generator could be looked at only once
    if any(isinstance(layer, int | np.integer) for layer in layers):
        return Sequential(multilayer_perceptron(layers)), True
    return Sequential(checked_modules(network, layers, "layer")), False


def code_columns(module: Module) -> int:
    """Return how many of the last columns of the input hold codes of categories.

    They are integers among floats, which a `CategoryEmbedding` in front looks up.
    """
    return getattr(in_a_row(module)[0], "code_columns", 0)


def in_a_row(module: Module) -> list[Module]:
    """Return the modules of a chain one after the other; chains and networks in it are opened."""
    body = module.body if isinstance(module, Network) else module
    if not isinstance(body, Sequential):
        return [body]
    return [layer for part in body.layers for layer in in_a_row(part)]
