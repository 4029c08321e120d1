"""What Embedding refuses, its padding, and a network that begins with one."""

import copy

import numpy as np
import pytest

from chainrule import (
    Adam,
    CategoricalCrossEntropy,
    ConfigurationError,
    Embedding,
    InputError,
    Linear,
    Network,
    ShapeError,
)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([[0, 5]]), r"rows 0 to 4, got the index 5 at \(0, 1\)"),
        (np.array([0, 1, -1]), r"got the index -1 at \(2,\)"),
        (np.array([0.0, 1.0]), "integers, got float64"),
        (np.array([0.0, np.nan]), "integers, got float64"),
        (np.array([True, False]), "integers, got bool"),
        ([0.5, 1], "integers, got float64"),
        ([[0, 9], [1, 2]], "got the index 9"),
    ],
)
def test_only_indices_of_the_table_are_taken(x, message):
    with pytest.raises(InputError, match=message):
        Embedding(5, 2, seed=0).predict(x)
    with pytest.raises(InputError, match=message):
        Network([Embedding(5, 2, seed=0), Linear(2, 1)]).predict(x)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 3), int), "empty"),
        ([], "empty"),
        ([[0, 1], [2]], "differ in length"),
        (["a", "b"], "must hold numbers"),
        ([None, 1], "must hold numbers"),
    ],
)
def test_the_network_refuses_at_the_door_what_no_module_could_take(x, message):
    with pytest.raises(InputError, match=message):
        Network([Embedding(5, 2, seed=0), Linear(2, 1)]).predict(x)


def test_a_single_index_is_no_batch():
    with pytest.raises(ShapeError, match=r"expected a batch of samples, got a single number"):
        Embedding(5, 2).predict(np.array(3))


@pytest.mark.parametrize("padding_idx", [5, -1, 1.5, "0"])
def test_the_padding_index_is_one_of_the_table(padding_idx):
    with pytest.raises(ConfigurationError, match="padding_idx must be a whole number from 0 to 4"):
        Embedding(5, 2, padding_idx=padding_idx)


def test_sizes_are_checked():
    with pytest.raises(ConfigurationError, match="num_embeddings"):
        Embedding(0, 2)
    with pytest.raises(ConfigurationError, match="embedding_dim"):
        Embedding(3, 2.5)


@pytest.mark.parametrize("initialization", [None, "random", "kaiming"])
def test_the_padding_row_is_zero_whoever_draws_it(initialization):
    layer = Embedding(5, 3, padding_idx=1, seed=0)
    assert not layer.weight.value[1].any()
    network = Network([layer, Linear(3, 2)], initialization=initialization, seed=4)
    for table in (layer.weight.value, copy.deepcopy(network).layers[0].weight.value):
        assert not table[1].any()
        assert table[[0, 2, 3, 4]].all()


def test_the_padding_row_stays_at_zero_while_the_others_learn():
    network = Network([Embedding(5, 3, padding_idx=1), Linear(3, 2)], seed=0)
    table = network.layers[0].weight
    before = table.value.copy()
    optimizer = Adam(0.1, weight_decay=0.1)
    x = np.arange(5).repeat(4).reshape(10, 2)
    loss = CategoricalCrossEntropy(from_logits=True)
    for _ in range(3):
        y = network.forward(x)
        assert network.backward(loss.backward(x % 2, y)) is None
        optimizer.step(network)
    assert not table.value[1].any()
    assert (table.value[[0, 2, 3, 4]] != before[[0, 2, 3, 4]]).all()


def test_an_index_that_comes_often_adds_up():
    layer = Embedding(3, 2, seed=0)
    layer.forward(np.array([[0, 2, 0], [0, 2, 0]]))
    layer.backward(np.arange(12.0).reshape(2, 3, 2))
    np.testing.assert_array_equal(layer.weight.grad, [[20, 24], [0, 0], [10, 12]])


def test_the_indices_are_kept_as_they_were():
    layer, x = Embedding(3, 1, seed=0), np.array([0, 1])
    layer.forward(x)
    x[:] = 2
    layer.backward(np.ones((2, 1)))
    np.testing.assert_array_equal(layer.weight.grad[:, 0], [1, 1, 0])


def test_a_network_that_begins_with_one_has_a_summary():
    text = Network([Embedding(5, 3), Linear(3, 2)]).summary((7,))
    assert "(N, 7, 3)" in text
    assert "(N, 7, 2)" in text
