"""The doctor at work: what `chainrule.diagnosis.doctor` knows, asked of a network in training.

diagnose.py      before training: the door
examination.py   looks at a case, and has it tried on copies; trial.py: short trainings on copies
callback.py      Doctor: watches a training
report.py page.py what is found, as text and as a page
prescription.py  a training set-up that can be run, and what was changed in it
prescribing.py   from findings to a prescription; remedies.py: what is done about each condition;
                 rebuilding.py: networks with something changed
"""

from chainrule.training.doctor.callback import Doctor
from chainrule.training.doctor.diagnose import diagnose
from chainrule.training.doctor.prescription import Prescription
from chainrule.training.doctor.report import Report

__all__ = ["Doctor", "Prescription", "Report", "diagnose"]
