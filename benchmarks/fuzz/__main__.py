"""`python -m benchmarks.fuzz`: damaged and hostile files for every reader in the project.

A reader must either load the file or raise its documented error, within one second of processor
time and with at most ten times the file's size of memory (16 MB for small files). Each case is
drawn from the reader's name, the seed and the case's number, so it can be repeated::

    python -m benchmarks.fuzz --inputs 100000 --seed 0
    python -m benchmarks.fuzz --reader network --seed 0 --only 4711 --keep bad.npz
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.fuzz.readers import READERS
from benchmarks.fuzz.trial import Fuzzer, run_many


def main() -> int:
    """Run the cases that the command line asks for; return 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz")
    parser.add_argument("--inputs", type=int, default=10_000, help="files for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=list(READERS), action="append")
    parser.add_argument("--only", type=int, help="run only the case with this number")
    parser.add_argument("--keep", type=Path, help="with --only: write the case's file here")
    arguments = parser.parse_args()
    failed = False
    for name in arguments.reader or READERS:
        with tempfile.TemporaryDirectory() as folder:
            fuzzer = Fuzzer(name, READERS[name], arguments.seed, Path(folder))
            numbers = range(arguments.inputs)
            if arguments.only is not None:
                numbers = range(arguments.only, arguments.only + 1)
                if arguments.keep is not None:
                    arguments.keep.write_bytes(fuzzer.content(arguments.only))
            summary = run_many(fuzzer, numbers)
        outcomes = ", ".join(f"{count:,} {kind}" for kind, count in summary.kinds.most_common())
        print(
            f"{name}, seed {arguments.seed}: {summary.inputs:,} inputs in "
            f"{summary.seconds:,.0f} s: {outcomes}; {len(summary.faults)} faults; "
            f"at most {summary.slowest:.2f} s and {summary.memory / 1e6:.1f} MB",
            flush=True,
        )
        for number, fault in summary.faults:
            print(f"  --reader {name} --seed {arguments.seed} --only {number}: {fault}")
        failed = failed or bool(summary.faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
