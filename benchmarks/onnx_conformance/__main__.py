"""Put ONNX's node cases to chainrule: python -m benchmarks.onnx_conformance [operator ...]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.onnx_conformance import report
from benchmarks.onnx_conformance.adapters import COUNTERPARTS
from benchmarks.onnx_conformance.cases import NodeCase, collect
from benchmarks.onnx_conformance.outcome import FAILED, run


def conformance(cases: Sequence[NodeCase], expanded: int) -> report.Report:
    """Run all of ONNX's cases that have a counterpart."""
    import onnx

    results = [run(c, COUNTERPARTS[c.operator]) for c in cases if c.operator in COUNTERPARTS]
    return report.make(onnx.__version__, expanded, len(cases), COUNTERPARTS, results)


def main(arguments: Sequence[str] | None = None) -> int:
    """Put ONNX's node cases to chainrule and print the table; return 1 if a case failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.onnx_conformance", description=main.__doc__
    )
    parser.add_argument("operators", nargs="*", help="show every case of these operators")
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"write {report.RESULTS.name} and {report.PAGE.name}",
    )
    options = parser.parse_args(arguments)
    result = conformance(*collect())
    print(report.table(result))
    print(f"\n{result.expanded} expanded and {result.elsewhere} of other operators stand aside.")
    for case in result.results:
        if case.outcome == FAILED or case.operator in options.operators:
            print(f"{case.outcome:16}{case.name}  {case.part}  {case.note}")
    if options.write:
        report.write(result)
    return int(any(case.outcome == FAILED for case in result.results))


if __name__ == "__main__":
    sys.exit(main())
