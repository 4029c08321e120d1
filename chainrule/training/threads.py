"""Threads that work side by side, and BLAS held back meanwhile.

NumPy and BLAS let go of Python's lock while they compute, so threads are enough: nothing is copied
between processes.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Self, TypeVar

from chainrule.checks.extras import require

Item = TypeVar("Item")
Result = TypeVar("Result")

EXTRA = "workers"


class Threads:
    """So many threads, the caller's among them, for the length of a with block.

    BLAS has one thread in each of them, and all it had before after the block: its own threads and
    ours would fight for the same processors.

    Parameters
    ----------
    count : int
        How many work at a time.
    hold_blas : bool
        Whether BLAS is held to one thread even where there is one of ours: for ranks, several of
        which may share a machine.
    """

    def __init__(self, count: int, hold_blas: bool = False) -> None:
        self.count = count
        self._blas = blas_controller() if count > 1 or hold_blas else None
        self._always_held = hold_blas
        self._limit: Any = None
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        self.hold_blas_back()
        if self.count > 1:
            self._pool = ThreadPoolExecutor(self.count - 1, "chainrule-worker")
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._pool is not None:
                self._pool.shutdown()
        finally:
            self._pool = None
            self.let_blas_go()

    def hold_blas_back(self) -> None:
        """Let BLAS have one thread in each of ours."""
        if self._blas is not None and self._limit is None:
            self._limit = self._blas.limit(limits=1, user_api="blas")

    def let_blas_go(self) -> None:
        """Let BLAS have the threads that it had."""
        if self._limit is not None:
            self._limit.restore_original_limits()
            self._limit = None

    def fit_blas_to(self, parts: int) -> None:
        """Let BLAS have one thread where several of ours are at work, else all that it had."""
        if parts > 1 or self._always_held:
            self.hold_blas_back()
        else:
            self.let_blas_go()

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        give_up: Callable[[], None] | None = None,
    ) -> list[Result]:
        """Return the function of each item, computed side by side, the first one in this thread.

        There are at most as many items as threads, so all of them are at work at the same time.
        An error in one of them is raised when all are done; of several, that of the first item.
        `give_up` is called at once, so that nobody waits for whom it has met.
        """
        if len(items) <= 1:
            return [function(item) for item in items]
        if self._pool is None:
            raise RuntimeError("Threads work within their with block alone; this one is left.")
        others: list[Future[Result]] = []
        first: Future[Result] = Future()
        work = function if give_up is None else giving_up(function, give_up)
        try:
            for item in items[1:]:  # in copies of this context: NumPy's error state is in it
                context = contextvars.copy_context()
                others.append(self._pool.submit(context.run, work, item))
            try:
                first.set_result(work(items[0]))
            except Exception as error:
                first.set_exception(error)
        except BaseException:  # Ctrl-C
            if give_up is not None:
                give_up()
            raise
        finally:
            wait(others)  # what they work on is not touched before they are done
        return results([first, *others])


def giving_up(
    function: Callable[[Item], Result], give_up: Callable[[], None]
) -> Callable[[Item], Result]:
    """Return the function, which calls `give_up` where it fails."""

    def guarded(item: Item) -> Result:
        try:
            return function(item)
        except BaseException:
            give_up()
            raise

    return guarded


def results(futures: Sequence[Future[Result]]) -> list[Result]:
    """Return all results; or raise the first error that is not about another one's."""
    errors = [error for error in (future.exception() for future in futures) if error is not None]
    if errors:
        causes = [e for e in errors if not isinstance(e, threading.BrokenBarrierError)]
        raise (causes or errors)[0]
    return [future.result() for future in futures]


def blas_controller() -> Any:
    """Return what sets how many threads BLAS has; MissingExtraError where threadpoolctl is not."""
    purpose = "More than one worker or rank, which holds BLAS to one thread in each,"
    return require("threadpoolctl", EXTRA, purpose).ThreadpoolController()


class Meeting:
    """Where threads bring numbers, each its own, and take away all of them.

    Parameters
    ----------
    count : int
        How many threads take part, each with a place from 0.
    """

    def __init__(self, count: int) -> None:
        # Two tables in turn: nobody comes to a third meeting before all have left the first.
        self._tables: list[list[Any]] = [[None] * count, [None] * count]
        self._visits = [0] * count
        self._barrier = threading.Barrier(count)

    def meet(self, place: int, brought: Any) -> list[Any]:
        """Return what all have brought, in the order of their places."""
        table = self._tables[self._visits[place] % 2]
        self._visits[place] += 1
        table[place] = brought
        self._barrier.wait()
        return list(table)

    def call_off(self) -> None:
        """Let nobody wait for one that will not come: `meet` raises BrokenBarrierError."""
        self._barrier.abort()
