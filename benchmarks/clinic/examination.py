"""One patient: the healthy twin, the untreated one, what the doctor says, and the treated one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.clinic.patients import Patient, healthy, ill
from benchmarks.clinic.setup import Setup, score, train
from chainrule import ChainruleError, diagnose
from chainrule.doctor.conditions.condition import SEVERITIES
from chainrule.doctor.prescription import Prescription
from chainrule.doctor.report import Report

Record = dict[str, Any]

TWINS = 3
"""Healthy twins of other initial weights and order: their median is the healthy score. As many
draws of a patient are treated, and as many more healthy twins are the control: how often their
median is not as good is what chance alone makes of the figure."""


def examine(patient: Patient) -> Record:
    """Return what came of a patient, in numbers and names that JSON can say."""
    sick = ill(patient)
    assert sick is not None
    well = sick.twin or healthy(patient)
    record: Record = {
        "key": patient.key,
        "part": patient.part,
        "number": patient.number,
        "data": patient.data,
        "architecture": patient.architecture,
        "diseases": [name for name, _ in patient.diseases],
        "strengths": [strength for _, strength in patient.diseases],
        "classes": well.classes,
    }
    twins = [train(replace(well, seed=well.seed + k)) for k in range(2 * TWINS)]
    scores = [score for score, _, _ in twins]
    record["twins"], record["controls"] = scores[:TWINS], scores[TWINS:]
    record["healthy"] = float(np.median(record["twins"]))
    record["seconds"] = twins[0][2]
    record["treatments"] = []
    for k in range(TWINS if patient.diseases else 1):
        see_the_doctor(replace(sick, seed=sick.seed + k), record)
    return record


def see_the_doctor(sick: Setup, record: Record) -> None:
    """Write down what is said of one draw of a patient (of the first), and what came of it."""
    began = time.process_time()
    report = before = diagnosis(sick)
    seconds = time.process_time() - began
    first_draw = "first" not in record
    if first_draw or all(finding.severity == "note" for finding in before.findings):
        untreated, watched, _ = train(sick, doctor=True)
        report = before if watched is None else told_first(before, watched)
    if first_draw:
        record["untreated"], record["diagnosis_seconds"] = untreated, seconds
        record["before"], record["during"] = named(before), named(watched)
        record["first"] = report.findings[0].id if report.findings else ""
        told = [*record["before"], *record["during"]]
        record["found"] = [name for name, _ in told]
        record["problems"] = sorted({name for name, severity in told if severity == "problem"})
    if record["diseases"]:
        plan = report.prescribe()
        record.setdefault("changes", [f"{name}: {what}" for name, what in plan.changes])
        record["treatments"].append(treated(sick, plan))


def told_first(before: Report, watched: Report) -> Report:
    """Return the report whose first finding is the graver one, or else the root."""

    def weight(report: Report) -> tuple[int, int]:
        if not report.findings:
            return len(SEVERITIES), 0
        first = report.findings[0]
        return first.gravity, first.condition.order

    return min((before, watched), key=weight)


def diagnosis(setup: Setup) -> Report:
    """Return what `diagnose` says before training."""
    return diagnose(
        setup.network(),
        setup.X,
        setup.y,
        loss=setup.loss,
        optimizer=setup.optimizer(),
        validation_data=setup.validation,
        batch_size=setup.batch_size,
        epochs=setup.epochs,
        class_weight=setup.class_weight,
    )


def named(report: Report | None) -> list[tuple[str, str]]:
    """Return each finding's name and severity, roots first."""
    if report is None:
        return []
    roots = [(f.id, f.severity) for f in report.findings]
    return roots + [(c.id, c.severity) for f in report.findings for c in f.consequences]


def treated(setup: Setup, plan: Prescription) -> float:
    """Return the score of a training as it was prescribed."""
    options: dict[str, Any] = {"progress": False, "seed": setup.seed}
    if setup.validation is not None:
        options["validation_data"] = setup.validation
    try:
        plan.fit(setup.X, setup.y, **options)
    except (ChainruleError, ArithmeticError):
        return 0.0 if setup.classes else -1.0

    def predict(X: Any) -> Any:
        X, _ = plan.prepare(X, placeholder(setup, X))
        out = plan.network.predict(X)
        back = plan.network.target_preparation
        return out if back is None else back.inverse_transform(out)

    return score(setup, predict)


def placeholder(setup: Setup, X: Any) -> Any:
    """Return targets that no preparation of rows leaves out, to send inputs alone through it."""
    middle = setup.y[np.argsort(setup.y.reshape(len(setup.y), -1)[:, 0])[len(setup.y) // 2]]
    return np.repeat(middle[None], len(X), axis=0)


def harmed(record: Record) -> bool:
    """Whether the disease does measurable harm: two points or five per cent of what is missing."""
    return worse(record["untreated"], min(record["twins"]))


def cured(record: Record) -> bool:
    """Whether the treated one is as good as the healthy twin, within the same bounds."""
    return not worse(float(np.median(record["treatments"])), record["healthy"])


def control(record: Record) -> bool:
    """Whether further healthy twins are, by the same measure."""
    return not worse(float(np.median(record["controls"])), record["healthy"])


def worse(score: float, healthy: float) -> bool:
    return healthy - score > max(0.02, 0.05 * (1 - healthy))
