"""Steps per second of workers and ranks, beside one thread, BLAS's threads and PyTorch.

    python -m benchmarks.scaling.speed --docs

All sides share the same whole batches and take turns, as in the speed benchmark, but longer ones.
A figure is a ratio: in each round one thread's time by the side's; over all rounds the median, and
between which quartiles the rounds lie. Efficiency is that ratio by two, the processors. With --docs
the tables are written into docs/scaling.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

from benchmarks.scaling.page import write
from benchmarks.speed.measure import Measured, measure
from benchmarks.speed.report import table, where
from benchmarks.speed.sides import OURS, SIDES
from benchmarks.speed.work import WORK

ALONE = SIDES["alone"]
TOGETHER = [SIDES[name] for name in ("blas", "workers", "rank", "ranks", "torch")]
TWO = [side for side in TOGETHER if side.name != "rank"]

NAMES = ("784-256-128-10", "784-1024-1024-10", "cnn", "conv-network", "lstm", "transformer")
PROCESSORS = 2

TURN = 1.0
"""Seconds a turn. In 0.1 of them, the speed benchmark's, some turns of sides with two threads took
two to four times as long, PyTorch's too: threads that just woke seem to share a processor at first.
"""


def ratios(row: Measured, side: str) -> list[float]:
    """Return the speed-up of the side over one thread, in each round."""
    pairs = zip(row.seconds[ALONE.name], row.seconds[side], strict=True)
    return [alone / other for alone, other in pairs]


def steps(rows: Sequence[Measured]) -> str:
    """Return the steps per second of each side."""
    sides = [ALONE, *TOGETHER]
    body = [[row.work.title, *(steps_a_second(row, side.name) for side in sides)] for row in rows]
    return table(["steps a second", *(side.title for side in sides)], body)


def steps_a_second(row: Measured, side: str) -> str:
    return f"{1 / row.median(side):.3g}" if side in row.seconds else "–"


def faster(rows: Sequence[Measured]) -> str:
    """Return the speed-up of each side over one thread, and the quartiles."""
    body = [[row.work.title, *(ratio(row, side.name) for side in TOGETHER)] for row in rows]
    return table(["times one thread's", *(side.title for side in TOGETHER)], body)


def ratio(row: Measured, side: str) -> str:
    if side not in row.seconds:
        return "–"
    low, middle, high = statistics.quantiles(ratios(row, side), n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def efficiency(rows: Sequence[Measured]) -> str:
    """Return the ratios by two, in per cent."""
    body = [
        [
            row.work.title,
            *(
                f"{100 * statistics.median(ratios(row, side.name)) / PROCESSORS:.0f}"
                if side.name in row.seconds
                else "–"
                for side in TWO
            ),
        ]
        for row in rows
    ]
    return table(["efficiency, per cent", *(side.title for side in TWO)], body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side (7)")
    parser.add_argument("--docs", action="store_true", help="write docs/scaling.md")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds must be at least 2")
    sides = [OURS, ALONE, *TOGETHER]
    rows = []
    for work in WORK:
        if work.name in NAMES:
            rows.append(measure(work, sides, options.rounds, TURN))
            for side, reason in rows[-1].skipped.items():
                print(f"{work.name}: {side} left out: {reason}", file=sys.stderr)
    text = "\n\n".join([where(sides), steps(rows), faster(rows), efficiency(rows)])
    print(text)
    if options.docs:
        write("speed", text)


if __name__ == "__main__":
    main()
