"""Pages of a mapped file are given back, and nothing that was written to them is lost."""

import mmap
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import mapped
from chainrule.data.mapped import Mappings, mapping_of
from chainrule.data.samples import Samples
from chainrule.data.sources import ArraySource

pytestmark = pytest.mark.skipif(
    not hasattr(mmap, "MADV_DONTNEED"), reason="the system gives no pages back on demand"
)

ROWS, PAGE = 4096, 4096


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return a .npy file of 16 MB, which counts as large."""
    monkeypatch.setattr(mapped, "WORTH_IT", 1 << 20)
    np.save(tmp_path / "x.npy", np.arange(ROWS * PAGE // 4, dtype=np.float32).reshape(ROWS, -1))
    return tmp_path / "x.npy"


def resident_pages_of_files() -> int:
    """Return how many pages of files are resident in this process."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("only Linux tells")
    (row,) = (row for row in status.read_text().splitlines() if row.startswith("RssFile"))
    return int(row.split()[1]) * 1024 // PAGE


def test_an_epoch_leaves_no_pages_behind(file):
    X, y = np.load(file, mmap_mode="r"), np.zeros(ROWS)
    source = ArraySource(Samples(X, y), 32)
    before = resident_pages_of_files()
    order = source.order(np.random.default_rng(0))
    seen = np.concatenate([x[:, 0] for x, _, _ in source.batches(order)])
    assert resident_pages_of_files() - before < ROWS / 4
    np.testing.assert_array_equal(seen, order * np.float32(PAGE // 4))
    for _ in source.shares(order, 0, 0, lambda n: slice(0, n // 2)):
        pass
    assert resident_pages_of_files() - before < ROWS / 4


def test_without_it_they_would_stay(file):
    X = np.load(file, mmap_mode="r")
    before = resident_pages_of_files()
    X.take(np.arange(ROWS), axis=0)
    assert resident_pages_of_files() - before > ROWS / 2
    Mappings(X).release()
    assert resident_pages_of_files() - before < ROWS / 4


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_what_was_written_stays(file, mode):
    X = np.load(file, mmap_mode=mode)
    X[7] = -1
    Mappings(X).release()
    assert (X[7] == -1).all()
    assert X[8, 0] == 8 * PAGE // 4


def test_which_arrays_are_mapped(file):
    X = np.load(file, mmap_mode="r")
    assert mapping_of(X) is mapping_of(np.asarray(X)) is mapping_of(X[3:]) is X._mmap
    assert mapping_of(X[[1, 2]]) is None
    assert mapping_of(np.zeros(1 << 20)) is None
    assert mapping_of(np.load(file, mmap_mode="c")[3:]) is None


def test_a_small_file_stays_in_memory(file, monkeypatch):
    monkeypatch.undo()
    assert mapping_of(np.load(file, mmap_mode="r")) is None
