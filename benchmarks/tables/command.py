"""The command line of the comparison on real tables."""

import argparse
import fnmatch
from collections import Counter
from pathlib import Path

from benchmarks.tables import records, report, run
from benchmarks.tables.catalogue import BY_NAME, ENTRIES
from benchmarks.tables.methods import Method, methods
from benchmarks.tables.table import Facts, cache_folder, facts_of


def main(given: list[str] | None = None) -> None:
    chosen = arguments(given)
    chosen.cache = cache_folder(chosen.cache)
    chosen.act(chosen)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tables", description="Compare learners on real tables."
    )
    parser.add_argument("--cache", help="folder of data and results, outside the repository")
    acts = parser.add_subparsers(required=True, metavar="prepare | run | status | report")

    act = acts.add_parser("prepare", help="read the tables from their packages into the cache")
    act.set_defaults(act=prepare)
    act.add_argument(
        *("--debian", "-d"),
        type=Path,
        default=Path("/"),
        help="where r-cran-mlbench and r-cran-kernlab are unpacked; / if they are installed",
    )
    act.add_argument("--tables", nargs="+", default=["*"], metavar="PATTERN")

    act = acts.add_parser("run", help="fit what has not been fitted yet, and record it")
    act.set_defaults(act=fit)
    _selection(act)
    act.add_argument(
        "--limit", type=float, default=run.LIMIT, help="seconds of processor time for a fit"
    )
    act.add_argument(
        "--again",
        nargs="+",
        default=[],
        choices=["ok", "failed", "out of time"],
        help="repeat fits that ended like this",
    )

    act = acts.add_parser("status", help="show how much has been fitted")
    act.set_defaults(act=status)
    _selection(act)

    act = acts.add_parser("report", help="print the tables for docs/results/tables.md")
    act.set_defaults(act=tell)
    act.add_argument("--against", default="", help="the method to compare the others with")
    act.add_argument("--methods", nargs="+", default=["*"], metavar="PATTERN")
    act.add_argument("--splits", type=int, default=run.SPLITS)
    act.add_argument(
        "--condense", type=Path, help="also write the records to this file, one line each"
    )
    return parser.parse_args(given)


def _selection(act: argparse.ArgumentParser) -> None:
    act.add_argument("--methods", nargs="+", default=["*"], metavar="PATTERN")
    act.add_argument("--tables", nargs="+", default=["*"], metavar="PATTERN")
    act.add_argument("--half", choices=["choosing", "judging"])
    act.add_argument("--splits", type=int, default=run.SPLITS, help="how many splits: seeds from 0")


def matching(names: list[str], patterns: list[str]) -> list[str]:
    """Return the names that match a pattern; exit if a pattern matches none."""
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise SystemExit(f"No name matches {pattern!r}; there are {', '.join(names)}.")
    return [name for name in names if any(fnmatch.fnmatchcase(name, p) for p in patterns)]


def _methods(chosen: argparse.Namespace) -> list[Method]:
    return [methods()[name] for name in matching(list(methods()), chosen.methods)]


def _tables(chosen: argparse.Namespace) -> list[Facts]:
    names = matching(list(BY_NAME), chosen.tables)
    every = [facts_of(chosen.cache / "data", name) for name in names]
    return [facts for facts in every if chosen.half in (None, facts.half)]


def prepare(chosen: argparse.Namespace) -> None:
    from benchmarks.tables.prepare import prepare_all

    names = matching(list(BY_NAME), chosen.tables)
    entries = tuple(entry for entry in ENTRIES if entry.name in names)
    print(report.catalogue(prepare_all(entries, chosen.cache, chosen.debian)))


def fit(chosen: argparse.Namespace) -> None:
    there = [method for method in _methods(chosen) if run.installed(method)]
    for method in _methods(chosen):
        if method not in there:
            print(f"{method.name} is skipped: {method.package} is not installed")
    fits = run.order(there, _tables(chosen), chosen.splits)
    run.run(chosen.cache, fits, chosen.limit, chosen.again, lambda line: print(line, flush=True))


def status(chosen: argparse.Namespace) -> None:
    fits = run.order(_methods(chosen), _tables(chosen), chosen.splits)
    done = records.read(chosen.cache / "results.jsonl")
    for method in _methods(chosen):
        mine = [fit for fit in fits if fit[2] == method.name]
        ended = Counter(done[fit]["status"] for fit in mine if fit in done)
        cpu = sum(done[fit]["fit"]["cpu"] for fit in mine if fit in done and "fit" in done[fit])
        said = ", ".join(f"{count} {how}" for how, count in ended.items()) or "none"
        print(f"{method.name:<22} {said} of {len(mine)}; {cpu:.0f} s of processor time to fit")


def tell(chosen: argparse.Namespace) -> None:
    found = records.read(chosen.cache / "results.jsonl")
    tables = [facts_of(chosen.cache / "data", entry.name) for entry in ENTRIES]
    begun = {method for _, _, method in found}
    compared = [method for method in _methods(chosen) if method.name in begun]
    names = [method.name for method in compared]
    if not any(method.ranked for method in compared):
        raise SystemExit("There is nothing to rank yet; run some methods first.")
    if chosen.against and chosen.against not in names:
        raise SystemExit(f"{chosen.against!r} has no results; there are {', '.join(names)}.")
    print(report.everything(compared, tables, found, chosen.splits, chosen.against))
    if chosen.condense is not None:
        chosen.condense.write_text(report.condensed(found, tables), "utf-8")
