"""Conditions of the activations: dead ReLUs, saturated ends, and what batch statistics do."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.doctor.conditions import thresholds as t
from chainrule.doctor.conditions.case import Case
from chainrule.doctor.conditions.finding import PROBLEM, WARNING, Evidence, Finding
from chainrule.doctor.conditions.snapshot import LayerNumbers, Snapshot
from chainrule.layers import BatchNorm
from chainrule.module import Module, walk


def latest(case: Case) -> Snapshot | None:
    """Return the last pass that was looked at."""
    return case.end or case.start


def hidden_activations(snapshot: Snapshot) -> list[LayerNumbers]:
    """Return the activations in front of the last layer that weighs."""
    weighing = [i for i, layer in enumerate(snapshot.layers) if layer.weighs]
    last = weighing[-1] if weighing else 0
    return [layer for layer in snapshot.layers[:last] if layer.activates]


def dead_relu(case: Case) -> Iterator[Finding]:
    """Find layers of ReLUs that are 0 whatever comes in."""
    snapshot = latest(case)
    if snapshot is None:
        return
    layers = [layer for layer in hidden_activations(snapshot) if layer.dead is not None]
    sick = [layer for layer in layers if layer.dead_share >= t.DEAD]
    if not sick:
        return
    worst = max(sick, key=lambda layer: layer.dead_share)
    born = case.start is not None and any(
        layer.path == worst.path and layer.dead_share >= t.DEAD for layer in case.start.layers
    )
    yield Finding(
        "dead-relu",
        PROBLEM if worst.dead_share >= t.MANY_DEAD else WARNING,
        ", ".join(layer.path for layer in sick[:5]),
        f"{worst.dead_share:.0%} of the units of {worst.path} are 0 for every sample"
        + (" from the start" if born else ", since training began")
        + ": they no longer learn",
        tuple(
            Evidence(f"dead units of {layer.path}", layer.dead_share, f"below {t.DEAD:g}")
            for layer in sick[:5]
        ),
        "A ReLU passes no gradient where it is 0. A unit that is 0 for every sample therefore "
        "never changes again; too large a step, or a bias far below 0, has pushed it there.",
        f"network = Network([LeakyReLU() if isinstance(layer, {worst.kind}) else layer\n"
        '                   for layer in network.layers], initialization="kaiming", seed=0)\n'
        "optimizer = Adam(0.001)  # and a smaller learning rate",
        layers=tuple(layer.path for layer in sick),
    )


def saturated_activation(case: Case) -> Iterator[Finding]:
    """Find hidden sigmoids and tanhs that stand at their ends."""
    snapshot = latest(case)
    if snapshot is None:
        return
    layers = [a for a in hidden_activations(snapshot) if a.saturated >= t.SATURATED]
    if not layers:
        return
    worst = max(layers, key=lambda layer: layer.saturated)
    yield Finding(
        "saturated-activation",
        PROBLEM if worst.saturated >= t.MANY_SATURATED else WARNING,
        ", ".join(layer.path for layer in layers[:5]),
        f"{worst.saturated:.0%} of the outputs of {worst.path} ({worst.kind}) lie at its ends, "
        "where it is flat",
        tuple(
            Evidence(f"saturated outputs of {a.path}", a.saturated, f"below {t.SATURATED:g}")
            for a in layers[:5]
        ),
        f"A {worst.kind.lower()} is flat at its ends, and what is flat passes no gradient on. "
        "Large inputs or weights push it there, and then it takes many steps to come back.",
        "X_train = Standardizer().fit_transform(X_train)\n"
        'network = Network(network.layers, initialization="xavier", seed=0)',
        layers=tuple(layer.path for layer in layers),
    )


def small_batches(case: Case) -> Iterator[Finding]:
    """Find batch normalisation that takes its statistics of a handful of numbers."""
    norms = batch_norms(case)
    if not norms or case.start is None:
        return
    per_sample = _numbers_per_sample(case, norms[0])
    numbers = case.batch_size * per_sample
    if numbers >= t.FEW_FOR_STATISTICS:
        return
    train, predict = case.gaps or (float("nan"), float("nan"))
    apart = predict > t.GAP * train + t.LEAST_GAP
    evidence = [
        Evidence(
            "numbers behind a mean and variance", float(numbers), f"{t.FEW_FOR_STATISTICS} or more"
        )
    ]
    if case.gaps is not None:
        evidence.append(
            Evidence(
                "loss in prediction by that in training", predict / max(train, 1e-12), "about 1"
            )
        )
    yield Finding(
        "small-batches-for-batch-norm",
        PROBLEM if numbers <= 4 or apart else WARNING,
        norms[0],
        f"batch normalisation with batches of {case.batch_size}: its statistics are of {numbers} "
        "numbers; take larger batches, or LayerNorm",
        tuple(evidence),
        "Batch normalisation takes the mean and variance of each batch while it trains, and "
        "running means of them in prediction. Of a handful of samples they are mostly noise, so "
        "what is learned is not what is predicted with.",
        "trainer.fit(X, y, batch_size=32)\n# or LayerNorm(features) in the place of "
        "BatchNorm(features)",
        layers=tuple(norms),
    )


def train_predict_gap(case: Case) -> Iterator[Finding]:
    """Find networks that answer otherwise in prediction than in training."""
    norms = batch_norms(case)
    if not norms or case.gaps is None:
        return
    train, predict = case.gaps
    if not predict > t.GAP * train + t.LEAST_GAP:
        return
    yield Finding(
        "train-predict-gap",
        WARNING,
        norms[0],
        f"the same batch has the loss {train:.3g} in training and {predict:.3g} in prediction",
        (
            Evidence(
                "loss in prediction by that in training", predict / max(train, 1e-12), "about 1"
            ),
        ),
        "In prediction batch normalisation uses running means of what training saw. They have not "
        "arrived yet where training was short, the momentum small, or the batches unlike each "
        "other.",
        "BatchNorm(features, momentum=0.1)  # and more steps, or larger batches",
        layers=tuple(norms),
    )


def batch_norms(case: Case) -> list[str]:
    """Return the paths of the layers that normalise over the batch."""
    return [
        path
        for path, thing in walk(case.network)
        if isinstance(thing, Module) and isinstance(thing, BatchNorm)
    ]


def _numbers_per_sample(case: Case, path: str) -> int:
    """Return how many numbers of one sample go into a channel's statistics: pixels, or 1."""
    return case.places_per_sample.get(path, 1)


CONDITIONS = ()
MEASURED = (dead_relu, saturated_activation, small_batches, train_predict_gap)
