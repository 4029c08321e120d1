"""Which kernels and threads are fastest here: measured once, remembered in a file, then used.

What can be chosen are variables that OpenBLAS reads when Python starts. So a program that is to
run with them is started anew (`restart_with_fastest`), once: it finds them set then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from chainrule.command.writing import write_text
from chainrule.errors import ConfigurationError
from chainrule.extras import require
from chainrule.machine import ROUNDS, WIDE_KERNEL, WORTH_SAYING, environment

OFF = "CHAINRULE_AS_IT_IS"
"""Where this variable is set, nothing is measured and nothing started anew."""

KERNEL, THREADS = "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS"

TIMED_STEP = """
import time
import numpy as np
x = np.ones((8, 256, 128), np.float32)
w = np.ones((8, 128, 128), np.float32)
wide, v = np.ones((128, 784), np.float32), np.ones((784, 256), np.float32)
seconds = []
for _ in range(60):
    start = time.perf_counter()
    x @ w, x.transpose(0, 2, 1) @ x, wide @ v
    seconds.append(time.perf_counter() - start)
print(np.median(seconds))
"""
"""The products of a step: a stack of eight networks 128-128, and a layer 784-256."""


@dataclass(frozen=True)
class Fastest:
    """What was measured.

    Attributes
    ----------
    settings : dict of str to str
        Variables to set before Python starts; empty where it is fastest as it is.
    gain : float
        How many times faster the products of a training step are with them.
    """

    settings: dict[str, str]
    gain: float

    def __str__(self) -> str:
        if not self.settings:
            return "this machine is fastest as it is"
        told = " ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"{told}, {self.gain:.1f} times as fast here"


def fastest() -> tuple[Fastest, bool]:
    """Return the fastest settings, and whether they had to be measured now."""
    kept = remembered()
    if kept is not None:
        return kept, False
    click.echo("chainrule: measuring once which kernels and threads are fastest here ...", err=True)
    return measure(), True


def measure() -> Fastest:
    """Measure, remember and return the fastest settings."""
    found = environment(measure=True)
    settings = {KERNEL: WIDE_KERNEL} if found.advice else {}
    if "openblas" in found.blas and found.cores > 1:
        one = {**settings, THREADS: "1"}
        if gain_of(one, over=settings) >= WORTH_SAYING:
            settings = one
    gain = gain_of(settings, over={}) if settings else 1.0
    measured = Fastest(settings, gain) if gain >= WORTH_SAYING else Fastest({}, 1.0)
    _remember(measured)
    return measured


def gain_of(settings: dict[str, str], over: dict[str, str]) -> float:
    """Return how many times faster a step's products are, the two taking turns."""
    turns = [seconds_of_a_step(over) / seconds_of_a_step(settings) for _ in range(ROUNDS)]
    return float(np.median(turns))


def seconds_of_a_step(settings: dict[str, str]) -> float:
    """Return the time of a step's products in a fresh process with these variables alone."""
    plain = {name: value for name, value in os.environ.items() if name not in (KERNEL, THREADS)}
    done = subprocess.run(
        [sys.executable, "-c", TIMED_STEP],
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
        settings, gain = dict(kept["settings"]), float(kept["gain"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not all(name in (KERNEL, THREADS) and isinstance(settings[name], str) for name in settings):
        return None
    return Fastest(settings, gain)


def _remember(measured: Fastest) -> None:
    """Write it down; where that is not allowed it will be measured again."""
    kept = {"settings": measured.settings, "gain": measured.gain}
    text = json.dumps({machine_key(): kept}, indent=1)
    try:
        write_text(cache_file(), text)
    except OSError:
        click.echo(f"chainrule: {cache_file()} cannot be written; it is measured again.", err=True)


# ---------------------------------------------------------------- used


def settings_to_add() -> dict[str, str]:
    """Return the variables to set; what the user has set stays as it is."""
    found, _ = fastest()
    return {name: value for name, value in found.settings.items() if name not in os.environ}


def restart_with_fastest() -> None:
    """Start this program anew with the fastest settings, unless it has them already.

    The program that is started finds the variables set, so it goes on and starts no other.
    """
    if OFF in os.environ or not sys.orig_argv:
        return
    settings = settings_to_add()
    if settings:
        click.echo(f"chainrule: started anew with {fastest()[0]}", err=True)
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
