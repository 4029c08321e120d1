"""What NumPy computes with here: its BLAS, the processor; and what may make it faster."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Environment", "environment"]

AVX512_KERNEL = "SKYLAKEX"
"""OpenBLAS's first kernel for AVX-512, which runs on every processor with AVX-512."""

AVX2_KERNELS = ("haswell", "zen")
"""OpenBLAS's kernels for AVX2, which it also uses on AMD processors with AVX-512."""


@dataclass(frozen=True)
class Environment:
    """What `environment` found; it prints as one line for each attribute.

    Attributes
    ----------
    python, numpy : str
        Versions.
    blas : str
        The library that multiplies matrices for NumPy, and its version.
    kernel : str or None
        The part of that library that was chosen for this processor.
    threads : int or None
        The number of threads that it uses.
    cores : int
        The number of processors that this process may run on.
    features : tuple of str
        The processor's instruction sets that NumPy can use.

    kernel and threads are None unless the package threadpoolctl is installed.
    """

    python: str
    numpy: str
    blas: str
    kernel: str | None
    threads: int | None
    cores: int
    features: tuple[str, ...]

    @property
    def advice(self) -> list[str]:
        """Environment variables that may make computing faster here, a sentence each.

        OpenBLAS reads them when Python starts. Nothing was measured: compare your own program
        with and without them.
        """
        if "openblas" not in self.blas:
            return []
        advice = []
        avx512 = any(feature == "X86_V4" or "AVX512" in feature for feature in self.features)
        if avx512 and (self.kernel or "").lower() in AVX2_KERNELS:
            advice.append(
                f"OPENBLAS_CORETYPE={AVX512_KERNEL}, set before Python starts, may speed up large "
                "matrix products: the processor has AVX-512, but the kernel only uses AVX2."
            )
        if (self.threads or 1) > 1:
            advice.append(
                "OPENBLAS_NUM_THREADS=1, set before Python starts, may speed up small networks: "
                "their matrix products are too small to be shared among threads."
            )
        return advice

    def __str__(self) -> str:
        unknown = "unknown (pip install threadpoolctl to see it)"
        processors = f"{self.cores} processor" + "s" * (self.cores != 1)
        lines = [
            f"Python   {self.python}",
            f"NumPy    {self.numpy}",
            f"BLAS     {self.blas}",
            f"kernel   {self.kernel or unknown}",
            f"threads  {self.threads or unknown}, on {processors}",
            f"CPU has  {' '.join(self.features) or 'unknown'}",
        ]
        return "\n".join(lines + self.advice)


def environment() -> Environment:
    """Return what NumPy computes with here: its BLAS, kernel, threads and processor.

    Examples
    --------
    >>> print(environment())  # doctest: +SKIP
    Python   3.11.7
    NumPy    2.4.6
    BLAS     scipy-openblas 0.3.31.188.0
    kernel   Haswell
    threads  2, on 2 processors
    CPU has  X86_V2 X86_V3
    OPENBLAS_NUM_THREADS=1, set before Python starts, may speed up small networks: ...
    """
    config: Any = np.show_config(mode="dicts")  # it tells only what it knows
    built_with = config.get("Build Dependencies", {}).get("blas", {})
    extensions = config.get("SIMD Extensions", {})
    loaded = loaded_blas()
    return Environment(
        python=sys.version.split()[0],
        numpy=np.__version__,
        blas=f"{built_with.get('name', 'unknown')} {built_with.get('version', '')}".rstrip(),
        kernel=loaded.get("architecture"),
        threads=loaded.get("num_threads"),
        cores=cores(),
        features=(*extensions.get("baseline", ()), *extensions.get("found", ())),
    )


def loaded_blas() -> dict[str, Any]:
    """Return what threadpoolctl knows of NumPy's BLAS; empty if it is not installed."""
    with contextlib.suppress(ImportError):
        libraries = importlib.import_module("threadpoolctl").threadpool_info()
        libraries = [info for info in libraries if info["user_api"] == "blas"]
        own = [info for info in libraries if "numpy" in info["filepath"]]
        return next(iter(own + libraries), {})
    return {}


def cores() -> int:
    """Return the number of processors that this process may run on."""
    with contextlib.suppress(AttributeError, OSError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
