"""`python -m benchmarks.messy`: train on messy tables, and compare with clean ones.

    python -m benchmarks.messy                     all kinds of mess in three real tables
    python -m benchmarks.messy --only thousands    those whose name holds a text

Prints a line for each, with what the command said, and how many came out the same, were refused or
were lost in silence. The exit status is 1 if any was lost.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.messy.study import outcomes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.messy")
    parser.add_argument("--only", default="", help="a part of the names of kinds")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for outcome in outcomes(arguments.only, Path(folder)):
            counts[outcome.verdict] += 1
            score = "" if outcome.score is None else f" {outcome.score:.3f}"
            print(
                f"{outcome.verdict:<9}{score:<7} {outcome.table:<9} {outcome.kind}: "
                f"{outcome.said[:150]}",
                flush=True,
            )
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    return int(counts["LOST"] > 0)


if __name__ == "__main__":
    sys.exit(main())
