"""One rank of a side that `mpiexec` starts: the first takes turns, the others go along.

Before each pass the first rank tells the others that there is one. Between turns they must not wait
within MPI, which looks for the message all the time and so takes a processor from whose turn it is.
"""

from __future__ import annotations

import dataclasses
import multiprocessing.connection
import socket
import sys
import time
from typing import Any

import numpy as np
from mpi4py import MPI

from benchmarks.speed.measure import make_job, serve
from benchmarks.speed.sides import Side
from benchmarks.speed.work import Job, Skip, Work

AWAKE = 0.02
"""Seconds after a pass in which a rank looks for the next all the time."""

ASLEEP = 0.0005
"""Seconds between two looks from then on."""

STOP, PASS = 0, 1


def first_rank(line: Any, side: Side, work: Work) -> None:
    """Answer what is asked; each pass is that of all ranks."""
    try:
        serve(line, side, work, shared_job)
    finally:
        tell(STOP)


def shared_job(side: Side, work: Work) -> Job:
    job = make_job(side, work)

    def run() -> None:
        tell(PASS)
        job.run()

    return dataclasses.replace(job, run=run)


def tell(what: int) -> None:
    MPI.COMM_WORLD.Ibcast(np.array([what]), 0).Wait()


def follow(side: Side, work: Work) -> None:
    """Run a pass whenever the first rank does, until it stops."""
    try:
        job = make_job(side, work)
    except Skip:  # as the first rank tells
        return
    while listen() == PASS:
        job.run()


def listen() -> int:
    """Return what the first rank tells; looked for again and again, asleep after a while."""
    told = np.empty(1, np.int64)
    request, since = MPI.COMM_WORLD.Ibcast(told, 0), time.perf_counter()
    while not request.Test():
        if time.perf_counter() - since > AWAKE:
            time.sleep(ASLEEP)
    return int(told[0])


def main(address: str) -> None:
    """Go to the door, where there is told what to do."""
    world, line = MPI.COMM_WORLD, None
    if world.Get_rank() == 0:
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(address)
            line = multiprocessing.connection.Connection(door.detach())
    side, work = world.bcast(line.recv() if line else None)
    if line:
        first_rank(line, side, work)
    else:
        follow(side, work)


if __name__ == "__main__":
    main(sys.argv[1])
