"""Faults in the training loop and in callbacks."""

from benchmarks.planted_faults.fault import Fault
from benchmarks.planted_faults.faults.room import Room

ROOM = Room(
    tests=("tests/training",),
    faults=(
        Fault(
            "NaN counts as better",
            "chainrule.training.monitor.Monitor.update",
            "not math.isnan(value) and (self.best is None or self._sign * value < "
            "self._sign * self.best - self.min_delta)",
            "not self._sign * value >= self._sign * (self.best or math.inf) - self.min_delta",
        ),
        Fault(
            "min_delta with the wrong sign",
            "chainrule.training.monitor.Monitor.update",
            "self._sign * self.best - self.min_delta",
            "self._sign * self.best + self.min_delta",
        ),
        Fault(
            "one epoch too patient",
            "chainrule.EarlyStopping.on_epoch_end",
            "self._monitor.waited >= self.patience",
            "self._monitor.waited > self.patience",
        ),
        Fault(
            "the last weights instead of the best",
            "chainrule.EarlyStopping.on_fit_end",
            "state.network.load_state(self._weights)",
            "pass",
        ),
        Fault(
            "waits anew after every epoch",
            "chainrule.ReduceOnPlateau.on_epoch_end",
            "self._monitor.waited = 0",
            "pass",
        ),
        Fault(
            "least rate ignored",
            "chainrule.ReduceOnPlateau.on_epoch_end",
            "scaled(rate, self.factor, self.min_lr)",
            "scaled(rate, self.factor)",
        ),
        Fault(
            "the average is the network's own array",
            "chainrule.ExponentialMovingAverage.update",
            "values.copy()",
            "values",
        ),
        Fault(
            "decay swapped",
            "chainrule.ExponentialMovingAverage.update",
            "1 - self._kept()",
            "self._kept()",
        ),
        Fault(
            "buffers not put back",
            "chainrule.ExponentialMovingAverage.applied",
            "buffer.value = buffers[name]",
            "pass",
        ),
        Fault(
            "mean of batches instead of samples",
            "chainrule.training.measurement.Measurement.add",
            "self.mean.add(result.weight, result.means)",
            "self.mean.add(1.0, result.means)",
        ),
        Fault(
            "not measured anew each epoch",
            "chainrule.training.state.TrainingState.start_epoch",
            "self.measurement.reset()",
            "pass",
        ),
        Fault(
            "shuffled though it should not be",
            "chainrule.Trainer._train",
            "self.rng if shuffle else None",
            "self.rng",
        ),
        Fault(
            "state of the optimizer not put back",
            "chainrule.training.step._move",
            "optimizer.load_state(before[1])",
            "pass",
        ),
        Fault(
            "sum of parts instead of their mean",
            "chainrule.parallel.strategy.forward_backward",
            "share_of(weight, total)",
            "share_of(total, total)",
        ),
        Fault(
            "missing values of a metric forgotten",
            "chainrule.training.history.History.add_epoch",
            "[math.nan] * count",
            "[]",
        ),
    ),
)
