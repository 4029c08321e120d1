"""Initialisers: their statistics against theory, and how they are named."""

import math

import numpy as np
import pytest

from chainrule import ConfigurationError
from chainrule.initializers import (
    BY_NAME,
    Constant,
    Identity,
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    Normal,
    Orthogonal,
    Random,
    TruncatedNormal,
    Uniform,
    XavierNormal,
    XavierUniform,
    Zero,
    fans,
    gain,
    get_initializer,
)

SHAPE = (400, 500)  # 200,000 draws: the standard deviation is known to 0.16 %


def rng():
    return np.random.default_rng(0)


def check_moments(draws, std, mean=0.0, fourth=3.0):
    """Mean and deviation within four standard errors; `fourth` is E[(x - mean)⁴] / std⁴."""
    count = draws.size
    assert abs(draws.mean() - mean) < 4 * std / math.sqrt(count)
    assert abs(draws.std() / std - 1) < 4 * math.sqrt((fourth - 1) / (4 * count))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((7,), (7, 1)),
        ((4, 8), (4, 8)),
        ((16, 3, 5), (15, 80)),
        ((16, 3, 5, 4), (60, 320)),
    ],
)
def test_fans(shape, expected):
    assert fans(shape) == expected


def test_a_number_has_no_fans():
    with pytest.raises(ConfigurationError, match="A single number has no fan-in"):
        fans(())


def test_constants():
    np.testing.assert_array_equal(Constant(0.5)((2, 3), rng()), np.full((2, 3), 0.5))
    np.testing.assert_array_equal(Zero()((2, 3), rng()), np.zeros((2, 3)))


def test_normal():
    check_moments(Random()(SHAPE, rng()), 0.1)
    check_moments(Normal(2.0, mean=-5)(SHAPE, rng()), 2.0, mean=-5)


UNIFORM = 9 / 5  # E[(x - mean)⁴] / std⁴ of a uniform distribution


def test_uniform():
    draws = Uniform(-1, 3)(SHAPE, rng())
    check_moments(draws, 4 / math.sqrt(12), mean=1, fourth=UNIFORM)
    assert -1 <= draws.min() < -0.999
    assert 2.999 < draws.max() < 3


@pytest.mark.parametrize("cut", [0.5, 1.0, 2.0])
def test_truncated_normal(cut):
    """Against the moments ∫ zᵏ φ(z) dz / ∫ φ(z) dz over [-cut, cut], summed numerically."""
    draws = TruncatedNormal(3.0, mean=1.0, cut=cut)(SHAPE, rng())
    z = np.linspace(-cut, cut, 200_001)
    density = np.exp(-z * z / 2) / np.exp(-z * z / 2).sum()
    std, fourth = math.sqrt((density * z**2).sum()), (density * z**4).sum()
    check_moments(draws, 3 * std, mean=1, fourth=fourth / std**4)
    assert np.abs(draws - 1).max() <= 3 * cut
    assert TruncatedNormal()((), rng()).shape == ()


def test_the_doc_of_the_truncated_normal_is_true():
    assert TruncatedNormal(1.0)(SHAPE, rng()).std() == pytest.approx(0.88, abs=0.005)


KERNEL = (64, 100, 5, 5)  # fan_in 2500, fan_out 1600


@pytest.mark.parametrize(
    ("initializer", "shape", "std", "fourth"),
    [
        (KaimingNormal(), SHAPE, math.sqrt(2 / 400), 3),
        (KaimingNormal(gain=1), KERNEL, math.sqrt(1 / 2500), 3),
        (KaimingUniform(), SHAPE, math.sqrt(2 / 400), UNIFORM),
        (KaimingUniform(gain=5 / 3), KERNEL, 5 / 3 * math.sqrt(1 / 2500), UNIFORM),
        (XavierNormal(), SHAPE, math.sqrt(2 / 900), 3),
        (XavierNormal(gain=2), KERNEL, 2 * math.sqrt(2 / 4100), 3),
        (XavierUniform(), SHAPE, math.sqrt(2 / 900), UNIFORM),
        (XavierUniform(gain=2), KERNEL, 2 * math.sqrt(2 / 4100), UNIFORM),
        (LecunNormal(), SHAPE, math.sqrt(1 / 400), 3),
        (LecunUniform(), KERNEL, math.sqrt(1 / 2500), UNIFORM),
    ],
    ids=repr,
)
def test_statistics_by_size(initializer, shape, std, fourth):
    draws = initializer(shape, rng())
    assert draws.shape == shape
    check_moments(draws, std, fourth=fourth)
    if fourth == UNIFORM:
        assert np.abs(draws).max() <= std * math.sqrt(3)


@pytest.mark.parametrize("shape", [(6, 6), (8, 3), (3, 8), (4, 3, 2, 2), (20, 2, 3), (5,), (1, 1)])
def test_orthogonal(shape):
    drawn = Orthogonal(gain=2)(shape, rng())
    assert drawn.shape == shape
    matrix = drawn.reshape(shape[0] if len(shape) > 1 else 1, -1)
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    np.testing.assert_allclose(matrix @ matrix.T, 4 * np.eye(len(matrix)), atol=1e-12)


def test_orthogonal_is_drawn_evenly():
    """The mean of many is 0: without the sign of R's diagonal it would not be."""
    generator = rng()
    draws = np.array([Orthogonal()((3, 3), generator) for _ in range(4000)])
    assert np.abs(draws.mean(axis=0)).max() < 4 * math.sqrt(1 / 3 / 4000)
    np.testing.assert_allclose(draws.std(axis=0), math.sqrt(1 / 3), rtol=0.05)


def test_identity():
    np.testing.assert_array_equal(Identity()((3, 3), rng()), np.eye(3))
    np.testing.assert_array_equal(Identity(2)((2, 3), rng()), [[2, 0, 0], [0, 2, 0]])
    kernel = Identity()((2, 2, 3, 5), rng())
    assert kernel.sum() == 2
    assert kernel[0, 0, 1, 2] == kernel[1, 1, 1, 2] == 1


@pytest.mark.parametrize(
    ("initializer", "shape", "message"),
    [
        (Identity(), (3,), r"Identity needs a matrix or a kernel, got a parameter of shape \(3,\)"),
        (Orthogonal(), (), "A single number has no fan-in"),
        (KaimingNormal(), (), "A single number has no fan-in"),
    ],
)
def test_shapes_that_make_no_sense(initializer, shape, message):
    with pytest.raises(ConfigurationError, match=message):
        initializer(shape, rng())


def test_gains():
    assert gain("linear") == gain("sigmoid") == 1
    assert gain("tanh") == 5 / 3
    assert gain("relu") == math.sqrt(2)
    assert gain("leaky_relu") == pytest.approx(math.sqrt(2 / 1.0001))
    assert gain("leaky_relu", negative_slope=0.5) == pytest.approx(math.sqrt(1.6))
    assert gain("selu") == 0.75
    with pytest.raises(ConfigurationError, match=r"No gain is known for 'swish'; there are 'lin"):
        gain("swish")
    with pytest.raises(ConfigurationError, match=r"No gain is known for \['relu'\]"):
        gain(["relu"])


def test_the_gain_keeps_the_size_of_activations():
    """E[f(x)²] · gain² = 1 for the rectifiers, with x standard normal."""
    x = rng().standard_normal(400_000)
    assert (np.maximum(x, 0) ** 2).mean() * gain("relu") ** 2 == pytest.approx(1, abs=0.01)
    leaky = np.where(x > 0, x, 0.3 * x)
    assert (leaky**2).mean() * gain("leaky_relu", negative_slope=0.3) ** 2 == pytest.approx(
        1, abs=0.01
    )


@pytest.mark.parametrize("name", BY_NAME)
def test_by_name(name):
    initializer = get_initializer(name)
    first, second = initializer((6, 4), rng()), initializer((6, 4), rng())
    assert first.shape == (6, 4)
    np.testing.assert_array_equal(first, second)
    assert eval(repr(initializer), {type(initializer).__name__: type(initializer)}) == initializer


def test_short_names_are_the_normal_ones():
    for name in ("kaiming", "xavier", "lecun"):
        assert get_initializer(name) == get_initializer(f"{name}_normal")
    assert get_initializer("kaiming") == KaimingNormal()


def test_a_function_is_taken_as_it_is():
    def ones(shape, rng):
        return np.ones(shape)

    assert get_initializer(ones) is ones


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ConfigurationError, match="Unknown initialization 'kiaming'") as caught:
        get_initializer("kiaming")
    for name in BY_NAME:
        assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Constant("0"), "value must be a finite number, got '0'"),
        (lambda: Normal(-1), "0 <= std, got -1"),
        (lambda: Normal(1, mean=np.nan), "mean must be a finite number"),
        (lambda: Uniform(1, 0), "low must not be above high, got Uniform"),
        (lambda: Uniform(None, 0), "low must be a finite number"),
        (lambda: TruncatedNormal(1, cut=0), "0 < cut, got 0"),
        (lambda: LecunUniform("1"), "0 <= gain, got '1'"),
        (lambda: XavierNormal(np.inf), "0 <= gain, got inf"),
        (lambda: Orthogonal(None), "gain must be a finite number"),
        (lambda: Identity(True), "gain must be a finite number"),
    ],
)
def test_options_that_make_no_sense(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()
