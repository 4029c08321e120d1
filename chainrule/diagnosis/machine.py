"""What computes here: NumPy, its BLAS and the processor; and what would make it faster."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["Environment", "environment"]

WIDE_KERNEL = "SKYLAKEX"
"""OpenBLAS's first kernel for AVX-512, which every processor with that can run."""

NARROW_KERNELS = ("haswell", "zen")
"""Its kernels for AVX2, which it also chooses on AMD processors that have AVX-512."""

WORTH_SAYING = 1.1
ROUNDS = 3

TIMED_PRODUCT = """
import time
import numpy as np
a = np.ones((1024, 1024), np.float32)
a @ a
seconds = []
for _ in range(10):
    start = time.perf_counter()
    a @ a
    seconds.append(time.perf_counter() - start)
print(min(seconds))
"""


@dataclass(frozen=True)
class Environment:
    """What `environment` found; printing it gives a line for each.

    Attributes
    ----------
    python, numpy : str
        Versions.
    blas : str
        The library that multiplies matrices for NumPy, and its version.
    kernel : str or None
        Which of its parts, made for different processors, it chose for this one.
    threads : int or None
        How many threads it uses.
    cores : int
        How many processors this process may run on.
    features : tuple of str
        What the processor has, of what NumPy knows to use.
    wide_kernel_gain : float or None
        How many times faster the AVX-512 kernel multiplied float32 matrices, where it was measured.

    kernel and threads are None where the package threadpoolctl, which tells them, is not installed.
    """

    python: str
    numpy: str
    blas: str
    kernel: str | None
    threads: int | None
    cores: int
    features: tuple[str, ...]
    wide_kernel_gain: float | None = None

    @property
    def advice(self) -> str:
        """What would make this machine faster, in one sentence; empty unless it was measured so."""
        if self.wide_kernel_gain is None or self.wide_kernel_gain < WORTH_SAYING:
            return ""
        return (
            f"With OPENBLAS_CORETYPE={WIDE_KERNEL} set before Python starts, float32 matrix "
            f"products are {self.wide_kernel_gain:.1f} times as fast here."
        )

    def __str__(self) -> str:
        unknown = "unknown (pip install threadpoolctl to see it)"
        lines = [
            f"Python   {self.python}",
            f"NumPy    {self.numpy}",
            f"BLAS     {self.blas}",
            f"kernel   {self.kernel or unknown}",
            f"threads  {self.threads or unknown}, on {self.cores} processor(s)",
            f"CPU has  {' '.join(self.features)}",
        ]
        return "\n".join(lines + [self.advice] * bool(self.advice))


def environment(measure: bool = False) -> Environment:
    """Return what computes here: NumPy, BLAS, kernel, threads, processor.

    Parameters
    ----------
    measure : bool
        Whether to try, for some seconds and in processes of its own, if another kernel is faster.
        It is tried where OpenBLAS runs AVX2 kernels on a processor with AVX-512. Nothing is
        changed, neither here nor in the environment.

    Examples
    --------
    >>> print(chainrule.environment(measure=True))  # doctest: +SKIP
    """
    config: Any = np.show_config(mode="dicts")
    built_with = config["Build Dependencies"]["blas"]
    loaded = loaded_blas()
    found = Environment(
        python=sys.version.split()[0],
        numpy=np.__version__,
        blas=f"{built_with['name']} {built_with['version']}",
        kernel=loaded.get("architecture"),
        threads=loaded.get("num_threads"),
        cores=cores(),
        features=(*config["SIMD Extensions"]["baseline"], *config["SIMD Extensions"]["found"]),
    )
    if measure and may_gain(found):
        return replace(found, wide_kernel_gain=wide_kernel_gain())
    return found


def loaded_blas() -> dict[str, Any]:
    """Return what threadpoolctl tells about NumPy's BLAS; nothing if it is not installed."""
    with contextlib.suppress(ImportError):
        libraries = importlib.import_module("threadpoolctl").threadpool_info()
        libraries = [info for info in libraries if info["user_api"] == "blas"]
        own = [info for info in libraries if "numpy" in info["filepath"]]
        return next(iter(own + libraries), {})
    return {}


def cores() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def may_gain(found: Environment) -> bool:
    """Return whether an AVX-512 kernel could run here, and perhaps does not."""
    wide = any(feature == "X86_V4" or "AVX512" in feature for feature in found.features)
    narrow = found.kernel is None or found.kernel.lower() in NARROW_KERNELS
    return wide and narrow and "openblas" in found.blas


def wide_kernel_gain() -> float:
    """Return how many times faster a product is with the AVX-512 kernel, taking turns."""
    wide = {"OPENBLAS_CORETYPE": WIDE_KERNEL}
    rounds = range(ROUNDS)
    return float(np.median([seconds_of_a_product({}) / seconds_of_a_product(wide) for _ in rounds]))


def seconds_of_a_product(settings: dict[str, str]) -> float:
    """Return the time of a float32 product in a fresh process with these environment variables."""
    import subprocess  # late, for a quick import of the package

    done = subprocess.run(
        [sys.executable, "-c", TIMED_PRODUCT],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)
