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
import json
import queue
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.planted_faults.fault import DoesNotApply, Fault
from benchmarks.planted_faults.faults import ROOMS
from benchmarks.planted_faults.trial import Copy

SHORT, LONG = "not long", "long"


@dataclass
class Outcome:
    """Who found a fault: "its room", "the short run", "the long run", or "nobody" who ran."""

    room: str
    fault: str
    by: str
    test: str
    seconds: float


def try_out(copy: Copy, room: str, fault: Fault, quick: bool) -> Outcome:
    """Plant a fault and run tests until one fails."""
    tests = ROOMS[room].tests
    elsewhere = [f"--ignore={path}" for path in tests]
    stages: dict[str, tuple[str, ...]] = {"its room": (SHORT, "-n", "0", *tests)}
    if not quick:
        stages |= {"the short run": (SHORT, *elsewhere), "the long run": (LONG,)}
    seconds = 0.0
    with copy.with_fault(fault):
        for by, (marker, *arguments) in stages.items():
            run = copy.run(arguments, marker)
            seconds += run.seconds
            if run.test:
                return Outcome(room, fault.name, by, run.test, seconds)
    return Outcome(room, fault.name, "nobody", "", seconds)


def refuse_failing_rooms(copy: Copy, rooms: set[str]) -> None:
    """Where tests fail anyway, they find nothing."""
    for room in sorted(rooms):
        run = copy.run(["-n", "0", *ROOMS[room].tests], SHORT)
        if run.test:
            raise SystemExit(f"Without any fault, {run.test} fails; first mend that.")


def as_table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as a table in Markdown."""
    lines = ["| room | fault | found by | test |", "|---|---|---|---|"]
    for outcome in outcomes:
        test = outcome.test.removeprefix("tests/").replace("|", "\\|")
        shown = f"`{test}`" if test else ""
        lines.append(f"| {outcome.room} | {outcome.fault} | {outcome.by} | {shown} |")
    return "\n".join(lines)


def in_short(outcomes: list[Outcome]) -> str:
    count = {by: sum(o.by == by for o in outcomes) for by in {o.by for o in outcomes}}
    short = count.get("its room", 0) + count.get("the short run", 0)
    return (
        f"{len(outcomes)} faults: {short} found by the short run ({count.get('its room', 0)} of "
        f"them by their room's tests), {count.get('the long run', 0)} by the long run alone, "
        f"{count.get('nobody', 0)} by nobody."
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted_faults")
    parser.add_argument("--room", choices=list(ROOMS), action="append")
    parser.add_argument("--only", help="a part of the faults' names")
    parser.add_argument("--quick", action="store_true", help="run the tests of the room alone")
    parser.add_argument("--jobs", type=int, default=1, help="how many copies work side by side")
    parser.add_argument("--deselect", action="append", default=[], help="a test to leave out")
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


def run_all(
    faults: list[tuple[str, Fault]],
    jobs: int,
    record: Path | None,
    quick: bool,
    deselect: list[str],
) -> list[Outcome]:
    """Try out all faults, several at a time; return their outcomes in their order."""
    known: dict[str, Outcome] = {}
    if record is not None and record.exists():
        lines = record.read_text("utf-8").splitlines()
        known = {o.fault: o for o in (Outcome(**json.loads(line)) for line in lines)}
    left = [(room, fault) for room, fault in faults if fault.name not in known]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies: queue.Queue[Copy] = queue.Queue()
        for number in range(jobs if left else 0):
            copies.put(Copy(Path(folder) / str(number), deselect))
        if left:
            refuse_failing_rooms(copies.queue[0], {room for room, _ in left})

        def one(room: str, fault: Fault) -> Outcome:
            copy = copies.get()
            try:
                return try_out(copy, room, fault, quick)
            finally:
                copies.put(copy)

        for outcome in pool.map(lambda item: one(*item), left):
            known[outcome.fault] = outcome
            print(f"{outcome.seconds:5.0f} s  {outcome.fault}: {outcome.by}", flush=True)
            if record is not None:
                with record.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(outcome)) + "\n")
    return [known[fault.name] for _, fault in faults]


def main() -> int:
    """Do what the command line asks for."""
    arguments = parse_arguments()
    faults = chosen(arguments)
    broken = [fault for fault in faults if why_not(fault[1])]
    if arguments.list or broken:
        return int(list_faults(faults if arguments.list else broken) > 0)
    outcomes = run_all(
        faults, arguments.jobs, arguments.record, arguments.quick, arguments.deselect
    )
    print("\n" + as_table(outcomes) + "\n\n" + in_short(outcomes))
    return int(any(outcome.by in ("the long run", "nobody") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
