"""Who does the work: chainrule, its peers, and the floor beneath them all.

The floor is the work's matrix products alone; for an import it is NumPy's.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.work import Skip, Work

ROOT = Path(__file__).parents[2]

TIMED_IMPORT = """
import time
start = time.perf_counter()
import {}
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Side:
    """One column of the table.

    `file` is the file of this folder that does its work, `jobs` the name of its functions there,
    by kind of work. `package` must be installed, `imported` is what "import" times, and `script`
    what "script" runs. `ranks` is how many processes `mpiexec` starts for it; 0 is without it. One
    that is `extra` is measured only where it is asked for by name.
    """

    name: str
    title: str
    file: str
    jobs: str
    package: str
    imported: str = ""
    script: str = ""
    ranks: int = 0
    extra: bool = False

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def command(self, work: Work) -> list[str] | None:
        """Return the command that does this work as a process of its own; None if it is a job."""
        chosen = {"import": self.imported, "script": self.script}.get(work.kind)
        if chosen is None:
            return None
        if not chosen:
            raise Skip(f"no {work.kind} of {self.title}")
        code = ["-c", TIMED_IMPORT.format(chosen)]
        return [sys.executable, *(code if work.kind == "import" else [chosen])]


OURS = Side("chainrule", "chainrule", "ours", "JOBS", "numpy", "chainrule", "iris_example.py")
FLOOR = Side("floor", "floor", "floor", "JOBS", "numpy", "numpy")

SIDES = {
    side.name: side
    for side in (
        OURS,
        FLOOR,
        Side("bare", "bare NumPy", "bare", "JOBS", "numpy"),
        Side("loop", "loop by hand", "ours", "BY_HAND", "numpy"),
        Side("one", "one network", "ours", "ONE", "numpy"),
        Side("alone", "1 worker, 1 BLAS thread", "ours", "ALONE", "threadpoolctl", extra=True),
        Side("blas", "1 worker, BLAS's threads", "ours", "WITH_BLAS", "numpy", extra=True),
        Side("workers", "all workers", "ours", "TOGETHER", "threadpoolctl"),
        Side("rank", "1 rank", "ours", "ON_RANKS", "mpi4py", ranks=1, extra=True),
        Side("ranks", "2 ranks", "ours", "ON_RANKS", "mpi4py", ranks=2, extra=True),
        Side(
            "torch", "PyTorch", "peer_torch", "JOBS", "torch", "torch",
            "benchmarks/speed/iris_torch.py",
        ),
        Side("jax", "JAX, jit", "peer_jax", "JOBS", "jax", "jax"),
        Side("jax-scan", "JAX, scan", "peer_jax", "SCAN", "jax"),
        Side("jax-vmap", "JAX, vmap", "peer_jax", "VMAP", "jax"),
        Side(
            "sklearn", "scikit-learn", "peer_sklearn", "JOBS", "sklearn", "sklearn.neural_network"
        ),
    )
}  # fmt: skip
