"""summary(): every layer in a row, with its output's shape, its parameters and its memory."""

import numpy as np
import pytest

from chainrule import (
    ConfigurationError,
    Dropout,
    Linear,
    Module,
    Network,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    Softmax,
    Tanh,
)
from chainrule.summary.table import _size


class Flat(Module):
    """(N, C, H, W) to (N, C·H·W), with a parameter for each number."""

    def __init__(self, features, scale=1.0):
        self.features = features
        self.scale = scale
        self.gain = Parameter(np.ones(features))

    def forward(self, x, training=True):
        return x.reshape(len(x), -1) * self.gain.value


def cells(network, *arguments):
    """Return the table's rows as lists of cells, rules and note left out."""
    lines = network.summary(*arguments).split("\n")
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[:-1]]


def test_the_whole_table():
    assert Network([4, 8, 3]).summary() == (
        "layer            output  parameters  memory\n"
        "-------------------------------------------\n"
        "0: Linear(4, 8)  (N, 8)          40   320 B\n"
        "1: ReLU()        (N, 8)           0     0 B\n"
        "2: Linear(8, 3)  (N, 3)          27   216 B\n"
        "3: Softmax()     (N, 3)           0     0 B\n"
        "-------------------------------------------\n"
        "total                            67   536 B\n"
        "memory: parameters and their gradients; output: per batch of N"
    )


def test_memory_follows_the_type_and_is_what_the_arrays_take():
    single, double = Network([300, 200, 3]), Network([300, 200, 3], dtype="float64")
    assert cells(single)[-1] == ["total", "60,803", "475.0 KiB"]
    assert cells(double)[-1] == ["total", "60,803", "950.0 KiB"]
    held = sum(p.value.nbytes + p.grad.nbytes for p in double.named_parameters().values())
    assert held == pytest.approx(950.0 * 1024, rel=1e-3)


def test_containers_are_one_row_with_all_that_is_in_them():
    body = Sequential([Linear(4, 4), Tanh(), Linear(4, 4)])
    rows = cells(Network([Linear(6, 4), Residual(body), Residual(ReLU()), Softmax()]))
    assert rows[3] == ["1: Residual(...)", "(N, 4)", "40", "320 B"]
    assert rows[4] == ["2: Residual(ReLU())", "(N, 4)", "0", "0 B"]
    inner = Network([Linear(4, 2)], dtype="float64")
    assert (
        cells(Network([inner], dtype="float64"))[2][0] == "0: Network(dtype=dtype('float64'), ...)"
    )


def test_a_samples_shape_gives_the_output_shapes_of_images():
    network = Network([ReLU(), Flat(48, scale=2.0), Linear(48, 10)])
    rows = cells(network, (3, 4, 4))
    assert rows[2] == ["0: ReLU()", "(N, 3, 4, 4)", "0", "0 B"]
    assert rows[3] == ["1: Flat(48, scale=2.0)", "(N, 48)", "48", "384 B"]
    assert rows[4][1] == "(N, 10)"


def test_without_a_samples_shape_the_column_stays_empty():
    rows = cells(Network([ReLU(), Linear(4, 3)]))
    assert rows[2] == ["0: ReLU()", "0", "0 B"]
    assert rows[3] == ["1: Linear(4, 3)", "15", "120 B"]


def test_sequences_by_sample_shape():
    assert cells(Network([Linear(4, 3)]), (7, 4))[2][1] == "(N, 7, 3)"


def test_a_sample_that_does_not_fit_is_told_with_the_path():
    network = Network([Linear(4, 4), Residual(Sequential([Linear(5, 5)]))])
    with pytest.raises(ShapeError) as caught:
        network.summary()
    assert str(caught.value) == (
        "Linear (layers.1.body.layers.0): expected 5 features, got an input of shape (1, 4)."
    )
    with pytest.raises(ShapeError, match=r"^Linear \(layers.0\): expected 4 features"):
        network.summary((3,))


def test_summary_changes_nothing():
    network = Network([Linear(4, 8), Dropout(0.5), Linear(8, 3)], seed=0)
    x = np.ones((2, 4))
    network.forward(x)
    expected = network.backward(np.ones((2, 3)))
    network = Network([Linear(4, 8), Dropout(0.5), Linear(8, 3)], seed=0)
    network.summary()
    network.forward(x)
    network.summary()
    np.testing.assert_array_equal(network.backward(np.ones((2, 3))), expected)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (3 * 1024**2, "3.0 MiB"),
        (2.5 * 1024**3, "2.5 GiB"),
        (5000 * 1024**3, "5000.0 GiB"),
    ],
)
def test_sizes_in_units_for_people(count, text):
    assert _size(count) == text


@pytest.mark.parametrize("shape", ["x", 3, [None], (2.5,), {"x": "4"}, object()])
def test_a_sample_shape_that_is_none_is_refused(shape):
    with pytest.raises(ConfigurationError, match="sample_shape must be a sequence of whole"):
        Network([4, 3]).summary(shape)
