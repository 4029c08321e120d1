"""The memory that a training on a large memory-mapped file takes, beyond the network's own.

    python -m benchmarks.scaling.memory

Makes a sparse file of 10 GB, which takes hardly any disk space, and trains a small network on it
for an epoch, in batches that are shuffled across the whole file. The same network on some rows in
memory, in another process, shows what the network itself needs, with interpreter and libraries.
Linux reports the peaks: all resident memory (VmHWM), and of that at the end the process's own
(RssAnon) and the pages of files (RssFile), the mapped one and libraries. Exits with 1 if the peak
is more than 300 MB above the network's. The file is deleted, also on Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.speed.measure import memory_of_process

FEATURES, CLASSES, BATCH = 784, 10, 128
MOST = 300e6
"""Bytes above the network's own."""

FIELDS = ("VmHWM", "RssAnon", "RssFile")
SAMPLES_IN_MEMORY = 10 * BATCH


def train(path: Path | None) -> dict[str, float]:
    """Train for an epoch on the file, or on a few rows in memory; return what memory it took."""
    from chainrule import Adam, Callback, CategoricalCrossEntropy, Network, Trainer
    from chainrule.training.state import TrainingState

    class LargestParts(Callback):
        """Looks now and then at what is resident: the kernel keeps a peak of the total only."""

        def __init__(self) -> None:
            self.largest = dict.fromkeys(FIELDS, 0)
            self.steps = 0

        def on_step_end(self, state: TrainingState) -> None:
            self.steps += 1
            if self.steps % 10 == 0:
                now = memory_of_process()
                self.largest = {name: max(self.largest[name], now[name]) for name in FIELDS}

    if path is None:
        X = np.zeros((SAMPLES_IN_MEMORY, FEATURES), np.float32)
    else:
        X = np.load(path, mmap_mode="r")
    y = np.arange(len(X)) % CLASSES
    network = Network([FEATURES, 64, CLASSES], seed=0)
    seen = LargestParts()
    began = time.perf_counter()
    Trainer(network, CategoricalCrossEntropy(), Adam(1e-4), seed=0).fit(
        X, y, epochs=1, batch_size=BATCH, progress=False, callbacks=[seen]
    )
    seconds = time.perf_counter() - began
    peak = {**seen.largest, "VmHWM": memory_of_process()["VmHWM"]}
    return {**peak, "steps": seen.steps, "samples": len(X), "seconds": seconds}


def in_a_process(*arguments: str) -> dict[str, float]:
    """Train in a fresh process, which nothing else has made larger."""
    command = [sys.executable, "-m", "benchmarks.scaling.memory", "--train", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def sparse_file(path: Path, size: float) -> None:
    """Make a .npy file of zeros of this many bytes, none of which is written."""
    rows = round(size / (4 * FEATURES))
    np.lib.format.open_memmap(path, "w+", np.float32, (rows, FEATURES))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, help="where the file is made; a temporary one")
    parser.add_argument("--train", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train is not None:
        print(json.dumps(train(Path(*options.train) if options.train else None)))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "samples.npy")
        sparse_file(path, options.gigabytes * 1e9)
        print(f"a file of {path.stat().st_size / 1e9:.1f} GB", flush=True)
        alone, mapped = in_a_process(), in_a_process(str(path))
    print(f"{mapped['samples']:,} samples, {mapped['steps']:,} steps, {mapped['seconds']:.0f} s")
    print(f"{'MB, the largest':<20}{'in memory':>12}{'mapped':>12}{'difference':>12}")
    for name in FIELDS:
        a, b = alone[name] / 1e6, mapped[name] / 1e6
        print(f"{name:<20}{a:>12.0f}{b:>12.0f}{b - a:>12.0f}")
    above = mapped["VmHWM"] - alone["VmHWM"]
    print(f"the peak is {above / 1e6:.0f} MB above the network's own, at most {MOST / 1e6:.0f} MB")
    return int(above > MOST)


if __name__ == "__main__":
    sys.exit(main())
