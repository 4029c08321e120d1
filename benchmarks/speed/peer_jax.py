"""The work in JAX: a jitted function for each step, or a whole epoch compiled into one scan.

JAX has no layers and no optimizer of its own; both are written out here, and compiled.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.speed.work import LEARNING_RATE, Job, Skip, Work, inputs, samples, targets


def train(work: Work) -> Job:
    """Take steps, each a call of one compiled function; a pass ends when its result is there."""
    check(work)
    compiled = jax.jit(step, donate_argnums=0)
    data = [tuple(map(jnp.asarray, pair)) for pair in zip(inputs(work), targets(work), strict=True)]
    state = first_state(work)

    def run() -> None:
        nonlocal state
        for batch in data:
            state, _ = compiled(state, batch)
        jax.block_until_ready(state)

    return Job(run, len(data))


def train_in_a_scan(work: Work) -> Job:
    """Take the same steps, the whole pass one compiled call; of an ensemble one member's."""
    check(work, "ensemble")

    @jax.jit
    def epoch(state: Any, data: Any) -> Any:
        return jax.lax.scan(step, state, data)

    data = tuple(map(jnp.asarray, (inputs(work), targets(work))))
    if work.model == "ensemble":
        data = tuple(array[:, :, 0] for array in data)
    state = first_state(work)

    def run() -> None:
        nonlocal state
        state, losses = epoch(state, data)
        jax.block_until_ready(losses)

    return Job(run, work.batches)


def train_members_in_a_scan(work: Work) -> Job:
    """Take the steps of all members of an ensemble at once, mapped over them, in such a call."""
    if work.model != "ensemble":
        raise Skip("only an ensemble has members")

    @jax.jit
    def epoch(state: Any, data: Any) -> Any:
        return jax.lax.scan(jax.vmap(step), state, data)

    arrays = inputs(work), targets(work)
    data = tuple(jnp.asarray(np.ascontiguousarray(a.swapaxes(1, 2))) for a in arrays)
    one = first_state(work)
    state = jax.tree.map(lambda a: jnp.broadcast_to(a, (work.members, *a.shape)).copy(), one)

    def run() -> None:
        nonlocal state
        state, losses = epoch(state, data)
        jax.block_until_ready(losses)

    return Job(run, work.batches * work.members)


def fit_in_a_scan(work: Work) -> Job:
    """Run epochs, each one compiled call that shuffles, too; a last part batch is left out."""
    check(work)
    X, y = map(jnp.asarray, samples(work))
    steps = len(X) // work.batch

    @jax.jit
    def epoch(state: Any, key: Any, X: Any, y: Any) -> Any:
        rows = jax.random.permutation(key, len(X))[: steps * work.batch].reshape(steps, work.batch)
        return jax.lax.scan(lambda state, row: step(state, (X[row], y[row])), state, rows)

    state, key = first_state(work), jax.random.key(0)

    def run() -> None:
        nonlocal state, key
        key, own = jax.random.split(key)
        state, losses = epoch(state, own, X, y)
        jax.block_until_ready(losses)

    return Job(run, 1 if work.unit == "epoch" else steps)


def predict(work: Work) -> Job:
    check(work)
    compiled = jax.jit(lambda weights, x: jax.nn.softmax(logits(weights, x)))
    (weights, *_), data = first_state(work), [jnp.asarray(x) for x in inputs(work)]

    def run() -> None:
        for x in data:
            compiled(weights, x).block_until_ready()

    return Job(run, len(data))


def check(work: Work, *further: str) -> None:
    if work.model not in ("mlp", "fashion-mnist", *further):
        raise Skip(f"{work.model} is not written for JAX")


# ---------------------------------------------------------------- network, loss and Adam


def logits(weights: Any, x: Any) -> Any:
    for w, b in weights[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = weights[-1]
    return x @ w + b


def loss(weights: Any, x: Any, y: Any) -> Any:
    log_p = jax.nn.log_softmax(logits(weights, x))
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()


def first_state(work: Work) -> Any:
    """Return weights, Adam's two means, and the number of steps."""
    rng = np.random.default_rng(0)
    weights = [
        (
            jnp.asarray(rng.normal(0, (2 / k) ** 0.5, (k, n)), jnp.float32),
            jnp.zeros(n, jnp.float32),
        )
        for k, n in itertools.pairwise(work.sizes)
    ]
    zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
    return weights, *zeros, jnp.zeros((), jnp.float32)


def step(state: Any, batch: Any) -> Any:
    """Return the next state, and the loss; β₁ = 0.9, β₂ = 0.999, ε = 1e-8."""
    weights, means, squares, t = state
    value, gradients = jax.value_and_grad(loss)(weights, *batch)
    t = t + 1
    means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
    squares = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, squares, gradients)
    rate, correction = LEARNING_RATE / (1 - 0.9**t), 1 / (1 - 0.999**t)
    weights = jax.tree.map(
        lambda w, m, s: w - rate * m / (jnp.sqrt(s * correction) + 1e-8), weights, means, squares
    )
    return (weights, means, squares, t), value


JOBS = {"train": train, "predict": predict}
SCAN = {"train": train_in_a_scan, "fit": fit_in_a_scan}
VMAP = {"train": train_members_in_a_scan}
