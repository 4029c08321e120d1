"""Calling a layer: with lists, whole numbers, text; with numbers that overflow."""

from inspect import signature

import numpy as np
import pytest
from cases import all_cases

from chainrule import (
    GELU,
    ChainruleError,
    Conv2d,
    InputError,
    Linear,
    Module,
    MultiHeadAttention,
    Network,
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
LIBRARY = [cls for cls in Module.library_classes.values() if issubclass(cls, Module)]
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


def in_many_ways(x, folder):
    """Yield arrays of the same float32 numbers that differ in type or memory, and their type."""
    yield "big-endian", x.astype(">f4"), "float32"
    yield "big-endian float64", x.astype(">f8"), "float64"
    yield "long double", x.astype(np.longdouble), "float32"
    yield "Fortran's order", np.asfortranarray(x), "float32"
    yield "backwards", np.ascontiguousarray(x[::-1, ..., ::-1])[::-1, ..., ::-1], "float32"
    yield "every other", np.repeat(x, 2, axis=-1)[..., ::2], "float32"
    unaligned = np.ndarray(x.shape, x.dtype, np.zeros(x.nbytes + 1, np.uint8).data, offset=1)
    unaligned[...] = x
    yield "not aligned", unaligned, "float32"
    yield "a subclass", x.view(type("Own", (np.ndarray,), {})), "float32"
    for name, saved in (("mapped", x), ("mapped, big-endian", x.astype(">f4"))):
        np.save(folder / "x.npy", saved)
        yield name, np.load(folder / "x.npy", mmap_mode="r"), "float32"


@every_class
def test_every_array_of_the_same_numbers_gives_the_same(case, tmp_path):
    x = case.input().astype(np.float32)
    plain = case.build()
    expected = plain(x, **case.arguments)
    dy = np.random.default_rng(0).standard_normal(expected.shape).astype(np.float32)
    dx = plain.backward(dy)
    for what, array, dtype in in_many_ways(x, tmp_path):
        module = case.build()
        y = module(array, **case.arguments)
        found = module.backward(dy.astype(y.dtype))
        if isinstance(module, Network):
            dtype = plain.dtype  # a network has a type of its own
        for got, wanted in ((y, expected), (found, dx)):
            got, wanted = (of[0] if isinstance(of, tuple) else of for of in (got, wanted))
            assert (type(got), got.dtype, got.dtype.isnative) == (np.ndarray, dtype, True), what
            if not (case.random and dtype == "float64"):  # in which other numbers are drawn
                np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4, err_msg=what)
        for one, other in zip(module.parameters(), plain.parameters(), strict=True):
            np.testing.assert_allclose(one.grad, other.grad, rtol=1e-3, atol=1e-4, err_msg=what)


@pytest.mark.parametrize("dtype", [">f4", ">f8", "float16"])
@every_class
def test_a_network_takes_numbers_of_any_type_and_byte_order(case, dtype):
    x = case.input().astype(dtype)
    dy = np.ones(case.build()(x, **case.arguments).shape, dtype)
    results = []
    for own in (dtype, "float32"):
        network = Network(case.build())
        y = network.forward(x.astype(own), **case.arguments)
        dx = network.backward(dy.astype(own))
        results.append((y, dx[0] if isinstance(dx, tuple) else dx, network.flat.grads))
    for got, wanted in zip(*results, strict=True):
        assert got.dtype.isnative
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("cls", LIBRARY, ids=lambda cls: cls.__name__)
def test_a_call_that_does_not_fit_names_the_class_that_was_called(cls):
    with pytest.raises(TypeError, match=rf"^{cls.__name__}\b"):
        cls(nonsense=1)
    required = [p for p in signature(cls).parameters.values() if p.default is p.empty]
    if required and required[0].kind is not required[0].VAR_POSITIONAL:
        with pytest.raises(TypeError, match=rf"^{cls.__name__}.__init__\(\) missing"):
            cls()


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
