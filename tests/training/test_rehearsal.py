"""What does not fit together is told before the first step, in the words of who gave it."""

import contextlib
import re
import tracemalloc

import numpy as np
import pytest

from chainrule import (
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Checkpoint,
    ConfigurationError,
    Conv2d,
    EarlyStopping,
    Flatten,
    InputError,
    Linear,
    MeanSquaredError,
    Network,
    NotFiniteError,
    ReduceOnPlateau,
    ReLU,
    ShapeError,
    Softmax,
    Trainer,
)
from chainrule.metrics import accuracy

RNG = np.random.default_rng(0)
X = RNG.standard_normal((70, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 70)
BATCHES = [(X[:30], Y[:30]), (X[30:], Y[30:])]
WITH_NAN = np.where(np.arange(70)[:, None] == 9, np.nan, X)
IMAGES = RNG.standard_normal((20, 8, 8, 3)).astype(np.float32)


def trainer(network=None, loss=None, optimizer=None, **options):
    network = network or Network([4, 8, 3], seed=0)
    loss = loss or CategoricalCrossEntropy()
    return Trainer(network, loss, optimizer or Adam(0.01), **{"seed": 0} | options)


def refused(error, message, subject, *data, **options):
    """Fit, and see that it is refused, and that nothing has moved."""
    before = {name: value.copy() for name, value in subject.network.state().items()}
    with pytest.raises(error, match=message):
        subject.fit(*data, **{"epochs": 2, "progress": False} | options)
    after = subject.network.state()
    assert all(np.array_equal(after[name], value) for name, value in before.items())
    assert (subject.state.step, subject.optimizer.steps) == (0, 0)


# ---------------------------------------------------------------- iterables


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        ([(X[:, :2], Y)], ShapeError, r"expected 4 features, got .* \(70, 2\)"),
        ([(X, Y + 5)], InputError, "labels run from 0 to 2; got labels from 5 to 7"),
        ([(X, Y[:, None])], InputError, "reshape"),
        ([], InputError, "yielded no batch"),
        ([X], InputError, "Expected batches"),
    ],
)
def test_the_first_batch_of_an_iterable_tells(batches, error, message):
    refused(error, message, trainer(), batches)
    refused(error, message, trainer(), iter(batches), epochs=1)
    refused(error, "of validation_data", trainer(), X, Y, validation_data=batches)
    refused(error, message, trainer(), BATCHES, validation_data=batches)


def test_no_batch_is_lost_by_looking_at_the_first():
    counts = []
    for batches in (BATCHES, iter(BATCHES), (batch for batch in BATCHES)):
        subject = trainer()
        history = subject.fit(batches, epochs=1, progress=False, validation_data=iter(BATCHES))
        counts.append((subject.state.step, history.epochs["loss"], history.epochs["val_loss"]))
    assert counts[0] == counts[1] == counts[2]
    assert counts[0][0] == 2


def test_validation_that_can_be_gone_through_only_once():
    message = "generator of validation_data can be read only once, not for 2 epochs"
    refused(ConfigurationError, message, trainer(), X, Y, validation_data=(b for b in BATCHES))


def test_metrics_are_tried_on_validation_data_too():
    def fails(y_true, y_pred):
        raise TypeError("not for such targets")

    for data in ((X, Y), BATCHES):
        subject = trainer(metrics=[fails])
        refused(ConfigurationError, "'fails' cannot be taken here", subject, BATCHES)
        refused(ConfigurationError, "'fails'", subject, BATCHES, validation_data=data)


# ---------------------------------------------------------------- validation data, by name


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((WITH_NAN, Y), "X of validation_data holds NaN or infinity, first in row 9"),
        ((X, Y[:5]), "X and y of validation_data must have .*: X has 70, y has 5"),
        ((np.ma.masked_less(X, 0), Y), "X of validation_data has .* masked"),
        ((X, np.array(["a"] * 70)), "y of validation_data must hold numbers, got the text 'a'"),
        ((X[:, :2], Y), r"got an input of shape \(70, 2\). \(That is of validation_data.\)"),
        ([X, Y], r"as a tuple: \(X, y\)"),
        (X, "Give X and y of validation_data"),
    ],
)
def test_validation_data_are_named(data, message):
    refused((InputError, ShapeError), message, trainer(), X, Y, validation_data=data)


class Frame:
    """As much of a data frame as is looked at."""

    columns = ("length", "width", "height", "age")

    def __array__(self, dtype=None, copy=None):
        return np.where(np.arange(70)[:, None] == 9, [1, 1, np.nan, 1], X)


def test_where_nan_stands():
    message = r"X holds NaN or infinity, first in row 9, column 2 \('height'\)"
    refused(InputError, message, trainer(), Frame(), Y)


# ---------------------------------------------------------------- callbacks, options, optimizers


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (EarlyStopping(), "nothing is validated. Give fit validation_split=0.2"),
        (ReduceOnPlateau(), "Give fit validation_split=0.2"),
        (EarlyStopping("val_accuracy"), r"validation_split=0.2 .* and Trainer metrics=\[...\]"),
        (EarlyStopping("accuracy"), r"Give Trainer metrics=\[...\]"),
    ],
)
def test_what_callbacks_watch(callback, message):
    refused(ConfigurationError, message, trainer(), X, Y, callbacks=[callback])
    refused(ConfigurationError, message, trainer(), BATCHES, callbacks=[callback])


def test_what_a_checkpoint_watches(tmp_path):
    callbacks = [Checkpoint(tmp_path, monitor="val_loss")]
    refused(ConfigurationError, "validation_split=0.2", trainer(), X, Y, callbacks=callbacks)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EarlyStopping(5), "monitor must be a name"),
        (lambda: Checkpoint(5), "Checkpoint needs the path of a folder, got 5"),
        (lambda: Checkpoint("x", monitor=5), "monitor must be a name"),
        (lambda: trainer(metrics=accuracy), "metrics must be a list"),
        (lambda: trainer(metrics=5), "metrics must be a list"),
        (lambda: trainer(metrics=None), "metrics must be a list"),
        (lambda: trainer(seed=-1), "seed must be a whole number"),
        (lambda: trainer(seed=1.5), "seed must be a whole number"),
        (lambda: trainer(seed=True), "seed must be a whole number"),
        (lambda: trainer().predict(X, batch_size=0), "batch_size must be a whole number"),
    ],
)
def test_options_that_make_no_sense(call, message):
    with pytest.raises(ConfigurationError, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"callbacks": EarlyStopping("loss")}, "callbacks must be a list"),
        ({"callbacks": "abc"}, "callbacks must be a list"),
        ({"shuffle": "no"}, "shuffle must be True or False"),
        ({"drop_last": 1}, "drop_last must be True or False"),
        ({"validation_split": "0.2"}, "validation_split must be a number"),
        ({"augment": 5}, "augment must be a function"),
        ({"augment": {"image": lambda x, rng: x}}, r"augment names \['image'\]"),
        ({"class_weight": [1, 2, 3, 4]}, r"names the classes \[3\], which no sample has"),
    ],
)
def test_options_of_fit_that_make_no_sense(options, message):
    refused((ConfigurationError, InputError), message, trainer(), X, Y, **options)


def test_what_the_optimizer_would_refuse_at_its_first_step():
    unknown = trainer(optimizer=Adam(0.1, lr_multipliers={"nope.*": 0}))
    refused(ConfigurationError, "fits the pattern 'nope", unknown, X, Y)
    refused(ConfigurationError, "at step 0", trainer(optimizer=Adam(lambda step: -1)), X, Y)
    used = trainer()
    used.fit(X, Y, epochs=1, progress=False)
    other = trainer(optimizer=used.optimizer)
    before = other.network.flat.values.copy()
    with pytest.raises(ConfigurationError, match="has the state of another network"):
        other.fit(X, Y, callbacks=[Fails()], progress=False)
    np.testing.assert_array_equal(other.network.flat.values, before)


class Fails(EarlyStopping):
    """Is never begun."""

    def on_fit_begin(self, trainer):
        raise AssertionError("a callback began")


# ---------------------------------------------------------------- batches of one sample


def normalised():
    return Network([Linear(4, 3), BatchNorm(3), Softmax()], seed=0)


@pytest.mark.parametrize(
    "options", [{"batch_size": 1}, {"batch_size": 8, "micro_batch_size": 1}, {"samples": 1}]
)
def test_a_batch_of_one_sample_is_refused_only_where_it_cannot_be_helped(options):
    samples = options.get("samples", 70)
    subject = trainer(normalised(), micro_batch_size=options.get("micro_batch_size"))
    message = "one value has no variance. Train on more than one sample at once"
    size = options.get("batch_size", 32)
    refused(ShapeError, message, subject, X[:samples], Y[:samples], batch_size=size)


@pytest.mark.parametrize("size", [3, 23, 69])
def test_a_single_sample_left_over_is_no_reason(size):
    trainer(normalised()).fit(X, Y, batch_size=size, epochs=1, progress=False)


# ---------------------------------------------------------------- hints


@pytest.mark.parametrize(
    ("layers", "x", "message"),
    [
        (
            [Conv2d(3, 4, 3), Flatten(), Linear(144, 3)],
            IMAGES,
            "Channels come first here: x.transpose(0, 3, 1, 2).",
        ),
        ([Conv2d(1, 4, 3), Flatten(), Linear(144, 3)], IMAGES[..., 0], "x[:, None] gives each"),
        (
            [Conv2d(3, 4, 3), ReLU(), Linear(144, 3)],
            IMAGES.transpose(0, 3, 1, 2),
            "Flatten() before it makes rows of 144 numbers",
        ),
    ],
)
def test_images_that_do_not_fit(layers, x, message):
    refused(ShapeError, re.escape(message), trainer(Network(layers)), x, Y[:20])


@pytest.mark.parametrize(
    ("network", "loss", "y", "message"),
    [
        (Network([4, 1]), CategoricalCrossEntropy(), Y, "For yes or no use BinaryCrossEntropy"),
        (Network([4, 3]), CategoricalCrossEntropy(), Y[:, None], r"y.reshape\(-1\)"),
        (Network([4, 3]), MeanSquaredError(), Y, "Class numbers go with CategoricalCrossEntropy"),
        (Network([4, 3]), BinaryCrossEntropy(), Y, "Class numbers go with CategoricalCrossEntropy"),
    ],
)
def test_targets_that_do_not_fit(network, loss, y, message):
    refused(InputError, message, trainer(network, loss), X, y)


def test_columns_are_as_good_as_rows_in_a_regression():
    histories = []
    for y in (X[:, 0], X[:, :1]):
        subject = trainer(Network([Linear(4, 1)], seed=0), MeanSquaredError())
        histories.append(subject.fit(X, y, epochs=2, progress=False).epochs["loss"])
    assert histories[0] == histories[1]


# ---------------------------------------------------------------- predictions


def test_predict_speaks_of_the_user_s_rows():
    subject, rows = trainer(), np.zeros((1000, 4))
    with pytest.raises(ShapeError, match=r"got an input of shape \(1000, 2\)"):
        subject.predict(rows[:, :2])
    rows[700, 2] = np.inf
    with pytest.raises(InputError, match="X holds NaN or infinity, first in row 700, column 2"):
        subject.predict(rows)


# ---------------------------------------------------------------- huge weights, huge classes


@pytest.mark.parametrize("micro_batch_size", [None, 5])
def test_only_how_weights_compare_matters(micro_batch_size):
    weight = RNG.uniform(0.5, 2, 70)
    results = []
    for scale in (1.0, 1e150, 1e-150):
        subject = trainer(micro_batch_size=micro_batch_size)
        history = subject.fit(X, Y, sample_weight=weight * scale, epochs=3, progress=False)
        results.append([*history.epochs["loss"], *subject.network.flat.values])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-4, atol=1e-6)


def test_a_batch_beside_many_of_huge_weights():
    batches = [(X, Y, np.full(70, 1e198))] * 20
    assert np.isfinite(trainer().fit(batches, epochs=1, progress=False).epochs["loss"]).all()


def test_a_class_number_of_a_billion_takes_no_memory():
    y = np.append(Y[:-1], 10**9)
    tracemalloc.start()
    try:
        for options in ({}, {"class_weight": "balanced"}, {"validation_split": 0.2}):
            refused(InputError, "got labels from 0 to 1000000000", trainer(), X, y, **options)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("dtype", "size"), [("float32", 3e38), ("float64", 1e308)])
@pytest.mark.parametrize("sizes", [[4, 8, 3], [4, 1]])
def test_no_warning_escapes_a_trainer(dtype, size, sizes):  # warnings are errors in the tests
    loss = CategoricalCrossEntropy() if sizes[-1] > 1 else BinaryCrossEntropy()
    subject = trainer(Network(sizes, seed=0, dtype=dtype), loss)
    x, y = np.full((5, 4), size, dtype), np.array([0, 1, 0, 1, 0])
    assert subject.predict(x).shape == (5, sizes[-1])
    for call in (
        lambda: subject.evaluate(x, y),
        lambda: subject.fit(x / size, y, validation_data=(x, y), epochs=1, progress=False),
        lambda: subject.fit(x, y, epochs=1, progress=False),
    ):
        with contextlib.suppress(NotFiniteError):  # an error of ours, or none
            call()
