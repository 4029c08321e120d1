"""Pictures of mistakes: the right cases, in the right order, with the right words."""

import sys

import numpy as np
import pytest

from chainrule import InputError, MissingExtraError
from chainrule.plots import plot_confusion, plot_mistakes, worst_mistakes

NAMES = ["cat", "dog", "cow"]
TRUE = np.array([0, 1, 2, 0, 1])
P = np.array(
    [
        [0.6, 0.3, 0.1],  # right
        [0.7, 0.2, 0.1],  # a dog taken for a cat
        [0.1, 0.895, 0.005],  # a cow taken for a dog, with the most certainty
        [0.4, 0.35, 0.25],  # right, however unsure
        [0.5, 0.45, 0.05],  # a dog nearly seen
    ]
)


def test_the_worst_mistakes_come_first_and_right_answers_are_none():
    assert worst_mistakes(TRUE, P).tolist() == [2, 1, 4]
    assert worst_mistakes(TRUE, P, count=2).tolist() == [2, 1]
    assert worst_mistakes(np.eye(3)[TRUE], P).tolist() == [2, 1, 4]
    assert worst_mistakes(P.argmax(axis=1), P).size == 0


@pytest.mark.parametrize(
    ("labels", "p"),
    [([0, 1], P), ([0, 1, 2, 0, 3], P), (TRUE, P.argmax(axis=1)), ([0, 1, 2, 0, -1], P)],
    ids=["too few labels", "a label outside", "no probabilities", "a negative label"],
)
def test_what_does_not_fit_together_is_refused(labels, p):
    with pytest.raises(InputError, match="Expected a row of probabilities"):
        worst_mistakes(labels, p)


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 1, 4, 6), (5, 3, 4, 6)])
def test_mistakes_are_drawn_with_what_they_were_taken_for(shape):
    pytest.importorskip("matplotlib")
    images = np.random.default_rng(0).normal(size=shape)
    panels = plot_mistakes(images, TRUE, P, class_names=NAMES).axes
    titles = [panel.get_title() for panel in panels if panel.images]
    assert titles == ["dog 90%\nis: cow", "cat 70%\nis: dog", "cat 50%\nis: dog"]
    drawn = panels[0].images[0].get_array()
    assert drawn.shape == ((4, 6, 3) if shape[1] == 3 else (4, 6))
    if shape[1] != 3:
        np.testing.assert_array_equal(drawn, images[2].reshape(4, 6))
    else:
        assert drawn.min() == 0
        assert drawn.max() == 1


def test_no_mistakes_and_no_names():
    pytest.importorskip("matplotlib")
    images = np.zeros((5, 4, 4))
    perfect = plot_mistakes(images, P.argmax(axis=1), P)
    assert perfect.get_suptitle() == "no mistakes"
    assert not any(panel.images for panel in perfect.axes)
    assert plot_mistakes(images, TRUE, P).axes[0].get_title() == "1 90%\nis: 2"


@pytest.mark.parametrize(
    ("shape", "message"),
    [((4, 4, 4), "5 images"), ((5, 16), "5 images"), ((5, 2, 4, 4), "one channel or three")],
)
def test_images_that_are_none(shape, message):
    with pytest.raises(InputError, match=message):
        plot_mistakes(np.zeros(shape), TRUE, P)


def test_a_confusion_matrix_shows_counts_and_shares_of_each_row():
    pytest.importorskip("matplotlib")
    (panel,) = plot_confusion(TRUE, P, class_names=NAMES).axes
    assert panel.get_title() == "accuracy 0.4000"
    shares = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(panel.images[0].get_array(), shares)
    counts = {text.get_position(): text.get_text() for text in panel.texts}
    assert counts == {(0, 0): "2", (0, 1): "2", (1, 2): "1"}  # (column, row)
    assert [label.get_text() for label in panel.get_yticklabels()] == NAMES
    assert (panel.get_ylabel(), panel.get_xlabel()) == ("is", "taken for")


def test_a_class_that_never_occurs_has_an_empty_row():
    pytest.importorskip("matplotlib")
    (panel,) = plot_confusion([0, 0], [0, 2]).axes
    np.testing.assert_array_equal(
        panel.images[0].get_array(), [[0.5, 0, 0.5], [0, 0, 0], [0, 0, 0]]
    )
    assert [label.get_text() for label in panel.get_xticklabels()] == ["0", "1", "2"]


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"chainrule\[plots\]"):
        plot_confusion(TRUE, P)
    with pytest.raises(MissingExtraError, match="Drawing mistakes"):
        plot_mistakes(np.zeros((5, 4, 4)), TRUE, P)
