"""Residual and Parallel: what does not fit together, told with names; and how they show."""

import numpy as np
import pytest

from chainrule import ConfigurationError, Module, Network, ShapeError
from chainrule.layers import Flatten, Linear, Parallel, ReLU, Residual, Sequential


class Lookup(Module):
    """A table of rows, looked up by whole numbers; nothing flows back."""

    takes_indices = True

    def forward(self, x, training=True):
        self.save_for_backward(training=training)
        return np.eye(4, dtype=np.float32)[x]

    def backward(self, dy):
        self.saved_values()


def test_residual_says_what_does_not_fit():
    with pytest.raises(
        ShapeError, match=r"it made \(2, 3\) of \(2, 4\)\. Give Residual a shortcut"
    ):
        Residual(Linear(4, 3)).predict(np.ones((2, 4)))
    with pytest.raises(
        ShapeError, match=r"body made the shape \(2, 3\), and the shortcut \(2, 5\)"
    ):
        Residual(Linear(4, 3), Linear(4, 5)).predict(np.ones((2, 4)))


def test_residual_shows_its_shortcut_only_if_there_is_one():
    assert repr(Residual(ReLU())) == "Residual(ReLU())"
    assert repr(Residual(ReLU(), Flatten())) == "Residual(ReLU(), shortcut=Flatten())"


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        (
            {"merge": "add"},
            r"array 1 has the shape \(2, 3\), and array 2 \(2, 5\)",
        ),
        ({"axis": -1}, None),
    ],
)
def test_branches_of_different_widths(options, shapes):
    module = Parallel([Linear(4, 3), Linear(4, 5)], **options)
    if shapes is None:
        assert module.predict(np.ones((2, 4))).shape == (2, 8)
    else:
        with pytest.raises(ShapeError, match=shapes):
            module.predict(np.ones((2, 4)))


def test_branches_that_cannot_be_concatenated():
    x = np.ones((2, 3, 4))
    with pytest.raises(ShapeError, match=r"array 2 \(2, 3, 5\)"):
        Parallel([ReLU(), Linear(4, 5)]).predict(x)
    with pytest.raises(ShapeError, match=r"array 2 \(2, 12\)"):
        Parallel([ReLU(), Flatten()]).predict(x)
    with pytest.raises(ShapeError, match=r"that have an axis 2, got the shape \(2, 4\)"):
        Parallel([ReLU(), ReLU()], axis=2).predict(np.ones((2, 4)))
    with pytest.raises(ShapeError, match="an axis -2"):  # the batch, seen from the end
        Parallel([ReLU(), ReLU()], axis=-2).predict(np.ones((2, 4)))


def test_an_error_inside_a_branch_names_the_path():
    network = Network([Parallel([ReLU(), Sequential([Linear(5, 4)])])])
    with pytest.raises(ShapeError, match=r"Linear \(layers.0.branches.1.layers.0\): expected 5"):
        network.predict(np.ones((2, 4)))


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: Parallel([]), "Parallel needs at least one branch, got none"),
        (lambda: Parallel([ReLU]), r"Did you forget the \(\)\?"),
        (lambda: Parallel([ReLU(), 3]), "got 3"),
        (lambda: Parallel([ReLU()], merge="sum"), "merge must be 'concatenate' or 'add'"),
        (lambda: Parallel([ReLU()], axis=0), "the batch"),
        (
            lambda: Parallel([Lookup(), ReLU()]),
            "either all modules that get the input",
        ),
        (lambda: Sequential([]), "Sequential needs at least one layer, got none"),
    ],
)
def test_refuses_options_that_make_no_sense(build, named):
    with pytest.raises(ConfigurationError, match=named):
        build()


def test_branches_on_indices_send_nothing_back():
    module = Parallel([Lookup(), Lookup()], merge="add")
    assert module.takes_indices
    y = module.forward(np.array([[0, 3], [1, 1]]))
    np.testing.assert_array_equal(y[0], [[2, 0, 0, 0], [0, 0, 0, 2]])
    assert module.backward(np.ones_like(y)) is None


def test_branches_show_one_a_line():
    module = Parallel([ReLU(), Linear(4, 5)], axis=-1)
    assert repr(module) == "Parallel([\n    ReLU(),\n    Linear(4, 5),\n], axis=-1)"
    assert len(Network([module]).summary((4,)).splitlines()) == 6
