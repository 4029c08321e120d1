"""Sequential and Residual, beyond the battery: what they refuse, and the chain rule by hand."""

import numpy as np
import pytest

from chainrule import (
    ConfigurationError,
    Linear,
    Module,
    Network,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    Tanh,
)

X = np.random.default_rng(0).standard_normal((5, 4))


def test_sequential_goes_forward_in_order_and_backward_in_the_opposite():
    calls = []

    class Note(Module):
        def __init__(self, name):
            self.name = name

        def forward(self, x, training=True):
            calls.append((self.name, training))
            return x + 1

        def backward(self, dy):
            calls.append(self.name)
            return 2 * dy

    chain = Sequential([Note("first"), Sequential([Note("second")]), Note("third")])
    np.testing.assert_array_equal(chain.forward(X), X + 1 + 1 + 1)
    np.testing.assert_array_equal(chain.backward(X), 8 * X)
    chain.predict(X)
    names = ["first", "second", "third"]
    assert calls == [*[(n, True) for n in names], *names[::-1], *[(n, False) for n in names]]


def test_residual_is_x_plus_body():
    body = Linear(4, 4, seed=0)
    residual = Residual(body)
    np.testing.assert_allclose(residual.forward(X), X + body.predict(X), rtol=1e-12)
    dy = np.ones((5, 4))
    np.testing.assert_allclose(residual.backward(dy), dy + dy @ body.weight.value.T, rtol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_a_body_that_changes_the_shape_is_refused(training):
    network = Network([Linear(4, 4), Residual(Sequential([Linear(4, 1)]))])
    with pytest.raises(ShapeError) as caught:
        network.forward(X, training)  # NumPy would have broadcast (5, 4) + (5, 1)
    assert str(caught.value) == (
        "Residual (layers.1): the body must keep the shape of its input, it made (5, 1) of (5, 4). "
        "Give Residual a shortcut that makes the same shape."
    )


def test_layers_are_a_tuple_that_can_be_looked_at():
    layers = [Linear(4, 3), ReLU()]
    chain = Sequential(layers)
    layers.append(Tanh())
    assert len(chain) == 2
    assert list(chain) == layers[:2]
    assert chain[1] is layers[1]
    assert chain.layers == tuple(layers[:2])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], r"Sequential needs at least one layer, got none\."),
        ([ReLU(), 3], r"Sequential takes modules, such as Linear\(4, 8\) or ReLU\(\); got 3\.$"),
        ([ReLU], r"got <class .*ReLU'>\. Did you forget the \(\)\?"),
        (ReLU(), r"Sequential takes a list, such as \[Linear\(4, 8\), ReLU\(\)\]; got ReLU\(\)\."),
    ],
)
def test_layers_that_make_no_chain(layers, message):
    with pytest.raises(ConfigurationError, match=message):
        Sequential(layers)


def test_a_chain_takes_indices_where_its_first_layer_does():
    class Lookup(Module):
        takes_indices = True

    assert Sequential([Sequential([Lookup()]), ReLU()]).takes_indices
    assert not Sequential([ReLU(), Lookup()]).takes_indices


def test_residual_takes_modules_not_classes():
    with pytest.raises(ConfigurationError, match=r"body must be a Module.*Did you forget the \(\)"):
        Residual(ReLU)
    with pytest.raises(ConfigurationError, match=r"shortcut must be .*Did you forget the \(\)"):
        Residual(ReLU(), ReLU)
