"""Fashion-MNIST on several threads and in several processes, with the same result.

    python examples/06_workers_and_ranks.py                                  # one process
    python examples/06_workers_and_ranks.py --workers 2                      # two threads
    mpiexec -n 2 python -m mpi4py examples/06_workers_and_ranks.py --ranks   # two processes

All three learn the same, up to rounding: each batch is split, and the gradients of its parts are
summed. Whether that is faster depends on the machine; each run prints how long it took. Threads
need the extra ``workers``, processes ``mpi``. With --ranks the processes may run on several
machines; each needs the data. A tenth of the images is held out for validation.

Needs NumPy and the data; 03_fashion_mnist.py reads them and defines the network.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout, not installed

from chainrule import Adam, CategoricalCrossEntropy, Checkpoint, OneCycle, Trainer
from chainrule.metrics import accuracy

fashion_mnist = importlib.import_module("03_fashion_mnist")


def world():
    """Return the communicator of all processes that mpiexec has started."""
    from mpi4py import MPI

    return MPI.COMM_WORLD


def main():
    """Train, and measure on the test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--run", type=Path, help="folder for checkpoints, to continue from")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=60_000, help="how many to learn from")
    parser.add_argument("--workers", type=int, default=1, help="threads in each process")
    parser.add_argument("--ranks", action="store_true", help="started by mpiexec")
    options = parser.parse_args()

    train, test, scale = fashion_mnist.read(options.data, options.images)
    (images, labels), (test_images, test_labels) = train, test

    steps = options.epochs * -(-len(images) * 9 // 10 // fashion_mnist.BATCH)
    trainer = Trainer(
        fashion_mnist.small_cnn(seed=0),
        CategoricalCrossEntropy(),
        Adam(OneCycle(0.004, steps)),
        metrics=[accuracy],
        workers=options.workers,
        communicator=world() if options.ranks else None,
        seed=0,
    )
    checkpoint = Checkpoint(options.run, every_steps=100) if options.run else None
    start = time.perf_counter()
    trainer.fit(
        fashion_mnist.as_input(images, *scale),
        labels,
        epochs=options.epochs,
        batch_size=fashion_mnist.BATCH,
        validation_split=0.1,
        callbacks=[checkpoint] if checkpoint else [],
        resume=checkpoint.last if checkpoint else None,
    )
    seconds = time.perf_counter() - start
    if trainer.strategy.rank == 0:  # one process is enough for what follows
        X_test = fashion_mnist.as_input(test_images, *scale)
        print(f"test accuracy {accuracy(test_labels, trainer.predict(X_test)):.4f}")
        processes = trainer.strategy.world_size
        print(f"{seconds:.0f} s, {processes} process(es) of {trainer.workers} worker(s)")


if __name__ == "__main__":
    main()
