"""What test_ranks.py runs under mpiexec: `program_of_ranks.py NAME FOLDER ...`.

Each program returns what it has found; that goes into FOLDER/RANK.json.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import test_workers as cases
from mpi4py import MPI

import chainrule
from chainrule import (
    SGD,
    BatchNorm,
    Callback,
    ConfigurationError,
    InputError,
    Linear,
    Module,
    NotFiniteError,
    RankError,
)
from chainrule.metrics import accuracy
from chainrule.parallel import Communicator
from chainrule.training import Checkpoint, EarlyStopping

WORLD = MPI.COMM_WORLD
RANK, COUNT = WORLD.Get_rank(), WORLD.Get_size()
FOLDER = Path(sys.argv[2])
X, Y = cases.X, cases.Y


def trainer(net, communicator=WORLD, workers=1, **options):
    return cases.trainer(net, workers, communicator=communicator, **options)


# ---------------------------------------------------------------- the same numbers


FEW = (
    "dropout and noise",
    "plain",
    "a recurrent network of two layers",
    "class weights of the loss",
    "two losses, each with its own denominator",
    "statistics over the whole batch",
    "sample weights",
)


def learned_in(name, **options):
    make, data, own = cases.CASES[name]
    if callable(own.get("optimizer")):
        own = {**own, "optimizer": own["optimizer"]()}
    return cases.learned(make(), data=data, epochs=20, **own, **options)


def reference():
    """Keep what one process learns, without a communicator and as the only rank of one."""
    for name in cases.CASES:
        np.savez(FOLDER / f"{name}.npz", **learned_in(name))
    return cases.equal(np.load(FOLDER / "plain.npz"), learned_in("plain", communicator=WORLD))


def same_numbers():
    """Return how far ranks are from one process, in each case, after 100 steps."""
    found = {}
    for name in {2: cases.CASES, 3: FEW[:6]}.get(COUNT, FEW[:3:2]):
        one = np.load(Path(sys.argv[3]) / f"{name}.npz")
        found[name] = cases.differences(one, learned_in(name, communicator=WORLD))
    return found


def workers_and_ranks():
    """Return the same for two workers on each rank, with all that is drawn and measured."""

    def learned(workers, **options):
        net = cases.network(Linear(4, 8, bias=False), BatchNorm(8), cases.Dropout(0.3))
        subject = cases.trainer(
            net, workers, metrics=[accuracy], sync_batch_norm=True, seed=3, **options
        )
        history = cases.fit(
            subject,
            epochs=20,
            validation_split=0.3,
            sample_weight=np.random.default_rng(5).uniform(0.1, 3, len(X)),
            augment=lambda x, rng: x + 0.1 * rng.standard_normal(x.shape)[rng.permutation(len(x))],
        )
        numbers = {k: v for k, v in history.epochs.items() if k != "seconds"}
        return net.state(), np.array([*numbers.values()])

    micro = [
        cases.learned(cases.dropped(), micro_batch_size=2, epochs=5, communicator=communicator)
        for communicator in (None, WORLD)
    ]
    one, two = learned(1), [learned(2, communicator=WORLD) for _ in range(2)]
    return {
        "weights": cases.differences(one[0], two[0][0]),
        "epochs": float(np.abs(one[1] - two[0][1]).max()),
        "micro-batches": cases.differences(*micro),
        "again": cases.equal(two[0][0], two[1][0]),
    }


class ByLength(Module):
    """Draws what depends on its part's length alone, so that ranks draw differently."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x, training=True):
        self.rng.permutation(len(x))
        return x

    def backward(self, dy):
        return dy


def own_seeds():
    """Begin differently on each rank: what rank 0 has is taken by all."""
    net = cases.network(Linear(4, 8), ByLength(), cases.Dropout(0.3), seed=RANK)
    subject = trainer(net, seed=None)
    cases.fit(subject, callbacks=[EarlyStopping("loss", patience=1, min_delta=10.0)], epochs=9)
    same = WORLD.allgather(net.flat.values.tobytes())
    orders = WORLD.allgather(subject.rng.bit_generator.state)
    drawn = WORLD.allgather(net.layers[1].rng.bit_generator.state)
    return [len(set(same)), orders.count(orders[0]), drawn.count(drawn[0]), subject.state.epoch]


class Batches:
    """Sends each epoch in another order, which follows from its number."""

    def __init__(self, fails_on=None, short_on=None, random=False):
        self.fails_on, self.short_on, self.random = fails_on, short_on, random
        self.epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        rng = np.random.default_rng(None if self.random else self.epoch)
        order = rng.permutation(53)
        for number, start in enumerate(range(0, 53, 12)):
            if self.fails_on == RANK and self.epoch == 1 and number == 2:
                raise OSError(f"the disk of rank {RANK} is gone")
            if self.short_on == RANK and self.epoch == 1 and number == 2:
                return
            rows = order[start : start + 12]
            yield X[rows], Y[rows]


def iterable():
    """Train on an iterable; validate on one that can be gone through once in each epoch."""
    states = []
    for communicator in (None, WORLD):
        net = cases.dropped()
        subject = trainer(net, communicator, metrics=[accuracy])
        history = subject.fit(Batches(), validation_data=Batches(), epochs=4, progress=False)
        states.append({**net.state(), **{k: np.array(v) for k, v in history.epochs.items()}})
        states[-1].pop("seconds")
    return cases.differences(*states)


class OnOneRank(Callback):
    """Changes the network on rank 1 alone, which no callback may do."""

    def on_step_end(self, trainer):
        if RANK == 1 and trainer.step == 3:
            trainer.network.layers[0].bias.value += 1e-6


# ---------------------------------------------------------------- what is refused


def refused():
    """Return the message of each refusal; all ranks raise it, and can go on."""
    first = RANK == 0
    found = {}

    def told(name, net=None, data=(X, Y), communicator=WORLD, fit=None, **options):
        try:
            cases.fit(trainer(net or cases.dropped(), communicator, **options), *data, **fit or {})
        except (ConfigurationError, InputError, RankError) as error:
            found[name] = f"{type(error).__name__}: {error}"
        else:
            found[name] = "nothing"

    told("length", data=(X[: 53 - RANK], Y[: 53 - RANK]))
    told("values", data=(X + RANK, Y))
    told("architecture", cases.plain() if first else cases.dropped())
    told("dtype", cases.plain("float64" if first else "float32"))
    told("settings", optimizer=SGD(0.1 if first else 0.2), fit={"batch_size": 12 + RANK})
    told("own door", data=(X, Y if first else Y[:3]))
    told("epochs", fit={"epochs": 2 + RANK})
    told("resume", fit={"resume": FOLDER / "last.npz"} if first else {})
    told("short", data=(Batches(short_on=1), None))
    told("random", data=(Batches(random=True), None))
    version, chainrule.__version__ = chainrule.__version__, f"0.{RANK}"
    told("version")
    chainrule.__version__ = version
    told("all alike", data=(X, Y[:3]))
    told("drift", fit={"callbacks": [OnOneRank()]})
    told("nothing")
    return found


# ---------------------------------------------------------------- faults


def raises():
    """Fail on one rank, where the third argument says."""
    where, who = sys.argv[3], int(sys.argv[4])

    class Fails(Callback):
        def on_step_end(self, trainer):
            if where == "callback" and who == RANK and trainer.step == 7:
                raise OSError(f"the disk of rank {RANK} is gone")
            if where == "exit" and who == RANK and trainer.step == 7:
                sys.exit(3)

        def on_fit_end(self, trainer):
            if where == "end" and who == RANK:
                raise OSError(f"the disk of rank {RANK} is gone")

    class FailsForward(BatchNorm):
        calls = 0

        def forward(self, x, training=True):
            self.calls += training
            if where == "layer" and who == RANK and self.calls == 7:
                raise OSError(f"the disk of rank {RANK} is gone")
            return super().forward(x, training)

    def metric(y, y_pred):
        if where == "metric" and len(y) == 53:
            raise OSError(f"the disk of rank {RANK} is gone")
        return 0.0

    net = cases.network(Linear(4, 8), FailsForward(8), BatchNorm(8))
    subject = trainer(net, metrics=[metric], sync_batch_norm=True)
    data = (Batches(fails_on=who), None) if where == "data" else (X, Y)
    if where == "outside" and who == RANK:
        raise OSError(f"the disk of rank {RANK} is gone")
    cases.fit(subject, *data, epochs=5, callbacks=[Fails()])


def not_finite():
    """Meet NaN on the last rank alone, in its rows and in a validation batch."""
    found = []
    for data, validation in ((X.copy(), None), (X, X.copy())):
        bad = data if validation is None else validation
        mapped = np.memmap(FOLDER / f"x{RANK}", np.float64, "w+", shape=bad.shape)
        mapped[:] = bad
        mapped[47] = np.nan
        options = {} if validation is None else {"validation_data": (mapped, Y)}
        subject = trainer(
            cases.dropped(), post_mortem_file=FOLDER / f"post_mortem_{len(found)}.npz"
        )
        try:
            x = mapped if validation is None else X
            cases.fit(subject, x, Y, shuffle=False, **options)
        except NotFiniteError as error:
            found.append([str(error), subject.state.step])
    return found


class Slowly(Callback):
    """Gives the test the time to hit a rank."""

    def on_fit_begin(self, trainer):
        (FOLDER / f"pid{RANK}").write_text(str(os.getpid()))

    def on_step_end(self, trainer):
        time.sleep(0.005)


def long():
    """Train for 30 epochs of 5 steps, from where the last checkpoint is."""
    net = cases.dropped()
    subject = trainer(net, None if COUNT == 1 else WORLD, metrics=[accuracy])
    history = cases.fit(
        subject,
        epochs=30,
        validation_split=0.2,
        callbacks=[Checkpoint(FOLDER, every_steps=7), EarlyStopping(patience=99), Slowly()],
        resume=FOLDER / "last.npz",
        progress="lines",
    )
    state = {name: value.tolist() for name, value in net.state().items()}
    return {"stop": history.stop_reason, "step": subject.state.step, "state": state}


class Stuck(Callback):
    """Takes longer over a step, on rank 0, than anybody wants to wait."""

    def on_step_end(self, trainer):
        if trainer.step == 3:
            (FOLDER / f"pid{RANK}").write_text(str(os.getpid()))
            time.sleep(60 if RANK == 0 else 0)


def stuck():
    """Wait for a rank that does not come."""
    cases.fit(trainer(cases.dropped()), callbacks=[Stuck()])


def waits():
    """Wait for a rank that does not come: it failed, ended or was stopped before, or is slow."""
    how, who, timeout = sys.argv[3], int(sys.argv[4]), float(sys.argv[5]) or None

    class StopsItself(Callback):
        def on_step_end(self, trainer):
            (FOLDER / f"pid{RANK}").write_text(str(os.getpid()))
            if who == RANK and trainer.step == 7 and how == "stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
            if who == RANK and trainer.step == 7 and how == "slow":
                time.sleep(2)

    if who == RANK and how == "raises":
        raise OSError(f"the disk of rank {RANK} is gone")
    if who == RANK and how == "ends":
        return "has not trained"
    communicator = Communicator(WORLD, warn_after=0.8, timeout=timeout)
    net = cases.dropped()
    cases.fit(trainer(net, communicator), epochs=5, callbacks=[StopsItself()])
    return {name: value.tolist() for name, value in net.state().items()}


if __name__ == "__main__":
    found = globals()[sys.argv[1]]()
    (FOLDER / f"{RANK}.json").write_text(json.dumps(found))
