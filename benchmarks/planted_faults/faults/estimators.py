"""Faults in the estimators for scikit-learn."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/estimators",),
    faults=(
        Fault(
            "labels not decoded",
            "chainrule.estimators.targets.MulticlassTargets.decode",
            "self.classes[outputs.argmax(axis=1)]",
            "outputs.argmax(axis=1)",
        ),
        Fault(
            "any label right instead of all",
            "chainrule.estimators.targets.MultilabelTargets.score",
            "((outputs > 0.5) == (encoded > 0.5)).all(axis=1)",
            "((outputs > 0.5) == (encoded > 0.5)).any(axis=1)",
        ),
        Fault(
            "predictions in standard units",
            "chainrule.estimators.targets.RegressionTargets.in_units",
            "outputs * self.scaler.std",
            "outputs",
        ),
        Fault(
            "targets standardized without weights",
            "chainrule.estimators.targets.RegressionTargets.fit",
            "np.average((y - mean) ** 2, axis=0, weights=weight)",
            "np.average((y - mean) ** 2, axis=0)",
        ),
        Fault(
            "absent classes counted in the balance",
            "chainrule.estimators.validation.multiply_class_weight",
            "present.sum()",
            "len(present)",
        ),
        Fault(
            "temperature multiplied",
            "chainrule.estimators.calibration.fit_temperature",
            "logits / temperature",
            "logits * temperature",
        ),
        Fault(
            "one row too few in the interval",
            "chainrule.estimators.calibration.interval_half_width",
            "(rows + 1) * coverage",
            "rows * coverage",
        ),
        Fault(
            "mean of logarithms",
            "chainrule.estimators.calibration.log_mean",
            "highest + np.log(np.einsum('k,k...->...', counts, np.exp(log_p - highest)))",
            "np.einsum('k,k...->...', counts, log_p)",
        ),
    ),
)
