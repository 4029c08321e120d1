"""Post-mortem: where NaN or infinity came from, and from which rows of the batch.

While training goes well, nothing is watched: in each step the trainer checks only the loss and one
product over the gradients. When these are not finite, the step is repeated here, on a copy of the
network with its random generators reset, and every array is checked in the order of computation.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.data.samples import Batch
from chainrule.errors import ChainruleError, FileFormatError, StateError
from chainrule.loss_functions import Loss, LossPerOutput
from chainrule.module import Module, misfit, named_generators, walk
from chainrule.network import Network
from chainrule.optimizers import Optimizer, clip_by_global_norm
from chainrule.parameter import Array, Parameter
from chainrule.pytree import (
    PyTree,
    first_array,
    from_dict,
    named_arrays,
    take,
    tree_leaves,
    tree_map,
)
from chainrule.storage.archive import read_archive
from chainrule.storage.names import without_prefix
from chainrule.storage.rng_state import from_plain_state
from chainrule.storage.schema import anything, dict_of, list_of, number, record, text, whole
from chainrule.summary.display import html_table
from chainrule.watching import Watcher, watch


@dataclass
class NonFiniteArray:
    """The first array in a step that was not finite.

    Attributes
    ----------
    direction : str
        The stage: ``"input"``, ``"forward"``, ``"loss"``, ``"backward"`` or ``"update"``.
    array : str
        A description: ``"the output"``, ``"the gradient of weight"`` ...
    path, layer : str
        The path and the class of the module that computed it; ``""`` if no module did.
    rows : list of int
        The rows of the batch that caused it; empty if unknown.
    """

    direction: str
    array: str
    path: str = ""
    layer: str = ""
    rows: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        where = f" of {self.layer} ({self.path or 'the network'})" if self.layer else ""
        return f"{self.direction}: {self.array}{where}, from {self._rows_in_words()} of the batch"

    def _rows_in_words(self) -> str:
        if not self.rows:
            return "no single row"
        return f"row {', '.join(map(str, self.rows[:10]))}" + (" ..." if self.rows[10:] else "")

    def _repr_html_(self) -> str:
        module = f"{self.layer} ({self.path or 'the network'})" if self.layer else ""
        row = (self.direction, self.array, module, self._rows_in_words())
        head = ("where", "array", "module", "came from")
        return html_table(head, [row], title="The first array that was not finite")


NO_MODULE = ("", "")


class _Found(Exception):
    """Ends a pass at the first array that is not finite."""

    def __init__(self, array: NonFiniteArray) -> None:
        super().__init__(str(array))
        self.array = array


def investigate(
    network: Network,
    loss: Loss,
    batch: Batch,
    optimizer: Optimizer | None = None,
    clip_norm: float | None = None,
    rng_states: Mapping[str, Any] | None = None,
) -> NonFiniteArray | None:
    """Repeat a training step on copies, and return the first array that is not finite, or None.

    Parameters
    ----------
    network, loss : Network and Loss
        They are not changed.
    batch : tuple
        ``(x, y, weight)``; the weight may be None.
    optimizer : Optimizer, optional
        If given, the update is checked too.
    clip_norm : float, optional
        The norm to which gradients are clipped before the update.
    rng_states : mapping of str to dict, optional
        States to set the network's random generators to, by path.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import MeanSquaredError, Network
    >>> network = Network([2, 1], seed=0)
    >>> batch = np.array([[1.0, 2.0], [np.inf, 3.0]]), np.zeros((2, 1)), None
    >>> print(investigate(network, MeanSquaredError(), batch))
    input: the batch, from row 1 of the batch
    """

    def repeated(rows: Batch) -> NonFiniteArray | None:
        step = network, loss, rows, optimizer, clip_norm, rng_states or {}
        return _unless_masked(loss, _repeat_step, *step)

    found = repeated(batch)
    if found is not None and len(found.rows) in (0, len(first_array(batch[0]))):
        found.rows = _guilty_rows(repeated, batch)
    return found


def investigate_prediction(
    network: Network, x: PyTree, loss: Loss | None = None
) -> NonFiniteArray | None:
    """Return the first array in a prediction that is not finite, or None.

    Parameters
    ----------
    network : Network
        It is not changed.
    x : array, or a tuple or dict of arrays
        The batch.
    loss : Loss, optional
        One that takes logits, among which a mask may write -inf.

    Examples
    --------
    >>> from chainrule import Network
    >>> print(investigate_prediction(Network([2, 1], seed=0), np.array([[1.0, np.nan]])))
    input: the batch, from row 0 of the batch
    """
    return _unless_masked(loss, _repeat_prediction, copy.deepcopy(network), x)


def _unless_masked(
    loss: Loss | None, repeat: Callable[..., None], *arguments: Any
) -> NonFiniteArray | None:
    """Return the first array that was not finite; -inf is none where a mask may have written it.

    It may if the loss takes logits. But if NaN or +inf came of it on the way forward, it was none.
    """
    found = _first(repeat, *arguments, False)
    losses = loss.losses_by_output.values() if isinstance(loss, LossPerOutput) else [loss]
    if found is None or not any(getattr(each, "from_logits", False) for each in losses):
        return found
    other = _first(repeat, *arguments, True)
    return found if other is not None and other.direction == "forward" else other


def _first(repeat: Callable[..., None], *arguments: Any) -> NonFiniteArray | None:
    """Return the array that stopped `repeat`, or None if all arrays were finite."""
    try:
        with np.errstate(all="ignore"):
            repeat(*arguments)
    except _Found as found:
        return found.array
    return None


def _repeat_prediction(network: Network, x: PyTree, masked: bool) -> None:
    _check_input(network, x)
    with watch(network, _Checker(network, masked)):
        y_pred = network.predict(x)
    _check_rows(y_pred, "forward", "the network's output", masked=masked)


def _repeat_step(
    network: Network,
    loss: Loss,
    batch: Batch,
    optimizer: Optimizer | None,
    clip_norm: float | None,
    rng_states: Mapping[str, Any],
    masked: bool,
) -> None:
    """Repeat a training step on copies, and check every array; see `_check_rows` for `masked`."""
    x, y, weight = batch
    # copied together, so that the optimizer's state stays bound to its network
    network, optimizer = copy.deepcopy((network, optimizer))
    for name, generator in named_generators(network).items():
        if name in rng_states:
            generator.bit_generator.state = rng_states[name]
    parameters = network.named_parameters()

    def closure() -> float:
        y_pred = network.forward(x)
        network.backward(loss.backward(y, y_pred, weight))
        return loss.forward(y, y_pred, weight)

    _check_input(network, x)
    for path, parameter in parameters.items():
        _check(parameter.value, "update", f"the value of {path}")
    with watch(network, _Checker(network, masked)):
        y_pred = network.forward(x)
        _check_rows(y_pred, "forward", "the network's output", masked=masked)
        _check(np.array(loss.forward(y, y_pred, weight)), "loss", "the loss")
        dy = loss.backward(y, y_pred, weight)
        _check_rows(dy, "loss", "its gradient at the output")
        network.backward(dy)
    if optimizer is None:
        return
    if clip_norm is not None:
        clip_by_global_norm(network, clip_norm)
    if optimizer.needs_closure:
        optimizer.step(network, closure)  # type: ignore[arg-type, call-arg]
    else:
        optimizer.step(network)
    for path, parameter in parameters.items():
        _check(parameter.value, "update", f"the new value of {path}")
    for name, state in optimizer.state_vectors.items():
        for path, place in network.flat.slices.items():
            _check(state[place], "update", f"the optimizer's {name} for {path}")


def _check(array: Array, direction: str, what: str, module: tuple[str, str] = NO_MODULE) -> None:
    """Raise _Found if the array holds NaN or infinity; `module` is a path and a class."""
    if not np.isfinite(array).all():
        raise _Found(NonFiniteArray(direction, what, *module))


def _check_rows(
    tree: PyTree,
    direction: str,
    what: str,
    module: tuple[str, str] = NO_MODULE,
    *,
    masked: bool = False,
) -> None:
    """Raise _Found, with the rows, if an array with one row a sample holds NaN or infinity.

    In `masked` arrays -inf is allowed: a mask has written it.
    """
    for name, array in named_arrays(tree, what).items():
        fine = np.isfinite(array) | (masked & np.isneginf(array))
        finite = fine.reshape(len(array), -1).all(axis=1)
        if not finite.all():
            rows = np.flatnonzero(~finite).tolist()
            raise _Found(NonFiniteArray(direction, name, *module, rows))


def _check_input(network: Network, x: PyTree) -> None:
    """Raise _Found if an input is not finite in the network's type."""
    as_type = tree_map(lambda a: a.astype(network.dtype) if a.dtype.kind == "f" else a, x)
    _check_rows(as_type, "input", "the batch")


class _Checker(Watcher):
    """Checks the output of every module inside the network, as soon as it is computed.

    If the input of a module is not finite, the module around it is at fault: it computed that
    input itself, as attention computes the scores that its dropout receives.
    """

    def __init__(self, network: Network, masked: bool) -> None:
        self.modules, self.masked = network.named_modules(), masked

    def on_forward(self, path: str, module: Module, x: Any, y: Any) -> None:
        if path:
            here, masked = (path, type(module).__name__), self.masked
            given = f"what it passes to {path}"
            _check_rows(x, "forward", given, self._around(path), masked=masked)
            _check_rows(y, "forward", "the output", here, masked=masked)

    def on_backward(self, path: str, module: Module, dy: Any, dx: Any) -> None:
        if not path:
            return
        given, this = f"the gradient that it passes to {path}", (path, type(module).__name__)
        _check_rows(dy, "backward", given, self._around(path))
        for part in dx if isinstance(dx, tuple) else (dx,):
            for gradient in tree_leaves(part):
                if gradient is not None:
                    _check_rows(gradient, "backward", "the gradient at the input", this)
        for name, value in module.children():
            if isinstance(value, Parameter):
                _check(value.grad, "backward", f"the gradient of {name}", this)

    def _around(self, path: str) -> tuple[str, str]:
        """Return the path and the class of the innermost module around this one."""
        path = path.rpartition(".")[0]
        while path not in self.modules:
            path = path.rpartition(".")[0]
        return path, type(self.modules[path]).__name__


def _guilty_rows(repeated: Callable[..., NonFiniteArray | None], batch: Batch) -> list[int]:
    """Return the rows that make the step fail, by bisection.

    A sum over the batch, or batch statistics, hide which row was too large. So one half of the
    batch is tried at a time, with all other rows replaced by a harmless one, then the halves of
    each half that fails.
    """
    x, y, weight = batch
    count = len(first_array(x))
    sizes = sum(np.abs(a.reshape(count, -1)).max(axis=1).astype(float) for a in tree_leaves(x))
    harmless = int(np.argmin(sizes))

    def fails(rows: list[int]) -> bool:
        chosen = np.full(count, harmless)
        chosen[rows] = rows
        try:
            return repeated((take(x, chosen), take(y, chosen), weight)) is not None
        except ChainruleError:
            return False

    def search(rows: list[int]) -> list[int]:
        if not fails(rows):
            return []
        if len(rows) == 1:
            return rows
        half = len(rows) // 2
        return search(rows[:half]) + search(rows[half:])

    return [] if fails([]) else search(list(range(count)))


# ---------------------------------------------------------------- from a file


DESCRIPTION = record(
    finding=record(direction=text, array=text, path=text, layer=text, rows=list_of(whole())),
    losses=list_of(number()),
    epoch=whole(),
    batch=whole(),
    step=whole(),
    rng_states=dict_of(dict_of(anything)),
)


def replay(
    path: str | os.PathLike[str],
    network: Network,
    loss: Loss,
    optimizer: Optimizer | None = None,
    clip_norm: float | None = None,
) -> NonFiniteArray | None:
    """Repeat the step in a post-mortem file, and return the first array that is not finite.

    The network may differ from the one that was trained, for example in its activations or its
    dtype, which shows whether that would have helped. Its parameters must have the same names and
    shapes.

    Parameters
    ----------
    path : path
        The file that `Trainer` wrote; see its `post_mortem_file`.
    network : Network
        Built like the one that was trained. A copy of it gets the parameters in the file.
    loss : Loss
    optimizer : Optimizer, optional
        If given, a copy of it gets the state in the file, and the update is checked too.
    clip_norm : float, optional
        As given to `Trainer`.

    Returns
    -------
    NonFiniteArray or None

    Raises
    ------
    FileFormatError
        If the file is damaged or no post-mortem.
    StateError
        If the parameters or the batch in it do not fit the network.

    Examples
    --------
    >>> network = chainrule.Network([4, 16, 3])  # doctest: +SKIP
    >>> print(chainrule.replay("run/post_mortem.npz", network, loss))  # doctest: +SKIP
    forward: the output of ReLU (layers.1), from row 3 of the batch
    """
    arrays, saved = read_archive(path, "post-mortem")
    where = os.fspath(path)
    DESCRIPTION(saved, where)
    network, optimizer = copy.deepcopy((network, optimizer))
    _load_what_fits(network, without_prefix("network", arrays), where)
    if optimizer is not None:
        optimizer.load_state(without_prefix("optimizer", arrays))
    x, y = (from_dict(without_prefix(name, arrays), f"{where}: {name}") for name in ("x", "y"))
    weight = arrays.get("weight")
    _check_batch([*tree_leaves(x), *tree_leaves(y), *([] if weight is None else [weight])], where)
    rng_states = {
        name: from_plain_state(saved["rng_states"][name], generator.bit_generator.state, where)
        for name, generator in named_generators(network).items()
        if name in saved["rng_states"]
    }
    try:
        return investigate(network, loss, (x, y, weight), optimizer, clip_norm, rng_states)
    except ChainruleError as error:
        raise StateError(
            f"The step in {where} cannot be repeated with this network: {error}"
        ) from error


def _load_what_fits(network: Network, values: Mapping[str, Array], where: str) -> None:
    """Load the values that the network has a place for; NaN too, as it may be the cause."""
    for name, place in walk(network):
        if not isinstance(place, Module) and name in values:
            problem = misfit(values[name], place.value)
            if problem:
                raise StateError(f"{where}: {name} does not fit this network: it {problem}.")
            with np.errstate(over="ignore"):  # too large for the network's type becomes infinity
                place.value = values[name]


def _check_batch(parts: list[Array], where: str) -> None:
    """Raise FileFormatError unless all parts have the same number of samples, at least one."""
    counts = {part.shape[0] if part.ndim else 0 for part in parts}
    if len(counts) != 1 or counts == {0}:
        shapes = [part.shape for part in parts]
        raise FileFormatError(
            f"{where} should hold the rows of one batch, got the shapes {shapes}."
        )
