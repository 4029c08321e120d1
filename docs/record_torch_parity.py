"""Run the tests marked `torch`, and write down which classes of chainrule they hold to PyTorch.

    python docs/record_torch_parity.py

A class counts where a test that passed calls its forward, backward, step or __call__ itself; what
happens to run inside another module, or was drawn by a constructor, does not. A network of a single
layer computes what that layer does, so the layer counts with it. The result is
docs/torch_parity.json, from which docs/layers.md is made.
"""

from __future__ import annotations

import argparse
import functools
import inspect
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule

ROOT = Path(__file__).parents[1]
COMMAND = "python docs/record_torch_parity.py"
WATCHED = {
    "forward": "values",
    "predict": "values",
    "backward": "gradients",
    "step": "steps",
    "__call__": "values",
}
"""What a call of each method by a test shows about the class."""


def classes() -> Iterator[type]:
    """Yield every class that chainrule defines."""
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] == chainrule.__name__:
            for _, thing in inspect.getmembers(module, inspect.isclass):
                if thing.__module__ == name:
                    yield thing


def is_ours(cls: type) -> bool:
    """Whether chainrule defines this class, and no test."""
    return cls.__module__.split(".")[0] == chainrule.__name__


def held(thing: Any) -> Iterator[type]:
    """Yield the classes that are compared where a test calls this one: a lone layer's too."""
    yield type(thing)
    if isinstance(thing, chainrule.Sequential | chainrule.Network) and len(thing) == 1:
        yield from held(thing[0])


class Recorder:
    """A pytest plugin that notes which classes each passing test calls itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now: set[tuple[str, str]] = set()  # (class, what it shows) in the running test
        self.tests: dict[str, set[str]] = defaultdict(set)
        self.shown: dict[str, set[str]] = defaultdict(set)
        for cls in classes():
            for method in WATCHED.keys() & vars(cls).keys():
                setattr(cls, method, self.watched(vars(cls)[method], WATCHED[method]))

    def watched(self, method: Callable[..., Any], shows: str) -> Callable[..., Any]:
        """Return the method, watched for calls that come out of a file of the tests."""

        @functools.wraps(method)
        def call(self_: Any, *args: Any, **kwargs: Any) -> Any:
            if Path(sys._getframe(1).f_code.co_filename).is_relative_to(self.folder):
                self.now |= {(cls.__name__, shows) for cls in held(self_) if is_ours(cls)}
            return method(self_, *args, **kwargs)

        return call

    def pytest_runtest_setup(self) -> None:
        self.now.clear()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            for name, shows in self.now:
                self.tests[name].add(report.nodeid)
                self.shown[name].add(shows)

    def result(self) -> str:
        """Return the content of torch_parity.json, one line a class."""
        classes = [
            f"    {json.dumps(name)}: "
            + json.dumps({"shown": sorted(self.shown[name]), "tests": len(self.tests[name])})
            for name in sorted(self.tests)
        ]
        version = torch.__version__.split("+")[0]
        head = f'  "command": "{COMMAND}",\n  "torch": "{version}",\n  "classes": {{\n'
        return "{\n" + head + ",\n".join(classes) + "\n  }\n}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests and write the file; nothing is written if one of them fails."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=main.__doc__)
    parser.add_argument("--tests", type=Path, default=ROOT / "tests")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "torch_parity.json")
    options = parser.parse_args(arguments)
    recorder = Recorder(options.tests.resolve())
    ini = str(ROOT / "pyproject.toml")
    chosen = ["-c", ini, str(options.tests), "-m", "torch", "-q", "-n", "0"]  # in this process
    status = pytest.main(chosen, plugins=[recorder])
    if status != pytest.ExitCode.OK:
        print("Not every test passed; nothing was written.")
        return int(status)
    options.output.write_text(recorder.result(), encoding="utf-8")
    print(f"{len(recorder.tests)} classes written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
