"""`python -m benchmarks.planted_faults`: plant faults one at a time, and see who finds them.

    python -m benchmarks.planted_faults                      all of them
    python -m benchmarks.planted_faults --room layers        those of a room
    python -m benchmarks.planted_faults --only "Linear"      those whose name holds a text
    python -m benchmarks.planted_faults --quick              no further than their rooms' tests
    python -m benchmarks.planted_faults --list               only whether each still applies

For each fault the tests of its room run first, until one fails; then, if none did, all others of
the short run (what `python -m pytest` runs); then, if still none did, the long ones. The exit
status is 1 where a fault was found by the long run alone, or by nothing. With --record FILE the
outcomes are written down as they come, and what is in there is not tried again.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.planted_faults.campaign import as_table, in_short, run_all
from benchmarks.planted_faults.fault import DoesNotApply, Fault
from benchmarks.planted_faults.faults import ROOMS


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted_faults")
    parser.add_argument("--room", choices=list(ROOMS), action="append")
    parser.add_argument("--only", help="a part of the faults' names")
    parser.add_argument("--quick", action="store_true", help="run the tests of the room alone")
    parser.add_argument("--jobs", type=int, default=1, help="how many copies work side by side")
    parser.add_argument("--record", type=Path, help="a file of outcomes, to go on from")
    parser.add_argument("--list", action="store_true", help="run no tests")
    return parser.parse_args()


def chosen(arguments: argparse.Namespace) -> list[tuple[str, Fault]]:
    return [
        (name, fault)
        for name in arguments.room or ROOMS
        for fault in ROOMS[name].faults
        if (arguments.only or "") in fault.name
    ]


def why_not(fault: Fault) -> str:
    """Return why a fault cannot be planted any more; nothing where it can."""
    try:
        fault.plant()
    except DoesNotApply as error:
        return str(error)
    return ""


def list_faults(faults: list[tuple[str, Fault]]) -> int:
    """Print each fault and whether it applies; return how many do not."""
    reasons = [why_not(fault) for _, fault in faults]
    for (room, fault), reason in zip(faults, reasons, strict=True):
        print(f"{room:<12} {f'DOES NOT APPLY: {reason}' if reason else fault.name}")
    broken = len(reasons) - reasons.count("")
    print(f"{len(faults)} faults, {broken} of which do not apply")
    return broken


def main() -> int:
    """Do what the command line asks for."""
    arguments = parse_arguments()
    faults = chosen(arguments)
    broken = [fault for fault in faults if why_not(fault[1])]
    if arguments.list or broken:
        return int(list_faults(faults if arguments.list else broken) > 0)
    outcomes = run_all(faults, arguments.jobs, arguments.record, arguments.quick)
    print("\n" + as_table(outcomes) + "\n\n" + in_short(outcomes))
    return int(any(outcome.by in ("the long run", "nobody") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
