"""Ranks: processes over MPI learn what one does, and none is left hanging where one fails."""

import contextlib
import importlib.util
import itertools
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chainrule import (
    SGD,
    CategoricalCrossEntropy,
    ConfigurationError,
    InputError,
    MissingExtraError,
    Network,
    RankError,
    Trainer,
)
from chainrule.data.samples import Samples
from chainrule.data.sources import ArraySource
from chainrule.layers.micro_batch import WHOLE
from chainrule.parallel import Communicator, DataParallel
from chainrule.parallel.communicator import _by_rank, as_communicator, rank_error
from chainrule.parallel.distributed import Distributed, refuse_other_lengths
from chainrule.parallel.waiting import WaitedTooLong, Waiting

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECONDS = 60

needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or shutil.which("mpiexec") is None,
    reason="needs mpi4py and mpiexec (the extra 'mpi')",
)


def start(count, name, folder, *more, module=True):
    """Start a program on so many ranks."""
    run = ["-m", "mpi4py"] if module else []
    paths = os.pathsep.join([str(ROOT), str(HERE)])
    return subprocess.Popen(
        ["mpiexec", "-n", str(count), sys.executable, "-W", "error", *run]
        + [HERE / "program_of_ranks.py", name, folder, *map(str, more)],
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(process):
    """Return what a program has printed, once it has ended; it must not hang."""
    try:
        return process.communicate(timeout=SECONDS)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        pytest.fail(f"it hangs: {process.communicate()[0]}")


def found(count, name, folder, *more, module=True):
    """Return what each rank has found."""
    process = start(count, name, folder, *more, module=module)
    printed = ended(process)
    assert process.returncode == 0, printed
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(count)]


# ---------------------------------------------------------------- the same numbers


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Where it is written what one process learns in each case."""
    folder = tmp_path_factory.mktemp("reference")
    assert found(1, "reference", folder) == [True]
    return folder


@needs_mpi
@pytest.mark.mpi
@pytest.mark.long
@pytest.mark.parametrize(("count", "cases"), [(2, 17), (3, 6), (4, 2)])
def test_one_process_and_several_ranks_learn_the_same(tmp_path, reference, count, cases):
    for of_rank in found(count, "same_numbers", tmp_path, reference):
        assert len(of_rank) == cases
        for case, difference in of_rank.items():
            assert difference < 1e-10, case


@needs_mpi
@pytest.mark.mpi
@pytest.mark.long
def test_workers_within_ranks_and_what_is_measured(tmp_path):
    for of_rank in found(2, "workers_and_ranks", tmp_path):
        assert of_rank["weights"] < 1e-10
        assert of_rank["epochs"] < 1e-10
        assert of_rank["micro-batches"] < 1e-12
        assert of_rank["again"], "the same ranks, but other bits"


@needs_mpi
@pytest.mark.mpi
def test_all_ranks_begin_with_what_the_first_one_has(tmp_path):
    for networks, orders, drawn, epochs in found(2, "own_seeds", tmp_path):
        assert networks == 1
        assert orders == drawn == 2
        assert epochs == 2  # early stopping was of one mind


@needs_mpi
@pytest.mark.mpi
def test_each_rank_takes_its_rows_of_an_iterables_batches(tmp_path):
    assert max(found(2, "iterable", tmp_path)) < 1e-12


# ---------------------------------------------------------------- refusals


@needs_mpi
@pytest.mark.mpi
def test_ranks_that_differ_are_refused_with_their_names(tmp_path):
    first, second = found(2, "refused", tmp_path)
    own = ("own door", "all alike")
    assert {k: v for k, v in first.items() if k not in own} == {
        k: v for k, v in second.items() if k not in own
    }
    expected = {
        "length": "samples: 53 on rank 0, 52 on rank 1",
        "values": "X, y and weights: ",
        "architecture": "network: ",
        "dtype": "dtype: 'float64' on rank 0, 'float32' on rank 1",
        "settings": "batch_size: 12 on rank 0, 13 on rank 1",
        "resume": "resume: 'given' on rank 0, 'not given' on rank 1",
        "epochs": "epochs: 2 on rank 0, 3 on rank 1",
        "version": "the version of chainrule: '0.0' on rank 0, '0.1' on rank 1",
        "random": "a method set_epoch(epoch), from which its order follows",
        "drift": "After epoch 1 the parameters on rank(s) [1] are not those of rank 0",
        "short": "in a step on rank 0, at the end of an epoch on rank 1",
    }
    for name, words in expected.items():
        assert first[name].startswith("ConfigurationError"), first[name]
        assert words in first[name]
    assert "learning_rate: 0.1 on rank 0, 0.2 on rank 1" in first["settings"]
    assert second["own door"].startswith("InputError: X and y must have the same number")
    assert first["own door"].startswith("RankError: Rank 1 of 2 failed:\nTraceback")
    assert "X has 53, y has 3" in first["own door"]
    assert first["all alike"] == second["all alike"] == second["own door"]
    assert first["nothing"] == second["nothing"] == "nothing"


# ---------------------------------------------------------------- faults


@needs_mpi
@pytest.mark.mpi
@pytest.mark.parametrize(
    ("where", "who", "module"),
    [
        ("data", 1, True),
        ("callback", 0, False),
        pytest.param("layer", 1, False, marks=pytest.mark.long),
        pytest.param("metric", 0, True, marks=pytest.mark.long),
        pytest.param("end", 1, False, marks=pytest.mark.long),
        pytest.param("outside", 1, False, marks=pytest.mark.long),
        pytest.param("exit", 1, False, marks=pytest.mark.long),
    ],
)
def test_a_rank_that_raises_ends_the_job_with_its_name_and_cause(tmp_path, where, who, module):
    process = start(2, "raises", tmp_path, where, who, module=module)
    printed = ended(process)
    assert process.returncode != 0
    cause = "SystemExit: 3" if where == "exit" else f"OSError: the disk of rank {who} is gone"
    assert cause in printed
    if where != "outside":
        told = (f"Rank {who} of 2 failed:\n", f"That was on rank {who} of 2")
        assert any(words in printed for words in told)
    assert not list(tmp_path.glob("*.json"))


@needs_mpi
@pytest.mark.mpi
def test_nan_on_one_rank_is_told_by_all_as_by_one_process(tmp_path):
    (alone,) = found(1, "not_finite", tmp_path)
    (tmp_path / "post_mortem_0.npz").unlink()
    ranks = found(2, "not_finite", tmp_path)
    assert len(alone) == 2
    for place, (told, step) in enumerate(alone):
        assert [steps for _, steps in (rank[place] for rank in ranks)] == [step] * 2
        assert ranks[0][place][0].splitlines()[:3] == told.splitlines()[:3]
        assert ranks[1][place][0].splitlines()[:3] == told.splitlines()[:3]
        assert "the samples 47 of the data" in told
        assert f"post_mortem_{place}.npz" in ranks[0][place][0]
        assert "rank 0 reports where" in ranks[1][place][0]
    assert len(list(tmp_path.glob("post_mortem_*"))) == 2


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What one process learns that nobody interrupts."""
    return found(1, "long", tmp_path_factory.mktemp("one"))[0]


def differences(a, b):
    return max(np.abs(np.array(a[name]) - np.array(b[name])).max() for name in a)


def hit(process, folder, rank, number, seconds, ranks=2):
    """Send a signal to a rank, or to mpiexec, so many seconds after training began."""
    files = [folder / f"pid{rank}" for rank in range(ranks)]
    until = time.monotonic() + SECONDS
    while not all(file.exists() and file.read_text() for file in files):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(seconds)
    target = process.pid if rank is None else int((folder / f"pid{rank}").read_text())
    os.kill(target, number)
    return time.monotonic(), target


@needs_mpi
@pytest.mark.mpi
@pytest.mark.long
@pytest.mark.parametrize(("seed", "then"), [(0, 1), (1, 3)])
def test_a_rank_killed_at_any_moment_ends_the_job_and_the_checkpoint_goes_on(
    tmp_path, uninterrupted, seed, then
):
    draw = random.Random(seed)
    process = start(2, "long", tmp_path)
    began, pid = hit(process, tmp_path, draw.randrange(2), signal.SIGKILL, draw.uniform(0, 0.8))
    printed = ended(process)
    assert time.monotonic() - began < 10
    assert process.returncode != 0
    assert f"is process {pid} on " in printed  # so that mpiexec's message has a rank
    assert f"PID {pid}" in printed
    assert "signal 9" in printed
    for of_rank in found(then, "long", tmp_path):
        assert of_rank["step"] == 30 * 4
        assert differences(uninterrupted["state"], of_rank["state"]) < 1e-10


@needs_mpi
@pytest.mark.mpi
@pytest.mark.long
@pytest.mark.parametrize("rank", [1, None])
def test_ctrl_c_stops_all_ranks_after_the_same_step(tmp_path, rank):
    process = start(2, "long", tmp_path)
    hit(process, tmp_path, rank, signal.SIGINT, 0.2)
    printed = ended(process)
    assert process.returncode == 0, printed
    stopped = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert stopped[0] == stopped[1]
    assert stopped[0]["stop"] == "Ctrl-C"
    assert 0 < stopped[0]["step"] < 120
    assert printed.count("stopped: Ctrl-C") == 1  # rank 0 alone shows progress


@needs_mpi
@pytest.mark.mpi
@pytest.mark.long
def test_a_second_ctrl_c_ends_the_job_at_once(tmp_path):
    process = start(2, "stuck", tmp_path, module=False)
    began, pid = hit(process, tmp_path, 0, signal.SIGINT, 0.2)
    time.sleep(0.3)
    os.kill(pid, signal.SIGINT)
    printed = ended(process)
    assert time.monotonic() - began < 10
    assert process.returncode != 0
    assert "Rank 0 of 2 ends the job:\n" in printed
    assert "KeyboardInterrupt" in printed


WAITS = "Ranks 0 and 2 of 3 have waited {} s, {}, for rank 1, which has not come."


@needs_mpi
@pytest.mark.mpi
@pytest.mark.parametrize("how", ["raises", pytest.param("ends", marks=pytest.mark.long)])
def test_ranks_say_for_which_one_they_wait_and_end_the_job_if_told_to(tmp_path, how):
    """It fails or ends before its Trainer exists, in a program started without `-m mpi4py`."""
    process = start(3, "waits", tmp_path, how, 1, 2.0, module=False)
    printed = ended(process)
    assert process.returncode != 0
    assert WAITS.format(1, "at the start of fit") in printed
    assert WAITS.format(2, "at the start of fit") in printed.split(" of 3 ends the job:\n", 1)[1]
    assert ("OSError: the disk of rank 1 is gone" in printed) == (how == "raises")


@needs_mpi
@pytest.mark.mpi
@pytest.mark.long
@pytest.mark.parametrize("how", ["slow", "stopped"])
def test_ranks_go_on_when_the_one_they_waited_for_comes(tmp_path, how):
    process = start(3, "waits", tmp_path, how, 1, 0)
    if how == "stopped":
        hit(process, tmp_path, 1, signal.SIGCONT, 2.5, ranks=3)
    printed = ended(process)
    assert process.returncode == 0, printed
    assert WAITS.format(1, "after a step") in printed
    assert printed.count("All ranks have come, after ") == 1
    learned = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert learned[0] == learned[1] == learned[2]


@needs_mpi
@pytest.mark.mpi
@pytest.mark.long
def test_ranks_give_up_on_one_that_is_stopped(tmp_path):
    process = start(3, "waits", tmp_path, "stopped", 1, 2)
    hit(process, tmp_path, 1, 0, 0, ranks=3)
    pid = int((tmp_path / "pid1").read_text())
    try:
        printed = ended(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert process.returncode != 0
    assert WAITS.format(2, "after a step") in printed


class NoMPI:
    """As if this were rank 0 of 2, and the other one came after some polls."""

    def __init__(self, polls):
        self.polls, self.sent = polls, []

    def Get_rank(self):
        return 0

    def Get_size(self):
        return 2

    def Test(self):
        self.polls -= 1
        return self.polls < 0

    def Improbe(self, tag):
        return None

    def Isend(self, note, rank, tag):
        self.sent.append((rank, note.tolist()))
        return self


def test_who_does_not_have_to_wait_sends_and_says_nothing(capsys):
    mpi = NoMPI(polls=3)
    Waiting(mpi, 30.0, None).wait(mpi, "in a step")
    assert mpi.sent == []
    assert capsys.readouterr() == ("", "")


def test_who_waits_sends_notes_and_gives_up_after_the_timeout():
    mpi = NoMPI(polls=math.inf)
    with pytest.raises(WaitedTooLong, match=r"Rank 0 of 2 has waited 0 s, in a step, for rank 1, "):
        Waiting(mpi, 30.0, 0.08).wait(mpi, "in a step")
    assert 1 <= len(mpi.sent) <= 8
    assert {rank for rank, _ in mpi.sent} == {1}
    waited = [note[1] for _, note in mpi.sent]
    assert waited == sorted(waited)


def test_one_rank_speaks_that_has_waited_longest():
    waiting = Waiting(NoMPI(0), 8.0, None)
    waiting.rank = 1
    assert waiting._is_speaker(8.0, {})
    assert waiting._is_speaker(8.0, {2: 8.0})
    assert not waiting._is_speaker(8.0, {0: 7.5})
    assert waiting._is_speaker(8.0, {0: 3.0})
    assert not waiting._is_speaker(8.0, {2: 20.0})
    told = waiting._describe(8.0, "in a step", {0: 7.0})
    assert told.startswith("All 2 ranks have waited 8 s for each other, rank 1 in a step.")


# ---------------------------------------------------------------- at the door


def test_without_mpi4py_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[mpi\]'"):
        as_communicator(object())
    assert as_communicator(None) is None


class OneOfMany:
    """As if there were other processes, which bring the same."""

    def __init__(self, rank, world_size):
        self.rank, self.world_size = rank, world_size

    def allgather(self, place, thing):
        return [thing] * self.world_size


def distributed(rank, world_size, workers=1):
    return Distributed(OneOfMany(rank, world_size), DataParallel(workers))


def test_each_row_of_a_batch_is_taken_by_one_rank_and_no_other_is_read():
    class Noticed(np.ndarray):
        """Notes which rows are taken."""

        def take(self, rows, axis=0, **options):
            read.extend(np.asarray(rows).tolist())
            return np.asarray(self).take(rows, axis=axis, **options)

    y, order = np.arange(31.0), np.random.default_rng(0).permutation(31)
    for count in (2, 3, 4):
        by_rank = []
        for rank in range(count):
            read = []
            source = ArraySource(Samples(y[:, None], y), 14)
            source.samples.y = y.view(Noticed)
            shares = list(distributed(rank, count).batches(source, order, 0, 0))
            by_rank.append(shares)
            assert read == [number for share in shares for number in share.batch[1].tolist()]
        for number, (bounds, of_ranks) in enumerate(
            zip(((0, 14), (14, 28), (28, 31)), zip(*by_rank, strict=True), strict=True)
        ):
            rows = order[slice(*bounds)].tolist()
            taken = [share.batch[1].tolist() for share in of_ranks]
            if number == 2:  # too few for two samples a rank
                assert taken == [rows] * count
                assert all(share.part is WHOLE for share in of_ranks)
            else:
                assert list(itertools.chain(*taken)) == rows
                assert max(map(len, taken)) - min(map(len, taken)) <= 1
                assert [share.part.first for share in of_ranks] == np.cumsum(
                    [0, *map(len, taken[:-1])]
                ).tolist()
            assert of_ranks[0].whole()[1].tolist() == rows


def test_ranks_predict_in_turn_and_read_no_other_batch():
    network = Network([1, 2, 2], seed=0)
    by_rank = []
    for rank in range(3):
        seen = []

        def compute(batch, seen=seen):
            seen.append(batch[1].tolist())
            return len(batch[1])

        source = ArraySource(Samples(np.arange(50.0)[:, None], np.arange(50.0)), 5)
        strategy = distributed(rank, 3, workers=2)
        found = []
        with contextlib.suppress(ValueError):  # of the last turn fewer batches are left
            found.extend(strategy.map_batches(compute, source, network))
        assert [number for number, *_ in found][:6] == list(range(6))
        assert found[2][1]()[1].tolist() == [10.0, 11.0, 12.0, 13.0, 14.0]
        by_rank.append(seen)
    batches = sorted(first for seen in by_rank for first, *_ in seen)
    assert batches == np.arange(0.0, 50.0, 5.0).tolist()


def test_a_batch_that_is_too_small_is_not_shared():
    assert distributed(1, 3).part_of(5) is WHOLE
    part = distributed(1, 3).part_of(7)
    assert (part.first, part.count, part.batch) == (2, 2, 7)


def test_what_is_told_names_the_ranks():
    assert _by_rank(["a", "b", "a", "a"]) == "a on ranks 0, 2 and 3, b on rank 1"
    error = rank_error(["", "ValueError: x", ""])
    assert isinstance(error, RankError)
    assert error.ranks == (1,)
    assert str(error) == "Rank 1 of 3 failed:\nValueError: x\nSo this rank stopped too."
    with pytest.raises(InputError, match="12 samples on rank 0, 9 samples on rank 1"):
        refuse_other_lengths(np.array([12.0, 9.0]))


@needs_mpi
@pytest.mark.mpi
@pytest.mark.parametrize("wrong", [2, "world"])
def test_what_is_no_communicator_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="communicator must be one of mpi4py"):
        Trainer(Network([4, 3]), CategoricalCrossEntropy(), SGD(0.1), communicator=wrong)


@needs_mpi
@pytest.mark.mpi
@pytest.mark.parametrize("option", ["warn_after", "timeout"])
@pytest.mark.parametrize("wrong", [0, -1, math.nan, "soon", True])
def test_seconds_of_waiting_are_checked(option, wrong):
    from mpi4py import MPI

    with pytest.raises(ConfigurationError, match=option):
        Communicator(MPI.COMM_SELF, **{option: wrong})
    assert as_communicator(Communicator(MPI.COMM_SELF)) is None  # a single process
