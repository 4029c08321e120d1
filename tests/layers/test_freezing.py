"""Frozen modules and parameters: nothing moves them, and nothing else notices that they are there.

The oracle of a frozen backbone is the head trained alone on what the backbone makes of the data.
"""

import copy
import inspect
import pickle

import numpy as np
import pytest
from cases import all_cases

import chainrule
from chainrule import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Callback,
    CategoricalCrossEntropy,
    Checkpoint,
    ConfigurationError,
    Dropout,
    EarlyStopping,
    ExponentialMovingAverage,
    FileFormatError,
    Graph,
    Linear,
    Module,
    Network,
    Node,
    Optimizer,
    Parameter,
    ReLU,
    Sequential,
    StateError,
    Tanh,
    Trainer,
    check_module,
    clip_by_global_norm,
    gradient_norm,
)
from chainrule.module import cast
from chainrule.storage.archive import read_archive, write_archive

RNG = np.random.default_rng(0)
X = RNG.standard_normal((48, 4)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(int)
LOSS = CategoricalCrossEntropy(from_logits=True)


def optimizer_classes():
    public = [getattr(chainrule, name) for name in chainrule.__all__]
    return [k for k in public if inspect.isclass(k) and issubclass(k, Optimizer) and k != Optimizer]


every_optimizer = pytest.mark.parametrize("kind", optimizer_classes(), ids=lambda k: k.__name__)


def backbone(seed=0):
    return Sequential([Linear(4, 6, seed=seed), BatchNorm(6), Tanh(), Linear(6, 5, seed=seed + 1)])


def with_statistics(module):
    """Let running statistics be those of some data, not 0 and 1."""
    for _ in range(3):
        module.forward(X)
    return module


def two_parts():
    """Return a network of a frozen backbone and a head, and the head alone."""
    body = with_statistics(backbone()).freeze()
    head = Sequential([Linear(5, 3, seed=3), Linear(3, 2, seed=4)])
    return Network([body, head]), Network([copy.deepcopy(head)])


def step(network, optimizer, x=X, y=Y):
    def closure():
        value, dy = LOSS.value_and_gradient(y, network.forward(x))
        network.backward_parameters(dy)
        return value

    if optimizer.needs_closure:
        optimizer.step(network, closure)
    else:
        closure()
        optimizer.step(network)


def fit(network, optimizer, x=X, **options):
    trainer = Trainer(network, LOSS, optimizer, seed=1, **options.pop("trainer", {}))
    options = {"epochs": 3, "batch_size": 16, "progress": False} | options
    trainer.fit(x, Y, **options)
    return trainer


# ---------------------------------------------------------------- steps


@every_optimizer
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_frozen_backbone_stays_and_the_head_learns_as_if_alone(kind, decay):
    whole, alone = two_parts()
    features = whole.layers[0].predict(X)
    before = whole.layers[0].state()
    for network, x in ((whole, X), (alone, features)):
        optimizer = kind(0.01, weight_decay=decay)
        options = {} if kind.needs_closure else {"clip_norm": 0.05}
        size = len(X) if kind.needs_closure else 16
        trainer = fit(network, optimizer, x, trainer=options, batch_size=size)
        norms = trainer.history.steps["gradient_norm"]
    np.testing.assert_equal(whole.layers[0].state(), before)
    for own, other in zip(whole.layers[1].parameters(), alone.parameters(), strict=True):
        rtol = 1e-3 if kind.needs_closure else 2e-5  # rounding decides where its searches end
        np.testing.assert_allclose(own.value, other.value, rtol=rtol, atol=1e-6)
    assert max(norms) > 0.05 or kind.needs_closure  # so that clipping took part


def test_the_norm_clipping_and_update_leave_out_what_is_frozen():
    whole, alone = two_parts()
    features = whole.layers[0].predict(X)
    norms = []
    for network, x in ((whole, X), (alone, features)):
        network.backward(LOSS.backward(Y, network.forward(x)))
        norms.append(gradient_norm(network))
        clip_by_global_norm(network, norms[-1] / 2)
        norms.append(gradient_norm(network))
    assert norms[:2] == pytest.approx(norms[2:], rel=1e-6)
    before = whole.layers[0].state()
    whole.set_gradients(np.ones_like(whole.flat.values))
    assert gradient_norm(whole) == pytest.approx(np.sqrt(3 * 6 + 2 * 4))
    whole.update(0.5)
    np.testing.assert_equal(whole.layers[0].state(), before)
    whole.backward(LOSS.backward(Y, whole.forward(X)))
    whole.update(0.5)
    np.testing.assert_equal(whole.layers[0].state(), before)


@every_optimizer
def test_what_is_frozen_is_forgotten_and_begins_anew_when_it_learns_again(kind):
    """A parameter that is unfrozen late moves as with an optimizer that begins with it."""
    late, fresh = (Network([Linear(4, 3, seed=1), Linear(3, 2, seed=2)]) for _ in range(2))
    optimizer = kind(0.01, weight_decay=0.01)
    for _ in range(5):
        step(late, optimizer)
    late.layers[0].freeze()
    before = late.layers[0].state()
    for _ in range(20):
        step(late, optimizer)
    np.testing.assert_equal(late.layers[0].state(), before)
    for name in optimizer.state_names:
        assert not optimizer.state_vectors[name][late.flat.slices["layers.0.weight"]].any()
    late.layers[0].unfreeze()
    fresh.load_state(late.state())
    anew = kind(0.01, weight_decay=0.01)
    for _ in range(3):
        step(late, optimizer)
        step(fresh, anew)
        fresh.layers[1].load_state(late.layers[1].state())
        if kind.needs_closure:
            return  # it knows all parameters together
        np.testing.assert_allclose(
            late.layers[0].weight.value, fresh.layers[0].weight.value, rtol=1e-5, atol=1e-7
        )


def test_multipliers_of_0_begin_anew_too():
    network = Network([Linear(4, 3, seed=1), Linear(3, 2, seed=2)])
    adam = Adam(0.01, lr_multipliers={"layers.0.*": 0})
    for _ in range(50):
        step(network, adam)
    adam.lr_multipliers = {}
    before = network.layers[0].weight.value.copy()
    step(network, adam)
    moved = np.abs(network.layers[0].weight.value - before)
    np.testing.assert_allclose(moved, 0.01, rtol=1e-2)


@every_optimizer
@pytest.mark.parametrize("unfreeze", [True, False])
def test_an_optimizers_saved_state_knows_when_parameters_began(kind, unfreeze):
    def made():
        return Network([Linear(4, 3, seed=1), Linear(3, 2, seed=2)]), kind(0.01)

    (network, optimizer), (again, other) = made(), made()
    network.layers[0].freeze()
    for _ in range(6):
        step(network, optimizer)
    if unfreeze:
        network.layers[0].unfreeze()
        for _ in range(2):
            step(network, optimizer)
    else:
        again.layers[0].freeze()
    again.load_state(network.state())
    other.load_state(optimizer.state())
    for net in (network, again):
        net.unfreeze()
    for _ in range(4):
        step(network, optimizer)
        step(again, other)
    np.testing.assert_array_equal(network.flat.values, again.flat.values)
    twin, copied = copy.deepcopy((network, optimizer))
    step(network, optimizer)
    step(twin, copied)
    np.testing.assert_array_equal(network.flat.values, twin.flat.values)


def test_a_state_that_cannot_be_is_refused():
    network, adam = Network([Linear(4, 3), Linear(3, 2)]), Adam(0.01)
    network.layers[0].freeze()
    step(network, adam)
    state = adam.state()
    assert state["starts"].tolist() == [-1, -1, 0, 0]
    for starts, message in (
        (np.zeros(4), "should be an array of whole numbers"),
        (np.array([0, 0, 0, 2]), "began to learn at .* of 1 steps"),
        (np.array([0, 0, 0, -2]), "began to learn at"),
    ):
        with pytest.raises(StateError, match=message):
            Adam(0.01).load_state({**state, "starts": starts})
    other = Adam(0.01)
    other.load_state({**state, "starts": np.array([0, 0])})
    with pytest.raises(StateError, match="the state of 2 parameters, the network has 4"):
        step(network, other)


def test_single_parameters_and_shared_ones():
    first, second = Linear(3, 3, seed=0), Linear(3, 3, seed=1)
    second.weight = first.weight
    network = Network([first, Tanh(), second, Linear(3, 2, seed=2)])
    first.freeze()
    assert not second.weight.trainable
    assert second.bias.trainable
    before = network.state()
    fit(network, AdamW(0.01, weight_decay=0.1), X[:, :3])
    moved = [k for k, value in network.state().items() if not np.array_equal(value, before[k])]
    assert moved == ["layers.2.bias", "layers.3.weight", "layers.3.bias"]
    network.unfreeze()
    network.layers[3].weight.trainable = False
    before = network.layers[3].weight.value.copy()
    fit(network, SGD(0.1, weight_decay=0.1), X[:, :3])
    np.testing.assert_array_equal(network.layers[3].weight.value, before)


@pytest.mark.parametrize("options", [{"workers": 2}, {"micro_batch_size": 5}])
def test_workers_and_micro_batches_freeze_too(options):
    class Thaw(Callback):
        """Freezes less after an epoch."""

        def on_epoch_end(self, state):
            if state.epoch == 2:
                state.network.layers[0].layers[3].unfreeze()

    found = []
    for trainer in ({}, options):
        network, _ = two_parts()
        first = network.layers[0].layers[0].state()
        statistics = network.layers[0].layers[1].state()
        last = network.layers[0].layers[3].state()
        fit(network, Adam(0.01), epochs=4, trainer=trainer, callbacks=[Thaw()])
        np.testing.assert_equal(network.layers[0].layers[0].state(), first)
        np.testing.assert_equal(network.layers[0].layers[1].state(), statistics)
        assert not np.array_equal(network.layers[0].layers[3].state()["weight"], last["weight"])
        found.append(network.flat.values)
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


def test_averages_and_the_best_weights_keep_what_is_frozen():
    network, _ = two_parts()
    before = network.layers[0].state()
    callbacks = [ExponentialMovingAverage(0.7), EarlyStopping("loss")]
    fit(network, AdamW(0.01), callbacks=callbacks)
    np.testing.assert_equal(network.layers[0].state(), before)


def test_a_network_of_which_nothing_learns_is_refused():
    network = Network([Linear(4, 3), Linear(3, 2)]).freeze()
    with pytest.raises(ConfigurationError, match=r"Every parameter of the network is frozen.*unfr"):
        fit(network, Adam(0.01))


# ---------------------------------------------------------------- layers


CASES = [case for case in all_cases() if case.build().named_buffers()]


def test_there_are_layers_with_statistics():
    assert len(CASES) >= 4


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_frozen_statistics_stay_and_are_used(case):
    module = case.build()
    cast(module, "float64")
    x = case.input()
    module.forward(x, **case.arguments)  # moves them
    module.freeze()
    before = module.state()
    y = module.forward(x, **case.arguments)
    np.testing.assert_array_equal(y, module.predict(x, **case.arguments))
    np.testing.assert_equal(module.state(), before)
    report = check_module(module, x, arguments=case.arguments)
    assert report.passed, str(report)
    module.unfreeze()
    module.forward(x, **case.arguments)
    assert any(not np.array_equal(v, before[k]) for k, v in module.state().items())


def test_dropout_still_drops_and_the_gradient_check_still_checks():
    module = Sequential([Linear(4, 50, seed=0), Dropout(0.5, seed=0)]).freeze()
    assert (module.forward(X) == 0).any()
    network = Network([backbone(), Linear(5, 2)]).freeze()
    assert check_module(network, X, loss=LOSS, y_true=Y).passed


# ---------------------------------------------------------------- where it is noted


def frozen(module):
    return [name for name, p in module.named_parameters().items() if not p.trainable]


def test_it_is_saved_copied_and_pickled(tmp_path):
    network, _ = two_parts()
    network.layers[1].layers[1].bias.trainable = False
    network.save(tmp_path / "network.npz")
    loaded = Network.load(tmp_path / "network.npz")
    for other in (loaded, copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert frozen(other) == frozen(network)
        assert not other.layers[0].layers[1].trainable
        assert other.layers[1].trainable
        before = other.layers[0].state()
        fit(other, AdamW(0.01))
        np.testing.assert_equal(other.layers[0].state(), before)
    network.unfreeze()
    network.save(tmp_path / "network.npz")
    assert "frozen" not in read_archive(tmp_path / "network.npz", "module")[1]
    assert frozen(Network.load(tmp_path / "network.npz")) == []


def test_a_file_that_freezes_what_is_not_there_is_refused(tmp_path):
    path = tmp_path / "layer.npz"
    BatchNorm(3, affine=False).freeze().save(path)
    assert not BatchNorm.load(path).trainable
    arrays, description = read_archive(path, "module")
    for names, message in ((["x"], "says that 'x' is frozen, which is not there"), ([1], "text")):
        write_archive(path, "module", arrays, {**description, "frozen": names})
        with pytest.raises(FileFormatError, match=message):
            BatchNorm.load(path)


def test_the_summary_says_what_learns():
    network, _ = two_parts()
    network.layers[1].layers[1].bias.trainable = False
    text = network.summary()
    assert "24 parameters learn, 79 are frozen" in text
    assert "0: Sequential(...) (frozen)" in text
    assert "1: Sequential(...) (frozen in part)" in text
    assert "frozen" in network._repr_html_()
    assert "frozen" not in network.unfreeze().summary()
    assert "frozen" in Network([BatchNorm(4, affine=False).freeze(), Linear(4, 2)]).summary()


class Unfreeze(Callback):
    def on_epoch_end(self, state):
        if state.epoch == 2:
            state.network.layers[0].unfreeze()


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_resumed_training_goes_on_with_what_was_frozen(tmp_path, epochs):
    def made():
        return two_parts()[0]

    whole = made()
    fit(whole, Adam(0.01), epochs=5, callbacks=[Unfreeze()])
    fit(made(), Adam(0.01), epochs=epochs, callbacks=[Unfreeze(), Checkpoint(tmp_path)])
    resumed = made()
    fit(resumed, Adam(0.01), epochs=5, callbacks=[Unfreeze()], resume=tmp_path / "last.npz")
    np.testing.assert_equal(resumed.state(), whole.state())
    other = made().unfreeze()
    other.layers[1].freeze()
    before = other.state()
    with pytest.raises(StateError, match=r"frozen was \['layers.0', .*, here it is \['layers.1'"):
        fit(other, Adam(0.01), resume=tmp_path / "last.npz")
    np.testing.assert_equal(other.state(), before)
    assert frozen(other) == [k for k in other.named_parameters() if k.startswith("layers.1")]


def test_a_checkpoint_from_before_knows_nothing_frozen(tmp_path):
    fit(Network([Linear(4, 2, seed=0)]), Adam(0.01), callbacks=[Checkpoint(tmp_path)])
    path = tmp_path / "last.npz"
    arrays, description = read_archive(path, "checkpoint")
    del description["frozen"]
    write_archive(path, "checkpoint", arrays, description)
    fit(Network([Linear(4, 2, seed=0)]), Adam(0.01), epochs=4, resume=path)
    network = Network([Linear(4, 2, seed=0)])
    network.layers[0].bias.trainable = False
    with pytest.raises(StateError, match=r"frozen was None, here it is \['layers.0.bias'\]"):
        fit(network, Adam(0.01), resume=path)


# ---------------------------------------------------------------- habits


def test_to_assign_trainable_is_to_freeze():
    network = Network([backbone(), Linear(5, 2)])
    network.layers[0].trainable = False
    assert frozen(network) == [k for k in network.named_parameters() if k.startswith("layers.0")]
    assert not network.layers[0].layers[1].trainable
    assert network.layers[1].trainable
    network.layers[0].trainable = True
    assert frozen(network) == []
    assert network.freeze() is network
    assert network.unfreeze() is network
    for thing in (network, network.parameters()[0]):
        with pytest.raises(ConfigurationError, match="trainable must be True or False"):
            thing.trainable = "no"


def test_a_module_of_ones_own_may_freeze_itself_and_ask():
    class Mine(Module):
        def __init__(self, trainable=True):
            self.gain = Parameter(np.ones(3))
            self.trainable = trainable

    assert not Mine(trainable=False).gain.trainable
    assert Mine().gain.trainable


def test_a_node_of_a_graph_is_frozen_by_its_name():
    graph = Graph("x", {"h": Node(Linear(4, 3), "x"), "y": Node(Linear(3, 2), "h")}, "y")
    graph["h"].freeze()
    network = Network(graph)
    before = graph["h"].state()
    fit(network, AdamW(0.1))
    np.testing.assert_equal(graph["h"].state(), before)
    assert "h: Linear(4, 3) <- x (frozen)" in network.summary()


def test_a_frozen_layer_of_nothing_but_functions_changes_nothing():
    one, two = (Network([Linear(4, 3, seed=0), ReLU(), Linear(3, 2, seed=1)]) for _ in range(2))
    two.layers[1].freeze()
    for network in (one, two):
        fit(network, Adam(0.01))
    np.testing.assert_array_equal(one.flat.values, two.flat.values)
