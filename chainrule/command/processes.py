"""Tasks shared out among processes. Ctrl-C ends all of them, and they clean up before."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chainrule.command.interruption import SIGNALS

Task = TypeVar("Task")
Result = TypeVar("Result")

MOMENT = 0.1
"""Seconds after which somebody who waits looks up."""


@dataclass(frozen=True)
class Processes(Generic[Task, Result]):
    """How tasks are run in processes of their own.

    Attributes
    ----------
    begin, arguments
        A function that each process calls once, and what it is given.
    function : callable
        What is done with each task; it raises nothing.
    on_result : callable
        Is told a task and its result, here.
    meanwhile : callable
        Is called every moment.
    """

    begin: Callable[..., None]
    arguments: tuple[Any, ...]
    function: Callable[[Task], Result]
    on_result: Callable[[Task, Result], None]
    meanwhile: Callable[[], None]

    def run(self, tasks: Iterable[Task], jobs: int) -> list[Task]:
        """Run all tasks, so many at a time; return those whose process was ended from outside.

        It is made for `cleaned_up_if_interrupted`, in which Ctrl-C ends the processes.
        """
        lost = self._run(tasks, jobs)
        # Where one process is ended, the pool ends the others: each task once more, alone.
        return [task for task in lost if self._run([task], 1)]

    def _run(self, tasks: Iterable[Task], jobs: int) -> list[Task]:
        waiting, lost = deque(tasks), list[Task]()
        while waiting:
            lost += self._run_in_a_pool(waiting, jobs)
        return lost

    def _run_in_a_pool(self, waiting: deque[Task], jobs: int) -> list[Task]:
        """Run tasks until none is waiting, or a process was ended; return what was lost with it."""
        begun: list[Task] = []
        running: dict[Any, Task] = {}
        with self._pool(min(jobs, len(waiting))) as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < jobs:
                        begun.append(waiting.popleft())
                        with _signals_held_back():  # this starts processes
                            future = pool.submit(_call, self.function, begun[-1])
                        running[future] = begun[-1]
                    for future in wait(running, MOMENT, FIRST_COMPLETED).done:
                        self.on_result(running[future], future.result())
                        begun.remove(running.pop(future))
                    self.meanwhile()
            except BrokenProcessPool:
                return begun
        return []

    @contextlib.contextmanager
    def _pool(self, jobs: int) -> Iterator[ProcessPoolExecutor]:
        """Yield a pool; where this is interrupted, its processes clean up and end."""
        others = multiprocessing.active_children()
        context = multiprocessing.get_context("spawn")  # a fork would copy BLAS without its threads
        pool = ProcessPoolExecutor(jobs, context, _begin, (self.begin, self.arguments))
        try:
            yield pool
        except BaseException:
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold Ctrl-C back; a process that is started meanwhile does so until `_begin`.

    Python, while it starts, would show a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ---------------------------------------------------------------- in each process


def _begin(begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Listen to signals, and call what the task needs."""
    for number in SIGNALS:
        ignored = signal.getsignal(number) is signal.SIG_IGN  # as for a job in the background
        if not ignored or number == signal.SIGTERM:  # which is how the pool is ended
            signal.signal(number, _end_at_once)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin(*arguments)


def _call(function: Callable[[Task], Result], task: Task) -> Result:
    """Return what the function does; Ctrl-C just where a file is done ends the process, too."""
    try:
        return function(task)
    except KeyboardInterrupt:
        os._exit(128 + signal.SIGINT)


def _end_at_once(number: int, frame: object) -> None:
    """End without a word, which the parent has. While a file is written another handler is here."""
    os._exit(128 + number)


def _end_with_parent() -> None:
    """Wait until the parent is no more, whatever ended it, and end this process as Ctrl-C would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
