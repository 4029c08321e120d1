"""How a training step is run: in one go, in micro-batches, in threads, or in processes over MPI.

strategy.py        `Strategy`, the base class: in one go; what the training loop calls
micro_batches.py   `MicroBatches`: one part of the batch after the other, for less memory
data_parallel.py   `DataParallel`: the parts side by side, in threads
auto_workers.py    `AutoWorkers`: measures whether threads pay off
distributed.py     `Distributed`: each process takes its own rows of each batch
communicator.py    `Communicator`: how processes exchange values and errors, over MPI
waiting.py         waiting for other processes, and saying which ones have not come
threads.py         worker threads, with BLAS held to one thread in each
synchronized_generators.py   random numbers drawn for the whole batch
choice.py          `make_strategy`: from the options of `Trainer`

The training loop does not know which strategy it has.
"""

from chainrule.parallel.choice import make_strategy
from chainrule.parallel.communicator import Communicator
from chainrule.parallel.data_parallel import DataParallel, copy_of_loss
from chainrule.parallel.micro_batches import MicroBatches
from chainrule.parallel.strategy import BatchShare, PassResult, StepFailed, Strategy

__all__ = [
    "BatchShare",
    "Communicator",
    "DataParallel",
    "MicroBatches",
    "PassResult",
    "StepFailed",
    "Strategy",
    "copy_of_loss",
    "make_strategy",
]
