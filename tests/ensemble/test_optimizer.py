"""MemberOptimizer: each member of a stack moves as it would alone."""

import copy
from functools import partial

import numpy as np
import pytest

from chainrule import (
    LBFGS,
    SGD,
    Adadelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    ConfigurationError,
    Lion,
    Momentum,
    Muon,
    NAdam,
    Nesterov,
    RAdam,
    RMSprop,
    Rprop,
)
from chainrule.ensemble.members import Member
from chainrule.ensemble.optimizer import MemberOptimizer
from chainrule.layers import StackedLinear
from chainrule.network import Network
from chainrule.optimizers import base

OPTIMIZERS = [SGD, Nesterov, AdaGrad, RMSprop, Adam, partial(Adam, beta2=0.9), AdamW, NAdam, RAdam]
OPTIMIZERS += [Lion, partial(SGD, lr_multipliers={"*.bias": 0.5, "layers.0.*": 2})]
OPTIMIZERS += [Adadelta, Adamax, Rprop, partial(Adam, amsgrad=True)]
OPTIMIZERS += [partial(RMSprop, momentum=0.5, centered=True), partial(Momentum, dampening=0.5)]
MEMBERS = [Member(0.05, weight_decay=0.1), Member(0.2, weight_decay=0.7), Member(0.01)]


def stack_of(members, values, gradients=None):
    """Return a stack of two layers with these values, (members, 2 · 3 + 3 + 3 · 1 + 1)."""
    count = len(values)
    stack = Network([StackedLinear(count, 2, 3), StackedLinear(count, 3, 1)], dtype="float64")
    stack.backward(stack.forward(np.ones((1, 2))))
    put(stack, "value", values)
    return stack


def put(stack, what, values):
    start = 0
    for parameter in stack.named_parameters().values():
        size = parameter.size // len(values)
        setattr(parameter, what, values[:, start : start + size].reshape(parameter.shape))
        start += size


def values_of(stack):
    members = stack.layers[0].members
    parts = [p.value.reshape(members, -1) for p in stack.named_parameters().values()]
    return np.concatenate(parts, axis=1)


def moved(make, members, values, gradients, schedule=None):
    stack = stack_of(members, values)
    optimizer = MemberOptimizer(make, members, schedule)
    for gradient in gradients:
        put(stack, "grad", gradient)
        optimizer.step(stack)
    return values_of(stack)


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((3, 13)), rng.standard_normal((4, 3, 13))


@pytest.mark.parametrize("make", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("block", [7, 32_768])
def test_each_member_moves_as_it_would_alone(make, block, monkeypatch):
    monkeypatch.setattr(base, "BLOCK", block)
    values, gradients = data()
    together = moved(make, MEMBERS, values, gradients)
    for k, member in enumerate(MEMBERS):
        stack = stack_of([member], values[k : k + 1])
        options = getattr(make, "keywords", {})
        kind = getattr(make, "func", make)
        alone = kind(member.learning_rate, **{**options, "weight_decay": member.weight_decay})
        for gradient in gradients:
            put(stack, "grad", gradient[k : k + 1])
            alone.step(stack)
        np.testing.assert_allclose(together[k], values_of(stack)[0], rtol=1e-13, atol=1e-15)


def test_a_schedule_multiplies_every_learning_rate():
    values, gradients = data()
    halved = moved(SGD, MEMBERS[2:], values[2:], gradients[:, 2:], lambda step: 0.5**step)
    step = (0.5 ** np.arange(4) @ gradients[:, 2].reshape(4, -1)).reshape(-1)
    np.testing.assert_allclose(halved[0], values[2] - 0.01 * step)


def test_the_state_of_some_members_continues_bit_for_bit():
    values, gradients = data()
    stack, optimizer = stack_of(MEMBERS, values), MemberOptimizer(AdamW, MEMBERS)
    for gradient in gradients[:2]:
        put(stack, "grad", gradient)
        optimizer.step(stack)
    places = np.array([0, 2])
    part = stack_of(MEMBERS[::2], values_of(stack)[places])
    rest = MemberOptimizer(AdamW, MEMBERS[::2])
    rest.load_state(optimizer.state_of(stack, places))
    for gradient in gradients[2:]:
        put(stack, "grad", gradient)
        optimizer.step(stack)
        put(part, "grad", gradient[places])
        rest.step(part)
    np.testing.assert_array_equal(values_of(part), values_of(stack)[places])


def test_a_copy_moves_its_own_stack():
    values, gradients = data()
    stack, optimizer = stack_of(MEMBERS, values), MemberOptimizer(Adam, MEMBERS)
    put(stack, "grad", gradients[0])
    optimizer.step(stack)
    twin, its_optimizer = copy.deepcopy((stack, optimizer))
    before = values_of(stack)
    put(twin, "grad", gradients[1])
    its_optimizer.step(twin)
    np.testing.assert_array_equal(values_of(stack), before)
    put(stack, "grad", gradients[1])
    optimizer.step(stack)
    np.testing.assert_array_equal(values_of(stack), values_of(twin))


@pytest.mark.parametrize("make", [Muon, LBFGS])
def test_what_moves_a_network_as_a_whole_is_refused(make):
    with pytest.raises(ConfigurationError, match=f"{make.__name__} moves a network as a whole"):
        MemberOptimizer(make, MEMBERS)
