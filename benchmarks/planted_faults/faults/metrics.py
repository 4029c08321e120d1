"""Faults in metrics."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/metrics",),
    faults=(
        Fault(
            "weights forgotten in the divisor",
            "chainrule.metrics.accuracy",
            "weight.sum()",
            "len(weight)",
        ),
        Fault(
            "absent classes count",
            "chainrule.metrics.balanced_accuracy_score",
            "recalls[~np.isnan(recalls)]",
            "np.nan_to_num(recalls)",
        ),
        Fault(
            "the k worst",
            "chainrule.metrics.top_k_accuracy",
            "np.argpartition(scores, -k, axis=1)[:, -k:]",
            "np.argpartition(scores, k - 1, axis=1)[:, :k]",
        ),
        Fault(
            "precision for recall",
            "chainrule.metrics.recall_score",
            "averaged(hits, true, true, average, zero_division)",
            "averaged(hits, _, true, average, zero_division)",
        ),
        Fault(
            "weighted by predictions",
            "chainrule.metrics.precision_recall.f1_score",
            "averaged(2 * hits, true + predicted, true, average, zero_division)",
            "averaged(2 * hits, true + predicted, predicted, average, zero_division)",
        ),
        Fault(
            "ties count in full",
            "chainrule.metrics.roc.area",
            "before + down / 2",
            "before + down",
        ),
        Fault(
            "root of the mean over outputs",
            "chainrule.metrics.root_mean_squared_error",
            "(np.sqrt(mean) * size).mean()",
            "np.sqrt((mean * size**2).mean())",
        ),
        Fault(
            "mean without weights",
            "chainrule.metrics.r2_score",
            "weight @ true / weight.sum()",
            "true.mean(axis=0)",
        ),
        Fault(
            "ends of the curve cut off",
            "chainrule.metrics.roc_curve",
            "np.concatenate([[True], bent, [True]])",
            "np.concatenate([[False], bent, [True]])",
        ),
        Fault(
            "not halved for two classes",
            "chainrule.metrics.brier_score_loss",
            "score / 2 if p.shape[1] == 2 else score",
            "score",
        ),
    ),
)
