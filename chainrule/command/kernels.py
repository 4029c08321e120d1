"""Which kernels and threads are fastest here: measured once, remembered in a file, then used.

What can be chosen are variables that OpenBLAS reads when Python starts. So a program that is to
run with them is started anew (`restart_with_fastest`), once: it finds them set then.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np

from chainrule.checks.extras import require
from chainrule.command.interruption import SIGNALS, cleaned_up_if_interrupted
from chainrule.command.writing import write_text
from chainrule.diagnosis.machine import (
    ROUNDS,
    TIMED_PRODUCT,
    WIDE_KERNEL,
    WORTH_SAYING,
    environment,
)
from chainrule.errors import ConfigurationError

OFF = "CHAINRULE_AS_IT_IS"
"""Where this variable is set, nothing is measured and nothing started anew."""

KERNEL, THREADS = "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS"

TIMED_STEP = """
import time
import numpy as np
x = np.ones((8, 256, 128), np.float32)
w = np.ones((8, 128, 128), np.float32)
seconds = []
for _ in range(40):
    start = time.perf_counter()
    x @ w, x.transpose(0, 2, 1) @ x
    seconds.append(time.perf_counter() - start)
print(np.median(seconds))
"""
"""The products of a hidden layer in a step of `train`: eight networks 128-128, 256 rows."""


@dataclass(frozen=True)
class Fastest:
    """What was measured: 1 where there was nothing to choose.

    Attributes
    ----------
    kernel : float
        How many times faster a large product is with OpenBLAS's kernel for AVX-512.
    thread_in_steps : float
        How many times faster the small products of a training step are with one thread.
    thread_in_products : float
        How many times faster a large product is with one thread: less than 1, most often.
    """

    kernel: float = 1.0
    thread_in_steps: float = 1.0
    thread_in_products: float = 1.0

    @property
    def for_training(self) -> dict[str, str]:
        """Variables for `train`, whose products are small."""
        return (
            self._kernel() | {THREADS: "1"} if self._worth(self.thread_in_steps) else self._kernel()
        )

    @property
    def for_scripts(self) -> dict[str, str]:
        """Variables for programs of any kind: one thread where it gains more than it may lose."""
        both = self.thread_in_steps * self.thread_in_products
        return self._kernel() | {THREADS: "1"} if self._worth(both) else self._kernel()

    def _kernel(self) -> dict[str, str]:
        return {KERNEL: WIDE_KERNEL} if self._worth(self.kernel) else {}

    @staticmethod
    def _worth(gain: float) -> bool:
        return gain >= WORTH_SAYING

    def told(self, settings: dict[str, str]) -> str:
        """Return in a few words what variables do."""
        if not settings:
            return "fastest as it is"
        gains = {
            KERNEL: f"large products {self.kernel:.1f} times as fast",
            THREADS: f"small products {self.thread_in_steps:.1f} times as fast",
        }
        return ", ".join(f"{n}={value} ({gains[n]})" for n, value in settings.items())


def fastest() -> Fastest:
    """Return what is fastest: as it was measured earlier, or is now."""
    kept = remembered()
    if kept is not None:
        return kept
    click.echo("chainrule: measuring once which kernels and threads are fastest here ...", err=True)
    return measure()


def measure() -> Fastest:
    """Measure, remember and return what is fastest."""
    found = environment(measure=True)
    measured = Fastest(kernel=found.wide_kernel_gain or 1.0)
    if "openblas" in found.blas and found.cores > 1:
        several = measured.for_training
        one = {**several, THREADS: "1"}
        measured = replace(
            measured,
            thread_in_steps=gain_of(TIMED_STEP, one, over=several),
            thread_in_products=gain_of(TIMED_PRODUCT, one, over=several),
        )
    _remember(measured)
    return measured


def gain_of(program: str, settings: dict[str, str], over: dict[str, str]) -> float:
    """Return how many times faster a program finds itself with variables, the two taking turns."""
    turns = [seconds_of(program, over) / seconds_of(program, settings) for _ in range(ROUNDS)]
    return float(np.median(turns))


def seconds_of(program: str, settings: dict[str, str]) -> float:
    """Return the seconds that a program prints, in a fresh process with these variables alone."""
    plain = {name: value for name, value in os.environ.items() if name not in (KERNEL, THREADS)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**plain, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


# ---------------------------------------------------------------- remembered


def cache_file() -> Path:
    """Return where it is remembered: a file in the user's folder for caches."""
    folders = require("platformdirs", "cli", "Remembering what is fastest")
    return Path(folders.user_cache_dir("chainrule", appauthor=False)) / "fastest.json"


def machine_key() -> str:
    """Return what a measurement belongs to: another machine or NumPy needs another one."""
    found = environment()
    return f"{found.blas}, NumPy {found.numpy}, {found.cores} cores, {' '.join(found.features)}"


def remembered() -> Fastest | None:
    """Return what was measured earlier on this machine; None if nothing was."""
    try:
        kept = json.loads(cache_file().read_text("utf-8"))[machine_key()]
        return Fastest(**{name: float(gain) for name, gain in kept.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _remember(measured: Fastest) -> None:
    """Write it down; where that is not allowed it will be measured again."""
    text = json.dumps({machine_key(): asdict(measured)}, indent=1)
    try:
        cache_file().parent.mkdir(parents=True, exist_ok=True)
        with cleaned_up_if_interrupted():
            write_text(cache_file(), text)
    except OSError:
        click.echo(f"chainrule: {cache_file()} cannot be written; it is measured again.", err=True)


# ---------------------------------------------------------------- used


def not_set(settings: dict[str, str]) -> dict[str, str]:
    """Return the variables that are not set yet; what the user has set stays as it is."""
    return {name: value for name, value in settings.items() if name not in os.environ}


def restart_with_fastest() -> None:
    """Start this program anew with what is fastest for training, unless it has it already.

    The program that is started finds the variables set, so it goes on and starts no other.
    """
    if OFF in os.environ or KERNEL in os.environ or THREADS in os.environ:
        return
    found = fastest()
    settings = found.for_training
    if settings:
        click.echo(f"chainrule: {found.told(settings)}; measured once", err=True)
        if hasattr(signal, "pthread_sigmask"):  # Python, while it starts, would show a traceback
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        start([sys.executable, *sys.orig_argv[1:]], settings)


def start(command: list[str], settings: dict[str, str]) -> None:
    """Let a command take the place of this program, with these variables; never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    variables = {**os.environ, **settings}
    try:
        if os.name == "nt":  # there, exec returns to the shell before the program has ended
            raise SystemExit(subprocess.run(command, env=variables, check=False).returncode)
        os.execve(command[0], command, variables)
    except OSError as error:
        raise ConfigurationError(f"{command[0]} cannot be started: {error.strerror}.") from error
