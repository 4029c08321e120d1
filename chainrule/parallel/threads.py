"""Worker threads, with BLAS held to one thread in each; and how threads exchange values.

NumPy and BLAS release Python's lock while they compute, so threads are enough: nothing is copied
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


class WorkerThreads:
    """A number of threads, the caller's among them, for the length of a with block.

    BLAS is limited to one thread in each of them, because its own threads would compete with ours
    for the same processors. After the block it has as many as before.

    Parameters
    ----------
    count : int
        How many work at a time.
    hold_blas : bool
        Whether BLAS is limited even if there is one thread: for processes that share a machine.
    """

    def __init__(self, count: int, hold_blas: bool = False) -> None:
        self.count = count
        self._blas = blas_controller() if count > 1 or hold_blas else None
        self._always_hold = hold_blas
        self._limit: Any = None
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        self.hold_blas()
        if self.count > 1:
            self._pool = ThreadPoolExecutor(self.count - 1, "chainrule-worker")
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._pool is not None:
                self._pool.shutdown()
        finally:
            self._pool = None
            self.release_blas()

    def hold_blas(self) -> None:
        """Limit BLAS to one thread in each of ours."""
        if self._blas is not None and self._limit is None:
            self._limit = self._blas.limit(limits=1, user_api="blas")

    def release_blas(self) -> None:
        """Let BLAS have as many threads as before."""
        if self._limit is not None:
            self._limit.restore_original_limits()
            self._limit = None

    def fit_blas_to(self, parts: int) -> None:
        """Limit BLAS if several of our threads will work, else let it have its own."""
        if parts > 1 or self._always_hold:
            self.hold_blas()
        else:
            self.release_blas()

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        on_error: Callable[[], None] | None = None,
    ) -> list[Result]:
        """Return the function of each item, computed side by side, the first in this thread.

        There are at most as many items as threads, so all of them run at the same time. All
        threads are waited for before an error is raised; of several errors, the first item's.
        `on_error` is called at once, so that no thread waits for one that has failed.
        """
        if len(items) <= 1:
            return [function(item) for item in items]
        if self._pool is None:
            raise RuntimeError("Worker threads are available only within their with block.")

        def work(item: Item) -> Result:
            try:
                return function(item)
            except BaseException:
                if on_error is not None:
                    on_error()
                raise

        others: list[Future[Result]] = []
        first: Future[Result] = Future()
        try:
            for item in items[1:]:  # in copies of this context, which holds NumPy's error state
                context = contextvars.copy_context()
                others.append(self._pool.submit(context.run, work, item))
            try:
                first.set_result(work(items[0]))
            except Exception as error:
                first.set_exception(error)
        except BaseException:  # Ctrl-C
            if on_error is not None:
                on_error()
            raise
        finally:
            wait(others)  # nobody touches what they work on before they are done
        return _results([first, *others])


def _results(futures: Sequence[Future[Result]]) -> list[Result]:
    """Return all results, or raise the first error that was not caused by another thread's."""
    errors = [error for error in (future.exception() for future in futures) if error is not None]
    if errors:
        causes = [e for e in errors if not isinstance(e, threading.BrokenBarrierError)]
        raise (causes or errors)[0]
    return [future.result() for future in futures]


def threads_start() -> bool:
    """Whether this Python can start threads; in a browser it cannot."""
    thread = threading.Thread(target=int)
    try:
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True


def blas_controller() -> Any:
    """Return what sets the number of BLAS threads; MissingExtraError without threadpoolctl."""
    purpose = "More than one worker or rank, which holds BLAS to one thread in each,"
    return require("threadpoolctl", "workers", purpose).ThreadpoolController()


class ThreadExchange:
    """Where threads exchange values: each brings one and receives all (an all-gather).

    Parameters
    ----------
    count : int
        How many threads take part, numbered from 0.
    """

    def __init__(self, count: int) -> None:
        # Two tables in turn: no thread comes to a third exchange before all have left the first.
        self._tables: list[list[Any]] = [[None] * count, [None] * count]
        self._visits = [0] * count
        self._barrier = threading.Barrier(count)

    def allgather(self, place: int, value: Any) -> list[Any]:
        """Return the values of all threads, in their order."""
        table = self._tables[self._visits[place] % 2]
        self._visits[place] += 1
        table[place] = value
        self._barrier.wait()
        return list(table)

    def abort(self) -> None:
        """Stop waiting for threads that will not come: `allgather` raises BrokenBarrierError."""
        self._barrier.abort()
