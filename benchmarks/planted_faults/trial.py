"""A copy of the project, and its tests run on it with a fault in one file."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import chainrule
from benchmarks.planted_faults.fault import Fault

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(chainrule.__file__).resolve().parent
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "*.egg-info", "build")
LIMIT = 1800
"""Seconds after which a run of tests counts as one that hangs."""

NOTHING_FAILED, SOMETHING_FAILED, INTERRUPTED = 0, 1, 2


@dataclass
class Run:
    """What one run of tests found.

    ``test`` is the first test that failed, empty where all passed.
    """

    test: str
    seconds: float


class Copy:
    """A copy of the project in a folder, to plant faults in."""

    def __init__(self, folder: Path, deselect: Sequence[str] = ()) -> None:
        self.root = folder / "project"
        self.deselect = [f"--deselect={test}" for test in deselect]
        shutil.copytree(ROOT, self.root, ignore=LEFT_OUT)
        variables = {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        self.environment = {**os.environ, **variables}
        self.environment.pop("PYTEST_ADDOPTS", None)
        told = self._python("-c", "import chainrule; print(chainrule.__file__)").stdout.strip()
        if Path(told).parent != self.root / "chainrule":
            raise RuntimeError(f"the copy's tests would import {told}, not the copy's package")

    @contextlib.contextmanager
    def with_fault(self, fault: Fault) -> Iterator[None]:
        """Have a fault in the copy for so long."""
        original, text = fault.plant()
        file = self.root / "chainrule" / original.relative_to(PACKAGE)
        file.write_text(text, "utf-8")
        try:
            yield
        finally:
            shutil.copyfile(original, file)

    def run(self, tests: Sequence[str], marker: str, *more: str) -> Run:
        """Run tests until the first one fails."""
        arguments = ("-m", "pytest", "-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider")
        start = time.perf_counter()
        try:
            done = self._python(*arguments, "-m", marker, *self.deselect, *more, *tests)
        except subprocess.TimeoutExpired:
            return Run("(it hangs)", time.perf_counter() - start)
        seconds = time.perf_counter() - start
        if done.returncode == NOTHING_FAILED:
            return Run("", seconds)
        failed = re.search(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - |$)", done.stdout, re.M)
        if done.returncode not in (SOMETHING_FAILED, INTERRUPTED):
            raise RuntimeError(f"pytest failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return Run(failed[1] if failed else "(it does not end properly)", seconds)

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
