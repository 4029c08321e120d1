"""The command line of the speed benchmark."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed import report
from benchmarks.speed.growth import AXES, Growth, grow
from benchmarks.speed.measure import Measured, measure
from benchmarks.speed.sides import FLOOR, OURS, ROOT, SIDES, Side
from benchmarks.speed.work import WORK

DOCS = ROOT / "docs"
BEGIN, END = "<!-- speed: begin -->\n", "<!-- speed: end -->"
GROWING = "growth-"


def main(given: Sequence[str] | None = None) -> None:
    """Measure what was asked for, and show it."""
    options = arguments(given)
    sides = chosen_sides(options.peers)
    rows, growths = run(options.work, sides, options.rounds)
    text = report.everything(rows, growths, sides)
    print(f"\n{text}")
    if options.json:
        options.json.write_text(as_text(rows, growths, sides), "utf-8")
    if options.plot:
        report.plot(rows, growths, options.plot)
    if options.docs:
        (DOCS / "speed.json").write_text(as_text(rows, growths, sides), "utf-8")
        report.plot(rows, growths, DOCS / "speed.png")
        results = DOCS / "results" / "speed.md"
        results.write_text(replaced(results.read_text("utf-8"), text), "utf-8")


def run(
    patterns: Sequence[str], sides: Sequence[Side], rounds: int
) -> tuple[list[Measured], list[Growth]]:
    """Measure the rows, and the growing series, whose names fit one of the patterns."""
    rows, growths = [], []
    for work in WORK:
        if fits(work.name, patterns):
            say(work.title)
            rows.append(measure(work, sides, rounds))
            say(f"  {report.in_short(rows[-1])}")
    compared = [side for side in sides if side in (OURS, FLOOR, SIDES["torch"])]
    for axis, words in AXES.items():
        if fits(GROWING + axis, patterns):
            say(words)
            growths.append(grow(axis, compared, rounds))
    return rows, growths


def fits(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def chosen_sides(peers: Sequence[str] | None) -> list[Side]:
    """Return ours first, then the peers asked for, or all that are no extra."""
    chosen = [s for s in SIDES.values() if (not s.extra if peers is None else s.name in peers)]
    return [OURS, *(side for side in chosen if side is not OURS)]


def as_text(rows: Sequence[Measured], growths: Sequence[Growth], sides: Sequence[Side]) -> str:
    return json.dumps(report.as_json(rows, growths, sides), indent=1, ensure_ascii=False) + "\n"


def replaced(page: str, text: str) -> str:
    """Return the page with what stands between the two marks replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"docs/results/speed.md needs the lines {BEGIN.strip()} and {END}.")
    return f"{before}{begin}\n{text}\n\n{end}{after}"


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Return what was asked for on the command line."""
    names = [work.name for work in WORK] + [GROWING + axis for axis in AXES]
    peers = [name for name, side in SIDES.items() if side is not OURS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure how fast chainrule is, beside its peers, in turns.",
        epilog=f"Work: {', '.join(names)}.",
    )
    parser.add_argument(
        "work", nargs="*", metavar="WORK", help="names of rows, or patterns such as '784-*'"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=peers, metavar="PEER", help=f"of {', '.join(peers)}"
    )
    parser.add_argument("--rounds", type=int, default=21, help="turns of each side (21)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them here")
    parser.add_argument(
        "--docs", action="store_true", help="write docs/results/speed.md, docs/speed.json and .png"
    )
    chosen = parser.parse_args(given)
    if chosen.rounds < 1:
        parser.error("--rounds must be at least 1")
    for pattern in chosen.work:
        if not fnmatch.filter(names, pattern):
            parser.error(f"no work is called {pattern!r}; there are {', '.join(names)}")
    return chosen
