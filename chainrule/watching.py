"""Watching a pass: the inputs, outputs and gradients of every module, as PyTorch's hooks show them.

The summary, post-mortems and the doctor look inside a network this way. ::

    class Shapes(Watcher):
        def on_forward(self, path, module, x, y):
            print(path, y.shape)

    with watch(network, Shapes()):
        network.forward(x)

Where nobody watches, nothing is called and nothing is asked: `watch` puts functions in front of
the modules' own for as long as the block lasts. So one thread watches at a time; a network that
others use meanwhile is watched in a copy (copy.deepcopy).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from chainrule.module import WATCHED_METHODS, Module
from chainrule.pytree import read_only


class Watcher:
    """Base class: its methods are called after every module's pass, inner modules first.

    What they are given belongs to the network: read-only views.
    """

    def on_forward(self, path: str, module: Module, x: Any, y: Any) -> None:
        """See a forward pass that is done: `y` came out for `x`."""

    def on_backward(self, path: str, module: Module, dy: Any, dx: Any) -> None:
        """See a backward pass that is done: the gradients of the module's parameters are set.

        `dx` is None where nobody wanted the gradient at the input.
        """


def watched(root: Module) -> bool:
    """Whether somebody watches this module now."""
    return any(name in vars(root) for name in WATCHED_METHODS)


@contextmanager
def watch(root: Module, watcher: Watcher) -> Iterator[None]:
    """Let `watcher` see every pass through `root` and the modules below it, within the block.

    A module that is used in several places is named by the first.
    """
    modules = root.named_modules()
    before = {
        path: {name: vars(module)[name] for name in WATCHED_METHODS if name in vars(module)}
        for path, module in modules.items()
    }
    try:
        for path, module in modules.items():
            _watch_one(path, module, watcher)
        yield
    finally:
        for path, module in modules.items():
            for name in WATCHED_METHODS:
                vars(module).pop(name, None)
            vars(module).update(before[path])


def _watch_one(path: str, module: Module, watcher: Watcher) -> None:
    """Wrap the module's methods so that they call the watcher."""
    forward, backward = module.forward, module.backward
    backward_parameters = module.backward_parameters
    running = False  # one of the two backward methods may call the other; it is seen once

    def watched_forward(x: Any, *arguments: Any, **options: Any) -> Any:
        y = forward(x, *arguments, **options)
        watcher.on_forward(path, module, read_only(x), read_only(y))
        return y

    def back(call: Callable[..., Any], dy: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal running
        if running:
            return call(dy, *arguments, **options)
        running = True
        try:
            dx = call(dy, *arguments, **options)
        finally:
            running = False
        watcher.on_backward(path, module, read_only(dy), read_only(dx))
        return dx

    watched = (watched_forward, partial(back, backward), partial(back, backward_parameters))
    vars(module).update(zip(WATCHED_METHODS, watched, strict=True))
