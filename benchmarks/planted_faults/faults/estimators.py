"""Faults in the estimators for scikit-learn."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/estimators",),
    faults=(
        Fault(
            "labels not decoded",
            "chainrule.estimators.targets.OneClass.decode",
            "self.classes[probabilities.argmax(axis=1)]",
            "probabilities.argmax(axis=1)",
        ),
        Fault(
            "any label right instead of all",
            "chainrule.estimators.targets.YesOrNo.score",
            "((probabilities > 0.5) == (encoded > 0.5)).all(axis=1).mean()",
            "((probabilities > 0.5) == (encoded > 0.5)).any(axis=1).mean()",
        ),
        Fault(
            "predictions in standard units",
            "chainrule.estimators.targets.Numbers.in_units",
            "predictions * self.scaler.std + self.scaler.mean",
            "predictions + self.scaler.mean",
        ),
        Fault(
            "targets standardized without weights",
            "chainrule.estimators.targets.weighted_standardizer",
            "np.average((y - mean) ** 2, axis=0, weights=weight)",
            "np.average((y - mean) ** 2, axis=0)",
        ),
        Fault(
            "absent classes counted in the balance",
            "chainrule.estimators.rows._of_each_class",
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
