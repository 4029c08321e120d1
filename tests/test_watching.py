"""Watching: every pass is seen, in order, and nothing is left behind."""

import copy

import numpy as np
import pytest

from chainrule import Linear, Network, ReLU, Residual, Sequential, Tanh
from chainrule.watching import Watcher, watch

X = np.random.default_rng(0).standard_normal((4, 3))


class Notes(Watcher):
    def __init__(self):
        self.forward, self.backward = [], []

    def on_forward(self, path, module, x, y):
        self.forward.append((path, np.shape(x), y.shape))

    def on_backward(self, path, module, dy, dx):
        self.backward.append((path, None if dx is None else np.shape(dx)))


def network():
    return Network([Linear(3, 4), Residual(Sequential([Linear(4, 4), Tanh()])), ReLU()], seed=0)


def test_every_module_is_seen_the_inner_ones_first():
    net, notes = network(), Notes()
    with watch(net, notes):
        y = net.forward(X)
        net.backward(y)
    assert [path for path, *_ in notes.forward] == [
        "layers.0",
        "layers.1.body.layers.0",
        "layers.1.body.layers.1",
        "layers.1.body",
        "layers.1",
        "layers.2",
        "",
    ]
    assert notes.forward[0] == ("layers.0", (4, 3), (4, 4))
    assert notes.backward[-1] == ("", (4, 3))
    assert len(notes.backward) == len(notes.forward)


def test_a_backward_for_the_parameters_alone_is_seen_once():
    net, notes = network(), Notes()
    with watch(net, notes):
        net.backward_parameters(net.forward(X))
    paths = [path for path, _ in notes.backward]
    assert len(set(paths)) == len(paths)
    assert dict(notes.backward)["layers.0"] is None


def test_it_changes_no_bit_and_leaves_nothing_behind():
    net, plain = network(), network()
    before = {path: set(vars(module)) for path, module in parts(net)}
    with watch(net, Notes()):
        net.backward(net.forward(X))
        other = copy.deepcopy(net)
    plain.backward(plain.forward(X))
    np.testing.assert_array_equal(net.flat.grads, plain.flat.grads)
    for path, module in parts(net):
        assert set(vars(module)) - {"_saved"} == before[path] - {"_saved"}
    assert "forward" not in vars(other.layers[0])


def parts(net):
    return [("", net), *((str(i), layer) for i, layer in enumerate(net.layers))]


def test_two_may_watch_at_once_and_an_error_ends_it():
    net, outer, inner = network(), Notes(), Notes()
    with watch(net, outer), watch(net, inner):
        net.predict(X)
    with pytest.raises(ValueError, match="expected 3 features"), watch(net, outer):
        net.predict(np.ones((2, 5)))
    assert len(inner.forward) == len(outer.forward) == 7
    assert "forward" not in vars(net)
    net.predict(X)
    assert len(outer.forward) == 7


def test_the_base_class_watches_and_does_nothing():
    net = network()
    with watch(net, Watcher()):
        y = net.forward(X)
        net.backward(y)
    np.testing.assert_array_equal(y, net.predict(X))
