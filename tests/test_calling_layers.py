"""Calling a layer: with lists, whole numbers, text; with numbers that overflow."""

import numpy as np
import pytest
from cases import all_cases

from chainrule import (
    GELU,
    ChainruleError,
    Conv2d,
    InputError,
    Linear,
    MultiHeadAttention,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
)
from chainrule.module import cast

FLOATS = [
    case
    for case in all_cases()
    if isinstance(case.input(), np.ndarray) and case.input().dtype.kind == "f"
]
every_case = pytest.mark.parametrize("case", FLOATS, ids=lambda case: case.name)
# What `Module.__call__` does for all alike is put to one case of each class.
CLASSES = {type(case.build()): case for case in reversed(FLOATS)}
every_class = pytest.mark.parametrize("case", CLASSES.values(), ids=lambda case: case.name)


def forward(case, x):
    module = case.build()
    return module, module(x, **case.arguments)


def test_the_example():
    layer = Linear(2, 3, seed=0)
    y = layer([[1, 2]])
    np.testing.assert_array_equal(y, layer.forward(np.array([[1, 2]], np.float32)))
    assert y.dtype == np.float32


def test_forward_only_computes_and_says_so():
    with pytest.raises(InputError, match=r"Linear.forward takes an array, got list. .*layer\(x\)"):
        Linear(2, 3).forward([[1, 2]])


@every_class
def test_lists_are_as_good_as_arrays(case):
    x = case.input_with(lambda x: np.round(x * 4)).astype(np.float32)
    expected = forward(case, x)[1]
    module, y = forward(case, x.tolist())
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == expected.dtype
    module.backward(np.ones_like(y))


@every_class
def test_whole_numbers_become_floats(case):
    x = case.input_with(lambda x: np.round(x * 4))
    expected = forward(case, x.astype(np.float32))[1]
    module, y = forward(case, x.astype(np.int64))
    np.testing.assert_array_equal(y, expected)
    module.backward(np.ones_like(y))
    forward(case, x > 0)


@pytest.mark.parametrize("build", [lambda: Linear(4, 3), lambda: Sequential([ReLU()]), Softmax])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: None,
        lambda x: "abc",
        lambda x: x.astype(str),
        lambda x: x + 1j,
        lambda x: np.ma.masked_array(x, mask=x > -np.inf),
        lambda x: np.where(x > x.min(), x.astype(object), "text"),
        lambda x: 3.0,
    ],
)
def test_what_holds_no_numbers_is_refused_with_an_error_of_ours(build, spoil):
    with pytest.raises(ChainruleError):
        build()(spoil(np.arange(8.0).reshape(2, 4)))


@every_case
def test_every_other_number_of_axes_works_or_is_refused(case):
    x = case.input().astype(np.float32)
    for other in (x.reshape(-1), x[..., None], x[..., None, None], x[0], x[:0]):
        module = case.build()
        try:
            module(other, **case.arguments)
        except ChainruleError:
            continue


def test_where_it_stands_is_told():
    with pytest.raises(InputError, match=r"The input of Linear must .* 'a' in row 1, column 0"):
        Linear(2, 3)([[1, 2], ["a", 3]])
    with pytest.raises(ShapeError, match=r"Softmax: expected an axis 1, got .* \(3,\)"):
        Softmax(axis=1)(np.ones(3))


def test_containers_too():
    body = Sequential([Linear(2, 3, seed=0), ReLU(), Linear(3, 1, seed=1)])
    for container in (body, Residual(Linear(2, 2, seed=0))):
        y = container.forward(np.float32([[1, 2]]))
        np.testing.assert_array_equal(container([[1, 2]]), y)
        np.testing.assert_array_equal(container(((1, 2),)), y)
    with pytest.raises(InputError, match="The input of Sequential must hold numbers"):
        body([["a", "b"]])


def test_the_type_of_the_parameters_decides():
    layer = Sequential([Linear(2, 3, seed=0)])
    cast(layer, np.float64)
    assert layer([[1, 2]]).dtype == np.float64
    assert Sigmoid()([[1, 2]]).dtype == np.float32


def test_a_learner_s_copy_of_a_layer_behaves_like_the_original():
    class Copied(Linear):
        def forward(self, x, training=True):
            return super().forward(x, training)

    np.testing.assert_array_equal(Copied(2, 3, seed=0)([[1, 2]]), Linear(2, 3, seed=0)([[1, 2]]))
    with pytest.raises(InputError, match="The input of Copied must hold numbers"):
        Copied(2, 3)("abc")


# ---------------------------------------------------------------- numbers that overflow


@every_case
def test_no_warning_escapes(case):  # warnings are errors in the tests
    for dtype, size in (("float32", 3e38), ("float32", 3e19), ("float64", 1e300)):
        x = case.input_with(lambda x, size=size: np.sign(x) * size).astype(dtype)
        arguments = {
            name: np.asarray(value, dtype) if np.asarray(value).dtype.kind == "f" else value
            for name, value in case.arguments.items()
        }
        module = case.build()
        cast(module, dtype)
        try:
            module(x, False, **arguments)
            module(x, True, **arguments)
        except InputError:
            assert "Norm" in case.name  # which says that the variance is too large


@pytest.mark.parametrize("build", [GELU, lambda: MultiHeadAttention(4, 2, seed=0)])
def test_after_a_pass_warnings_are_as_they_were(build):
    layer, before = build(), np.geterr()
    layer(np.full((2, 3, 4), 3e38, np.float32))
    assert np.geterr() == before
    with pytest.raises(ShapeError):
        Conv2d(3, 4, 3)(np.ones((2, 2)))
    assert np.geterr() == before
