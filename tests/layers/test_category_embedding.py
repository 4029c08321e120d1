"""CategoryEmbedding and its stack, beyond the battery: what is refused, and how they begin."""

import numpy as np
import pytest

from chainrule import (
    AdamW,
    CategoryEmbedding,
    Embedding,
    InputError,
    Linear,
    MeanSquaredError,
    Network,
    StackedCategoryEmbedding,
    check_module,
)
from chainrule.module import cast


@pytest.mark.parametrize(
    ("code", "told"), [(0.5, "0.5"), (-1, "-1.0"), (4, "4.0"), (np.nan, "nan"), (np.inf, "inf")]
)
@pytest.mark.parametrize("members", [None, 2])
def test_what_is_no_code_is_refused_with_its_place(code, told, members):
    layer = CategoryEmbedding(3, (9, 4), 2)
    x = np.ones((5, 3), np.float32)
    if members:
        layer = StackedCategoryEmbedding(members, 3, (9, 4), embedding_dim=2)
    x[3, 2] = code
    with pytest.raises(InputError, match=f"Column 2 .* from 0 to 3; row 3 has {told}"):
        layer.predict(x)
    x[3] = [code if np.isfinite(code) else 0, 8, 3]  # any number in the other columns
    assert np.isfinite(layer.predict(x)).all()


def test_a_wrong_code_of_one_member_is_refused():
    x = np.zeros((4, 2, 1))
    x[2, 1] = 7
    with pytest.raises(InputError, match=r"Column 0 .* from 0 to 6; row 2 has 7.0"):
        StackedCategoryEmbedding(2, 1, (7,), embedding_dim=2).predict(x)


def test_it_is_an_embedding_of_each_column():
    rng = np.random.default_rng(0)
    layer = CategoryEmbedding(4, (6, 11), 3, seed=0)
    cast(layer, "float64")
    codes = np.stack([rng.integers(0, 6, 40), rng.integers(0, 11, 40)], axis=1)
    y = layer.forward(np.concatenate([rng.standard_normal((40, 2)), codes], axis=1))
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy)
    np.testing.assert_array_equal(dx, np.concatenate([dy[:, :2], np.zeros((40, 2))], axis=1))
    for place, table in enumerate(layer.tables):
        alone = Embedding(len(table.value), 3)
        cast(alone, "float64")
        alone.weight.value = table.value
        own = slice(2 + 3 * place, 5 + 3 * place)
        np.testing.assert_array_equal(y[:, own], alone.forward(codes[:, place]))
        alone.backward(dy[:, own].copy())
        np.testing.assert_array_equal(table.grad, alone.weight.grad)


@pytest.mark.parametrize("shared", [False, True])
def test_k_category_embeddings_side_by_side(shared):
    rng = np.random.default_rng(0)
    stack = StackedCategoryEmbedding(3, 3, (5,), embedding_dim=2, seed=0)
    x = rng.standard_normal((30, 3) if shared else (30, 3, 3)).astype(np.float32)
    x[..., -1] = rng.integers(0, 5, x.shape[:-1])
    y = stack.forward(x)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    dx, total = stack.backward(dy), 0
    for k in range(3):
        one = CategoryEmbedding(3, (5,), 2)
        one.load_state({name: value[k] for name, value in stack.state().items()})
        np.testing.assert_array_equal(y[:, k], one.forward(x if shared else x[:, k].copy()))
        own = one.backward(dy[:, k].copy())
        total = total + own
        np.testing.assert_array_equal(stack.tables[0].grad[k], one.tables[0].grad)
        if not shared:
            np.testing.assert_array_equal(dx[:, k], own)
    if shared:
        np.testing.assert_allclose(dx, total, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("initialization", [None, "kaiming", "orthogonal"])
def test_unknown_categories_begin_at_nothing(initialization):
    layers = [
        CategoryEmbedding(2, (300,), 16),
        StackedCategoryEmbedding(4, 2, (300,), embedding_dim=16),
    ]
    for layer in layers:
        Network([layer], initialization=initialization, seed=0)
        value = layer.tables[0].value
        assert not value[..., 0, :].any()
        assert (value[..., 1:, :] != 0).all()
    if initialization is None:
        assert value[..., 1:, :].std() == pytest.approx(1 / 4, rel=0.03)
    assert len({member.tobytes() for member in value}) == 4


def test_what_no_row_has_stays_nothing():
    network = Network([CategoryEmbedding(1, (4,), 2), Linear(2, 1)], seed=0)
    optimizer, loss = AdamW(0.1, weight_decay=0.1), MeanSquaredError()
    x = np.array([[1.0], [2.0], [3.0], [1.0]], np.float32)
    y = np.array([[1.0], [2.0], [5.0], [1.0]], np.float32)
    for _ in range(300):
        value, gradient = loss.value_and_gradient(y, network.forward(x))
        network.backward_parameters(gradient)
        optimizer.step(network)
    assert value < 0.01
    np.testing.assert_array_equal(network[0].tables[0].value[0], 0)


def test_the_gradient_check_leaves_codes_as_they_are():
    class WithGradientAtCodes(CategoryEmbedding):
        def backward(self, dy):
            return super().backward(dy) + 1.0

    x = np.array([[0.5, 3.0], [1.0, 250.0], [2.0, 299.0]])
    right = check_module(Network([CategoryEmbedding(2, (300,), 2), Linear(3, 2)], seed=0), x)
    assert right.passed, str(right)
    wrong = check_module(WithGradientAtCodes(2, (300,), 2), x)
    assert not wrong.passed


def test_in_a_file_and_back(tmp_path):
    path = tmp_path / "network.npz"
    network = Network([CategoryEmbedding(3, (4, 6), 2), Linear(5, 1)], seed=0)
    network.save(path)
    x = np.array([[0.1, 3, 5], [0.2, 0, 0]], np.float32)
    again = Network.load(path)
    assert repr(again) == repr(network)
    np.testing.assert_array_equal(again.predict(x), network.predict(x))
    with pytest.raises(InputError, match="Column 1 holds codes"):
        again.predict(x + 0.5)
