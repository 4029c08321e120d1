"""Checks that several files share."""

import inspect
import tracemalloc

import numpy as np
import pytest

import chainrule
from chainrule import (
    SGD,
    Adam,
    CategoricalCrossEntropy,
    ConfigurationError,
    CosineDecay,
    InputError,
    LinearWarmup,
    Module,
    Network,
    ReLU,
    Standardizer,
    Trainer,
    train_test_split,
)
from chainrule.checks import (
    all_finite,
    arrays,
    check_array,
    check_bool,
    check_finite,
    check_function,
    check_instance,
    check_number,
    check_numbers,
    check_range,
    check_seed,
    check_sizes,
    check_whole,
    check_whole_numbers,
)
from chainrule.metrics import accuracy
from chainrule.optimizers import schedules


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_all_finite(dtype):
    x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(dtype)
    assert all_finite(x)
    assert all_finite(x.transpose(2, 0, 1)[:, ::2])
    assert all_finite(x[:0])
    for bad in (np.nan, np.inf, -np.inf):
        spoiled = x.copy()
        spoiled[4, 6, 2] = bad
        assert not all_finite(spoiled)
        assert not all_finite(spoiled[:, ::-2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_numbers_whose_squares_overflow_are_finite_themselves(dtype):
    x = np.full(100, np.finfo(dtype).max)
    assert all_finite(x)
    x[3] = np.nan
    assert not all_finite(x)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1)])
def test_a_number_within_its_range_becomes_a_python_float(value):
    assert type(check_range("rate", value)) is float


@pytest.mark.parametrize("value", [-0.1, 1, "1", True, None, np.nan, np.inf])
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(ConfigurationError, match=r"rate must be a number with 0 <= rate < 1"):
        check_range("rate", value, high=1)
    with pytest.raises(ConfigurationError, match="0 < rate"):
        check_range("rate", 0, inclusive=False)


# ---------------------------------------------------------------- numbers


def test_a_range_may_hold_both_its_ends_or_neither():
    assert check_range("p", 1, high=1, high_inclusive=True) == 1
    with pytest.raises(ConfigurationError, match=r"0 <= p <= 1, got 1\.5"):
        check_range("p", 1.5, high=1, high_inclusive=True)
    for end in (0, 1):
        with pytest.raises(ConfigurationError, match=f"0 < p < 1, got {end}"):
            check_range("p", end, high=1, inclusive=False)


@pytest.mark.parametrize("value", [-2, 0, 3.5, np.float32(0.5), np.int64(-1), 10**15])
def test_a_finite_number_becomes_a_python_float(value):
    assert type(check_number("slope", value)) is float
    assert check_number("slope", value) == value


@pytest.mark.parametrize(
    "value", ["0.5", None, True, np.True_, np.nan, -np.inf, [1], np.ones(1), 1j, 10**400]
)
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ConfigurationError, match="slope must be a finite number, got"):
        check_number("slope", value)
    with pytest.raises(ConfigurationError, match="slope must be a number with 0 <= slope, got"):
        check_range("slope", value)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_becomes_a_python_int(value):
    assert type(check_whole("size", value)) is int
    assert check_whole("size", value, least=3, most=3) == 3
    assert check_sizes(rows=value, columns=4) == (3, 4)
    assert all(type(size) is int for size in check_sizes(rows=value, columns=value))
    assert check_whole("axis", -3, least=None) == -3


@pytest.mark.parametrize("value", ["3", 3.0, np.float64(3), None, True, np.True_, np.nan, [3]])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ConfigurationError, match="size must be a whole number of at least 1, got"):
        check_whole("size", value)
    with pytest.raises(ConfigurationError, match="axis must be a whole number, got"):
        check_whole("axis", value, least=None)
    with pytest.raises(ConfigurationError, match="columns must be a whole number of at least 1"):
        check_sizes(rows=3, columns=value)
    with pytest.raises(ConfigurationError, match="axes must be a sequence of whole numbers, got"):
        check_whole_numbers("axes", [1, value], least=None)


@pytest.mark.parametrize("value", [-1, 6])
def test_a_whole_number_has_bounds(value):
    with pytest.raises(ConfigurationError, match=f"index must be .* from 0 to 5, got {value}"):
        check_whole("index", value, least=0, most=5)
    assert [check_whole("index", end, least=0, most=5) for end in (0, 5)] == [0, 5]


@pytest.mark.parametrize("values", [(1, 2), [1, 2], range(1, 3), np.array([1, 2])])
def test_whole_numbers_become_a_tuple_of_ints(values):
    numbers = check_whole_numbers("steps", values)
    assert numbers == (1, 2)
    assert all(type(number) is int for number in numbers)


@pytest.mark.parametrize("values", [1, None, "12", {1: 2}, [0], [[1], [1, 2]], np.array(1)])
def test_what_is_no_sequence_of_whole_numbers_is_refused(values):
    with pytest.raises(ConfigurationError, match="steps must be a sequence of whole numbers"):
        check_whole_numbers("steps", values)


def test_a_seed_becomes_a_generator():
    assert check_seed(3).random() == check_seed(np.int64(3)).random()
    generator = np.random.default_rng(0)
    assert check_seed(generator) is generator
    assert check_seed(None).random() != check_seed(None).random()


@pytest.mark.parametrize("seed", [-1, "seven", 0.5, np.nan])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ConfigurationError, match="seed must be a whole number of at least 0"):
        check_seed(seed)


# ---------------------------------------------------------------- objects and arrays


def test_an_instance_and_not_its_class():
    check_instance(ReLU(), Module, "layer must be a Module")
    with pytest.raises(ConfigurationError, match=r"^layer must be a Module; got 3\.$"):
        check_instance(3, Module, "layer must be a Module")
    with pytest.raises(ConfigurationError, match=r"got <class .*ReLU'>\. Did you forget the \(\)"):
        check_instance(ReLU, Module, "layer must be a Module")


def test_a_function_and_not_the_class_of_one():
    check_function(abs, "rate must be a function")
    check_function(CosineDecay(0.1, 10), "rate must be a function")
    with pytest.raises(ConfigurationError, match=r"^rate must be a function; got 3\.$"):
        check_function(3, "rate must be a function")
    with pytest.raises(ConfigurationError, match=r"Did you forget the \(\)\?"):
        check_function(CosineDecay, "rate must be a function")
    for optimizer in (lambda: Adam(CosineDecay), lambda: Adam(LinearWarmup(3, CosineDecay))):
        with pytest.raises(ConfigurationError, match=r"a schedule .*Did you forget the \(\)\?"):
            optimizer()


def test_ragged_rows_are_no_array():
    with pytest.raises(
        InputError, match=r"The rows of X differ in length \(row 0 has 2, row 2 has 1\)"
    ):
        check_array("X", [[1, 2], [3, 4], [5]])
    with pytest.raises(InputError, match=r"The rows of X differ in length \("):
        check_array("X", [[1, 2], 3])
    given = np.ones(3)
    assert check_array("X", given) is given
    np.testing.assert_array_equal(check_array("X", [[1, 2], [3, 4]]), [[1, 2], [3, 4]])


def test_a_mapped_array_stays_mapped(tmp_path):
    np.save(tmp_path / "x.npy", np.ones(3))
    assert isinstance(check_array("X", np.load(tmp_path / "x.npy", mmap_mode="r")), np.memmap)


# ---------------------------------------------------------------- by position, or by name


FAMILIES = {
    chainrule.Loss: {"delta", "gamma", "losses", "margin", "quantile"},
    chainrule.Optimizer: {"learning_rate"},
    chainrule.Callback: {"decay", "folder", "monitor", "path"},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_options_behind_the_first_are_given_by_name(family):
    classes = [
        thing
        for thing in (getattr(chainrule, name) for name in chainrule.__all__)
        if isinstance(thing, type) and issubclass(thing, family) and thing is not family
    ]
    assert len(classes) > 5
    for kind in classes:
        options = inspect.signature(kind).parameters.values()
        by_position = [o.name for o in options if o.kind is not o.KEYWORD_ONLY]
        assert len(by_position) <= 1, kind
        assert set(by_position) <= FAMILIES[family], kind


@pytest.mark.parametrize("kind", schedules.__all__)
def test_schedules_take_two_numbers_by_position(kind):
    options = inspect.signature(getattr(schedules, kind)).parameters.values()
    assert sum(o.kind is not o.KEYWORD_ONLY for o in options) == 2


MASKED = np.ma.array([[1.0, 2.0], [3.0, 1e9]], mask=[[False, False], [False, True]])


@pytest.mark.parametrize("values", [MASKED, [MASKED[0], MASKED[1]]], ids=["array", "rows"])
def test_a_mask_is_never_dropped(values):
    with pytest.raises(InputError, match=r"X has 1 masked value\(s\), the first at .*filled"):
        check_array("X", values)
    np.testing.assert_array_equal(check_array("X", MASKED.filled(4)), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(check_array("X", MASKED[:1]), [[1, 2]])


def test_masked_data_is_refused_at_every_door():
    labels = np.ma.array([0, 1], mask=[False, True])
    network = Network([2, 2], seed=0)
    trainer = Trainer(network, CategoricalCrossEntropy(), SGD(0.1))
    doors = {
        "fit's X": lambda: trainer.fit(MASKED, [0, 1]),
        "fit's y": lambda: trainer.fit([[1, 2], [3, 4]], labels),
        "predict": lambda: network.predict(MASKED),
        "loss": lambda: CategoricalCrossEntropy().forward(labels, np.full((2, 2), 0.5)),
        "metric": lambda: accuracy(labels, np.full((2, 2), 0.5)),
        "Standardizer": lambda: Standardizer().fit(MASKED),
        "split": lambda: train_test_split(MASKED),
    }
    for door in doors.values():
        with pytest.raises(InputError, match="masked"):
            door()


class Frame:
    """As much of a data frame as a door looks at."""

    columns = ("length", "species")

    def __array__(self, dtype=None, copy=None):
        return np.array([[1.5, 2.0], [2.5, "setosa"]], object)


def test_what_is_no_number_is_named_with_its_row_and_column():
    with pytest.raises(InputError) as told:
        check_numbers("X", Frame(), advice="encode it")
    assert str(told.value) == (
        "X must hold numbers, got the text 'setosa' in row 1, column 1 ('species'); encode it."
    )
    with pytest.raises(InputError, match="got None in row 2; encode"):
        check_numbers("y", [1, 2, None], advice="encode it")
    with pytest.raises(InputError, match="The input must hold numbers, got datetime64"):
        check_numbers("the input", np.array(["2020-01-01"], "M8[D]"), advice="encode it")


def test_python_numbers_of_several_kinds_are_numbers():
    mixed = check_numbers("X", np.array([[1, 2.5], [True, np.float32(3)]], object))
    np.testing.assert_array_equal(mixed, [[1, 2.5], [1, 3]])
    assert mixed.dtype == np.float64


# ---------------------------------------------------------------- sizes beyond any machine


@pytest.mark.parametrize(
    "build",
    [
        lambda: chainrule.Network([10, 10**9, 3]),
        lambda: chainrule.Network([10**9, 2]),
        lambda: chainrule.Linear(10, 10**9),
        lambda: chainrule.Linear(10**5, 10**5),
        lambda: chainrule.Linear(1, 2**70),
        lambda: chainrule.Embedding(10**9, 16),
        lambda: chainrule.Embedding(10**7, 10**3),
        lambda: chainrule.LSTM(10, 10**6),
        lambda: chainrule.Conv2d(10**6, 10**6, 3),
        lambda: chainrule.MultiHeadAttention(10**6, 2),
        lambda: chainrule.BatchNorm(10**10, affine=False),
        lambda: chainrule.LayerNorm(10**10),
        lambda: chainrule.LayerNorm((10**5, 10**5)),
        lambda: chainrule.GroupNorm(2, 10**10),
        lambda: chainrule.RMSNorm(10**10),
        lambda: chainrule.PReLU(10**10),
        lambda: chainrule.data.one_hot([0, 10**9], 10**9 + 1),
    ],
)
def test_huge_sizes_are_refused_before_memory_is_taken(build):
    tracemalloc.start()
    try:
        with pytest.raises(ConfigurationError, match=r"at most 100,000,000|there may be 500,000"):
            build()
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_true_and_false():
    assert check_bool("shuffle", np.True_) is True
    for value in ("no", 0, None):
        with pytest.raises(ConfigurationError, match="shuffle must be True or False, got"):
            check_bool("shuffle", value)
    with pytest.raises(ConfigurationError, match=r"seed must be .* got True"):
        check_seed(True)


def test_text_among_numbers_in_a_list_is_found():
    with pytest.raises(InputError, match="got the text 'a' in row 1; encode"):
        check_numbers("y", [1, "a", 2], advice="encode it")


# ---------------------------------------------------------------- numbers, finite and empty


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1, np.nan], {}, r"^X holds NaN or infinity, first in row 1\. Fill or drop those rows"),
        ([[1, 2], [3, np.inf]], {}, r"NaN or infinity, first in row 1, column 1\. "),
        ([[[1, np.nan]]], {}, r"first at index \(0, 0, 1\)"),
        (np.nan, {}, r"^X holds NaN or infinity\. Fill"),
        (
            [1.0, 1e300],
            {"dtype": "float32"},
            "X holds a number too large for float32, first in row 1",
        ),
        (np.ones((0, 3)), {}, r"^X is empty: its shape is \(0, 3\)\.$"),
        (["a"], {}, "got the text 'a' in row 0; encode text and dates first"),
        ([1j], {}, "X must hold numbers, got complex128"),
    ],
)
def test_numbers_that_cannot_be_used(values, options, message):
    with pytest.raises(InputError, match=message):
        check_numbers("X", values, **options)


def test_numbers_are_cast_and_nan_may_be_allowed():
    assert check_numbers("X", [1, 2], dtype="float32").dtype == np.float32
    array = np.array([np.nan, 1.0])
    assert check_numbers("X", array, finite=False) is array
    assert check_numbers("X", [], empty=True).shape == (0,)


def test_the_name_of_the_column_with_the_first_nan_is_told():
    class Table(Frame):
        def __array__(self, dtype=None, copy=None):
            return np.array([[1.5, 2.0], [2.5, np.nan]])

    with pytest.raises(InputError, match=r"X holds .* in row 1, column 1 \('species'\)"):
        check_numbers("X", Table())


def test_a_large_array_is_searched_in_parts(monkeypatch):
    monkeypatch.setattr(arrays, "PART_BYTES", 64)
    x = np.zeros((100, 3))
    check_finite("X", x)
    x[77, 2] = np.inf
    with pytest.raises(InputError, match="first in row 77, column 2"):
        check_finite("X", x)
