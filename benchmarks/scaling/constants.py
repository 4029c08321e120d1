"""The constants of the model, measured on this machine, and what two ranks really take here.

Each step is `Trainer`'s, with BLAS on one thread, as on a rank. Started by `mpiexec -n 2`, this
file measures messages, allreduces and steps of two ranks, and prints them as JSON.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.scaling.cost import Line
from benchmarks.speed.sides import ROOT

NETWORKS = {
    "0.1 M": (784, 128, 10),
    "1 M": (784, 680, 680, 10),
    "100 M": (784, 6900, 6900, 6900, 10),
}
"""MLPs with ReLU, by their number of parameters."""

SAMPLES = (2, 32, 256)
"""Of a batch, at which steps are timed."""

CHECKED = 128
"""Samples of the batch that two ranks share, for a look at what the model is worth."""

SMALL, LARGE = 1 << 20, 1 << 24
"""Bytes of the messages between which β is taken."""

LEAST_SECONDS = 0.5


def typical(call: Callable[[], object], least: float = LEAST_SECONDS) -> float:
    """Return the median time of a call, of at least three and half a second of them."""
    call()
    found: list[float] = []
    while len(found) < 3 or sum(found) < least:
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def line_through(seconds: dict[int, float]) -> Line:
    """Return the line with the least squares of relative errors; neither constant below 0."""
    samples, times = (np.array(list(values), float) for values in (seconds, seconds.values()))
    rows = np.stack([1 / times, samples / times], axis=1)
    fixed, each = np.linalg.lstsq(rows, np.ones(len(times)), rcond=None)[0]
    return Line(max(float(fixed), 0.0), max(float(each), 0.0))


# ---------------------------------------------------------------- one process


@contextlib.contextmanager
def steps_of(sizes: tuple[int, ...], samples: int, communicator: Any = None) -> Iterator[Any]:
    """Give what takes one step on a batch of so many samples, and the network.

    On ranks each has its own rows of them.
    """
    import chainrule
    from chainrule.layers.micro_batch import WHOLE
    from chainrule.parallel import DataParallel, Strategy
    from chainrule.parallel.distributed import Distributed
    from chainrule.parallel.strategy import using_micro_batch
    from chainrule.training.step import take_step

    network = chainrule.Network(list(sizes), seed=0)
    loss, optimizer = chainrule.CategoricalCrossEntropy(), chainrule.Adam(1e-5)
    rng = np.random.default_rng(0)
    threads = DataParallel(1, hold_blas=True)
    strategy = threads if communicator is None else Distributed(communicator, threads)
    part = strategy.part_of(samples) if isinstance(strategy, Distributed) else WHOLE
    rows = slice(None) if part is WHOLE else part.rows
    x = rng.standard_normal((samples, sizes[0]), dtype=np.float32)[rows]
    y = rng.integers(0, sizes[-1], samples)[rows]
    with strategy.running(network):
        way = Strategy() if communicator is None else strategy

        def step() -> None:
            with using_micro_batch(part):
                take_step(network, loss, optimizer, (x, y, None), strategy=way)

        def backward() -> float:
            _, dy = loss.value_and_gradient(y, network.forward(x))
            start = time.perf_counter()
            network.backward_parameters(dy)
            return time.perf_counter() - start

        yield step, backward, network


def of_one_process() -> dict[str, Any]:
    """Return the seconds of steps and of their backward passes, by network and samples; and γ."""
    networks = {}
    for name, sizes in NETWORKS.items():
        found: dict[str, Any] = {"sizes": sizes, "step": {}, "backward": {}}
        for samples in (*SAMPLES, CHECKED, CHECKED // 2):
            with steps_of(sizes, samples) as (step, backward, network):
                found["step"][samples] = typical(step)
                found["backward"][samples] = statistics.median(backward() for _ in range(3))
                found["parameters"] = len(network.flat)
        networks[name] = found
    one, other = np.ones((2, LARGE // 4), np.float32)
    adding = typical(lambda: np.add(one, other, out=one)) / LARGE
    return {"networks": networks, "adding": adding}


# ---------------------------------------------------------------- two ranks


def of_two_ranks() -> dict[str, Any]:
    """Start two ranks and return what they have measured."""
    from benchmarks.speed.measure import environment

    program = [sys.executable, "-m", "mpi4py", "-m", "benchmarks.scaling.constants"]
    command = ["mpiexec", "-n", "2", *program]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def ranks_measure() -> None:
    """Measure messages, allreduces and steps; the first rank prints them."""
    from mpi4py import MPI

    from chainrule.parallel.communicator import Communicator

    world = MPI.COMM_WORLD
    communicator = Communicator(world)
    one_way = {size: message(world, size) for size in (8, SMALL, LARGE)}
    per_byte = (one_way[LARGE] - one_way[SMALL]) / (LARGE - SMALL)
    networks = {}
    for name, sizes in NETWORKS.items():
        with steps_of(sizes, CHECKED, communicator) as (step, _, network):
            networks[name] = {
                "step": together(world, step),
                "allreduce": together(world, lambda: communicator.allreduce(network.flat.grads)),
            }
        with steps_of(sizes, CHECKED // 2) as (step, _, _):
            networks[name]["apart"] = together(world, step)
    if communicator.rank == 0:
        print(json.dumps({"latency": one_way[8], "per_byte": per_byte, "networks": networks}))


def message(world: Any, size: int, times: int = 20) -> float:
    """Return the seconds of a message's way, half of there and back."""
    buffer, found = np.zeros(size, np.uint8), []
    other = 1 - world.Get_rank()
    for _ in range(times):
        start = time.perf_counter()
        if other:
            world.Send(buffer, other)
            world.Recv(buffer, other)
        else:
            world.Recv(buffer, other)
            world.Send(buffer, other)
        found.append((time.perf_counter() - start) / 2)
    return statistics.median(found[2:])


def together(world: Any, call: Callable[[], object], times: int = 15) -> float:
    """Return the median time of a call that all ranks make at the same time, the slowest's."""
    found = []
    for _ in range(times):
        world.Barrier()
        start = time.perf_counter()
        call()
        found.append(max(world.allgather(time.perf_counter() - start)))
    return statistics.median(found[2:])


if __name__ == "__main__":
    ranks_measure()
