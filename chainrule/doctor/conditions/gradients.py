"""Conditions of the gradients on their way back: vanishing, exploding, owned by a few samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.endings import REGRESSION
from chainrule.doctor.conditions.finding import PROBLEM, WARNING, Evidence, Finding
from chainrule.doctor.conditions.snapshot import LayerNumbers
from chainrule.doctor.conditions.start import cut_off


def flow(case: Case) -> tuple[float, list[LayerNumbers]]:
    """Return the gradient at the first weighing layer by that at the last, and these layers."""
    start = case.start
    layers = [] if start is None else [a for a in start.weighing if math.isfinite(a.gradient)]
    if len(layers) < 2 or layers[-1].gradient <= 0:
        return float("nan"), layers
    return layers[0].gradient / layers[-1].gradient, layers


def vanishing_gradients(case: Case) -> Iterator[Finding]:
    """Find gradients that are as good as 0 when they come to the first layers."""
    ratio, layers = flow(case)
    if case.start is None or not 0 < ratio < t.VANISHING or cut_off(case.start):
        return
    squashing = sum(layer.kind in ("Sigmoid", "Tanh") for layer in case.start.layers)
    yield Finding(
        "vanishing-gradients",
        PROBLEM if ratio < t.VANISHED else WARNING,
        layers[0].path,
        f"the gradient at {layers[0].path} is {ratio:.2g} times that at {layers[-1].path}: the "
        "first layers hardly learn",
        (
            Evidence("gradient at the first layer by the last's", ratio, f"above {t.VANISHING:g}"),
            Evidence("layers between", float(len(layers)), "fewer, or with ReLU and normalisation"),
        ),
        "On its way back the gradient is multiplied by each layer's slope and weights; a sigmoid's "
        "slope is a quarter at most. Many factors below 1 leave nothing for the first layers, so "
        "they stay as they were drawn.",
        ("network = Network([ReLU() if isinstance(layer, (Sigmoid, Tanh)) else layer\n"
         "                   for layer in network.layers[:-1]] + [network.layers[-1]],\n"
         '                  initialization="kaiming", seed=0)'
         if squashing else
         'network = Network(network.layers, initialization="kaiming", seed=0)\n'
         "# or Residual blocks, or a LayerNorm behind each Linear"),
        layers=tuple(layer.path for layer in layers),
    )  # fmt: skip


def exploding_gradients(case: Case) -> Iterator[Finding]:
    """Find gradients that grow on their way back, or from step to step."""
    ratio, layers = flow(case)
    norms = np.asarray(case.gradient_norms, dtype=np.float64)
    median = float(np.median(norms)) if len(norms) else float("nan")
    highest = float(norms.max()) if len(norms) else float("nan")
    if ratio > t.EXPLODED or (math.isinf(ratio) and layers):
        yield _exploding(
            layers[0].path,
            f"the gradient at {layers[0].path} is {ratio:.2g} times that at {layers[-1].path}",
            Evidence("gradient at the first layer by the last's", ratio, f"below {t.EXPLODED:g}"),
            PROBLEM,
        )
    elif len(norms) and (median > t.EXPLODED or not math.isfinite(highest)):
        yield _exploding(
            "all parameters",
            f"the gradient's norm is {median:.3g} in the middle of the steps, at most "
            f"{highest:.3g}",
            Evidence("gradient norm, the steps' median", median, f"below {t.EXPLODED:g}"),
            PROBLEM,
        )
    elif (
        len(norms) >= 20 and highest > t.SPIKE * median and highest > 10 and case.clip_norm is None
    ):
        yield _exploding(
            "all parameters",
            f"the gradient's norm jumps to {highest:.3g}; in most steps it is {median:.3g}",
            Evidence("largest gradient norm by the median", highest / median, f"below {t.SPIKE:g}"),
            WARNING,
        )


def exploded_at_the_start(case: Case) -> bool:
    """Whether gradients are huge before a single step was taken."""
    ratio, _ = flow(case)
    first = case.gradient_norms[0] if len(case.gradient_norms) else 0.0
    return ratio > t.EXPLODED or not first <= t.EXPLODED


def _exploding(where: str, told: str, evidence: Evidence, severity: str) -> Finding:
    return Finding(
        "exploding-gradients",
        severity,
        where,
        f"{told}: clip it, and look at the weights' first size",
        (evidence,),
        "On its way back the gradient is multiplied by each layer's weights; factors above 1 add "
        "up to huge ones with depth or with the length of a sequence. One such step throws the "
        "weights far away from all they had learned.",
        "trainer = Trainer(network, loss, optimizer, clip_norm=1.0)",
    )


def dominating_samples(case: Case) -> Iterator[Finding]:
    """Find gradients that come from a handful of samples."""
    end = case.end or case.start
    if end is None or end.output_gradients is None or not isinstance(case.loss, REGRESSION):
        return
    if case.learned is not None and case.learned < 0:
        return  # where training went astray, a few samples are always the worst off
    sizes = np.sort(end.output_gradients)[::-1]
    count = max(1, int(t.TOP * len(sizes)))
    if len(sizes) < 50 or not sizes.sum() > 0:
        return
    share = float(sizes[:count].sum() / sizes.sum())
    if share >= t.DOMINATED:
        yield Finding(
            "dominating-samples",
            WARNING,
            f"{count} of {len(sizes)} samples",
            f"{count} of {len(sizes)} samples make {share:.0%} of the gradient: look at them, or "
            "take Huber's loss",
            (
                Evidence(
                    f"share of the gradient of {count} samples", share, f"below {t.DOMINATED:g}"
                ),
            ),
            "The squared error's gradient grows with the error, so a few samples that are far off "
            "pull harder than all others together. Mostly their targets are wrong.",
            "loss = Huber()  # whose pull is bounded",
        )


CONDITIONS = ()
MEASURED = (vanishing_gradients, exploding_gradients, dominating_samples)
