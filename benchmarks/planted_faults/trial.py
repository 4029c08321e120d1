"""A copy of the project, and its tests run on it with a fault in one file."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import chainrule
from benchmarks.planted_faults.fault import Fault

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(chainrule.__file__).resolve().parent
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "*.egg-info", "build")
LIMIT = 1800
"""Seconds after which a run of tests counts as one that hangs."""

ALL_PASSED, SOME_FAILED, INTERRUPTED = 0, 1, 2
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - |$)", re.MULTILINE)


class Run(NamedTuple):
    """The tests that failed in a run, in their order, and the seconds that it took."""

    failed: list[str]
    seconds: float


class Copy:
    """A copy of the project in a folder, to plant faults in."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
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
        if file.read_bytes() != original.read_bytes():
            raise RuntimeError(f"{original} has changed since it was copied; start again")
        file.write_text(text, "utf-8")
        try:
            yield
        finally:
            shutil.copyfile(original, file)

    def run(self, *arguments: str) -> Run:
        """Run pytest."""
        quiet = ("-q", "--tb=no", "-rfE", "-p", "no:cacheprovider")
        start = time.perf_counter()
        try:
            done = self._python("-m", "pytest", *quiet, *arguments)
        except subprocess.TimeoutExpired:
            return Run(["(it hangs)"], time.perf_counter() - start)
        seconds = time.perf_counter() - start
        if done.returncode not in (ALL_PASSED, SOME_FAILED, INTERRUPTED):
            raise RuntimeError(f"pytest failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        failed = FAILED.findall(done.stdout)
        if done.returncode != ALL_PASSED and not failed:
            failed = ["(it does not end properly)"]
        return Run(failed, seconds)

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
