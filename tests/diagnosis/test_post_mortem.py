"""NaN and infinity: training stops at once, and says where they came from and from which rows."""

import math
import os
import pickle

import numpy as np
import pytest

from chainrule import (
    SGD,
    Adam,
    Callback,
    CategoricalCrossEntropy,
    Checkpoint,
    Dropout,
    Graph,
    InputError,
    LastStep,
    Linear,
    MeanSquaredError,
    Module,
    MultiHeadAttention,
    Network,
    Node,
    NotFiniteError,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    StateError,
    Trainer,
    replay,
)
from chainrule.diagnosis.post_mortem import NonFiniteArray, investigate, investigate_prediction
from chainrule.optimizers import Optimizer
from chainrule.storage.archive import read_archive, write_archive

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
MARK = np.float32(77.0)
ROW = 13


class Plant(Module):
    """Passes everything through, but spoils the rows whose first feature is MARK."""

    def __init__(self, direction, value=np.nan):
        self.direction, self.value = direction, value

    def spoil(self, x, rows):
        x = x.copy()
        x[rows, -1] = self.value
        return x

    def forward(self, x, training=True):
        marked = x[:, 0] == MARK
        self.save_for_backward(marked, training=training)
        return self.spoil(x, marked) if self.direction == "forward" else x

    def backward(self, dy):
        (marked,) = self.saved_values()
        return self.spoil(dy, marked) if self.direction == "backward" else dy


def network(*layers, dtype="float32"):
    return Network([*layers, Linear(4, 8, seed=0), ReLU(), Linear(8, 2, seed=1)], dtype=dtype)


def trainer(net, optimizer=None, loss=None, file=None, **options):
    loss = loss or CategoricalCrossEntropy(from_logits=True)
    optimizer = optimizer or Adam(0.01)
    return Trainer(net, loss, optimizer, seed=0, post_mortem_file=file, **options)


def planted(value=MARK, row=ROW):
    x = X.copy()
    x[row, 0] = value
    return x


def fails(subject, x=X, y=Y, **options):
    """Train, and return the error with the batch's rows told as rows of the data."""
    options = {"epochs": 3, "batch_size": 8, "progress": False} | options
    with pytest.raises(NotFiniteError) as caught:
        subject.fit(x, y, **options)
    return caught.value


def row_in_batch(subject, row=ROW, size=8):
    place = subject.state.order.tolist().index(row)
    assert place // size == subject.state.batch
    return place % size


# ---------------------------------------------------------------- planted in row k, told in row k


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_forward(value):
    subject = trainer(network(Plant("forward", value)))
    error = fails(subject, planted())
    assert error.origin.direction == "forward"
    assert (error.origin.path, error.origin.layer) == ("layers.0", "Plant")
    assert error.origin.rows == [row_in_batch(subject)]
    assert "forward: the output of Plant (layers.0)" in str(error)
    assert f"those are the samples {ROW} of the data" in str(error)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_backward(value):
    inner = Sequential([Linear(4, 4, seed=3), Residual(Plant("backward", value))])
    first = Linear(4, 4, seed=2)
    first.weight.value = np.eye(4)
    inner.layers[0].weight.value = np.eye(4)
    subject = trainer(network(first, inner))
    start = subject.network.flat.values.copy()
    error = fails(subject, planted(), batch_size=40, shuffle=False)
    assert error.origin.direction == "backward"
    assert error.origin.layer == "Plant"
    assert error.origin.path == "layers.1.layers.1.body"
    assert error.origin.rows == [ROW]
    np.testing.assert_array_equal(subject.network.flat.values, start)


@pytest.mark.parametrize("optimizer", [Adam(0.01), SGD(1e30)])
def test_update(optimizer):
    # the row's gradient is finite, but what the update makes of it is not
    size = 1e25 if isinstance(optimizer, Adam) else 1e12
    subject = trainer(Network([Linear(4, 2, seed=0)]), optimizer)
    start, before = subject.network.flat.values.copy(), optimizer.state()
    wrong = subject.network.predict(planted(size)).argmin(axis=1)
    error = fails(subject, planted(size), wrong, batch_size=40, shuffle=False)
    assert error.origin.direction == "update"
    assert "layers.0.weight" in error.origin.array
    assert error.origin.rows == [ROW]
    np.testing.assert_array_equal(subject.network.flat.values, start)
    assert optimizer.steps == 0
    for name, memory in optimizer.state_vectors.items():
        np.testing.assert_array_equal(memory, before.get(name, 0))


def test_the_update_is_looked_for_with_the_clipped_gradient():
    subject = trainer(Network([Linear(4, 2, seed=0)]), clip_norm=1e23)
    x = planted(1e25)
    wrong = subject.network.predict(x).argmin(axis=1)
    error = fails(subject, x, wrong, batch_size=40, shuffle=False)
    assert (error.origin.direction, error.origin.rows) == ("update", [ROW])
    assert "the optimizer's square_mean" in error.origin.array


def test_several_rows_are_all_told():
    x = planted()
    x[[2, 30], 0] = MARK
    for direction in ("forward", "backward"):
        subject = trainer(network(Linear(4, 4, seed=0), Plant(direction)))
        subject.network.layers[0].weight.value = np.eye(4)
        error = fails(subject, x, batch_size=40, shuffle=False)
        assert error.origin.rows == [2, ROW, 30]
    x[[2, ROW, 30], 0] = 1e25
    net = Network([Linear(4, 2, seed=0)])
    wrong = net.predict(x).argmin(axis=1)
    error = fails(trainer(net), x, wrong, batch_size=40, shuffle=False)
    assert (error.origin.direction, error.origin.rows) == ("update", [2, ROW, 30])


class Spread(Module):
    """Divides by the batch's spread: a row whose square overflows spoils all others."""

    def forward(self, x, training=True):
        self.save_for_backward(training=training)
        size = np.square(x).mean(axis=0)
        return x * (size / size)

    def backward(self, dy):
        self.saved_values()
        return dy


def test_a_row_that_spoils_all_others_is_found():
    subject = trainer(network(Spread()))
    error = fails(subject, planted(1e25), batch_size=40, shuffle=False)
    assert (error.origin.direction, error.origin.layer) == ("forward", "Spread")
    assert error.origin.rows == [ROW]


def test_a_search_that_meets_another_error_goes_on():
    class Fussy(Spread):
        def forward(self, x, training=True):
            if training and len(np.unique(x[:, 0])) < 15:
                raise InputError("that is not varied enough")
            return super().forward(x, training)

    error = fails(trainer(network(Fussy())), planted(1e25), batch_size=40, shuffle=False)
    assert error.origin.layer == "Fussy"
    assert error.origin.rows == []


def test_the_loss_itself():
    class Bad(MeanSquaredError):
        def losses(self, y_true, y_pred):
            return super().losses(y_true, y_pred) / (y_true[:, 0] != MARK)

    y = np.zeros(40, np.float32)
    y[ROW] = MARK
    net = Network([Linear(4, 1, seed=0)])
    error = fails(trainer(net, loss=Bad()), X, y, batch_size=40, shuffle=False)
    assert error.origin.direction == "loss"
    assert error.origin.rows == [ROW]

    class BadGradient(MeanSquaredError):
        def gradients(self, y_true, y_pred):
            return super().gradients(y_true, y_pred) / (y_true[:, :1] != MARK)

    error = fails(trainer(net, loss=BadGradient()), X, y, batch_size=40, shuffle=False)
    assert (error.origin.direction, error.origin.rows) == ("loss", [ROW])
    assert "gradient at the output" in error.origin.array


def test_a_batch_that_is_not_finite_itself():
    x = planted(np.nan)
    batches = [(X[:8], Y[:8]), (x[8:16], Y[8:16])]
    error = fails(trainer(network()), batches, None)
    assert (error.origin.direction, error.origin.rows) == ("input", [ROW - 8])
    assert "step 2 (epoch 1, batch 2)" in str(error)
    assert "samples" not in str(error), "nobody knows where an iterable has its rows from"
    too_large = [(X.astype(np.float64) * 1e300, Y)]
    assert fails(trainer(network()), too_large, None).origin.direction == "input"


def test_an_optimizer_that_makes_nan_of_its_own():
    class Broken(Optimizer):
        def update_rule(self, w, g, learning_rate, *state):
            w[0] = np.nan if self.steps == 3 else w[0]

    error = fails(trainer(network(), Broken(0.1)))
    assert error.origin.direction == "update"
    assert error.origin.array == "the value of layers.0.weight"
    assert error.origin.rows == []
    assert "from no single row of the batch" in str(error)
    assert "step 3 " in str(error)


def test_weights_that_somebody_spoiled():
    class Spoil(Callback):
        def on_step_end(self, trainer):
            if trainer.step == 4:
                trainer.network.layers[2].weight.value = np.full((8, 2), np.inf)

    error = fails(trainer(network()), callbacks=[Spoil()])
    assert (error.origin.direction, error.origin.rows) == ("update", [])
    assert error.origin.array == "the value of layers.2.weight"


# ---------------------------------------------------------------- that cannot be repeated


class Once(Plant):
    """Fails at its fifth training pass, and never again."""

    def __init__(self, direction):
        super().__init__(direction)
        self.count = 0

    def forward(self, x, training=True):
        self.count += training
        y = self.spoil(x, [3]) if (self.direction, self.count) == ("forward", 5) else x
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy):
        self.saved_values()
        return self.spoil(dy, [3]) if (self.direction, self.count) == ("backward", 5) else dy


def test_what_the_failed_pass_left_is_looked_at_where_it_cannot_be_repeated():
    error = fails(trainer(network(Linear(4, 4, seed=0), Once("forward"))))
    assert (error.origin.direction, error.origin.rows) == ("forward", [3])
    assert error.origin.path == "layers.1"
    assert "step 5 " in str(error)
    error = fails(trainer(network(Linear(4, 4, seed=0), Once("backward"))))
    assert error.origin.direction == "backward"
    assert error.origin.array == (
        "the grad of layers.0.bias, or the gradient from the layer after it; that of "
        "layers.2.weight is finite"
    )

    class Silent(Once):
        def forward(self, x, training=True):
            y = super().forward(x, training)
            self.save_for_backward(training=training)
            return y

        def backward(self, dy):
            return dy

    error = fails(trainer(Network([Linear(4, 2, seed=0), Silent("forward")])))
    assert "finite when the step is repeated" in error.origin.array


class ForgetsOnce(Module):
    """Puts out NaN at its fifth training pass, and keeps what it was given, as most layers do."""

    def __init__(self):
        self.count = 0

    def forward(self, x, training=True):
        self.count += training
        self.save_for_backward(x, training=training)
        y = 2 * x
        if self.count == 5 and training:
            y[3, 1] = np.nan
        return y

    def backward(self, dy):
        self.saved_values()
        return 2 * dy


def test_a_layer_that_failed_once_is_blamed_not_the_one_behind_it():
    error = fails(trainer(network(Linear(4, 4, seed=0), ForgetsOnce())))
    found = error.origin
    assert (found.path, found.layer, found.array) == ("layers.1", "ForgetsOnce", "the output")
    assert found.rows == [3]


class Lookup(Module):
    """y = table[x] + context; nothing flows back to the indices x."""

    takes_indices = True

    def __init__(self):
        self.table = Parameter(np.ones((5, 2)))

    def forward(self, x, training=True, *, context):
        self.save_for_backward(training=training)
        return self.table.value[x] + context

    def backward(self, dy):
        self.saved_values()
        self.table.grad = np.zeros((5, 2))
        return None, dy * np.nan


def test_gradients_beside_an_input_that_has_none():
    nodes = {"c": Node(Linear(3, 2, seed=0), "given"), "y": Node(Lookup(), "x", context="c")}
    net = Network(Graph(["x", "given"], nodes, "y"))
    x = {"x": np.array([0, 1, 2]), "given": np.ones((3, 3), np.float32)}
    found = investigate(net, MeanSquaredError(), (x, np.zeros((3, 2), np.float32), None))
    assert (found.direction, found.path) == ("backward", "y")
    assert found.array == "the gradient at the input"


# ---------------------------------------------------------------- attention, validation


def attention(dropout=0.5):
    layers = [MultiHeadAttention(4, 2, dropout=dropout), LastStep(), Linear(4, 2)]
    net = Network(layers, seed=0)
    net.layers[0].q_proj.weight.value = np.eye(4) * 1e35
    net.layers[0].k_proj.weight.value = np.eye(4) * 1e35
    return net


@pytest.mark.parametrize("training", [True, False])
def test_an_overflow_of_attention_is_not_blamed_on_its_dropout(training):
    x = np.zeros((40, 3, 4), np.float32)
    x[7] = 1e5
    if training:
        finding = fails(trainer(attention()), x).origin
    else:
        finding = investigate_prediction(attention(), x)
        assert finding.rows == [7]
    assert (finding.direction, finding.layer) == ("forward", "Linear")
    assert finding.path == "layers.0.q_proj"
    assert finding.array == "the output"


def overflowing():
    return Network([Linear(4, 8, seed=0), Square(), Linear(8, 2, seed=1)])


class Square(Module):
    def forward(self, x, training=True):
        self.save_for_backward(x, training=training)
        return x * x

    def backward(self, dy):
        (x,) = self.saved_values()
        return 2 * x * dy


@pytest.mark.parametrize("kind", ["arrays", "iterable", "mapped"])
def test_nan_from_validation_data_is_told_with_row_and_layer(tmp_path, kind):
    x = X.copy()
    x[ROW] = 1e30
    layer, message = "Square (layers.1)", "forward: the output of Square"
    data = (x, Y)
    if kind == "iterable":
        data = [(x[:8], Y[:8]), (x[8:], Y[8:])]
    if kind == "mapped":
        x[ROW] = np.nan
        np.save(tmp_path / "x.npy", x)
        data = (np.load(tmp_path / "x.npy", mmap_mode="r"), Y)
        layer, message = "", "input: the batch"
    subject = trainer(overflowing(), file=tmp_path / "nan.npz")
    error = fails(subject, validation_data=data)
    assert message in str(error)
    assert layer in str(error)
    batch = 2 if kind == "iterable" else 1
    assert f"in batch {batch} of the data that are not trained on (after epoch 1)" in str(error)
    assert error.origin.rows == [ROW - 8 * (batch - 1)]
    assert (f"those are the samples {ROW} of the data" in str(error)) == (kind != "iterable")
    assert error.file == str(tmp_path / "nan.npz")
    with pytest.raises(NotFiniteError, match="not trained on"):
        subject.evaluate(data, None) if kind == "iterable" else subject.evaluate(*data)


# ---------------------------------------------------------------- what is told, what is kept


def test_the_rows_are_written_beside_the_checkpoint_and_nowhere_unasked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = fails(trainer(network(Plant("forward")), file="auto"), planted())
    assert error.file == ""
    assert "give Trainer a post_mortem_file" in str(error)
    assert list(tmp_path.iterdir()) == []
    callbacks = [Checkpoint("run")]
    error = fails(trainer(network(Plant("forward")), file="auto"), planted(), callbacks=callbacks)
    assert error.file == os.path.join("run", "post_mortem.npz")
    assert "rows of your data" in str(error)
    assert (tmp_path / "run" / "post_mortem.npz").exists()


def test_the_last_finite_losses_and_the_advice():
    subject = trainer(network(), SGD(1e6))
    error = fails(subject, X * 1e3)
    losses = subject.history.steps["loss"]
    assert all(map(math.isfinite, losses))
    shown = ", ".join(f"{v:.6g}" for v in losses[-5:])
    assert f"the last losses: {shown or 'none yet'}\n" in str(error)
    assert f"at step {len(losses) + 1} " in str(error)
    assert "clip_norm=1.0" in str(error)
    assert isinstance(error, ArithmeticError)


def test_the_batch_is_saved_and_can_be_replayed(tmp_path):
    file = tmp_path / "nan.npz"
    net = network(Plant("forward"), Dropout(0.4))
    subject = trainer(net, file=file)
    x = planted()
    error = fails(subject, x, sample_weight=np.linspace(1, 2, 40))
    assert error.file == str(file)
    assert f"the batch, rows of your data, is in {file}" in str(error)
    arrays, saved = read_archive(file, "post-mortem")
    rows = subject.state.order[8 * subject.state.batch : 8 * subject.state.batch + 8]
    np.testing.assert_array_equal(arrays["x/array"], x[rows])
    np.testing.assert_array_equal(arrays["y/array"], Y[rows])
    np.testing.assert_array_equal(arrays["weight"], np.linspace(1, 2, 40)[rows])
    assert saved["finding"]["rows"] == error.origin.rows
    fresh = network(Plant("forward"), Dropout(0.4))
    loss = CategoricalCrossEntropy(from_logits=True)
    assert replay(file, fresh, loss, Adam(0.01)) == error.origin
    assert replay(file, network(Plant("nowhere"), Dropout(0.4)), loss) is None
    np.testing.assert_array_equal(fresh.flat.values, network().flat.values)


def first(arrays, prefix):
    return next(name for name in arrays if name.startswith(prefix))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, d: d.pop("rng_states"), r"\['rng_states'\] is missing"),
        (lambda a, d: a.pop("x/array"), "x should be one array, a tuple or a dict"),
        (lambda a, d: a.update({"x/array": np.array(1.0)}), "should hold the rows of one batch"),
        (lambda a, d: a.update({"y/array": a["y/array"][:3]}), "should hold the rows of one batch"),
        (
            lambda a, d: a.update({"x/array": np.ones((8, 99))}),
            "cannot be repeated with this network",
        ),
        (
            lambda a, d: a.update({first(a, "network/"): np.ones(99)}),
            "does not fit this network",
        ),
        (lambda a, d: a.update({"optimizer/steps": np.ones(3)}), "number of steps should be"),
    ],
)
def test_a_file_with_wrong_content_is_refused(tmp_path, change, message):
    file = tmp_path / "nan.npz"
    net = network(Plant("forward"), Dropout(0.4))
    fails(trainer(net, file=file), planted())
    arrays, saved = read_archive(file, "post-mortem")
    change(arrays, saved)
    write_archive(file, "post-mortem", arrays, saved)
    fresh, loss = network(Plant("forward"), Dropout(0.4)), CategoricalCrossEntropy(from_logits=True)
    with pytest.raises(StateError, match=message):
        replay(file, fresh, loss, Adam(0.01))


def test_a_file_that_cannot_be_written_does_not_hide_the_error(tmp_path):
    (tmp_path / "taken").write_text("")
    error = fails(trainer(network(Plant("forward")), file=tmp_path / "taken" / "f"), planted())
    assert error.file == ""
    assert error.origin.direction == "forward"
    assert "the batch is in" not in str(error)


class Root(Module):
    """y = √x: its slope is infinite at 0, where dropout has been."""

    def forward(self, x, training=True):
        y = np.sqrt(x)
        self.save_for_backward(y, training=training)
        return y

    def backward(self, dy):
        (y,) = self.saved_values()
        return dy / (2 * y)


def test_dropout_is_repeated_with_the_same_mask():
    first = Linear(4, 4)
    first.weight.value = np.eye(4)
    net = Network([first, Dropout(0.02, seed=1), Root(), Linear(4, 2, seed=0)])
    subject = trainer(net, optimizer=SGD(1e-12))
    x = np.ones((400, 4), np.float32)
    error = fails(subject, x, np.zeros(400, int), batch_size=8)
    dropout = Dropout(0.02, seed=1)
    for _ in range(subject.state.step + 1):
        mask = dropout.forward(np.ones((8, 4), np.float32))
    assert error.origin.layer == "Root"
    assert error.origin.rows == np.flatnonzero((mask == 0).any(axis=1)).tolist()


def test_the_network_and_the_optimizer_are_left_alone_by_the_investigation():
    net, optimizer = network(Plant("forward"), Dropout(0.3)), Adam(0.01)
    subject = trainer(net, optimizer)
    subject.fit(X, Y, epochs=1, progress=False)
    state = net.layers[1].rng.bit_generator.state
    before, memory = net.state(), optimizer.state()
    found = investigate(net, subject.loss, (planted(), Y, None), optimizer)
    assert found.rows == [ROW]
    assert investigate(net, subject.loss, (X, Y, None), optimizer) is None
    assert net.layers[1].rng.bit_generator.state == state
    assert "forward" not in vars(net.layers[0])
    for name, value in net.state().items():
        np.testing.assert_array_equal(value, before[name])
    for name, value in optimizer.state().items():
        np.testing.assert_array_equal(value, memory[name])


def test_a_finding_in_words():
    finding = NonFiniteArray("forward", "the output", "", "ReLU", list(range(12)))
    text = str(finding)
    assert text == (
        "forward: the output of ReLU (the network), from row 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 ... "
        "of the batch"
    )
    error = NotFiniteError("so it is", finding, "file.npz")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.origin, again.file) == ("so it is", finding, "file.npz")


# ---------------------------------------------------------------- what is no failure


def test_large_but_finite_gradients_go_on_where_clipping_makes_them_harmless():
    subject = trainer(Network([Linear(4, 2, seed=0)]), Adam(0.01), clip_norm=1.0)
    wrong = subject.network.predict(planted(1e25)).argmin(axis=1)
    history = subject.fit(planted(1e25), wrong, epochs=2, batch_size=40, progress=False)
    assert max(history.steps["gradient_norm"]) > 1e20
    assert np.isfinite(subject.network.flat.values).all()


def test_a_large_step_that_stays_finite_is_taken():
    subject = trainer(Network([Linear(4, 2, seed=0)]), SGD(1e19))
    start = subject.network.flat.values.copy()
    subject.fit(X, Y, epochs=1, batch_size=40, progress=False)
    assert np.abs(subject.network.flat.values - start).max() > 1e15


def test_errors_of_other_kinds_stay_what_they_are():
    class Strict(MeanSquaredError):
        def losses(self, y_true, y_pred):
            if (y_true == MARK).any():
                raise InputError("no such target")
            return super().losses(y_true, y_pred)

    y = np.linspace(0, 1, 40)
    batches = [(X, y), (X, np.full(40, MARK))]
    net = Network([Linear(4, 1, seed=0)])
    with pytest.raises(InputError, match="no such target"):
        trainer(net, loss=Strict()).fit(batches, epochs=1, progress=False)


# ---------------------------------------------------------------- a mask among the logits


class RulesOut(Module):
    """Writes -inf to the logit of the last class."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def forward(self, x, training=True):
        return np.where(np.arange(x.shape[1]) == x.shape[1] - 1, -np.inf, x)

    def backward(self, dy):
        return np.where(np.arange(dy.shape[1]) == dy.shape[1] - 1, 0, self.scale * dy)


def masked_trainer(*layers):
    net = Network([*layers], seed=0, dtype="float64")
    return Trainer(net, CategoricalCrossEntropy(from_logits=True), SGD(0.1), seed=0)


def test_a_mask_is_not_what_went_wrong():
    X, y = np.random.default_rng(0).standard_normal((8, 4)), np.zeros(8, int)
    history = masked_trainer(Linear(4, 3), RulesOut()).fit(X, y, epochs=2, progress=False)
    assert np.isfinite(history.epochs["loss"]).all()
    with pytest.raises(NotFiniteError) as caught:  # the mask's own backward
        masked_trainer(Linear(4, 3), RulesOut(np.inf)).fit(X, y, progress=False)
    assert caught.value.origin.direction == "backward"
    assert caught.value.origin.layer == "RulesOut"
    for batches in ((X, np.full(8, 2)), ([(X, y), (X, np.full(8, 2))],)):
        with pytest.raises(InputError, match="The loss is infinite"):
            masked_trainer(Linear(4, 3), RulesOut()).fit(*batches, progress=False)


def test_minus_infinity_on_the_way_to_nan_is_what_went_wrong():
    X, y = np.random.default_rng(0).standard_normal((8, 4)), np.zeros(8, int)
    with pytest.raises(NotFiniteError) as caught:
        masked_trainer(Linear(4, 3), RulesOut(), Linear(3, 3)).fit(X, y, progress=False)
    assert caught.value.origin.layer == "RulesOut"
