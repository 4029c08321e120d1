"""Parameter, Buffer, FlatParameters: values that stay where they are, whatever is assigned."""

import copy
import pickle

import numpy as np
import pytest

from chainrule import Buffer, ConfigurationError, Parameter, ShapeError
from chainrule.initializers import Constant, Random
from chainrule.parameter import FlatParameters

# ---------------------------------------------------------------- Parameter


def test_a_parameter_has_a_copy_of_its_value_and_a_gradient_of_zero():
    given = np.ones((2, 3))
    parameter = Parameter(given)
    given[:] = 5
    assert (parameter.value == 1).all()
    assert (parameter.grad == 0).all()
    assert parameter.shape == parameter.grad.shape == (2, 3)
    assert parameter.size == 6
    assert parameter.dtype == parameter.grad.dtype == np.float64
    assert parameter.decay
    assert repr(parameter) == "Parameter(shape=(2, 3), dtype=float64)"


@pytest.mark.parametrize("value", [[1, 2], np.array([1, 2], np.uint8), [True, False]])
def test_whole_numbers_become_float32(value):
    assert Parameter(value).dtype == np.float32


@pytest.mark.parametrize("value", [[1j], ["a"], [None]])
def test_other_things_than_real_numbers_are_refused(value):
    with pytest.raises(ConfigurationError, match="A Parameter holds real numbers, got"):
        Parameter(value)


@pytest.mark.parametrize("what", ["value", "grad"])
def test_assigning_copies_into_the_array_that_is_there(what):
    parameter = Parameter(np.zeros(3, np.float32))
    array = getattr(parameter, what)
    new = np.array([1.0, 2.0, 3.0])
    setattr(parameter, what, new)
    assert getattr(parameter, what) is array
    np.testing.assert_array_equal(array, [1, 2, 3])
    assert array.dtype == np.float32
    new[0] = 9
    assert array[0] == 1
    setattr(parameter, what, [4, 5, 6])
    np.testing.assert_array_equal(array, [4, 5, 6])


@pytest.mark.parametrize("what", ["value", "grad"])
@pytest.mark.parametrize("shape", [(1,), (), (1, 3), (4,), (3, 1)])
def test_a_parameter_keeps_its_shape_for_life(what, shape):
    parameter = Parameter(np.zeros(3))
    with pytest.raises(ShapeError) as caught:
        setattr(parameter, what, np.ones(shape))  # some of these NumPy would have broadcast
    assert str(caught.value).startswith(
        f"a parameter's {what} has the shape (3,) and cannot become {shape};"
    )
    assert not getattr(parameter, what).any()


def test_drawn_is_float32_and_can_be_drawn_again():
    rng = np.random.default_rng(0)
    parameter = Parameter.from_initializer((50, 2), Random(2.0), rng, decay=False)
    first = parameter.value.copy()
    expected = np.random.default_rng(0).normal(0, 2, (50, 2)).astype(np.float32)
    np.testing.assert_array_equal(first, expected)
    assert parameter.dtype == np.float32
    assert not parameter.decay
    parameter.initialize(rng)
    assert not np.array_equal(parameter.value, first)
    parameter.initialize(rng, Constant(3.0))
    assert (parameter.value == 3).all()
    parameter.initialize(np.random.default_rng(0))
    np.testing.assert_array_equal(parameter.value, first)


def test_draw_leaves_a_parameter_without_initializer_alone():
    parameter = Parameter([1.0, 2.0])
    parameter.initialize(np.random.default_rng(0))
    np.testing.assert_array_equal(parameter.value, [1, 2])


def test_cast_changes_value_and_gradient():
    parameter = Parameter([0.1, 0.2])
    parameter.grad = [0.3, 0.4]
    value = parameter.value
    parameter.cast("float64")
    assert parameter.value is value, "of that type already: left alone"
    parameter.cast(np.float32)
    assert parameter.dtype == parameter.grad.dtype == np.float32
    np.testing.assert_array_equal(parameter.grad, np.float32([0.3, 0.4]))


# ---------------------------------------------------------------- Buffer


def test_a_buffer_keeps_its_array():
    given = np.ones(3)
    buffer = Buffer(given)
    given[:] = 5
    array = buffer.value
    assert (array == 1).all()
    buffer.value = [1, 2, 3]
    assert buffer.value is array
    np.testing.assert_array_equal(array, [1, 2, 3])
    assert buffer.shape == (3,)
    assert repr(buffer) == "Buffer(shape=(3,), dtype=float64)"


def test_casting_a_buffer_leaves_counters_whole():
    mean, count = Buffer(np.ones(2)), Buffer(np.array(7))
    mean.cast("float32")
    count.cast("float32")
    assert mean.value.dtype == np.float32
    assert count.value.dtype.kind == "i"
    assert count.value == 7


# ---------------------------------------------------------------- FlatParameters


def two():
    weight, bias = Parameter(np.arange(6.0).reshape(2, 3)), Parameter(np.full(3, 7.0), decay=False)
    weight.grad = -weight.value
    return {"weight": weight, "bias": bias}


def test_flat_vectors_hold_all_values_and_gradients_in_order():
    parameters = two()
    flat = FlatParameters(parameters)
    np.testing.assert_array_equal(flat.values, [0, 1, 2, 3, 4, 5, 7, 7, 7])
    np.testing.assert_array_equal(flat.grads, [0, -1, -2, -3, -4, -5, 0, 0, 0])
    np.testing.assert_array_equal(flat.decay, [True] * 6 + [False] * 3)
    assert flat.slices == {"weight": slice(0, 6), "bias": slice(6, 9)}
    assert len(flat) == 9
    assert flat.values.dtype == np.float64
    assert flat.values.flags.c_contiguous


def test_parameters_become_views():
    parameters = two()
    flat = FlatParameters(parameters)
    flat.values *= 2
    flat.grads[6] = 5
    np.testing.assert_array_equal(parameters["weight"].value, [[0, 2, 4], [6, 8, 10]])
    np.testing.assert_array_equal(parameters["bias"].grad, [5, 0, 0])
    parameters["bias"].value = [1, 2, 3]
    parameters["weight"].grad = np.ones((2, 3))
    np.testing.assert_array_equal(flat.values[6:], [1, 2, 3])
    np.testing.assert_array_equal(flat.grads[:6], 1)


def test_another_one_takes_over_and_the_first_knows():
    parameters = two()
    first = FlatParameters(parameters)
    assert first.current
    second = FlatParameters({"bias": parameters["bias"]})
    assert not first.current
    assert second.current
    parameters["bias"].value = [1, 2, 3]
    np.testing.assert_array_equal(second.values, [1, 2, 3])
    np.testing.assert_array_equal(first.values[6:], 7)


def test_a_cast_parameter_leaves_its_flat_vectors():
    parameters = two()
    flat = FlatParameters(parameters)
    parameters["bias"].cast("float64")
    assert flat.current, "nothing changed"
    parameters["bias"].cast("float32")
    assert not flat.current
    assert parameters["bias"].flat is None
    with pytest.raises(ConfigurationError) as caught:
        FlatParameters(parameters)
    assert "share one dtype, got ['float32', 'float64']" in str(caught.value)


def test_no_parameters_at_all():
    flat = FlatParameters({})
    assert len(flat) == 0
    assert flat.values.dtype == np.float32


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_a_copy_belongs_to_no_flat_vectors(duplicate):
    parameters = two()
    flat = FlatParameters(parameters)
    other = duplicate(parameters["weight"])
    assert other.flat is None
    np.testing.assert_array_equal(other.grad, parameters["weight"].grad)
    other.value = np.ones((2, 3))
    other.grad = np.ones((2, 3))
    np.testing.assert_array_equal(flat.values[:6], np.arange(6))
    np.testing.assert_array_equal(flat.grads[:6], -np.arange(6))
    assert parameters["weight"].flat is flat
    assert flat.current
