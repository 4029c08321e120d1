"""make_strategy: from the options of `Trainer` to the strategy that runs its steps."""

from __future__ import annotations

from typing import Any

from chainrule.checks import check_bool, check_whole
from chainrule.diagnosis.machine import cores
from chainrule.errors import ConfigurationError
from chainrule.parallel.auto_workers import AutoWorkers
from chainrule.parallel.communicator import as_communicator
from chainrule.parallel.data_parallel import DataParallel
from chainrule.parallel.distributed import Distributed
from chainrule.parallel.micro_batches import MicroBatches
from chainrule.parallel.strategy import Strategy
from chainrule.parallel.threads import blas_controller, threads_start

MOST_WORKERS = 1024
"""More are a mistake, such as a batch size."""


def make_strategy(
    *,
    micro_batch_size: int | None = None,
    workers: int | str = 1,
    sync_batch_norm: bool = False,
    communicator: Any = None,
) -> Strategy:
    """Return the strategy for these options, which are those of `Trainer`.

    Raises
    ------
    ConfigurationError
        An option is none, or two of them exclude each other.
    MissingExtraError
        More than one worker or process needs an optional package.

    Examples
    --------
    >>> make_strategy(micro_batch_size=16).micro_batch_size
    16
    """
    processes = None if communicator is None else as_communicator(communicator)
    if micro_batch_size is not None:
        micro_batch_size = check_whole("micro_batch_size", micro_batch_size)
    if isinstance(workers, str) and workers != "auto":
        raise ConfigurationError(f"workers must be a whole number or 'auto', got {workers!r}.")
    if not isinstance(workers, str):
        workers = check_whole("workers", workers, most=MOST_WORKERS)
    if workers != 1 and not threads_start():
        if workers != "auto":
            raise ConfigurationError(
                f"workers={workers} are threads, and Python can start none here, as in a browser; "
                "use workers=1."
            )
        workers = 1
    if workers != 1 or processes is not None:
        blas_controller()  # the extra is there
    if workers == "auto" and processes is not None:
        raise ConfigurationError(
            "workers='auto' measures the steps of a single process; with several ranks give the "
            "number of threads that each should have, such as workers=1."
        )
    if check_bool("sync_batch_norm", sync_batch_norm) and micro_batch_size is not None:
        raise ConfigurationError(
            "sync_batch_norm takes statistics over the whole batch, but with micro_batch_size only "
            "a part of it is there at a time. Give one of the two."
        )
    if processes is not None:
        threads = DataParallel(int(workers), micro_batch_size, sync_batch_norm, hold_blas=True)
        return Distributed(processes, threads)
    single = Strategy() if micro_batch_size is None else MicroBatches(micro_batch_size)
    count = cores() if isinstance(workers, str) else workers
    if count == 1:
        return single
    parallel = DataParallel(count, micro_batch_size, sync_batch_norm)
    return AutoWorkers(single, parallel) if workers == "auto" else parallel
