"""Muon: which parameters are matrices, and what becomes of them."""

import numpy as np
import pytest
from architectures import gpt

import chainrule as cr
from chainrule import AdamW, ConfigurationError, Muon


def moved(network, optimizer, steps=2, seed=0):
    """Return by how much each parameter moves, under the same gradients for every optimizer."""
    rng = np.random.default_rng(seed)
    before = network.flat.values.copy()
    for _ in range(steps):
        network.set_gradients(rng.standard_normal(len(network.flat)))
        optimizer.step(network)
    change = network.flat.values - before
    return {name: change[place] for name, place in network.flat.slices.items()}


def images():
    layers = [
        cr.Conv2d(3, 4, 3),
        cr.BatchNorm(4),
        cr.ReLU(),
        cr.Conv2d(4, 6, 3, groups=2),
        cr.Flatten(),
        cr.Linear(24, 5),
        cr.PReLU(5),
        cr.Linear(5, 2),
    ]
    return cr.Network(layers, seed=0, dtype="float64")


def test_hidden_weights_are_matrices_and_all_else_is_adamws():
    options = {"weight_decay": 0.1}
    ours, theirs = moved(images(), Muon(0.01, **options)), moved(images(), AdamW(0.01, **options))
    matrices = ["layers.0.weight", "layers.3.weight", "layers.5.weight"]
    assert list(Muon().matrices(images())) == matrices
    for name, change in ours.items():
        assert np.array_equal(change, theirs[name]) == (name not in matrices), name


def test_embeddings_and_what_is_named_are_adamws():
    layers = [cr.Embedding(7, 4), cr.Flatten(), cr.Linear(8, 6), cr.Linear(6, 6), cr.Linear(6, 2)]
    network = cr.Network(layers, seed=0)
    assert list(Muon().matrices(network)) == ["layers.2.weight", "layers.3.weight"]
    assert list(Muon(adamw=["layers.2.*"]).matrices(network)) == ["layers.3.weight"]
    names = list(Muon().matrices(cr.Network([cr.LSTM(3, 4), cr.LastStep(), cr.Linear(4, 2)])))
    assert len(names) == 2
    assert all("weight" in name for name in names)


def test_a_tied_head_is_the_embeddings_table():
    network = gpt.build(0)
    matrices = list(Muon().matrices(network))
    assert len(matrices) > 8
    largest = max(int(name.split(".")[1]) for name in matrices)
    weights = [n for n, p in network.named_parameters().items() if len(p.shape) > 1]
    assert matrices == [n for n in weights if n != "layers.0.weight"]
    assert largest == 3


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (1, 6), (6, 1)])
@pytest.mark.parametrize("size", [1.0, 1e-12, 1e30])
def test_singular_values_become_about_one(shape, size):
    matrix = size * np.random.default_rng(0).standard_normal(shape)
    close = Muon(newton_schulz_steps=8).orthogonal(matrix)
    u, _, vt = np.linalg.svd(matrix, full_matrices=False)
    values = np.diag(u.T @ close @ vt.T)
    if size > 1e-7:  # below it a gradient is treated as none
        assert ((values > 0.6) & (values < 1.3)).all()
    np.testing.assert_allclose(u.T @ close @ vt.T, np.diag(values), atol=1e-9)
    assert Muon().orthogonal(matrix.astype(np.float32)).dtype == np.float32


def test_a_step_without_a_gradient_only_decays():
    network = cr.Network([4, 8, 3], seed=0, dtype="float64")
    before = network.layers[0].weight.value.copy()
    network.set_gradients(np.zeros(len(network.flat)))
    Muon(0.1, weight_decay=0.5).step(network)
    np.testing.assert_allclose(network.layers[0].weight.value, 0.95 * before, rtol=1e-14)


def test_a_kernel_is_a_row_for_each_output_channel():
    network = images()
    kernel = network.layers[0].weight
    network.set_gradients(np.random.default_rng(0).standard_normal(len(network.flat)))
    before = kernel.value.copy()
    expected = Muon().orthogonal(kernel.grad.reshape(4, 27))
    Muon(1.0, weight_decay=0, nesterov=False, scale="original").step(network)
    np.testing.assert_allclose((before - kernel.value).reshape(4, 27), expected, atol=1e-10)


def test_rates_and_frozen_matrices():
    factors = {"layers.0.weight": 0, "layers.2.weight": 0.5}
    whole = moved(cr.Network([4, 8, 8, 3], seed=0, dtype="float64"), Muon(0.01, weight_decay=0), 1)
    network = cr.Network([4, 8, 8, 3], seed=0, dtype="float64")
    optimizer = Muon(0.01, weight_decay=0, lr_multipliers=factors)
    parts = moved(network, optimizer, 1)
    assert not parts["layers.0.weight"].any()
    np.testing.assert_allclose(parts["layers.2.weight"], whole["layers.2.weight"] / 2, atol=1e-14)
    assert not optimizer.state_vectors["mean"][network.flat.slices["layers.0.weight"]].any()


@pytest.mark.parametrize("workers", [1, 2])
def test_it_trains(workers):
    pytest.importorskip("threadpoolctl")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 4))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    network = cr.Network([4, 32, 32, 2], seed=0)
    trainer = cr.Trainer(network, cr.CategoricalCrossEntropy(), Muon(0.01), workers=workers, seed=0)
    history = trainer.fit(X, y, epochs=30, progress=False)
    assert history.epochs["loss"][-1] < 0.2 * history.epochs["loss"][0]


def test_without_a_hidden_matrix_it_would_be_adamw():
    network = cr.Network([cr.Linear(4, 3)])
    trainer = cr.Trainer(network, cr.CategoricalCrossEntropy(from_logits=True), Muon())
    with pytest.raises(ConfigurationError, match="this network has none: it would be AdamW"):
        trainer.fit(np.ones((6, 4)), [0, 1, 2, 0, 1, 2], epochs=1, progress=False)
    with pytest.raises(ConfigurationError, match=r"No parameter's name fits .*'head\.\*' of adamw"):
        Muon(adamw=["head.*"]).check_network(cr.Network([4, 8, 3]))
