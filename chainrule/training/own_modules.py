"""Before the first step: whether modules of the user's own set the gradients of their parameters.

A backward that sets ``self.grad`` in place of ``self.weight.grad``, or adds to it, trains without
an error and learns nothing, or something else. A copy of the network takes one pass to tell.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np

from chainrule.checks import all_finite
from chainrule.data.samples import Batch
from chainrule.errors import InputError, ModuleError
from chainrule.module import Module, walk
from chainrule.network import Network
from chainrule.parameter import Array, Parameter
from chainrule.pytree import tree_leaves
from chainrule.training.state import TrainingState


def own_modules(network: Network) -> dict[str, Module]:
    """Return the modules whose backward the user has written, by their paths."""
    modules = network.named_modules()
    return {
        path: module
        for path, module in modules.items()
        if not type(module).backward.__module__.startswith("chainrule.")
    }


def rehearse(state: TrainingState, batch: Batch) -> list[str]:
    """Raise what a first step would raise, and ModuleError for a gradient that is not set.

    Returns notes: on arrays that will not learn.
    """
    x, y, weight = batch
    try:
        twin = copy.deepcopy(state.network)
    except Exception:  # what holds a lock or a file cannot be copied
        return []
    own = own_modules(twin)
    arrays = {path: dict(_plain_arrays(module)) for path, module in own.items()}
    kept = {path: dict(_parameters(module)) for path, module in own.items()}
    gradients: list[dict[int, Array]] = []
    for filling in (np.nan, 0.0):  # what is never set keeps both; what is added to, only the first
        for parameter in twin.parameters():
            parameter.grad[...] = filling
        try:
            with np.errstate(all="ignore"):
                y_pred = twin.forward(x)
                if not all(all_finite(array) for array in tree_leaves(y_pred)):
                    return []  # the first step reports where this comes from
                dy = state.loss.value_and_gradient(y, y_pred, weight)[1]
                twin.backward_parameters(dy)
        except InputError:  # it may be so for these few samples alone
            return []
        gradients.append({id(p): p.grad.copy() for p in twin.parameters()})
    for path, module in own.items():
        for name, parameter in kept[path].items():
            problem = _problem(name, parameter, dict(_parameters(module)), *gradients)
            if problem:
                error = ModuleError(problem, module)
                error.path = path
                raise error
    return [
        f"{type(own[path]).__name__} ({path or 'the network'}): {name} is a plain array, so it is "
        f"a constant. What is to be learned must be a Parameter: self.{name} = Parameter(...)"
        for path, before in arrays.items()
        for name, array in _plain_arrays(own[path])
        if before.get(name) is array  # the pass has not made it
    ]


def _plain_arrays(module: Module) -> Iterator[tuple[str, Array]]:
    """Yield the arrays of floats that are attributes for everybody, by name."""
    for name, value in vars(module).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not name.startswith("_"):
            yield name, value


def _parameters(module: Module) -> Iterator[tuple[str, Parameter]]:
    """Yield the parameters that a module holds itself, not those of modules in it, by name."""
    inside = {
        id(thing)
        for path, child in walk(module)
        if isinstance(child, Module) and child is not module
        for _, thing in walk(child, path)
    }
    for name, thing in walk(module):
        if isinstance(thing, Parameter) and id(thing) not in inside:
            yield name, thing


def _problem(
    name: str,
    parameter: Parameter,
    now: dict[str, Parameter],
    over_nan: dict[int, Array],
    over_zero: dict[int, Array],
) -> str:
    """Return what backward does wrong with a parameter's gradient, or nothing."""
    if now.get(name) is not parameter:
        return (
            f"a pass puts another object in the place of the Parameter {name}, which the optimizer "
            f"does not know. Leave it to the optimizer to change self.{name}.value."
        )
    left = np.isnan(over_nan[id(parameter)])
    if not left.any() or np.isnan(over_zero[id(parameter)]).any():
        return ""
    if over_zero[id(parameter)].any() and left.all():
        return (
            f"backward adds to the gradient of {name}, which then grows from step to step. Set it: "
            f"self.{name}.grad = ..., not +=."
        )
    count = np.count_nonzero(~left)
    part = f" as a whole, only {count} of {left.size} numbers" if count else ""
    return f"backward does not set the gradient of {name}{part}. Write self.{name}.grad = ..."
