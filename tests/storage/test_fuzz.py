"""Some thousand damaged and hostile files; `python -m benchmarks.fuzz` makes as many as you like.

They are the first ones of seed 0. The message of a failure shows how to repeat the case.
"""

import mmap
from pathlib import Path

import pytest

from benchmarks.fuzz import mutations
from benchmarks.fuzz.readers import READERS, Reader
from benchmarks.fuzz.trial import LEAST_MEMORY, Fuzzer, run_many
from chainrule import StateError

INPUTS = {
    "network": 800,
    "ensemble": 300,
    "preparation": 300,
    "table model": 200,
    "checkpoint": 300,
    "post-mortem": 300,
    "npz": 500,
    "idx": 500,
    "csv": 500,
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_loads_or_refuses_whatever_it_is_given(name, tmp_path):
    summary = run_many(Fuzzer(name, READERS[name], 0, tmp_path), range(INPUTS[name]))
    shown = [f"--reader {name} --seed 0 --only {case}: {fault}" for case, fault in summary.faults]
    assert not shown, "\n".join(shown)
    assert summary.inputs == INPUTS[name]
    assert summary.kinds["loaded"] > INPUTS[name] / 40  # they reach what lies behind the checksum
    assert summary.kinds["FileFormatError"] > INPUTS[name] / 4


@pytest.mark.parametrize(
    ("name", "seed", "case"),
    [("npz", 0, 6765), ("csv", 0, 4141), ("network", 10, 4392), ("post-mortem", 10, 819)],
)
def test_what_was_a_fault_is_none_any_more(name, seed, case, tmp_path):
    summary = run_many(Fuzzer(name, READERS[name], seed, tmp_path), range(case, case + 1))
    assert not summary.faults


def test_a_case_is_repeated_by_its_number(tmp_path):
    first, again = (Fuzzer("csv", READERS["csv"], 3, tmp_path) for _ in range(2))
    assert [first.content(n) for n in range(5)] == [again.content(n) for n in reversed(range(5))][
        ::-1
    ]
    assert len({first.content(n) for n in range(20)}) > 15
    other = Fuzzer("csv", READERS["csv"], 4, tmp_path)
    assert [first.content(n) for n in range(5)] != [other.content(n) for n in range(5)]


def grabs(path):
    with mmap.mmap(-1, 2 * LEAST_MEMORY) as fresh:  # no memory that the process has kept
        fresh.write(b"x" * (2 * LEAST_MEMORY))


def never_ends(path):
    while True:
        pass


def fails(path):
    raise KeyError("no such key")


def chatters(path):
    raise StateError("no " * 2000)


@pytest.mark.parametrize(
    ("read", "fault"),
    [
        (grabs, "MB for a file of"),
        (fails, "KeyError: 'no such key'"),
        (chatters, "its message is endless"),
    ],
)
def test_the_fuzzer_notices(read, fault, tmp_path):
    reader = Reader(lambda _: [b"good"], (mutations.bytes_changed,), read)
    summary = run_many(Fuzzer("bad", reader, 0, tmp_path), range(100), most_faults=3)
    assert len(summary.faults) == 3
    assert all(fault in shown for _, shown in summary.faults)


def test_the_fuzzer_notices_what_takes_long_and_what_never_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.fuzz.trial.MOST_SECONDS", 0.0)
    reader = Reader(lambda _: [b"good"], (mutations.bytes_changed,), Path.stat)
    assert "it took" in Fuzzer("slow", reader, 0, tmp_path).run(0).fault
    monkeypatch.setattr("benchmarks.fuzz.trial.HANGS", 1)
    reader.read = never_ends
    assert "does not come back" in Fuzzer("hangs", reader, 0, tmp_path).run(0).fault
