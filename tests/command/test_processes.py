"""Tasks shared out among processes, some of which are ended from outside."""

import multiprocessing
import os

import pytest
from chainrule.command.processes import Processes
from command import tasks

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL there")


def run(function, numbers, jobs, begin=tasks.begin):
    """Return what is lost, and the results by task."""
    found, looked = {}, []
    processes = Processes(begin, (), function, found.__setitem__, lambda: looked.append(1))
    lost = processes.run(numbers, jobs)
    assert looked or not found
    assert multiprocessing.active_children() == []
    return lost, found


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_done_once(jobs):
    lost, found = run(tasks.square, range(7), jobs)
    assert lost == []
    assert {number: result[:2] for number, result in found.items()} == {
        number: (number, number**2) for number in range(7)
    }
    workers = {process for _, _, process in found.values()}
    assert len(workers) <= jobs
    assert os.getpid() not in workers


def test_a_process_that_is_ended_takes_no_other_task_with_it():
    lost, found = run(tasks.end_or_square, range(4), 2)
    assert sorted(lost) == [1, 3]
    assert {number: result[:2] for number, result in found.items()} == {0: (0, 0), 2: (2, 4)}


def test_processes_that_cannot_begin_are_not_started_for_ever():
    lost, found = run(tasks.square, range(2), 2, begin=tasks.refuse)
    assert sorted(lost) == [0, 1]
    assert found == {}
