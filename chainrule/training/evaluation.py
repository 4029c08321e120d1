"""Evaluation: the loss, the metrics and the predictions on data that is not trained on."""

from __future__ import annotations

from functools import partial
from typing import Any

from chainrule.checks import check_whole
from chainrule.data.samples import Batch, check_samples
from chainrule.data.sources import ArraySource, Source
from chainrule.errors import InputError, ModuleError
from chainrule.network import Network
from chainrule.parallel import PassResult, Strategy, copy_of_loss
from chainrule.parameter import Array
from chainrule.pytree import PyTree, concatenate
from chainrule.training import failure
from chainrule.training.dry_run import tell_all_samples
from chainrule.training.measurement import Measurement
from chainrule.training.state import TrainingState


def evaluate(
    state: TrainingState, source: Source, strategy: Strategy
) -> tuple[dict[str, float], str]:
    """Return the loss and the metrics over a source, and what there is to say about them.

    The first process computes them for all.
    """

    def result_of(batch: Batch) -> tuple[PyTree, Array | None, PassResult | InputError]:
        """Return targets, weights and the pass; or why there is none, to be raised in order."""
        x, y, weight = batch
        loss = copy_of_loss(state.loss)
        kept = (y, weight) if state.metrics else (None, None)
        try:
            y_pred = state.network.predict(x)
            total, means = loss.mean_of_part(y, y_pred, weight)
            return *kept, PassResult(total, means, [y_pred] if state.metrics else [])
        except InputError as error:
            return *kept, error

    measurement = Measurement(state.metrics, state.loss)
    # In the loop alone, so that an error ends the generator and with it its threads.
    for number, batch, (y, weight, result) in strategy.map_batches(
        result_of, source, state.network
    ):
        if isinstance(result, InputError):
            failure.report_evaluation(state, source, number, batch())
            raise result
        measurement.add(result, y, result.predictions, weight)
    measured = strategy.broadcast(partial(measurement.result, source.class_weight))
    return measured, measurement.note()


def predict(network: Network, X: Any, batch_size: int, strategy: Strategy) -> Any:
    """Return the network's output for every sample, computed batch by batch."""
    samples = check_samples(X)
    source = ArraySource(samples, check_whole("batch_size", batch_size))

    def predict_batch(batch: Batch) -> PyTree:
        return network.predict(batch[0])

    try:
        return concatenate([y for *_, y in strategy.map_batches(predict_batch, source, network)])
    except (ModuleError, InputError) as error:
        tell_all_samples(error, min(batch_size, len(samples)), len(samples))
        raise
