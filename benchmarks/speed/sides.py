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
    what "script" runs.
    """

    name: str
    title: str
    file: str
    jobs: str
    package: str
    imported: str = ""
    script: str = ""

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
        Side("workers", "all workers", "ours", "TOGETHER", "threadpoolctl"),
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
