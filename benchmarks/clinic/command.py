"""The command line of the clinic."""

import argparse
import json
import os
import time
from pathlib import Path

from benchmarks.clinic import cost, picture, report
from benchmarks.clinic.examination import Record, examine
from benchmarks.clinic.patients import PARTS, patient

FILE = Path.home() / ".cache" / "chainrule" / "clinic.jsonl"


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clinic", description="Put the doctor to patients."
    )
    parser.add_argument("--file", type=Path, default=FILE, help="where records are kept")
    acts = parser.add_subparsers(required=True, metavar="run | report | picture | cost")
    act = acts.add_parser("run", help="examine the patients that were not examined yet")
    act.set_defaults(act=run)
    add_numbers(act)
    act.add_argument("--bundled", action="store_true", help="only data that need no download")
    act.add_argument("--share", default="1/1", help="k/n: every n-th, for n processes at once")
    act.add_argument("--seconds", type=float, default=float("inf"), help="stop after these")
    act = acts.add_parser("report", help="print the confusion table")
    act.set_defaults(act=tell)
    add_numbers(act)
    act = acts.add_parser("picture", help="draw it")
    act.set_defaults(act=lambda chosen: picture.draw(chosen_records(chosen), chosen.png))
    add_numbers(act)
    act.add_argument("png", type=Path)
    act = acts.add_parser("cost", help="measure what the callback costs")
    act.set_defaults(act=lambda chosen: [print(line, flush=True) for line in cost.measure()])
    chosen = parser.parse_args(given)
    chosen.act(chosen)


def add_numbers(act: argparse.ArgumentParser) -> None:
    """Let the command say which patients are meant."""
    act.add_argument("--part", choices=[*PARTS], required=True)
    act.add_argument("--first", type=int, default=0, help="number of the first patient")
    act.add_argument("--patients", type=int, default=500, help="how many")


def run(chosen: argparse.Namespace) -> None:
    mine, of = map(int, chosen.share.split("/"))
    done = {(r["part"], r["number"]) for r in read(chosen.file)}
    began = time.monotonic()
    for number in range(chosen.first + mine - 1, chosen.first + chosen.patients, of):
        if (chosen.part, number) in done:
            continue
        if time.monotonic() - began > chosen.seconds:
            return
        record = examine(patient(chosen.part, number, chosen.bundled))
        append(chosen.file, record)
        print(f"{record['key']}: {record['first'] or 'nothing'}", flush=True)


def append(file: Path, record: Record) -> None:
    """Add a line, in one write, so that several processes may."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644), "w") as stream:
        stream.write(json.dumps(record) + "\n")


def read(file: Path) -> list[Record]:
    """Return the records; a line that a killed run left unfinished is passed over."""
    found = []
    for line in file.read_text("utf-8").splitlines() if file.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def tell(chosen: argparse.Namespace) -> None:
    print(report.everything(chosen_records(chosen)))


def chosen_records(chosen: argparse.Namespace) -> list[Record]:
    wanted = range(chosen.first, chosen.first + chosen.patients)
    records = [r for r in read(chosen.file) if r["part"] == chosen.part and r["number"] in wanted]
    return sorted(records, key=lambda r: r["number"])
