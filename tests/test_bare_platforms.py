"""The core where a platform lacks what Linux has: Windows, a browser, odd file systems.

What is missing there is hidden in a process of its own, before chainrule is imported.
"""

import subprocess
import sys

import pytest

BARE = """
import errno, importlib.abc, os, signal, stat, sys, threading

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in HIDDEN:
            raise ImportError(f"No module named {name!r}", name=name)

HIDDEN = ("fcntl", "msvcrt", "resource", "select", "socket", "ssl", "multiprocessing", "termios")
HIDDEN += ("lzma", "bz2", "_posixsubprocess", "pwd", "grp", "threadpoolctl")
sys.meta_path.insert(0, Hidden())
for name in HIDDEN:
    sys.modules.pop(name, None)
for name in ("fork", "forkpty", "sched_getaffinity", "getuid"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGALRM", "SIGTERM", "alarm", "pthread_sigmask", "set_wakeup_fd"):
    if hasattr(signal, name):
        delattr(signal, name)

def start(self):
    raise RuntimeError("can't start new thread")

threading.Thread.start = start
flush = os.fsync

def fsync(handle):
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        raise OSError(errno.EINVAL, "Invalid argument")
    flush(handle)

os.fsync = fsync
import numpy as np

np.show_config = lambda mode=None: {"Build Dependencies": {"blas": {"name": "none"}}}
"""

CORE = """
import chainrule
from chainrule import *

assert all(getattr(chainrule, name) is not None for name in chainrule.__all__)
x = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
y = np.arange(40) % 3
LOSS = CategoricalCrossEntropy(from_logits=True)

def trainer(**options):
    network = Network([Linear(4, 8, seed=0), ReLU(), Dropout(0.1, seed=1), Linear(8, 3, seed=2)])
    return Trainer(network, LOSS, Adam(0.01), seed=0, **options)

def fit(epochs, **options):
    made = trainer()
    callbacks = [Checkpoint("runs"), CSVLog("runs/log.csv"), EarlyStopping("loss", patience=99)]
    made.fit(
        *(x, y), epochs=epochs, batch_size=8, validation_split=0.2, callbacks=callbacks,
        progress=False, **options,
    )
    return made.network

fit(2)
resumed, whole = fit(4, resume="runs/last.npz"), None
os.remove("runs/last.npz")
whole = fit(4)
assert np.array_equal(resumed.flat.values, whole.flat.values)
best = Network.load("runs/best.npz")
whole.save("model.npz")
assert np.array_equal(Network.load("model.npz").predict(x), whole.predict(x))
assert check_module(Linear(3, 2, seed=0), np.ones((2, 3))).passed
assert "none" in str(environment()) and environment().cores >= 1
report = diagnose(whole, x, y, loss=LOSS, seed=0)
assert report.verdict()
ensemble = Ensemble([4, 4, 3], 2, seed=0)
ensemble.fit(x, y, epochs=1)
ensemble.save("ensemble.npz")
assert np.array_equal(Ensemble.load("ensemble.npz").predict(x), ensemble.predict(x))

from chainrule.training.lock import FolderLock

first, second = FolderLock("locked"), FolderLock("locked")
first.acquire()
try:
    second.acquire()
except ConfigurationError as error:
    assert "in use by another training: process" in str(error)
else:
    raise AssertionError("two trainings in one folder")
first.release()
for left, free in ((str(os.getpid()), True), (str(2**22 + 1), True), (str(os.getppid()), False)):
    with open("locked/.lock", "w") as file:  # as a training leaves it that was killed
        file.write(f"process {left}, since yesterday")
    try:
        second.acquire()
        second.release()
        assert free
    except ConfigurationError:
        assert not free

for workers in (2, "auto"):
    try:
        trainer(workers=workers).fit(x, y, epochs=1, progress=False)
    except ConfigurationError as error:
        assert workers == 2 and "workers=2 are threads" in str(error)
    else:
        assert workers == "auto"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has locks of its own, which are not hidden")
def test_the_core_needs_none_of_what_some_platforms_lack(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BARE + CORE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
