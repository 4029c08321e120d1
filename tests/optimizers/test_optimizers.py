"""Optimizers: their formulas, their state, and what they refuse."""

import copy
import fnmatch
import inspect
import math

import numpy as np
import pytest

import chainrule
from chainrule import (
    LBFGS,
    SGD,
    Adadelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    BackwardError,
    ConfigurationError,
    Linear,
    Lion,
    MeanSquaredError,
    Momentum,
    Muon,
    NAdam,
    Nesterov,
    Network,
    Optimizer,
    RAdam,
    ReLU,
    RMSprop,
    Rprop,
    StateError,
)
from chainrule.optimizers import base as file

OPTIMIZERS = [
    SGD(0.05),
    SGD(0.05, weight_decay=0.1),
    Momentum(0.02, momentum=0.8),
    Momentum(0.02, weight_decay=0.1),
    Momentum(0.04, dampening=0.5),
    Nesterov(0.02),
    AdaGrad(0.1),
    AdaGrad(0.1, initial_accumulator_value=0.1),
    Adadelta(2.0, epsilon=1e-4),
    Adadelta(2.0, epsilon=1e-4, weight_decay=0.1),
    Rprop(0.005, eta_plus=1.1),
    Rprop(0.005, max_step=0.01, weight_decay=0.1),
    RMSprop(0.01),
    RMSprop(0.01, rho=0.5, epsilon=1e-3, weight_decay=0.1),
    RMSprop(0.01, momentum=0.5),
    RMSprop(0.01, centered=True, weight_decay=0.1),
    RMSprop(0.01, centered=True, momentum=0.5),
    Adam(0.02),
    Adam(0.02, beta2=0.9, amsgrad=True),
    Adam(0.02, beta1=0.5, beta2=0.6, epsilon=1e-3, weight_decay=0.1),
    AdamW(0.02),
    AdamW(0.02, weight_decay=0.5),
    AdamW(0.02, amsgrad=True),
    Adamax(0.02),
    Adamax(0.02, beta1=0.5, epsilon=1e-3, weight_decay=0.1),
    NAdam(0.02),
    NAdam(0.02, momentum_decay=0.5, weight_decay=0.1),
    RAdam(0.02),
    RAdam(0.02, beta2=0.9, weight_decay=0.1),
    Lion(0.003),
    Lion(0.003, weight_decay=0.1),
    Muon(0.02),
    Muon(0.02, nesterov=False, scale="original", weight_decay=0.5),
]
WITH_CLOSURE = [LBFGS(), LBFGS(history_size=2, weight_decay=0.01)]
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
closures_too = pytest.mark.parametrize("optimizer", [*OPTIMIZERS, *WITH_CLOSURE], ids=repr)


def fresh(optimizer):
    return eval(repr(optimizer), vars(chainrule))


def small_network(seed=0, dtype="float64"):
    return Network([Linear(3, 8), ReLU(), Linear(8, 2)], seed=seed, dtype=dtype)


RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3))
Y = np.column_stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]])


def train(network, optimizer, steps, start=0):
    """Take these steps on batches of ten."""
    loss_fn = MeanSquaredError()
    for step in range(start, start + steps):
        batch = slice(10 * (step % 4), 10 * (step % 4) + 10)

        def closure(batch=batch):
            y_pred = network.forward(X[batch])
            network.backward(loss_fn.backward(Y[batch], y_pred))
            return loss_fn.forward(Y[batch], y_pred)

        if optimizer.needs_closure:
            optimizer.step(network, closure)
        else:
            closure()
            optimizer.step(network)


def test_every_optimizer_is_tested():
    public = {
        thing
        for thing in vars(chainrule).values()
        if isinstance(thing, type) and issubclass(thing, Optimizer) and thing is not Optimizer
    }
    assert public == {type(optimizer) for optimizer in [*OPTIMIZERS, *WITH_CLOSURE]}


# ---------------------------------------------------------------- formulas


def one_weight(optimizer, gradients, weight=1.0):
    """Return where a single weight goes under these gradients."""
    network = Network([Linear(1, 1, bias=False)], dtype="float64")
    network.flat.values[:] = weight
    places = []
    for gradient in gradients:
        network.forward([[1.0]])
        network.backward([[gradient]])
        optimizer.step(network)
        places.append(float(network.flat.values[0]))
    return places


def test_sgd_by_hand():
    assert one_weight(SGD(0.1), [2.0, -1.0]) == pytest.approx([0.8, 0.9])


def test_momentum_by_hand():
    # v = 2, then 0.5 · 2 + 1 = 2
    assert one_weight(Momentum(0.1, momentum=0.5), [2.0, 1.0]) == pytest.approx([0.8, 0.6])


def test_nesterov_by_hand():
    # v = 2, moves by 2 + 0.5 · 2 = 3; then v = 2, moves by 1 + 0.5 · 2 = 2
    assert one_weight(Nesterov(0.1, momentum=0.5), [2.0, 1.0]) == pytest.approx([0.7, 0.5])


def test_adagrad_by_hand():
    assert one_weight(AdaGrad(0.1), [3.0, 4.0]) == pytest.approx([0.9, 0.9 - 0.1 * 4 / 5])
    assert one_weight(AdaGrad(0.1, epsilon=1.0), [3.0]) == pytest.approx([1 - 0.1 * 3 / (3 + 1)])


def test_rmsprop_by_hand():
    # s = 0.5 · 4 = 2, then 1 + 0.5 · 1 = 1.5
    expected = [1 - 0.2 / math.sqrt(2), 1 - 0.2 / math.sqrt(2) - 0.1 / math.sqrt(1.5)]
    assert one_weight(RMSprop(0.1, rho=0.5), [2.0, 1.0]) == pytest.approx(expected)


def test_adams_first_step_is_the_learning_rate():
    assert one_weight(Adam(0.1), [1e-3]) == pytest.approx([0.9], abs=2e-6)
    assert one_weight(Adam(0.1), [-1e3]) == pytest.approx([1.1])


def test_adams_second_step_by_hand():
    # m = 0.5, then 1.25; s = 0.25, then 1.1875; corrected by 1 - 0.5² and 1 - 0.75²
    optimizer = Adam(0.1, beta1=0.5, beta2=0.75)
    second = 0.1 * (1.25 / 0.75) / math.sqrt(1.1875 / (1 - 0.75**2))
    assert one_weight(optimizer, [1.0, 2.0]) == pytest.approx([0.9, 0.9 - second])


def test_nadam_by_hand():
    # without momentum decay μ = 0.5 (1 - 0.5) = 0.25 always; m = 0.5, s = 0.5
    mean = (0.25 / (1 - 0.25**2)) * 0.5 + (0.75 / (1 - 0.25)) * 1.0
    optimizer = NAdam(0.1, beta1=0.5, beta2=0.5, momentum_decay=0)
    assert one_weight(optimizer, [1.0]) == pytest.approx([1 - 0.1 * mean])


def test_nadams_momentum_grows_from_step_to_step():
    # μ = 0.5 (1 - 0.5 · 0.96^(0.5 t)); m = 0.5, s = 0.5
    now, after = (0.5 * (1 - 0.5 * 0.96 ** (0.5 * t)) for t in (1, 2))
    mean = (after / (1 - now * after)) * 0.5 + ((1 - now) / (1 - now)) * 1.0
    optimizer = NAdam(0.1, beta1=0.5, beta2=0.5, momentum_decay=0.5)
    assert one_weight(optimizer, [1.0]) == pytest.approx([1 - 0.1 * mean])


def test_radam_waits_and_then_divides():
    # with β₂ = 0.9, ρ_∞ = 19; ρ_5 = 4.58 and ρ_6 = 5.39
    optimizer = RAdam(0.1, beta1=0.0, beta2=0.9)
    places = [0.0, *one_weight(optimizer, [2.0] * 6, weight=0.0)]
    assert -np.diff(places)[:5] == pytest.approx([0.2] * 5), "plain descent, by 0.1 · 2"
    length = 19 - 2 * 6 * 0.9**6 / (1 - 0.9**6)
    trust = math.sqrt((length - 4) * (length - 2) * 19 / (15 * 17 * length))
    assert -np.diff(places)[5] == pytest.approx(0.1 * trust)


def test_lion_by_hand():
    # signs of 0.5 · 0 + 0.5 · 2, then of 0.5 · 1.5 - 0.5 · 1 with m = 0.25 · 0 + 0.75 · 2, then of
    # 0.5 · 0.2 - 0.5 · 0.375 with m = 0.25 · 1.5 - 0.75 · 1
    places = one_weight(Lion(0.1, beta1=0.5, beta2=0.25), [2.0, -1.0, 0.2])
    assert places == pytest.approx([0.9, 0.8, 0.9])
    assert one_weight(Lion(0.1, weight_decay=0.5), [3.0], 2.0) == pytest.approx([2 - 0.1 - 0.1])


def test_weight_decay_is_a_gradient_except_under_adamw():
    assert one_weight(SGD(0.1, weight_decay=0.5), [0.0], 2.0) == pytest.approx([1.9])
    assert one_weight(AdamW(0.1, weight_decay=0.2), [0.0], 2.0) == pytest.approx([1.96])
    assert one_weight(Adam(0.1, weight_decay=0.5), [0.0], 2.0) == pytest.approx([1.9], abs=1e-6)
    assert one_weight(Adam(0.1, weight_decay=0.1), [0.0], 2.0) == pytest.approx([1.9], abs=1e-6)


def test_dampening_by_hand():
    # v = 2, undamped; then 0.5 · 2 + 0.75 · 1
    places = one_weight(Momentum(0.1, momentum=0.5, dampening=0.25), [2.0, 1.0])
    assert places == pytest.approx([0.8, 0.8 - 0.175])


def test_amsgrad_keeps_the_largest_by_hand():
    # v = 2, then 1 + 0, of which the larger stays; corrected by 1 - 0.5²
    optimizer = Adam(0.1, beta1=0.0, beta2=0.5, amsgrad=True)
    second = 0.1 * 1e-3 / math.sqrt(2 / (1 - 0.5**2))
    assert one_weight(optimizer, [2.0, 1e-3]) == pytest.approx([0.9, 0.9 - second])


def test_adamax_by_hand():
    # m = 1, then 0; u = 2, then max(0.5 · 2, 1)
    optimizer = Adamax(0.1, beta1=0.5, beta2=0.5)
    assert one_weight(optimizer, [2.0, -1.0]) == pytest.approx([1 - 0.1 * 1 / 0.5 / 2, 0.9])


def test_adadelta_by_hand():
    # v = 2 and the first move is √ε / √(2 + ε) · 2
    move = math.sqrt(0.01) / math.sqrt(2.01) * 2
    optimizer = Adadelta(0.5, rho=0.5, epsilon=0.01)
    second = math.sqrt(0.5 * move**2 + 0.01) / math.sqrt(0.5 * 2 + 0.5 + 0.01)
    expected = [1 - 0.5 * move, 1 - 0.5 * move - 0.5 * second]
    assert one_weight(optimizer, [2.0, 1.0]) == pytest.approx(expected)


def test_rmsprop_s_options_by_hand():
    # v = 2, m = 1: the deviation is 1; then v = 1.5, m = 1
    first, second = 0.1 * 2 / 1, 0.1 * 1 / math.sqrt(0.5)
    optimizer = RMSprop(0.1, rho=0.5, centered=True)
    assert one_weight(optimizer, [2.0, 1.0]) == pytest.approx([1 - first, 1 - first - second])
    # b = 2 / √2, then 0.5 · b + 1 / √1.5
    first = 2 / math.sqrt(2)
    second = 0.5 * first + 1 / math.sqrt(1.5)
    optimizer = RMSprop(0.1, rho=0.5, momentum=0.5)
    expected = [1 - 0.1 * first, 1 - 0.1 * (first + second)]
    assert one_weight(optimizer, [2.0, 1.0]) == pytest.approx(expected)


@pytest.mark.parametrize("gradient", [1e4, 1.0, 1e-4])
def test_a_deviation_below_zero_by_rounding_is_none(gradient):
    places = one_weight(RMSprop(1e-9, rho=0.9, centered=True), [gradient] * 400)
    assert np.isfinite(places).all()


def test_rprop_by_hand():
    # 0.1, then 0.1 · 2, then turned: halved and waiting, then once more without a change
    optimizer = Rprop(0.1, eta_minus=0.5, eta_plus=2.0)
    places = one_weight(optimizer, [3.0, 1e-9, -5.0, -1.0, -1.0])
    assert places == pytest.approx([0.9, 0.7, 0.7, 0.8, 1.0])
    bounded = one_weight(Rprop(0.1, min_step=0.1, max_step=0.11), [1.0, 1.0, -1.0, -1.0])
    assert bounded == pytest.approx([0.9, 0.79, 0.79, 0.89])


def test_gradients_too_small_to_be_multiplied_have_signs():
    places = one_weight(Rprop(0.1, eta_plus=2.0), [1e-200, 1e-200])
    assert places == pytest.approx([0.9, 0.7])


# ---------------------------------------------------------------- on a network


@closures_too
def test_learns(optimizer):
    network = small_network()
    before = MeanSquaredError().forward(Y, network.predict(X))
    train(network, fresh(optimizer), 200)
    assert MeanSquaredError().forward(Y, network.predict(X)) < 0.6 * before


@closures_too
def test_blocks_change_nothing(optimizer, monkeypatch):
    whole, parts = small_network(), small_network()
    train(whole, fresh(optimizer), 5)
    monkeypatch.setattr(file, "BLOCK", 7)  # of 50 values: the last block is shorter
    train(parts, fresh(optimizer), 5)
    np.testing.assert_array_equal(whole.flat.values, parts.flat.values)


def test_a_network_larger_than_a_block(monkeypatch):
    def trained():
        network = Network([Linear(200, 180), Linear(180, 1)], seed=0)
        assert len(network.flat) == 36_361
        optimizer = Adam(weight_decay=0.1)
        for _ in range(3):
            network.forward(np.ones((1, 200)))
            network.backward(np.ones((1, 1)))
            optimizer.step(network)
        return network.flat.values

    assert file.BLOCK < 36_361
    in_blocks = trained()
    monkeypatch.setattr(file, "BLOCK", 10**9)
    np.testing.assert_array_equal(in_blocks, trained())


@closures_too
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_types_are_kept(optimizer, dtype):
    network, optimizer = small_network(dtype=dtype), fresh(optimizer)
    train(network, optimizer, 2)
    assert network.flat.values.dtype == dtype
    assert {vector.dtype for vector in optimizer.state_vectors.values()} <= {np.dtype(dtype)}


@every_optimizer
def test_gradients_are_left_as_they_are(optimizer):
    network = small_network()
    network.backward(np.ones_like(network.forward(X)))
    before = network.flat.grads.copy()
    fresh(optimizer).step(network)
    np.testing.assert_array_equal(network.flat.grads, before)


DECAYING = [o for o in OPTIMIZERS if o.weight_decay and not isinstance(o, Rprop)]  # a sign stays


@pytest.mark.parametrize("optimizer", DECAYING, ids=repr)
def test_weight_decay_leaves_biases_alone(optimizer):
    network, without = small_network(), small_network()
    for net in (network, without):
        for parameter in net.named_parameters().values():
            parameter.value = np.ones(parameter.shape)
        net.backward(np.ones_like(net.forward(X)))
    fresh(optimizer).step(network)
    bare = fresh(optimizer)
    bare.weight_decay = 0.0
    bare.step(without)
    plain = without.named_parameters()
    for name, parameter in network.named_parameters().items():
        same = np.array_equal(parameter.value, plain[name].value)
        assert same == name.endswith("bias"), name


# ---------------------------------------------------------------- state


@closures_too
@pytest.mark.parametrize("bound", [False, True])
def test_goes_on_bit_for_bit_from_its_state(optimizer, bound):
    straight, first = small_network(), fresh(optimizer)
    train(straight, first, 12)

    network, second = small_network(), fresh(optimizer)
    train(network, second, 5)
    saved = second.state(), network.state()
    train(network, second, 3)  # what is saved is a copy

    again, third = small_network(seed=9), fresh(optimizer)
    if bound:
        train(again, third, 2)
    third.load_state(saved[0])
    again.load_state(saved[1])
    train(again, third, 7, start=5)
    np.testing.assert_array_equal(again.flat.values, straight.flat.values)
    assert third.steps == first.steps == 12


@closures_too
def test_the_state_of_one_that_has_not_begun(optimizer):
    untouched = fresh(optimizer).state()
    assert untouched == {"steps": 0}
    network, used = small_network(), fresh(optimizer)
    train(network, used, 3)
    used.load_state(untouched)
    network.load_state(small_network().state())
    train(network, used, 4)
    expected = small_network()
    train(expected, fresh(optimizer), 4)
    np.testing.assert_array_equal(network.flat.values, expected.flat.values)


def test_a_state_that_does_not_fit():
    adam, momentum, network = Adam(), Momentum(), small_network()
    train(network, momentum, 1)
    message = r"Adam remembers \['mean', 'square_mean', 'steps'\], got \['steps', 'velocity'\]"
    with pytest.raises(StateError, match=message):
        adam.load_state(momentum.state())
    with pytest.raises(StateError, match=r"got \['steps'\]"):
        adam.load_state({"steps": np.array(3)})
    with pytest.raises(StateError, match=r"remembers \['steps'\], got \[\]"):
        adam.load_state({})

    other = Network([Linear(1, 1)])
    other.backward(other.forward([[1.0]]))
    adam.step(other)
    late = Adam()
    late.load_state(adam.state())
    with pytest.raises(StateError, match="The loaded mean has 2 values, the network 50"):
        train(network, late, 1)
    train(network, at_once := Adam(), 1)
    before = at_once.state()
    with pytest.raises(StateError, match="The loaded mean has 2 values, the network 50"):
        at_once.load_state(adam.state())
    assert at_once.steps == 1
    np.testing.assert_array_equal(at_once.state_vectors["mean"], before["mean"])


@closures_too
def test_a_copy_continues_by_itself(optimizer):
    network, original = small_network(), fresh(optimizer)
    train(network, original, 3)
    twin, its_optimizer = copy.deepcopy((network, original))
    before = network.flat.values.copy(), original.state()
    train(twin, its_optimizer, 3, start=3)
    np.testing.assert_array_equal(network.flat.values, before[0])
    for name, vector in original.state().items():
        np.testing.assert_array_equal(vector, before[1][name])
    train(network, original, 3, start=3)
    np.testing.assert_array_equal(network.flat.values, twin.flat.values)


def test_a_network_that_is_cast_between_two_steps_keeps_its_state():
    network, adam = small_network(), Adam()
    train(network, adam, 3)
    mean = adam.state_vectors["mean"].astype("float32")
    chainrule.module.cast(network, "float32")
    network.backward(np.zeros_like(network.forward(X)))
    before = network.flat.values.copy()
    adam.step(network)
    assert adam.state_vectors["mean"].dtype == np.float32
    np.testing.assert_allclose(adam.state_vectors["mean"], 0.9 * mean, rtol=1e-6)
    assert (network.flat.values != before).any()


def test_an_optimizer_that_is_reset_starts_again():
    network, adam = small_network(), Adam(0.02)
    train(network, adam, 3)
    adam.reset()
    assert adam.state() == {"steps": 0}
    again = small_network()
    train(again, adam, 3)
    np.testing.assert_array_equal(again.flat.values, network.flat.values)


# ---------------------------------------------------------------- learning rates


def test_a_schedule_is_asked_with_the_step_from_zero():
    asked = []

    def schedule(step):
        asked.append(step)
        return [0.1, 0.0, 1][step]

    assert one_weight(SGD(schedule), [1.0, 1.0, 1.0]) == pytest.approx([0.9, 0.9, -0.1])
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, None])
def test_a_schedule_that_gives_nonsense(rate):
    message = "the schedule's learning rate at step 0 must be a number with 0 <="
    with pytest.raises(ConfigurationError, match=message):
        one_weight(SGD(lambda step: rate), [1.0])


def test_numpy_scalars_do_not_change_the_type():
    optimizer = Adam(np.float64(0.1), beta1=np.float64(0.9), weight_decay=np.float64(0.1))
    assert {type(v) for k, v in vars(optimizer).items() if k[0] != "_"} == {float, int, dict, bool}


# ---------------------------------------------------------------- lr_multipliers and freezing


HIDDEN = ("steps", "state_vectors", "state_names", "lr_multipliers")


def with_multipliers(optimizer, lr_multipliers):
    options = {k: v for k, v in vars(optimizer).items() if k not in HIDDEN}
    options = {k: v for k, v in options.items() if not k.startswith("_")}
    return type(optimizer)(**options, lr_multipliers=lr_multipliers)


@closures_too
@pytest.mark.parametrize("pattern", ["layers.0.*", "layers.2.weight", "*.bias"])
def test_frozen_parameters_stay_to_the_last_bit(optimizer, pattern):
    network = small_network()
    for parameter in network.named_parameters().values():
        parameter.value.flat[0] = -0.0  # which -0.0 - (0 · -1) would make 0.0
    optimizer = with_multipliers(optimizer, {pattern: 0})
    before = {name: p.value.tobytes() for name, p in network.named_parameters().items()}
    train(network, optimizer, 4)
    frozen = fnmatch.filter(before, pattern)
    assert 0 < len(frozen) < 4
    for name, parameter in network.named_parameters().items():
        assert (parameter.value.tobytes() == before[name]) == (name in frozen), name
    for vector in optimizer.state_vectors.values():
        for name in frozen:
            assert not vector[network.flat.slices[name]].any()


@every_optimizer
def test_gradients_that_are_no_number_do_not_reach_what_is_frozen(optimizer):
    network, optimizer = small_network(), with_multipliers(optimizer, {"layers.0.*": 0})
    network.backward(np.ones_like(network.forward(X)))
    before = network.flat.values.copy()
    place = network.flat.slices["layers.0.weight"]
    network.flat.grads[place] = np.nan
    optimizer.step(network)
    np.testing.assert_array_equal(network.flat.values[place], before[place])
    assert np.isfinite(network.flat.values).all()


@every_optimizer
def test_a_multiplier_makes_a_learning_rate_of_its_own(optimizer, monkeypatch):
    monkeypatch.setattr(file, "BLOCK", 7)
    network, slow, fast = small_network(), small_network(), small_network()
    for net in (network, slow, fast):
        net.backward(np.ones_like(net.forward(X)))
    with_multipliers(optimizer, {"layers.0.*": 0.5, "*.weight": 0.5}).step(network)
    quarter = fresh(optimizer)
    quarter.learning_rate /= 4
    quarter.step(slow)
    fresh(optimizer).step(fast)
    weight, bias = network.flat.slices["layers.0.weight"], network.flat.slices["layers.2.bias"]
    np.testing.assert_allclose(network.flat.values[weight], slow.flat.values[weight], rtol=1e-14)
    np.testing.assert_array_equal(network.flat.values[bias], fast.flat.values[bias])


def test_everything_may_be_frozen():
    network, optimizer = small_network(), Adam(lr_multipliers={"*": 0, "*.bias": 3})
    before = network.flat.values.tobytes()
    train(network, optimizer, 2)
    assert network.flat.values.tobytes() == before
    assert optimizer.steps == 2


@closures_too
def test_layers_may_be_frozen_and_let_go_between_two_steps(optimizer):
    network, optimizer = small_network(), with_multipliers(optimizer, {"layers.0.*": 0})
    weight = network.layers[0].weight
    train(network, optimizer, 2)
    before = weight.value.copy()
    optimizer.lr_multipliers = {}
    train(network, optimizer, 1)
    assert (weight.value != before).all()
    before = weight.value.copy()
    optimizer.lr_multipliers["layers.0.*"] = 0.0
    train(network, optimizer, 2)
    np.testing.assert_array_equal(weight.value, before)
    optimizer.lr_multipliers = {"nothing.*": 0.0}
    with pytest.raises(ConfigurationError, match=r"No parameter's name fits .*nothing"):
        train(network, optimizer, 1)


def test_multipliers_show_themselves():
    assert repr(SGD(lr_multipliers={"*.bias": 2})) == (
        "SGD(learning_rate=0.01, weight_decay=0.0, lr_multipliers={'*.bias': 2.0})"
    )
    assert "lr_multipliers" not in repr(SGD())


@pytest.mark.parametrize("multiplier", [-1, math.inf, "0", None, [1, 2]])
def test_a_multiplier_is_a_number(multiplier):
    message = r"the multiplier of '\*' must be a number with 0 <= the multiplier"
    with pytest.raises(ConfigurationError, match=message):
        SGD(lr_multipliers={"*": multiplier})


def test_a_pattern_that_fits_nothing():
    optimizer = SGD(lr_multipliers={"layer.0.*": 0})
    message = r"No parameter's name fits the pattern 'layer.0.\*'; there are \['layers.0.weight'"
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=message):
            train(small_network(), optimizer, 1)


# ---------------------------------------------------------------- signatures


@closures_too
def test_the_signature_shows_every_option(optimizer):
    """Constructors are generated: their options are those that the repr shows, and documented."""
    options = inspect.signature(type(optimizer)).parameters
    assert next(iter(options)) == "learning_rate"
    assert {"weight_decay", "lr_multipliers"} < set(options)
    for name, option in options.items():
        assert option.default is not option.empty, name
        assert (option.kind is option.KEYWORD_ONLY) == (name != "learning_rate")
        assert name in type(optimizer).__doc__


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SGD(0), "learning_rate must be a number with 0 < learning_rate, got 0"),
        (lambda: SGD(-0.1), "learning_rate must be a number with 0 < learning_rate, got -0.1"),
        (lambda: SGD(math.nan), "learning_rate must be .* got nan"),
        (lambda: SGD("fast"), "learning_rate must be .* got 'fast'"),
        (lambda: SGD(True), "learning_rate must be .* got True"),
        (lambda: SGD(weight_decay=-1), "weight_decay must be a number with 0 <= weight_decay, got"),
        (lambda: Momentum(momentum=1), "momentum must be a number with 0 <= momentum < 1, got 1"),
        (lambda: RMSprop(rho=1.5), "rho must be a number with 0 <= rho < 1, got 1.5"),
        (lambda: RMSprop(epsilon=0), "epsilon must be a number with 0 < epsilon, got 0"),
        (lambda: AdaGrad(epsilon=0), "epsilon must be a number with 0 < epsilon, got 0"),
        (lambda: Adam(beta1=1), "beta1 must be a number with 0 <= beta1 < 1, got 1"),
        (lambda: Adam(beta2=-0.1), "beta2 must be a number with 0 <= beta2 < 1, got -0.1"),
        (lambda: Adam(epsilon=-1), "epsilon must be a number with 0 < epsilon, got -1"),
        (lambda: NAdam(momentum_decay=-1), "0 <= momentum_decay, got -1"),
        (lambda: Momentum(dampening=1), "0 <= dampening < 1, got 1"),
        (lambda: Adam(amsgrad="no"), "amsgrad must be True or False, got 'no'"),
        (lambda: NAdam(amsgrad=True), "NAdam has no option 'amsgrad': Adam and AdamW have it"),
        (lambda: Nesterov(dampening=0.1), "Nesterov has no option 'dampening': Momentum has it"),
        (lambda: RMSprop(momentum=1), "momentum must be a number with 0 <= momentum < 1, got 1"),
        (lambda: RMSprop(centered=1), "centered must be True or False, got 1"),
        (lambda: AdaGrad(initial_accumulator_value=-1), "0 <= initial_accumulator_value, got -1"),
        (lambda: Adadelta(rho=1), "rho must be a number with 0 <= rho < 1, got 1"),
        (lambda: Adadelta(epsilon=0), "0 < epsilon, got 0"),
        (lambda: Adamax(beta2=1), "0 <= beta2 < 1, got 1"),
        (lambda: Rprop(eta_minus=1), "0 < eta_minus < 1, got 1"),
        (lambda: Rprop(eta_plus=1), "1 < eta_plus, got 1"),
        (lambda: Rprop(min_step=0), "0 < min_step, got 0"),
        (lambda: Rprop(min_step=2, max_step=1), "2 <= max_step, got 1"),
        (lambda: Rprop(lambda step: 0.1), "Rprop finds the lengths of its steps itself"),
        (lambda: LBFGS(lambda step: 0.1), "LBFGS finds the lengths of its steps itself"),
        (lambda: LBFGS(history_size=0), "history_size must be a whole number of at least 1"),
        (lambda: LBFGS(max_evaluations=0), "max_evaluations must be a whole number"),
        (lambda: LBFGS(tolerance_grad=-1), "0 <= tolerance_grad, got -1"),
        (lambda: LBFGS(max_iter=20), "max_iter': it is called iterations"),
        (lambda: Muon(momentum=1), "0 <= momentum < 1, got 1"),
        (lambda: Muon(newton_schulz_steps=0), "newton_schulz_steps must be a whole number"),
        (lambda: Muon(scale="big"), "scale must be one of 'match_rms_adamw', 'original'"),
        (lambda: Muon(adamw="layers.0.weight"), "adamw must be a list of names"),
        (lambda: Lion(beta1=1), "beta1 must be a number with 0 <= beta1 < 1, got 1"),
        (lambda: Lion(beta2=-1), "beta2 must be a number with 0 <= beta2 < 1, got -1"),
    ],
)
def test_options_that_make_no_sense(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


def test_one_optimizer_belongs_to_one_network():
    optimizer = Adam()
    train(small_network(), optimizer, 1)
    with pytest.raises(ConfigurationError, match="This Adam has the state of another network"):
        train(small_network(), optimizer, 1)


def test_a_step_before_any_gradient():
    with pytest.raises(BackwardError, match="no gradients to learn from yet"):
        SGD().step(small_network())


def test_an_optimizer_without_an_update_rule_says_so():
    with pytest.raises(NotImplementedError, match="Optimizer has no update_rule"):
        train(small_network(), Optimizer(0.1), 1)


def test_an_optimizer_of_ones_own_is_its_rule():
    class SignDescent(Optimizer):
        """w ← w - lr · sign(g)."""

        def update_rule(self, w, g, learning_rate, *state):
            w -= learning_rate * np.sign(g)

    assert one_weight(SignDescent(0.1), [5.0, -3.0]) == pytest.approx([0.9, 1.0])
    assert repr(SignDescent(0.1)) == "SignDescent(learning_rate=0.1, weight_decay=0.0)"


def test_an_optimizer_of_ones_own_may_have_a_constructor():
    class Scaled(SGD):
        def __init__(self, learning_rate, scale, **options):
            super().__init__(learning_rate, **options)
            self.scale = scale

        def update_rule(self, w, g, learning_rate, *state):
            super().update_rule(w, self.scale * g, learning_rate, *state)

    optimizer = Scaled(0.1, 2.0, weight_decay=0.5)
    assert optimizer.weight_decay == 0.5
    assert one_weight(copy.deepcopy(optimizer), [1.0]) == pytest.approx([1 - 0.1 * 2 * 1.5])
    with pytest.raises(ConfigurationError, match="learning_rate must be a number"):
        Scaled(0, 2.0)
