"""Pictures: the right boxes and cases, in the right order, with the right words."""

import sys

import numpy as np
import pytest

from chainrule import (
    Concatenate,
    Graph,
    InputError,
    LastStep,
    Linear,
    MissingExtraError,
    MultiHeadAttention,
    Network,
    Node,
    Sequential,
    Tanh,
)
from chainrule.plots import plot_confusion, plot_mistakes, plot_network, worst_mistakes
from chainrule.plots.architecture import arranged, wiring

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


# ---------------------------------------------------------------- how a network hangs together


def shared_encoder():
    encoder = Sequential([Linear(3, 4), Tanh()])
    nodes = {
        "l": Node(encoder, "left"),
        "r": Node(encoder, "right"),
        "seen": Node(MultiHeadAttention(4, 2), "sequence", key_padding_mask="padding"),
        "last": Node(LastStep(), "seen"),
        "y": Node(Concatenate(), "l", "r", "last"),
    }
    return Network(Graph(["left", "right", "sequence", "padding"], nodes, "y"))


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_a_graph_is_drawn_with_its_names_and_shapes(tmp_path):
    shapes = {"left": (3,), "right": (3,), "sequence": (5, 4), "padding": (5,)}
    figure = plot_network(shared_encoder(), shapes)
    shown = texts(figure)
    assert {"left", "right", "sequence", "padding", "key_padding_mask"} <= set(shown)
    assert "y: Concatenate()\n(N, 12)" in shown
    figure.savefig(tmp_path / "graph.png")
    assert len(plot_network(shared_encoder()).axes) == 1


def test_what_is_shared_has_one_colour():
    boxes = {
        text.get_text().split(":")[0]: text.get_bbox_patch().get_facecolor()
        for text in plot_network(shared_encoder()).axes[0].texts
        if text.get_bbox_patch() is not None
    }
    assert boxes["l"] == boxes["r"] != boxes["y"]


def test_a_node_stands_below_all_that_it_takes():
    network = shared_encoder()
    places = arranged(*wiring(network))
    for name, node in network.body.nodes.items():
        assert all(places[source][0] < places[name][0] for source in node.sources)
    assert len(set(places.values())) == len(places)


def test_layers_in_a_row_and_a_single_module():
    assert texts(plot_network(Network([4, 8, 3])))[0] == "x"
    assert any("(N, 8)" in text for text in texts(plot_network(Network([4, 8, 3]))))
    assert len(texts(plot_network(Network(Linear(3, 2))))) == 2
