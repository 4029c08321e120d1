"""The doctor: what keeps a network from learning, why, and what to do about it.

conditions/      everything that can be wrong, one class each: how it is found, explained, treated
diagnosis.py     before training: `diagnose`
examination.py   measures what the conditions look at; trial.py: short trainings on copies
callback.py      during training: the callback `Doctor`
report.py page.py   what was found, as text and as an HTML page
prescription.py  a training set-up with the remedies applied; prescribing.py: how it is put together
rebuilding.py    networks with something changed

The trainer shows what `conditions` finds before the first step. So importing this package loads
nothing else: what trains is loaded when one of the names below is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.doctor.callback import Doctor
    from chainrule.doctor.diagnosis import diagnose

FILES = {"Doctor": "callback", "diagnose": "diagnosis"}

__all__ = ["Doctor", "diagnose"]


def __getattr__(name: str) -> Any:
    """Load a name from its file when it is first used."""
    if name in FILES:
        return getattr(importlib.import_module(f"chainrule.doctor.{FILES[name]}"), name)
    raise AttributeError(f"module 'chainrule.doctor' has no attribute {name!r}")
