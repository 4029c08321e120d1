"""Conditions of batch normalisation: small batches, predictions that differ from training."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.condition import Condition, Evidence, Finding
from chainrule.doctor.conditions.examination import Examination
from chainrule.doctor.conditions.setup import TrainingSetup
from chainrule.layers import BatchNorm
from chainrule.network import Network

BATCH_SIZE = 32
MOMENTUM = 0.1
"""What is usual."""


def batch_norms(network: Network) -> dict[str, BatchNorm]:
    """Return the layers that normalise over the batch, by path."""
    modules = network.named_modules()
    return {path: module for path, module in modules.items() if isinstance(module, BatchNorm)}


def gap(exam: Examination) -> tuple[float, bool]:
    """Return the loss in prediction relative to that in training, and whether it is too high."""
    train, predict = exam.gaps or (float("nan"), float("nan"))
    return predict / max(train, 1e-12), predict > t.GAP * train + t.LEAST_GAP


class SmallBatches(Condition):
    """Batch normalisation with tiny batches.

    Batch normalisation uses the mean and variance of each batch in training, and running means of
    them in prediction. Of a handful of samples they are mostly noise, so what is learned is not
    what is predicted with.
    """

    id = "small-batches-for-batch-norm"
    order = 190
    symptom_of = ("wrong-backward",)
    remedy = """trainer.fit(X, y, batch_size=32)
# or LayerNorm(features) instead of BatchNorm(features)"""

    def find(self, exam: Examination) -> Iterator[Finding]:
        norms = tuple(batch_norms(exam.network))
        if not norms or exam.start is None:
            return
        values = exam.batch_size * exam.positions_per_sample.get(norms[0], 1)
        if values >= t.FEW_FOR_STATISTICS:
            return
        ratio, too_high = gap(exam)
        evidence: list[Evidence] = [
            ("values behind a mean and variance", values, f"{t.FEW_FOR_STATISTICS} or more")
        ]
        if exam.gaps is not None:
            evidence.append(("loss in prediction by that in training", ratio, "about 1"))
        yield self.finding(
            "problem" if values <= 4 or too_high else "warning",
            norms[0],
            f"batch normalisation with batches of {exam.batch_size}: its statistics are of "
            f"{values} values; use larger batches, or LayerNorm",
            *evidence,
            layers=norms,
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str:
        setup.batch_size = BATCH_SIZE
        return f"the batch size is {BATCH_SIZE}"


class TrainPredictGap(Condition):
    """Predictions that differ from training.

    In prediction batch normalisation uses running means over the batches of training. They have not
    converged yet where training was short, the momentum small, or the batches unlike each other.
    """

    id = "train-predict-gap"
    order = 260
    symptom_of = (
        "setup faults",
        "small-batches-for-batch-norm",
        "learning-rate-too-high",
        "learning-rate-too-low",
    )
    remedy = "BatchNorm(features, momentum=0.1)  # and more steps, or larger batches"

    def find(self, exam: Examination) -> Iterator[Finding]:
        tracking = {p: m for p, m in batch_norms(exam.network).items() if m.track_running_stats}
        norms, (ratio, too_high) = tuple(tracking), gap(exam)
        if not norms or exam.gaps is None or not too_high:
            return
        train, predict = exam.gaps
        yield self.finding(
            "warning",
            norms[0],
            f"the same batch has the loss {train:.3g} in training and {predict:.3g} in prediction",
            ("loss in prediction by that in training", ratio, "about 1"),
            layers=norms,
        )

    def treat(self, setup: TrainingSetup, finding: Finding) -> str | None:
        network = copy.deepcopy(setup.network)
        momenta = [(norm, norm.momentum) for norm in batch_norms(network).values()]
        slow = [norm for norm, momentum in momenta if momentum is not None and momentum < MOMENTUM]
        if not slow:
            return None
        for norm in slow:
            norm.momentum = MOMENTUM
        setup.replace_network(network)
        return f"batch normalisation has the momentum {MOMENTUM:g}, so its running means converge"
