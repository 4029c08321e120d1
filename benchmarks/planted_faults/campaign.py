"""All faults, one at a time, several copies side by side; and who found each of them."""

import json
import queue
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from benchmarks.planted_faults.fault import Fault
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


class Campaign:
    """Runs tests on faults; what fails without any fault finds nothing, and is left out.

    Parameters
    ----------
    quick
        Run the tests of a fault's room, and no others.
    """

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.failing: dict[tuple[str, ...], list[str]] = {}
        self._lock = Lock()

    def try_out(self, copy: Copy, room: str, fault: Fault) -> Outcome:
        """Plant a fault and run tests until one fails."""
        tests = ROOMS[room].tests
        elsewhere = [f"--ignore={path}" for path in tests]
        stages = {"its room": (SHORT, tests, ["-n", "0"])}
        if not self.quick:
            stages |= {"the short run": (SHORT, (), elsewhere), "the long run": (LONG, (), [])}
        seconds = 0.0
        for by, (marker, paths, more) in stages.items():
            left_out = [f"--deselect={test}" for test in self.failing_anyway(copy, marker, paths)]
            with copy.with_fault(fault):
                run = copy.run("-x", "-m", marker, *left_out, *more, *paths)
            seconds += run.seconds
            if run.failed:
                return Outcome(room, fault.name, by, run.failed[0], seconds)
        return Outcome(room, fault.name, "nobody", "", seconds)

    def failing_anyway(self, copy: Copy, marker: str, paths: Sequence[str]) -> list[str]:
        """Return the tests that fail without any fault."""
        key = (marker, *paths)
        with self._lock:
            if key not in self.failing:
                self.failing[key] = copy.run("-m", marker, *paths).failed
                for test in self.failing[key]:
                    print(f"Left out, since it fails without any fault: {test}", flush=True)
            return self.failing[key]


def run_all(
    faults: list[tuple[str, Fault]], jobs: int, record: Path | None, quick: bool
) -> list[Outcome]:
    """Try out all faults, several at a time; return their outcomes in their order."""
    known: dict[str, Outcome] = {}
    if record is not None and record.exists():
        lines = record.read_text("utf-8").splitlines()
        known = {o.fault: o for o in (Outcome(**json.loads(line)) for line in lines)}
    left = [(room, fault) for room, fault in faults if fault.name not in known]
    campaign = Campaign(quick)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies: queue.Queue[Copy] = queue.Queue()
        for number in range(jobs if left else 0):
            copies.put(Copy(Path(folder) / str(number)))

        def one(item: tuple[str, Fault]) -> Outcome:
            copy = copies.get()
            try:
                return campaign.try_out(copy, *item)
            finally:
                copies.put(copy)

        for outcome in pool.map(one, left):
            known[outcome.fault] = outcome
            print(f"{outcome.seconds:5.0f} s  {outcome.fault}: {outcome.by}", flush=True)
            if record is not None:
                with record.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(outcome)) + "\n")
    return [known[fault.name] for _, fault in faults]


def as_table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as a table in Markdown."""
    lines = ["| room | fault | found by | test |", "|---|---|---|---|"]
    for outcome in outcomes:
        test = outcome.test.removeprefix("tests/").replace("|", "\\|")
        shown = f"`{test}`" if test else ""
        lines.append(f"| {outcome.room} | {outcome.fault} | {outcome.by} | {shown} |")
    return "\n".join(lines)


def in_short(outcomes: list[Outcome]) -> str:
    """Return the outcomes in a sentence."""
    count = {by: sum(o.by == by for o in outcomes) for by in {o.by for o in outcomes}}
    room, short = count.get("its room", 0), count.get("the short run", 0)
    return (
        f"{len(outcomes)} faults: {room + short} found by the short run ({room} of them by their "
        f"room's tests), {count.get('the long run', 0)} by the long run alone, "
        f"{count.get('nobody', 0)} by nobody."
    )
