"""LBFGS: what it finds, what it remembers, and how it is trained with."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import LBFGS, ConfigurationError, InputError
from chainrule.diagnosis.post_mortem import investigate
from chainrule.optimizers.line_search import ENOUGH, FLAT, Place, cubic_minimum, search_line
from chainrule.training.setup import refuse_parts

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
Y = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
LOSS = cr.CategoricalCrossEntropy(from_logits=True)


def network(*layers, seed=0, dtype="float64"):
    layers = layers or (cr.Linear(4, 8), cr.Tanh(), cr.Linear(8, 3))
    return cr.Network(list(layers), seed=seed, dtype=dtype)


def closure_of(net, calls=None, x=X, y=Y):
    def closure():
        y_pred = net.forward(x)
        net.backward(LOSS.backward(y, y_pred))
        if calls is not None:
            calls.append(net.flat.values.copy())
        return LOSS.forward(y, y_pred)

    return closure


def trained(optimizer, steps, net=None):
    net = net or network()
    closure = closure_of(net)
    for _ in range(steps):
        optimizer.step(net, closure)
    return net


def fit(optimizer, net=None, epochs=30, x=X, **options):
    trainer = cr.Trainer(net or network(), LOSS, optimizer, seed=0, **options)
    return trainer, trainer.fit(x, Y, epochs=epochs, batch_size=len(x), progress=False)


# ---------------------------------------------------------------- what it finds


def test_a_parabola_of_ten_directions_in_twenty_steps():
    scales = np.logspace(0, 2, 10)
    net = cr.Network([cr.Linear(10, 1, bias=False)], dtype="float64", seed=0)
    goal = np.arange(10.0)

    def closure():
        w = net.flat.values
        net.set_gradients(scales * (w - goal))
        return float((scales * (w - goal) ** 2).sum() / 2)

    optimizer = LBFGS(history_size=10)
    for _ in range(30):
        optimizer.step(net, closure)
    np.testing.assert_allclose(net.flat.values, goal, atol=1e-4)


@pytest.mark.parametrize("weight_decay", [0.01, 0.1])
def test_a_logistic_regression_is_scikit_learns(weight_decay):
    linear_model = pytest.importorskip("sklearn.linear_model")
    C = 1 / (weight_decay * len(X))
    theirs = linear_model.LogisticRegression(C=C, tol=1e-10, max_iter=1000).fit(X, Y)
    net = network(cr.Linear(4, 3))
    trained(LBFGS(weight_decay=weight_decay, tolerance_grad=1e-10, tolerance_change=1e-16), 40, net)
    np.testing.assert_allclose(net.predict(X), theirs.decision_function(X), atol=2e-5)


def test_it_arrives_after_as_many_passes_as_scipys():
    optimize = pytest.importorskip("scipy.optimize")

    def passes_and_loss(minimise):
        net, passes = network(cr.Linear(4, 3)), []

        def closure():
            passes.append(1)
            y_pred, w = net.forward(X), net.flat.values
            net.backward(LOSS.backward(Y, y_pred))
            net.set_gradients(net.flat.grads + 0.01 * w)
            return LOSS.forward(Y, y_pred) + 0.005 * float(w @ w)

        minimise(net, closure)
        count = len(passes)
        return count, closure()

    def by_scipy(net, closure):
        def loss_and_gradient(w):
            net.flat.values[:] = w
            return closure(), net.flat.grads.copy()

        options = {"maxcor": 10, "gtol": 1e-6, "ftol": 0}
        start = net.flat.values.copy()
        found = optimize.minimize(
            loss_and_gradient, start, jac=True, method="L-BFGS-B", options=options
        )
        net.flat.values[:] = found.x

    theirs, lowest = passes_and_loss(by_scipy)
    ours, reached = passes_and_loss(LBFGS(iterations=100, tolerance_grad=1e-6).step)
    assert ours <= 1.3 * theirs
    assert reached == pytest.approx(lowest, abs=1e-9)


@pytest.mark.parametrize("data", ["load_iris", "load_wine"])
def test_an_mlp_ends_where_scikit_learns_does(data):
    """From the same weights, with alpha / n as the weight decay, of which biases have none."""
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    x, y = getattr(datasets, data)(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    options = {"activation": "tanh", "solver": "lbfgs", "alpha": 1.0, "tol": 1e-7}
    theirs = MLPClassifier((10,), **options, max_iter=1, warm_start=True, random_state=1)
    with pytest.warns(ConvergenceWarning):
        theirs.fit(x, y)
    net = network(cr.Linear(x.shape[1], 10), cr.Tanh(), cr.Linear(10, 3))
    for layer, weight, bias in zip(
        (net.layers[0], net.layers[2]), theirs.coefs_, theirs.intercepts_, strict=True
    ):
        layer.weight.value, layer.bias.value = weight, bias
    theirs.set_params(max_iter=500).fit(x, y)
    closure = closure_of(net, x=x, y=y)
    LBFGS(weight_decay=1 / len(x), iterations=500).step(net, closure)
    squares = sum(float((net.layers[k].weight.value ** 2).sum()) for k in (0, 2))
    assert closure() + squares / 2 / len(x) == pytest.approx(theirs.loss_, rel=1e-6)


def test_several_iterations_in_a_step_are_as_many_steps_in_fewer_passes():
    one, many = ([], network()), ([], network())
    optimizer = LBFGS(weight_decay=0.01)
    for _ in range(12):
        optimizer.step(one[1], closure_of(one[1], one[0]))
    LBFGS(iterations=12, weight_decay=0.01).step(many[1], closure_of(many[1], many[0]))
    np.testing.assert_array_equal(one[1].flat.values, many[1].flat.values)
    assert len(many[0]) == len(one[0]) - 11


def test_no_step_goes_up():
    net, losses = network(seed=3), []
    closure, optimizer = closure_of(net), LBFGS()
    for _ in range(60):
        optimizer.step(net, closure)
        losses.append(LOSS.forward(Y, net.predict(X)))
    assert (np.diff(losses) <= 0).all()


def test_where_the_gradient_is_zero_it_stays():
    net = trained(LBFGS(), 1, network(cr.Linear(4, 3, bias=False)))

    def closure():
        net.set_gradients(np.zeros(12))
        return 1.0

    before, optimizer = net.flat.values.copy(), LBFGS()
    for _ in range(2):
        optimizer.step(net, closure)
    np.testing.assert_array_equal(net.flat.values, before)
    assert optimizer.steps == 2


@pytest.mark.parametrize("learning_rate", [1.0, 2.7, 4.0, 1e4])
def test_a_loss_that_overflows_or_fails_far_away_is_too_far(learning_rate):
    net = cr.Network([cr.Linear(1, 1, bias=False)], dtype="float64")

    def closure():
        w = net.flat.values[0]
        if w > 3:
            raise InputError("y_pred holds NaN or infinity.")
        net.set_gradients([w - 2 if w < 2.5 else math.inf])
        return (w - 2) ** 2 / 2 if w < 2.5 else math.nan

    net.flat.values[:] = 0
    optimizer = LBFGS(learning_rate)
    for _ in range(6):
        optimizer.step(net, closure)
    assert net.flat.values[0] == pytest.approx(2, abs=1e-4)


def test_an_error_in_the_closure_leaves_the_values_as_they_were():
    net, optimizer, calls = network(), LBFGS(), []
    closure, before = closure_of(net), net.flat.values.copy()

    def failing():
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("mine")
        return closure()

    with pytest.raises(KeyError, match="mine"):
        optimizer.step(net, failing)
    np.testing.assert_array_equal(net.flat.values, before)


# ---------------------------------------------------------------- the line search


def wave(t):
    return Place(t, math.cos(t) - 0.1 * t, -math.sin(t) - 0.1, np.empty(0))


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 3.0, 8.0, 40.0])
def test_the_strong_wolfe_conditions_hold(first):
    start = wave(0.3)
    found = search_line(
        lambda t: wave(0.3 + t)._replace(distance=t),
        start._replace(distance=0.0),
        first,
        narrow=1e-12,
        evaluations=25,
    )
    assert found.loss <= start.loss + ENOUGH * found.distance * start.slope
    assert abs(found.slope) <= -FLAT * start.slope


def test_the_lowest_place_is_kept_where_there_is_no_time_for_more():
    calls = []

    def evaluate(t):
        calls.append(t)
        return Place(t, -t, -1.0, np.empty(0))

    found = search_line(evaluate, evaluate(0.0), 1.0, narrow=0, evaluations=4)
    assert (len(calls), found.distance) == (5, calls[-1])
    hill = search_line(
        lambda t: Place(t, 1 + t, 1.0, np.empty(0)),
        Place(0.0, 1.0, -1.0, np.empty(0)),
        1.0,
        narrow=0,
        evaluations=5,
    )
    assert hill.distance == 0


def test_the_minimum_of_a_cubic():
    def cubic(t):  # lowest at 1
        return Place(t, t**3 - 3 * t, 3 * t**2 - 3, np.empty(0))

    for one, other in ((0.0, 3.0), (3.0, 0.0), (0.5, 1.2)):
        assert cubic_minimum(cubic(one), cubic(other), -9, 9) == pytest.approx(1)
    assert cubic_minimum(cubic(0.0), cubic(3.0), 1.5, 3) == 1.5
    nowhere = Place(1.0, math.inf, math.nan, np.empty(0))
    assert cubic_minimum(cubic(0.0), nowhere, 0, 1) == 0.5


# ---------------------------------------------------------------- what it remembers


def test_pairs_are_kept_from_the_last_step_on():
    net, optimizer = network(), LBFGS(history_size=2)
    places = [net.flat.values.copy()]
    closure, gradients = closure_of(net), []
    for _ in range(4):
        closure()
        gradients.append(net.flat.grads.copy())
        optimizer.step(net, closure)
        places.append(net.flat.values.copy())
    closure()
    gradients.append(net.flat.grads.copy())
    for n in (1, 2):
        s, y = optimizer.state_vectors[f"move_{n}"], optimizer.state_vectors[f"change_{n}"]
        np.testing.assert_allclose(s, places[-n] - places[-n - 1], atol=1e-14)
        np.testing.assert_allclose(y, gradients[-n] - gradients[-n - 1], atol=1e-14)


def test_it_forgets_when_other_parameters_are_frozen():
    net, optimizer = network(), LBFGS()
    trained(optimizer, 3, net)
    optimizer.lr_multipliers = {"layers.0.*": 0}
    before = net.layers[0].weight.value.copy()
    trained(optimizer, 1, net)
    np.testing.assert_array_equal(net.layers[0].weight.value, before)
    place = net.flat.slices["layers.0.weight"]
    assert not any(vector[place].any() for vector in optimizer.state_vectors.values())
    assert not optimizer.state_vectors["move_2"].any()


def test_a_multiplier_that_freezes_nothing_is_refused():
    optimizer = LBFGS(lr_multipliers={"*.bias": 2})
    with pytest.raises(ConfigurationError, match="lr_multipliers may be 0, which freezes, or 1"):
        trained(optimizer, 1)


# ---------------------------------------------------------------- in a training


def test_the_trainer_takes_the_same_steps_as_by_hand():
    subject, history = fit(LBFGS(weight_decay=0.01), epochs=20)
    by_hand = trained(LBFGS(weight_decay=0.01), 20)
    np.testing.assert_allclose(subject.network.flat.values, by_hand.flat.values, rtol=1e-9)
    assert history.epochs["loss"][-1] < 0.5 * history.epochs["loss"][0]


def test_a_pass_that_was_made_is_not_made_again(monkeypatch):
    passes = {"hand": [], "trainer": 0}
    net = network()
    closure, optimizer = closure_of(net, passes["hand"]), LBFGS()
    for _ in range(10):
        optimizer.step(net, closure)
    forward = cr.Tanh.forward

    def counted(self, x, training=True):
        passes["trainer"] += training
        return forward(self, x, training)

    monkeypatch.setattr(cr.Tanh, "forward", counted)
    fit(LBFGS(), epochs=10)
    assert len(passes["hand"]) - 4 <= passes["trainer"] <= len(passes["hand"]) + 4


@pytest.mark.parametrize("options", [{}, {"micro_batch_size": 13}, {"workers": 2}])
def test_dropout_and_running_statistics_see_a_step_as_one(options):
    pytest.importorskip("threadpoolctl")

    def layers():
        return network(
            cr.Linear(4, 16), cr.BatchNorm(16), cr.Tanh(), cr.Dropout(0.2, seed=1), cr.Linear(16, 3)
        )

    subject, history = fit(LBFGS(), layers(), epochs=6, **options)
    plain, _ = fit(cr.SGD(0.01), layers(), epochs=6, **options)
    drawn = [t.network.layers[3].rng.bit_generator.state for t in (subject, plain)]
    assert drawn[0] == drawn[1], "a step draws once, however many passes it takes"
    assert np.isfinite(history.steps["loss"]).all()
    assert subject.network.layers[1].running_mean.value.any()


def test_parts_of_the_data_are_refused():
    trainer = cr.Trainer(network(), LOSS, LBFGS(), seed=0)
    message = "LBFGS needs all data in every step, and an epoch has 2 batches of 32: give fit"
    with pytest.raises(ConfigurationError, match=message):
        trainer.fit(X, Y, epochs=1, progress=False)
    with pytest.raises(ConfigurationError, match="compares losses with gradients, which clip_norm"):
        cr.Trainer(network(), LOSS, LBFGS(), clip_norm=1.0)
    with pytest.raises(ConfigurationError, match="there is no learning rate to look for"):
        cr.find_learning_rate(network(), X, Y, loss=LOSS, optimizer=LBFGS())


def test_a_first_length_that_overflows_is_shortened_in_a_training():
    subject, history = fit(LBFGS(1e20, max_evaluations=90), network(dtype="float32"))
    assert np.isfinite(subject.network.flat.values).all()
    assert history.epochs["loss"][-1] < history.epochs["loss"][0]


def test_an_iterable_of_one_batch_and_the_note_about_it():
    trainer = cr.Trainer(network(), LOSS, LBFGS(), seed=0)
    history = trainer.fit([(X, Y)], epochs=20, progress=False)
    assert "LBFGS needs all data in every step: in one batch an epoch" in history.notes
    expected, _ = fit(LBFGS(), epochs=20)
    np.testing.assert_allclose(trainer.network.flat.values, expected.network.flat.values, rtol=1e-6)


def test_ranks_are_refused():
    state = cr.Trainer(network(), LOSS, LBFGS()).state
    state.world_size = 2
    with pytest.raises(ConfigurationError, match="and 2 ranks train together: leave communicator="):
        refuse_parts(state, [0])


def test_early_stopping_ends_what_has_arrived():
    _, history = fit(
        LBFGS(),
        network(cr.Linear(4, 3)),
        epochs=200,
    )
    trainer = cr.Trainer(network(cr.Linear(4, 3)), LOSS, LBFGS(), seed=0)
    stopping = cr.EarlyStopping("loss", patience=3, min_delta=1e-9)
    ended = trainer.fit(X, Y, epochs=200, batch_size=60, callbacks=[stopping], progress=False)
    assert len(ended.epochs["loss"]) < 60
    assert ended.epochs["loss"][-1] == pytest.approx(history.epochs["loss"][-1], rel=1e-6)


def test_float32_learns_too():
    subject, history = fit(LBFGS(), network(dtype="float32"), epochs=40)
    assert subject.network.flat.values.dtype == np.float32
    assert history.epochs["loss"][-1] < 0.3 * history.epochs["loss"][0]


@pytest.mark.parametrize("closure", [None, 3.0, "loss"])
def test_without_a_closure_it_says_what_to_write(closure):
    with pytest.raises(ConfigurationError, match=r"optimizer\.step\(network, closure\), where"):
        LBFGS().step(network(), closure)


def test_a_closure_that_returns_no_loss():
    net = network()
    closure = closure_of(net)
    with pytest.raises(ConfigurationError, match="The closure returned None instead of the loss"):
        LBFGS().step(net, lambda: closure() and None)


def test_numbers_that_are_not_finite_to_begin_with():
    net = network()
    closure = closure_of(net)
    before = net.flat.values.copy()
    with pytest.raises(InputError, match="holds NaN or infinity before the step"):
        LBFGS().step(net, lambda: closure() * math.inf)
    np.testing.assert_array_equal(net.flat.values, before)


def test_a_step_is_repeated_by_a_post_mortem():
    net = network()
    assert investigate(net, LOSS, (X, Y, None), LBFGS()) is None
    net.flat.values[0] = np.nan
    assert "layers.0.weight" in str(investigate(net, LOSS, (X, Y, None), LBFGS()))
