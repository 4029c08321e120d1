"""Our side: the work done by chainrule, through what a user calls."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import itertools
import tracemalloc
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

import chainrule
from benchmarks.speed.work import LEARNING_RATE, Job, Skip, Work, inputs, samples, targets
from chainrule.layers.micro_batch import WHOLE, MicroBatch

if TYPE_CHECKING:
    from chainrule.parallel import Strategy

TRAININGS = contextlib.ExitStack()
"""The worker threads of this process, which last as long as it does."""
atexit.register(TRAININGS.close)


def train(work: Work) -> Job:
    """Take steps on batches at hand."""
    if work.model == "ensemble":
        return train_ensemble(work)
    return train_network(work, list(zip(inputs(work), targets(work), strict=True)))


def train_one(work: Work) -> Job:
    """Take the steps of one network alone, beside those of many at once."""
    if work.model != "ensemble":
        raise Skip("only beside an ensemble")
    x, y = (np.ascontiguousarray(array[:, :, 0]) for array in (inputs(work), targets(work)))
    alone = dataclasses.replace(work, model="mlp")
    return train_network(alone, list(zip(x, y, strict=True)))


def train_ensemble(work: Work) -> Job:
    """Take steps of all members at once."""
    from chainrule.ensemble.members import Member
    from chainrule.ensemble.optimizer import MemberOptimizer
    from chainrule.ensemble.training import take_step

    part("Ensemble")
    network = stack(work)
    loss = chainrule.CategoricalCrossEntropy(from_logits=True)
    optimizer = MemberOptimizer(chainrule.Adam, [Member(LEARNING_RATE)] * work.members)
    y_true = chainrule.one_hot(targets(work), work.sizes[-1])
    data = list(zip(inputs(work), y_true, strict=True))

    def run() -> None:
        for x, y in data:
            take_step(network, loss, optimizer, x, y)

    return Job(run, len(data) * work.members)


def stack(work: Work) -> chainrule.Network:
    """Return an ensemble's members as they learn: without the output layer."""
    from chainrule.ensemble.stack import Stack

    ensemble = chainrule.Ensemble(work.sizes, work.members, seed=0)
    whole = Stack(ensemble.network, ensemble.architecture, ensemble.members)
    return whole.select(range(work.members)).network


def train_together(work: Work) -> Job:
    """Take steps as `Trainer` does with a worker for each processor."""
    from chainrule.diagnosis.machine import cores

    return train_in_threads(work, cores())


def train_alone(work: Work) -> Job:
    """Take the same steps in one thread, BLAS's too: what workers and ranks are compared with."""
    return train_in_threads(work, 1)


def train_with_blas(work: Work) -> Job:
    """Take the same steps as `Trainer` does by default: one worker, and all of BLAS's threads."""
    from chainrule.parallel import Strategy

    if work.model == "ensemble":
        raise Skip("beside workers and ranks, which an ensemble has not")
    return train_by(work, build(work), Strategy(), WHOLE)


def train_in_threads(work: Work, workers: int) -> Job:
    from chainrule.parallel import DataParallel, Strategy

    if work.model == "ensemble":
        raise Skip("an ensemble has no workers")
    network = build(work)
    threads = DataParallel(workers, hold_blas=workers == 1)
    TRAININGS.enter_context(threads.running(network))
    strategy = threads if workers > 1 else Strategy()
    return train_by(work, network, strategy, WHOLE, f"{workers} worker(s)")


def train_on_ranks(work: Work) -> Job:
    """Take the steps of one rank, on its rows of each batch; one alone is one worker."""
    from mpi4py import MPI

    from chainrule.parallel import DataParallel
    from chainrule.parallel.communicator import as_communicator
    from chainrule.parallel.distributed import Distributed

    communicator = as_communicator(MPI.COMM_WORLD)
    if communicator is None:
        return train_alone(work)
    network = build(work)
    strategy = Distributed(communicator, DataParallel(1, hold_blas=True))
    TRAININGS.enter_context(strategy.running(network))
    part = strategy.part_of(work.batch)
    return train_by(work, network, strategy, part, f"{strategy.world_size} ranks")


def train_by(
    work: Work, network: chainrule.Network, strategy: Strategy, part: MicroBatch, note: str = ""
) -> Job:
    """Take steps as `Trainer` does, with this strategy, on the rows of this part of each batch."""
    from chainrule.parallel.strategy import using_micro_batch
    from chainrule.training.step import take_step

    loss, optimizer = loss_of(work), chainrule.Adam(LEARNING_RATE)
    rows = slice(None) if part is WHOLE else part.rows
    data = [(x[rows], y[rows]) for x, y in zip(inputs(work), targets(work), strict=True)]

    def run() -> None:
        with using_micro_batch(part):
            for x, y in data:
                take_step(network, loss, optimizer, (x, y, None), strategy=strategy)

    return Job(run, len(data), note)


def train_network(work: Work, data: list[tuple[np.ndarray, np.ndarray]]) -> Job:
    network, loss = build(work), loss_of(work)
    optimizer = chainrule.Adam(LEARNING_RATE)

    def run() -> None:
        for x, y in data:
            _, gradient = loss.value_and_gradient(y, network.forward(x))
            network.backward_parameters(gradient)  # nor does any peer compute it
            optimizer.step(network)

    return Job(run, len(data))


def fit(work: Work) -> Job:
    """Run epochs by Trainer.fit."""
    X, y = samples(work)
    trainer = part("Trainer")(build(work), loss_of(work), chainrule.Adam(LEARNING_RATE))

    def run() -> None:
        trainer.fit(X, y, epochs=1, batch_size=work.batch, progress=False)

    return Job(run, units(work))


def fit_by_hand(work: Work) -> Job:
    """Run them by a loop that also shuffles, gathers its batches and adds up its loss."""
    X, y = samples(work)
    network, loss = build(work), loss_of(work)
    optimizer = chainrule.Adam(LEARNING_RATE)
    rng = np.random.default_rng(0)

    def run() -> None:
        total = 0.0
        for x_batch, y_batch in chainrule.batches(X, y, batch_size=work.batch, seed=rng):
            value, gradient = loss.value_and_gradient(y_batch, network.forward(x_batch))
            network.backward_parameters(gradient)
            optimizer.step(network)
            total += value * len(x_batch)

    return Job(run, units(work))


def predict(work: Work) -> Job:
    network, data = build(work), inputs(work)

    def run() -> None:
        for x in data:
            network.predict(x)

    return Job(run, len(data))


def layer(work: Work) -> Job:
    """Run one convolution, forward and backward; measure the scratch memory it takes."""
    channels, filters, kernel, _ = work.sizes
    convolution = part("Conv2d")(channels, filters, kernel, seed=0)
    (x,) = inputs(work)
    dy = np.ones_like(convolution.predict(x))
    scratch = max(
        scratch_memory(lambda: convolution.forward(x)),
        scratch_memory(lambda: convolution.backward(dy)),
    )

    def run() -> None:
        convolution.forward(x)
        convolution.backward(dy)

    return Job(run, 1, f"{scratch / 1e6:.1f} MB of scratch memory", {"scratch_bytes": scratch})


def scratch_memory(call: Callable[[], object]) -> int:
    """Return how many bytes `call` takes at its peak, beyond what it leaves behind."""
    tracemalloc.start()
    kept = call()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return peak - held


# ---------------------------------------------------------------- the networks


def build(work: Work) -> chainrule.Network:
    sizes = work.sizes
    match work.model:
        case "mlp" | "fashion-mnist":
            return chainrule.Network(list(sizes), seed=0)
        case "silu":
            layers: list[chainrule.Module] = []
            for pair in itertools.pairwise(sizes):
                layers += [chainrule.Linear(*pair), part("SiLU")()]
            return chainrule.Network(layers[:-1], seed=0)
        case "cnn":
            one, two, hidden, classes = sizes
            return chainrule.Network(
                [
                    part("Conv2d")(1, one, 3),
                    chainrule.ReLU(),
                    part("MaxPool2d")(2),
                    part("Conv2d")(one, two, 3),
                    chainrule.ReLU(),
                    part("MaxPool2d")(2),
                    chainrule.Flatten(),
                    chainrule.Linear(two * 5 * 5, hidden),
                    chainrule.ReLU(),
                    chainrule.Linear(hidden, classes),
                ],
                seed=0,
            )
        case "conv-network":
            return chainrule.Network([part("Conv2d")(*sizes[:3])], seed=0)
        case "lstm":
            features, units_, _, classes = sizes
            last = chainrule.Linear(units_, classes)
            return chainrule.Network(
                [part("LSTM")(features, units_), part("LastStep")(), last], seed=0
            )
        case "transformer":
            width, heads, _, hidden = sizes
            block = part("TransformerBlock")(width, heads, hidden_size=hidden)
            return chainrule.Network([block], seed=0)
    raise Skip(f"{work.model} is not written for chainrule")


def loss_of(work: Work) -> chainrule.Loss:
    if work.model in ("transformer", "conv-network"):
        return chainrule.MeanSquaredError()
    # The network made from sizes ends in Softmax, the others in logits.
    return chainrule.CategoricalCrossEntropy(from_logits=work.model in ("cnn", "lstm"))


def part(name: str) -> Callable[..., object]:
    """Return a class of chainrule's by name, or skip where there is none yet."""
    if not hasattr(chainrule, name):
        raise Skip(f"this chainrule has no {name}")
    return getattr(chainrule, name)


def units(work: Work) -> int:
    """Return what an epoch counts as: itself, or its steps."""
    return 1 if work.unit == "epoch" else work.batches


JOBS = {"train": train, "fit": fit, "predict": predict, "layer": layer}
BY_HAND = {"fit": fit_by_hand}
ONE = {"train": train_one}
TOGETHER = {"train": train_together}
ALONE = {"train": train_alone}
WITH_BLAS = {"train": train_with_blas}
ON_RANKS = {"train": train_on_ranks}
