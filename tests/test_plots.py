"""Plots: the right elements, in the right order, with the right labels."""

import copy
import pickle
import sys

import numpy as np
import pytest

from chainrule import (
    Concatenate,
    ConfigurationError,
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
from chainrule.plots import (
    plot_confusion,
    plot_decision_boundary,
    plot_mistakes,
    plot_network,
    plot_predictions,
    plot_residuals,
    plot_roc,
    worst_mistakes,
)
from chainrule.plots.architecture import arrange, wiring
from chainrule.plots.figures import new_figure
from chainrule.plots.inputs import LONGEST_NAME, shorten

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


def test_the_worst_mistakes_come_first():
    assert worst_mistakes(TRUE, P).tolist() == [2, 1, 4]
    assert worst_mistakes(TRUE, P, count=2).tolist() == [2, 1]
    assert worst_mistakes(np.eye(3)[TRUE], P).tolist() == [2, 1, 4]
    assert worst_mistakes(P.argmax(axis=1), P).size == 0


@pytest.mark.parametrize(
    ("labels", "p"),
    [([0, 1], P), ([0, 1, 2, 0, 3], P), (TRUE, P.argmax(axis=1)), ([0, 1, 2, 0, -1], P)],
    ids=["too few labels", "a label outside", "no probabilities", "a negative label"],
)
def test_invalid_probabilities_are_refused(labels, p):
    with pytest.raises(InputError, match="Expected a row of probabilities"):
        worst_mistakes(labels, p)


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 1, 4, 6), (5, 3, 4, 6)])
def test_mistakes_are_drawn_with_their_predicted_class(shape):
    pytest.importorskip("matplotlib")
    images = np.random.default_rng(0).normal(size=shape)
    panels = plot_mistakes(images, TRUE, P, class_names=NAMES).axes
    titles = [panel.get_title() for panel in panels if panel.images]
    assert titles == [
        "predicted: dog (90%)\ntrue: cow",
        "predicted: cat (70%)\ntrue: dog",
        "predicted: cat (50%)\ntrue: dog",
    ]
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
    assert plot_mistakes(images, TRUE, P).axes[0].get_title() == "predicted: 1 (90%)\ntrue: 2"


def test_long_names_above_mistakes_are_wrapped_and_do_not_overlap():
    pytest.importorskip("matplotlib")
    names = [f"{name}, one of those with a long name" for name in NAMES]
    figure = plot_mistakes(np.zeros((5, 4, 4)), TRUE, P, class_names=names)
    assert " ".join(figure.axes[0].get_title().split()) == (
        f"predicted: {names[1]} (90%) true: {names[2]}"
    )
    nothing_is_cut(figure)
    boxes = [panel.title.get_window_extent() for panel in figure.axes if panel.images]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 4, 4), "5 images"),
        ((5, 4, 4), "to draw holds NaN"),
        ((5, 16), "5 images"),
        ((5, 2, 4, 4), "one channel or three"),
    ],
)
def test_invalid_images_are_refused(shape, message):
    with pytest.raises(InputError, match=message):
        plot_mistakes(np.full(shape, np.nan), TRUE, P)


# ---------------------------------------------------------------- the confusion matrix


def nothing_is_cut(figure):
    """Assert that everything drawn lies within the figure."""
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()  # in inches, of what is visible
    assert min(drawn.x0, drawn.y0) >= 0
    assert (drawn.x1, drawn.y1) <= tuple(figure.get_size_inches())
    assert drawn.y1 <= figure.get_size_inches()[1]


def matrix_of(figure):
    """Return the panel of a confusion matrix, and the size of its cells in inches."""
    panel = figure.axes[0]
    figure.draw_without_rendering()
    box = panel.get_window_extent()
    cells = panel.images[0].get_array().shape[0]
    return panel, box.width / figure.dpi / cells, box.height / figure.dpi / cells


def test_a_confusion_matrix_shows_counts_and_shares_of_each_row():
    pytest.importorskip("matplotlib")
    panel, *_ = matrix_of(plot_confusion(TRUE, P, class_names=NAMES))
    assert panel.get_title() == "accuracy 0.4000"
    shares = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(panel.images[0].get_array(), shares)
    counts = {text.get_position(): text.get_text() for text in panel.texts}
    assert counts == {(0, 0): "2", (0, 1): "2", (1, 2): "1"}  # (column, row)
    assert [label.get_text() for label in panel.get_yticklabels()] == NAMES
    assert (panel.get_ylabel(), panel.get_xlabel()) == ("true", "predicted")


def test_a_confusion_matrix_has_a_scale_of_the_same_height():
    pytest.importorskip("matplotlib")
    figure = plot_confusion(TRUE, P, class_names=NAMES)
    panel, _, _ = matrix_of(figure)
    (scale,) = panel.child_axes
    assert scale.get_ylabel() == "share of the true class"
    assert scale.get_ylim() == (0, 1)
    assert scale.get_window_extent().height == pytest.approx(panel.get_window_extent().height)


def test_a_class_that_never_occurs_has_an_empty_row():
    pytest.importorskip("matplotlib")
    panel, *_ = matrix_of(plot_confusion([0, 0], [0, 2]))
    np.testing.assert_array_equal(
        panel.images[0].get_array(), [[0.5, 0, 0.5], [0, 0, 0], [0, 0, 0]]
    )
    assert [label.get_text() for label in panel.get_xticklabels()] == ["0", "1", "2"]


LONG = [f"{a} {b}" for a in ("Northern hairy-nosed", "Southern", "Eastern") for b in "abcdefghij"]


@pytest.mark.parametrize("names", [None, LONG, [name * 3 for name in LONG]])
def test_thirty_classes_keep_the_size_of_a_cell(names):
    pytest.importorskip("matplotlib")
    labels = np.arange(3000) % 30
    figure = plot_confusion(labels, labels, class_names=names)
    panel, width, height = matrix_of(figure)
    assert (width, height) == pytest.approx((0.45, 0.45), rel=0.02)
    assert len(panel.get_yticklabels()) == 30
    nothing_is_cut(figure)


def test_numbers_of_any_length_stay_in_their_cells():
    pytest.importorskip("matplotlib")
    labels = np.repeat(np.arange(10), 12345)
    figure = plot_confusion(labels, labels)
    panel, width, _ = matrix_of(figure)
    widest = max(text.get_window_extent().width for text in panel.texts) / figure.dpi
    assert widest < width


def test_with_very_many_classes_some_ticks_and_no_counts_are_written():
    pytest.importorskip("matplotlib")
    labels = np.arange(120)
    panel, *_ = matrix_of(plot_confusion(labels, labels))
    assert not panel.texts
    written = [label for label in panel.get_xticklabels() if label.get_text()]
    assert 20 < len(written) < 80
    assert max(panel.figure.get_size_inches()) < 20


def test_names_as_an_array_and_names_that_do_not_fit():
    pytest.importorskip("matplotlib")
    panel, *_ = matrix_of(plot_confusion(TRUE, P, class_names=np.array(NAMES)))
    assert [label.get_text() for label in panel.get_yticklabels()] == NAMES
    for names in ("abc", [1, 2, 3]):
        with pytest.raises(ConfigurationError, match="class_names must be a sequence of str"):
            plot_confusion(TRUE, P, class_names=names)
    with pytest.raises(ConfigurationError, match="Expected 3 class_names, got 2"):
        plot_mistakes(np.zeros((5, 4, 4)), TRUE, P, class_names=NAMES[:2])
    with pytest.raises(InputError, match="Classes must run from 0 to 1"):
        plot_confusion(TRUE, P, class_names=NAMES[:2])


def test_a_long_name_loses_its_middle():
    assert shorten("x" * LONGEST_NAME) == "x" * LONGEST_NAME
    name = shorten("Northern hairy-nosed wombat of Queensland, female")
    assert len(name) <= LONGEST_NAME
    assert name.startswith("Northern hairy-nosed wom")
    assert name.endswith("female")


def test_names_that_differ_only_in_the_middle_are_numbered():
    pytest.importorskip("matplotlib")
    names = [f"Northern hairy-nosed wombat, {name}, of the mountains" for name in NAMES]
    figure = plot_confusion(TRUE, P, class_names=names)
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown == [f"{i}: {shorten(names[0])}" for i in range(3)]
    nothing_is_cut(figure)


@pytest.mark.parametrize("letter", ["W", "M", "@"])
def test_the_widest_names_have_room(letter):
    pytest.importorskip("matplotlib")
    names = [f"{name} {letter * 60}" for name in NAMES]
    for figure in (
        plot_confusion(TRUE, P, class_names=names),
        plot_roc(TRUE, P, class_names=names),
        plot_decision_boundary(
            lambda x: np.eye(3)[(x[:, 0] > 0.5).astype(int)], CORNERS, class_names=names
        ),
    ):
        nothing_is_cut(figure)


# ---------------------------------------------------------------- regression

Y = np.array([1.0, 2.0, 3.0, 4.0])
Y_PRED = np.array([1.5, 2.0, 2.0, 4.5])


def test_predictions_are_drawn_over_the_truth():
    pytest.importorskip("matplotlib")
    (panel,) = plot_predictions(Y, Y_PRED[:, np.newaxis]).axes
    np.testing.assert_array_equal(panel.collections[0].get_offsets(), np.stack([Y, Y_PRED], 1))
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("true", "predicted")
    assert panel.get_xlim() == panel.get_ylim()
    (line,) = panel.lines
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert panel.get_title() == "R² = 0.700, mean absolute error = 0.5"


def test_the_panel_of_predictions_is_square_so_that_the_diagonal_is_one():
    pytest.importorskip("matplotlib")
    figure = plot_predictions(1e6 * Y, 1e6 * Y_PRED)
    figure.draw_without_rendering()
    box = figure.axes[0].get_window_extent()
    assert box.width == pytest.approx(box.height, rel=0.01)
    nothing_is_cut(figure)


def test_residuals():
    pytest.importorskip("matplotlib")
    (panel,) = plot_residuals(Y, Y_PRED).axes
    offsets = panel.collections[0].get_offsets()
    np.testing.assert_array_equal(offsets, np.stack([Y_PRED, Y - Y_PRED], 1))
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("predicted", "residual (true - predicted)")
    assert panel.get_ylim()[0] == -panel.get_ylim()[1]
    assert list(panel.lines[0].get_ydata()) == [0, 0]


def test_an_interval_is_a_band_around_the_diagonal():
    figure = plot_predictions(np.stack([Y, Y], 1), np.stack([Y_PRED, Y_PRED], 1), half_width=[1, 2])
    for panel, width in zip(figure.axes, (1, 2), strict=True):
        (band,) = panel.collections[:1]
        assert band.get_label() == "interval"
        x, y = band.get_paths()[0].vertices.T
        np.testing.assert_allclose(np.abs(y - x), width, rtol=1e-12)
    assert "interval" not in [
        c.get_label() for c in plot_predictions(Y, Y_PRED).axes[0].collections
    ]


@pytest.mark.parametrize("half_width", [-1, [1, 2], np.nan, [[1.0]]])
def test_an_invalid_half_width_is_refused(half_width):
    with pytest.raises(InputError, match="half_width"):
        plot_predictions(Y, Y_PRED, half_width=half_width)


@pytest.mark.parametrize("plot", [plot_predictions, plot_residuals])
def test_a_panel_for_each_output(plot):
    pytest.importorskip("matplotlib")
    true = np.stack([Y, 10 * Y, np.ones(4), Y], axis=1)
    figure = plot(true, true, output_names=["a", "b", "c", "d"])
    titles = [panel.get_title().split("\n") for panel in figure.axes]
    assert [name for name, _ in titles] == ["a", "b", "c", "d"]
    assert titles[1][1] == "R² = 1.000, mean absolute error = 0"
    assert titles[2][1] == "mean absolute error = 0", "R² has no meaning where all are the same"
    nothing_is_cut(figure)


@pytest.mark.parametrize("plot", [plot_predictions, plot_residuals])
@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        (Y, Y[:3], "as many predictions as targets"),
        (np.ones((2, 2, 2)), np.ones((2, 2, 2)), "as many predictions as targets"),
        (Y, [1, 2, np.nan, 4], "y_pred holds NaN or infinity, first in row 2"),
        (["a", "b"], [1, 2], "y_true must hold numbers"),
        ([], [], "y_true is empty"),
    ],
)
def test_invalid_regressions_are_refused(plot, true, pred, message):
    with pytest.raises(InputError, match=message):
        plot(true, pred)


def test_output_names_have_to_fit():
    pytest.importorskip("matplotlib")
    with pytest.raises(ConfigurationError, match="Expected 1 output_names, got 2"):
        plot_predictions(Y, Y_PRED, output_names=["a", "b"])


# ---------------------------------------------------------------- ROC

SCORES = np.array([0.1, 0.4, 0.35, 0.8])


def in_legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [-1, -1, 1, 1], [[1, 0], [1, 0], [0, 1], [0, 1]]])
@pytest.mark.parametrize("scores", [SCORES, SCORES[:, None], np.stack([1 - SCORES, SCORES], 1)])
def test_the_roc_curve_of_two_classes(labels, scores):
    pytest.importorskip("matplotlib")
    figure = plot_roc(labels, scores)
    curve, chance = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_xdata(), [0, 0, 0.5, 0.5, 1])
    np.testing.assert_array_equal(curve.get_ydata(), [0, 0.5, 0.5, 1, 1])
    assert list(chance.get_xdata()) == list(chance.get_ydata()) == [0, 1]
    assert in_legend(figure) == ["class 1 (AUC = 0.750)", "chance (AUC = 0.5)"]
    assert figure.axes[0].get_xlabel() == "false positive rate"
    assert figure.axes[0].get_ylabel() == "true positive rate"


def test_a_curve_for_each_class_and_absent_classes():
    pytest.importorskip("matplotlib")
    scores = np.eye(4)[[0, 1, 2, 0, 1]]
    figure = plot_roc([0, 1, 2, 0, 2], scores, class_names=["a", "b", "c", "d"])
    assert in_legend(figure) == [
        "a (AUC = 1.000)",
        "b (AUC = 0.875)",
        "c (AUC = 0.750)",
        "d: not in y_true",
        "chance (AUC = 0.5)",
    ]
    nothing_is_cut(figure)


def test_with_many_classes_the_worst_are_named():
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 30
    scores = np.eye(30)[labels] * np.linspace(0, 5, 30) + rng.normal(size=(600, 30))
    figure = plot_roc(labels, scores, class_names=LONG)
    said = in_legend(figure)
    assert len(said) == 12
    assert any(line.startswith(f"{LONG[0]} (AUC = 0.") for line in said[:3])
    assert not any(line.startswith(LONG[29]) for line in said)
    assert said[-2].startswith("20 others (AUC from ")
    assert len(figure.axes[0].lines) == 30 + 10 + 2
    nothing_is_cut(figure)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1, 1, 1], SCORES, "needs two classes; y_true holds only class 1"),
        ([0, 1, 2, 1], SCORES, "labels run from 0 to 1; y_true has labels from 0 to 2"),
        ([0, 1], SCORES, "for each of the 2 labels"),
        ([0, 0, 1, 1], [0.1, np.nan, 0.2, 0.3], "y_score holds NaN"),
        ([0, 0, 1, 1], ["a", "b", "c", "d"], "y_score must hold numbers"),
    ],
)
def test_invalid_scores_are_refused(labels, scores, message):
    with pytest.raises(InputError, match=message):
        plot_roc(labels, scores)


# ---------------------------------------------------------------- the decision boundary

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def right_half(sharpness=20.0):
    """Return a network that says 1 where the first feature is above 0.5."""
    network = Network([2, 1], seed=0)
    network[0].weight.value = [[sharpness], [0.0]]
    network[0].bias.value = [-sharpness / 2]
    return network


def drawn_lines(panel):
    return np.concatenate(
        [p.vertices for c in panel.collections for p in c.get_paths() if len(p.vertices) > 50]
    )


def test_a_boundary_is_drawn_where_the_class_changes():
    pytest.importorskip("matplotlib")
    figure = plot_decision_boundary(
        right_half(),
        CORNERS,
        [0, 0, 1, 1],
        class_names=["left", "right"],
        feature_names=["width", "height"],
    )
    panel = figure.axes[0]
    line = drawn_lines(panel)
    np.testing.assert_allclose(line[:, 0], 0.5, atol=0.01)
    assert np.ptp(line[:, 1]) == pytest.approx(1.2), "all the way up"
    assert panel.get_xlim() == panel.get_ylim() == pytest.approx((-0.1, 1.1))
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("width", "height")
    assert in_legend(figure) == ["left", "right"]
    assert panel.get_legend().get_title().get_text() == "true class"
    picture = panel.images[0].get_array()
    assert picture.shape == (200, 200, 3)
    assert picture[0, 0, 2] > picture[0, 0, 0], "blue on the left"
    assert picture[0, -1, 0] > picture[0, -1, 2], "orange on the right"
    assert picture[0, 100].min() > 0.8, "pale in between"
    nothing_is_cut(figure)


def test_samples_have_the_color_of_their_class():
    pytest.importorskip("matplotlib")
    panel = plot_decision_boundary(right_half(), CORNERS, [0, 0, 1, 1]).axes[0]
    groups = [c for c in panel.collections if len(c.get_offsets()) == 2]
    assert [group.get_label() for group in groups] == ["0", "1"]
    np.testing.assert_array_equal(groups[1].get_offsets(), CORNERS[2:])


def test_a_function_instead_of_a_network():
    pytest.importorskip("matplotlib")
    far = 100 + 50 * CORNERS
    figure = plot_decision_boundary(lambda x: right_half().predict((x - 100) / 50), far)
    np.testing.assert_allclose(drawn_lines(figure.axes[0])[:, 0], 125, atol=0.5)
    assert figure.axes[0].get_legend().get_title().get_text() == "predicted"


def test_an_estimator_predicts_probabilities():
    pytest.importorskip("matplotlib")

    class Estimator:
        def predict(self, x):
            return right_half().predict(x) > 0.5

        def predict_proba(self, x):
            p = right_half().predict(x)
            return np.concatenate([1 - p, p], axis=1)

    by_estimator = plot_decision_boundary(Estimator(), CORNERS, grid_resolution=60)
    by_network = plot_decision_boundary(right_half(), CORNERS, grid_resolution=60)
    pictures = [figure.axes[0].images[0].get_array() for figure in (by_estimator, by_network)]
    np.testing.assert_allclose(*pictures)


@pytest.mark.parametrize("outputs", [1, 3])
def test_networks_that_return_logits(outputs):
    pytest.importorskip("matplotlib")
    network = Network([Linear(2, outputs)], seed=0)
    network[0].weight.value = 20 * np.eye(2, outputs)
    network[0].bias.value = np.full(outputs, -10.0)
    with pytest.raises(InputError, match="Give from_logits=True"):
        plot_decision_boundary(network, CORNERS)
    panel = plot_decision_boundary(network, CORNERS, from_logits=True).axes[0]
    if outputs == 1:
        np.testing.assert_allclose(drawn_lines(panel)[:, 0], 0.5, atol=0.01)
    assert len(panel.get_legend().get_texts()) == max(outputs, 2)


def test_samples_on_a_line_have_a_margin():
    pytest.importorskip("matplotlib")
    panel = plot_decision_boundary(right_half(), [[0, 3], [1, 3]], grid_resolution=60).axes[0]
    assert panel.get_ylim() == (2, 4)
    panel = plot_decision_boundary(right_half(), CORNERS, eps=1.0, grid_resolution=60).axes[0]
    assert panel.get_xlim() == (-1, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (right_half(), np.ones((4, 3))),
            InputError,
            r"X of shape \(N, 2\), got \(4, 3\)",
        ),
        ((Network([4, 2]), CORNERS), InputError, "take two features; .*expected 4 features"),
        ((right_half(), CORNERS, [0, 1]), InputError, "Expected 4 labels from 0 to 1"),
        ((right_half(), CORNERS, [0, 1, 2, 0]), InputError, "got 4 from 0 to 2"),
        (("network", CORNERS), ConfigurationError, "Expected a Network or a function"),
        ((lambda x: x[:5], CORNERS), InputError, "one row of probabilities a sample"),
        ((lambda x: x * np.nan, CORNERS), InputError, "what the network returns holds NaN"),
    ],
)
def test_invalid_planes_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        plot_decision_boundary(*arguments)


def test_invalid_options_of_a_plane_are_refused():
    for options in (
        {"grid_resolution": 1},
        {"eps": -1.0},
        {"feature_names": ["one"]},
        {"class_names": ["one"]},
    ):
        with pytest.raises(ConfigurationError):
            plot_decision_boundary(right_half(), CORNERS, **options)


# ---------------------------------------------------------------- figures


def test_a_figure_is_matplotlibs_and_has_an_image_for_notebooks():
    figures = pytest.importorskip("matplotlib.figure")
    figure = plot_confusion(TRUE, P)
    assert isinstance(figure, figures.Figure)
    picture = figure._repr_png_()
    assert picture.startswith(b"\x89PNG")
    width = int.from_bytes(picture[16:20], "big")
    assert width == pytest.approx(figure.bbox.width, abs=2)
    assert repr(figure).startswith("<Figure size ")


def test_figures_open_no_window_and_can_be_pickled_and_copied():
    pytest.importorskip("matplotlib")
    figure = new_figure("A test", 2)
    figure.subplots().set_title("kept")
    for twin in (pickle.loads(pickle.dumps(figure)), copy.deepcopy(figure)):
        assert type(twin) is type(figure)
        assert twin.axes[0].get_title() == "kept"
        assert twin._repr_png_().startswith(b"\x89PNG")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"chainrule\[plots\]"):
        plot_confusion(TRUE, P)
    with pytest.raises(MissingExtraError, match="Drawing mistakes"):
        plot_mistakes(np.zeros((5, 4, 4)), TRUE, P)
    with pytest.raises(MissingExtraError, match="Drawing a ROC curve"):
        plot_roc([0, 0, 1, 1], SCORES)
    with pytest.raises(MissingExtraError, match="Drawing predictions"):
        plot_predictions(Y, Y_PRED)


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


def test_shared_modules_have_one_color():
    boxes = {
        text.get_text().split(":")[0]: text.get_bbox_patch().get_facecolor()
        for text in plot_network(shared_encoder()).axes[0].texts
        if text.get_bbox_patch() is not None
    }
    assert boxes["l"] == boxes["r"] != boxes["y"]


def test_a_node_is_below_all_its_inputs():
    network = shared_encoder()
    places = arrange(*wiring(network))
    for name, node in network.body.nodes.items():
        assert all(places[source][0] < places[name][0] for source in node.sources)
    assert len(set(places.values())) == len(places)


def test_something_else_than_a_network_is_refused():
    with pytest.raises(ConfigurationError, match="network must be a Network; got"):
        plot_network(Linear(2, 3))


def test_layers_in_a_row_and_a_single_module():
    assert texts(plot_network(Network([4, 8, 3])))[0] == "x"
    assert any("(N, 8)" in text for text in texts(plot_network(Network([4, 8, 3]))))
    assert len(texts(plot_network(Network(Linear(3, 2))))) == 2


def test_a_confusion_matrix_of_weights():
    true, pred, weight = [0, 1, 1, 0], [0, 1, 0, 0], [0.5, 2.0, 1.0, 0.25]
    figure = plot_confusion(true, pred, sample_weight=weight)
    panel = figure.axes[0]
    assert sorted(text.get_text() for text in panel.texts) == ["0.75", "1", "2"]
    assert panel.get_title() == "accuracy 0.7333"
    np.testing.assert_allclose(panel.images[0].get_array(), [[1, 0], [1 / 3, 2 / 3]])
