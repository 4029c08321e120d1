"""Ensemble: many networks of one shape that learn at once, and predict together."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from chainrule.checks import (
    check_array,
    check_function,
    check_range,
    check_seed,
    check_whole,
    network_dtype,
)
from chainrule.data.sources import ArraySource, make_source, split
from chainrule.ensemble.folds import Fold, folds_from, side_by_side
from chainrule.ensemble.members import Member, members_from
from chainrule.ensemble.objective import MetricFunction, Score, loss_for, loss_of_outputs
from chainrule.ensemble.selection import greedy_choice
from chainrule.ensemble.shape import apart, part_of, shape_from, stacked
from chainrule.ensemble.training import Data, MakeOptimizer, Plan, Training, outputs_of
from chainrule.errors import ConfigurationError, FileFormatError, InputError, NotFiniteError
from chainrule.layers import StackedCategoryEmbedding, StackedLinear
from chainrule.layers.category_embedding import codes_of
from chainrule.loss_functions import Loss
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.module import cast
from chainrule.network import Network
from chainrule.optimizers import AdamW, Optimizer
from chainrule.parameter import Array
from chainrule.preparation import Preparation

KEPT = ("activation", "batch_norm", "output", "initialization", "dtype")
"""What is written into a file about the common shape; sizes and categories are the stack's own."""

NO_PREPARATION = (
    "This ensemble does not know how its rows were prepared. Set ensemble.preparation = "
    "Standardizer().fit(X_train), or what else its training rows went through, before saving it; "
    "or give prepared rows to ensemble.predict."
)


class Ensemble:
    """K networks of one shape, trained at once as one stack, each with hyperparameters of its own.

    Each has its own first weights, order of samples and dropout masks, learning rate and weight
    decay, and none notices the others. What the stack saves is NumPy's cost for each call: it is
    paid once for all of them.

    On a validation part each member keeps its best weights, and those that predict together are
    chosen greedily, some of them counting several times (Caruana et al., 2004). The prediction is
    their mean, with the spread between them as uncertainty (Lakshminarayanan, Pritzel, Blundell,
    "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", 2017).

    Parameters
    ----------
    sizes : sequence of int
        As of a `Network`: input, hidden layers, output.
    members : int, or sequence of dict
        How many, or for each what it has of its own: ``learning_rate`` (0.001), ``weight_decay``
        (0), ``dropout`` (0; behind each hidden layer) and ``seed`` (drawn from `seed`).
    activation : str
        Behind each hidden layer: ``"relu"``, ``"silu"``, ``"gelu"``, ``"mish"``, ``"elu"``,
        ``"selu"``, ``"leaky_relu"``, ``"tanh"`` or ``"sigmoid"``.
    batch_norm : bool
        Whether there is a `BatchNorm` before each activation.
    output : {"softmax", "sigmoid", "linear"}
        One class out of several; yes or no, for each output; numbers.
    initialization : str
        How the weights of each member begin; see `chainrule.initializers`.
    categories : sequence of int
        How many codes there are in each of the last columns, as ``code_categories_`` of a
        `TablePreparation` says: each member begins with a `CategoryEmbedding` of its own. Empty:
        no column holds codes.
    embedding_dim : int
        How long the vector of each category is.
    seed : int or Generator, optional
        The same seed gives the same ensemble, to the last bit.
    dtype : {"float32", "float64"}
        Of all numbers.

    Attributes
    ----------
    members : tuple of Member
        Their hyperparameters, seeds included.
    weights : ndarray, shape (K,)
        How much each counts in the prediction; they sum to 1.
    network : Network
        The stack: (N, features) -> (N, K, outputs).
    history : dict of str to ndarray, shape (epochs, K)
        ``"loss"``, and ``"val_"`` and the metric's name, of the last `fit`; NaN from where a
        member had stopped.
    best_epochs : ndarray of int, shape (K,)
        The epoch, counted from 0, whose weights each member has; -1 where none was the best.
    out_of_fold : ndarray, shape (N, outputs), or None
        With `cv`, what those members predict for each sample of the last `fit` that had held it
        out, their mean; samples of weight 0 are left out. NaN where there is no such member.
    notes : list of str
        What happened to members that did not end well.
    metadata : dict
        What `save` was told about the ensemble.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Ensemble
    >>> X = np.random.default_rng(0).standard_normal((120, 4))
    >>> y = (X > 0).sum(axis=1) // 2
    >>> rates = [0.003, 0.01, 0.03, 0.1]
    >>> ensemble = Ensemble([4, 10, 3], [{"learning_rate": rate} for rate in rates], seed=0)
    >>> ensemble = ensemble.fit(X, y, epochs=20, validation_split=0.2, patience=5)
    >>> probabilities, spread = ensemble.predict(X, return_std=True)
    >>> probabilities.shape, spread.shape, ensemble.predict_members(X).shape
    ((120, 3), (120, 3), (120, 4, 3))
    """

    def __init__(
        self,
        sizes: Sequence[int],
        members: int | Sequence[Mapping[str, Any] | Member],
        *,
        activation: str = "relu",
        batch_norm: bool = False,
        output: str = "softmax",
        initialization: str = "kaiming",
        categories: Sequence[int] = (),
        embedding_dim: int = 8,
        seed: int | np.random.Generator | None = None,
        dtype: DTypeLike = "float32",
    ) -> None:
        self._rng = check_seed(seed)
        self.members = members_from(members, self._rng)
        self.shape = shape_from(
            *(sizes, self.members, activation, batch_norm, output, initialization, dtype),
            *(categories, embedding_dim),
        )
        singles = [self.shape.single(member) for member in self.members]
        self.network = stacked(self.shape, self.members, singles)
        self._orders = [np.random.default_rng([member.seed, 1]) for member in self.members]
        self.history: dict[str, Array] = {}
        self.best_epochs = np.full(len(self.members), -1)
        self.out_of_fold: Array | None = None
        self.notes: list[str] = []
        self.metadata: dict[str, Any] = {}
        self._going_on: Training | None = None
        self._count(np.full(len(self.members), 1 / len(self.members)))

    # ------------------------------------------------------------ learning

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int = 100,
        batch_size: int = 32,
        validation_data: tuple[Any, ...] | None = None,
        validation_split: float | None = None,
        cv: int | Sequence[Any] | None = None,
        metric: str | MetricFunction = "loss",
        mode: str | None = None,
        patience: int | None = None,
        min_delta: float = 0.0,
        selection_rounds: int = 30,
        loss: Loss | None = None,
        label_smoothing: float = 0.0,
        sample_weight: Any = None,
        class_weight: ClassWeight | str | None = None,
        optimizer: MakeOptimizer = AdamW,
        schedule: Callable[[int], float] | None = None,
        on_epoch_end: Callable[[int, Mapping[str, Array]], Any] | None = None,
    ) -> Self:
        """Train all members at once, choose those that predict, and return the ensemble.

        It goes on from the weights that there are; the optimizer begins anew.

        Parameters
        ----------
        X : array_like, shape (N, features)
            Samples, standardised.
        y : array_like
            Classes from 0, (N,), or rows of probabilities, for a softmax; 0 or 1, (N,) or (N,
            outputs), for a sigmoid; numbers, standardised, for a linear output.
        epochs, batch_size : int
            How often to go through the data, and how many samples make one step of each member. A
            single sample that is left over joins the batch before it.
        validation_data : tuple of arrays, optional
            ``(X, y)`` or ``(X, y, weight)``, measured after every epoch. Each member keeps the
            weights of its best epoch. Without validation it keeps its last, and all count alike.
        validation_split : float, optional
            Or: the share of X and y to hold out for that, at random, classes stratified.
        cv : int, or sequence of pairs of row numbers, optional
            Or: into how many parts to split X and y. Member k learns from all but the k-th of
            them, counted round, on which it is measured: so no sample is lost to learning, and
            `out_of_fold` holds a prediction for each by members that have not seen it. All members
            count alike. Classes, or small and large numbers, are spread evenly. Instead of a
            number, the folds themselves: ``(rows to learn from, rows to be measured on)`` each.
        metric : str or callable
            What is watched there: ``"loss"``, ``"accuracy"``, ``"rmse"``, or a function ``(y_true,
            y_pred) -> float``. The members that predict are chosen by it too.
        mode : {"min", "max"}, optional
            Which way it gets better, where a function's name does not tell.
        patience : int, optional
            A member stops after so many epochs without getting better by more than `min_delta`.
        min_delta : float
            What counts as better.
        selection_rounds : int
            How many members are added, one after the other, when those that predict are chosen;
            0: all count alike.
        loss : Loss, optional
            What becomes small. A softmax has the cross-entropy, a sigmoid the binary one, a linear
            output the squared error. It is taken before the output layer: ``from_logits=True``.
        label_smoothing : float
            Of the usual losses for classes.
        sample_weight : array_like, shape (N,), optional
            How much each sample counts.
        class_weight : mapping of int to float, sequence of float, or "balanced", optional
            How much each class counts.
        optimizer : callable
            The class of an optimizer, or a function that takes the same arguments, such as
            ``functools.partial(Adam, beta2=0.95)``.
        schedule : callable, optional
            A function of the step, counted from 0, such as ``CosineDecay(1.0, steps)``: a factor
            of every member's learning rate.
        on_epoch_end : callable, optional
            ``on_epoch_end(epoch, row)`` after each epoch, counted from 0; `row` is that of the
            history. What is true ends the training.

        Raises
        ------
        InputError, ConfigurationError
            Something given cannot be used; told before the first step.
        NotFiniteError
            All members met NaN or infinity. One that does so alone is left out, with a note.
        """
        objective = loss_for(self.shape.output, loss, label_smoothing)
        several = self.shape.output == "sigmoid"
        score = Score(metric, mode, loss_of_outputs(objective), several)
        plan = Plan(
            loss=objective,
            make_optimizer=checked_optimizer(optimizer),
            score=score,
            schedule=schedule,
            epochs=check_whole("epochs", epochs),
            batch_size=check_whole("batch_size", batch_size),
            patience=None if patience is None else check_whole("patience", patience),
            min_delta=check_range("min_delta", min_delta),
            on_epoch_end=on_epoch_end,
        )
        if schedule is not None:
            check_function(schedule, "schedule must be a function, such as CosineDecay(1.0, steps)")
        rounds = check_whole("selection_rounds", selection_rounds, least=0)
        if sum(way is not None for way in (validation_data, validation_split, cv)) > 1:
            raise ConfigurationError("Give one of validation_data, validation_split and cv.")
        data = self._data(objective, X, y, sample_weight, class_weight)
        validation = None
        if validation_data is not None:
            validation = self._validation_data(objective, validation_data)
        if validation_split is not None:
            data, validation = self._split(data, validation_split)
        if isinstance(cv, Iterable) and len(data) < len(X):
            raise InputError(
                "cv holds row numbers, and some samples have the weight 0, which are left out: "
                "leave them out of X, y and cv."
            )
        folds = None if cv is None else folds_from(cv, data.y, len(self), self._rng)
        if patience is not None and validation is None and folds is None:
            raise ConfigurationError(
                "patience needs something to watch: give validation_split=0.2, cv=5 or "
                "validation_data=(X, y)."
            )
        self._train(plan, data, validation, folds, rounds)
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        *,
        batch_size: int = 32,
        loss: Loss | None = None,
        label_smoothing: float = 0.0,
        sample_weight: Any = None,
        optimizer: MakeOptimizer = AdamW,
    ) -> Self:
        """Train all members for one epoch, as part of a longer training, and return the ensemble.

        The optimizer goes on where the last `partial_fit` left it, so that n calls with the same
        data are an epoch of `fit` each, to the last bit. All members count alike.
        """
        objective = loss_for(self.shape.output, loss, label_smoothing)
        data = self._data(objective, X, y, sample_weight)
        if self._going_on is None:
            several = self.shape.output == "sigmoid"
            score = Score("loss", None, loss_of_outputs(objective), several)
            plan = Plan(loss=objective, make_optimizer=checked_optimizer(optimizer), score=score)
            self._going_on = self._training(plan)
        going_on = self._going_on
        size = check_whole("batch_size", batch_size)
        going_on.plan = dataclasses.replace(going_on.plan, batch_size=size)
        self._run(going_on, data, None, None, 0)
        return self

    def _training(self, plan: Plan) -> Training:
        return Training(self.network, self.shape, self.members, self._orders, plan)

    def _train(
        self,
        plan: Plan,
        data: Data,
        validation: Data | None,
        folds: list[Fold] | None,
        rounds: int,
    ) -> None:
        self._going_on = None
        self._run(self._training(plan), data, validation, folds, rounds)
        if folds is not None:
            self.out_of_fold = self._out_of_fold(data.X, folds)

    def _run(
        self,
        training: Training,
        data: Data,
        validation: Data | None,
        folds: list[Fold] | None,
        rounds: int,
    ) -> None:
        """Run a training, and take over what it leaves behind."""
        self.out_of_fold = None
        try:
            training.run(data, validation, folds)
        finally:
            self._note(training)
            self._count(self.weights)
        usable = [k for k in range(len(self)) if k not in training.lost or self.best_epochs[k] >= 0]
        if not usable:
            raise NotFiniteError(
                f"All {len(self)} members met NaN or infinity, the last one in epoch "
                f"{max(training.lost.values()) + 1}; their weights are those from before. A "
                "smaller learning rate and standardised inputs are the usual cures."
            )
        weights = np.zeros(len(self))
        weights[usable] = 1 / len(usable)
        if validation is not None and rounds:
            weights[usable] = self._choose(usable, training.plan.score, validation, rounds)
        self._count(weights)

    def _note(self, training: Training) -> None:
        """Take over what a training left behind."""
        self.history = {name: np.array(rows) for name, rows in training.history.items()}
        self.best_epochs = np.array([monitor.best_epoch for monitor in training.monitors])
        self.notes = []
        for k, epoch in sorted(training.lost.items()):
            best = int(self.best_epochs[k])
            rest = "it is left out"
            if best >= 0:
                rest = f"it has its weights of epoch {best + 1}, its best"
            self.notes.append(
                f"Member {k} ({self.members[k]}) met NaN or infinity in epoch {epoch + 1}; {rest}."
            )

    def _choose(self, usable: list[int], score: Score, validation: Data, rounds: int) -> Array:
        """Return how much each of these members counts, chosen on the validation part."""
        outputs = self.predict_members(validation.X)[:, usable]

        def scored(outputs: Array) -> Array:
            return score(validation.y, validation.targets, outputs, validation.weight)

        return greedy_choice(outputs, scored, score, rounds)

    def _out_of_fold(self, X: Array, folds: Sequence[Fold]) -> Array:
        """Return the mean of the members that held a sample out, (N, outputs); NaN without one."""
        rows = [held_out for _, held_out in folds]
        outputs = outputs_of(self.network, None, X.take(side_by_side(rows), axis=0))
        total = np.zeros((len(X), outputs.shape[-1]), outputs.dtype)
        counts = np.zeros((len(X), 1), outputs.dtype)
        for k, own in enumerate(rows):
            if self.weights[k]:
                total[own] += outputs[: len(own), k]
                counts[own] += 1
        return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)

    def _count(self, weights: Array) -> None:
        """Let the members count like this."""
        self.weights = weights
        self._chosen = np.flatnonzero(weights)
        self._predictor = part_of(
            self.network, self.shape, self.members, self._chosen.tolist(), output=True
        )

    # ------------------------------------------------------------ data

    def _data(
        self,
        loss: Loss,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: ClassWeight | str | None = None,
        called: str = "",
    ) -> Data:
        """Return samples and targets, checked and cast."""
        if y is None:
            raise InputError("An ensemble learns from arrays: give X and y.")
        source = make_source(
            X, y, sample_weight=sample_weight, class_weight=class_weight, called=called
        )
        if not isinstance(source, ArraySource) or not (
            isinstance(source.X, np.ndarray) and isinstance(source.y, np.ndarray)
        ):
            raise InputError(f"An ensemble learns from one array X{called}, and one array y.")
        samples = self._features(source.X, "X" + called)
        outputs = np.zeros((len(samples), self.shape.sizes[-1]), self.network.dtype)
        with np.errstate(over="ignore"):  # told below
            targets = loss.rows(source.y, outputs)[0]
        if not np.isfinite(targets).all():
            raise InputError(f"y{called} holds numbers too large for {self.shape.dtype}.")
        weight = source.weight
        if weight is not None and weight.ndim != 1:
            raise InputError(f"Give one weight for each sample, got the shape {weight.shape}.")
        whole = Data(samples, source.y, targets, weight)
        return whole if len(source.rows) == len(samples) else whole.part(source.rows)

    def _features(self, X: Any, name: str) -> Array:
        """Return samples (N, features) in the ensemble's type."""
        array = check_array(name, X)
        features = self.shape.sizes[0]
        if array.ndim != 2 or array.shape[1] != features:
            raise InputError(f"{name} must be (N, {features}), got the shape {array.shape}.")
        with np.errstate(over="ignore"):  # too large becomes infinity, told below
            array = np.ascontiguousarray(array, self.network.dtype)
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise InputError(
                f"{name} holds NaN, infinity or numbers too large for {self.shape.dtype}, first in "
                f"row {row}. Fill or drop those rows."
            )
        if self.shape.categories:
            codes_of(array, self.shape.categories)  # refuses what is none
        return array

    def _validation_data(self, loss: Loss, given: Any) -> Data:
        if not isinstance(given, tuple) or len(given) not in (2, 3):
            raise InputError("validation_data must be (X, y) or (X, y, weight).")
        X, y, weight = (*given, None)[:3]
        return self._data(loss, X, y, weight, called=" of validation_data")

    def _split(self, data: Data, share: float) -> tuple[Data, Data]:
        """Return the part to learn from, and the part that is held out."""
        rows = np.arange(len(data))
        held_out, _ = split(ArraySource(data.X, data.y, None, rows, 1), share, self._rng)
        return data.part(np.setdiff1d(rows, held_out)), data.part(held_out)

    # ------------------------------------------------------------ predicting

    def predict(self, X: Any, *, return_std: bool = False) -> Any:
        """Return the members' weighted mean for samples (N, features), (N, outputs).

        With ``return_std=True`` also the standard deviation between them, weighted alike: how far
        they disagree.
        """
        outputs = outputs_of(self._predictor, None, self._features(X, "X"))
        weights = self.weights[self._chosen].astype(outputs.dtype)
        mean = np.einsum("nkc,k->nc", outputs, weights)
        if not return_std:
            return mean
        outputs -= mean[:, np.newaxis]
        return mean, np.sqrt(np.einsum("nkc,nkc,k->nc", outputs, outputs, weights))

    def predict_members(self, X: Any) -> Array:
        """Return what each member predicts, (N, K, outputs), those that count for nothing too."""
        return outputs_of(self.network, None, self._features(X, "X"))

    def predict_raw(self, X: Any, *, return_std: bool = False) -> Any:
        """Return `predict` for rows as they are before `preparation`, in the units of the targets.

        As `Network.predict_raw`: `preparation` is applied to the rows, and what comes out goes
        back through ``target_preparation.inverse_transform``; the spread between the members is
        stretched alike.
        """
        rows, targets = self.preparation, self.target_preparation
        if rows is None and targets is None:
            raise ConfigurationError(NO_PREPARATION)
        x = X if rows is None else rows.transform(X)
        if not return_std:
            mean = self.predict(x)
            return mean if targets is None else targets.inverse_transform(mean)
        mean, spread = self.predict(x, return_std=True)
        if targets is None:
            return mean, spread
        centre = targets.inverse_transform(mean)
        return centre, np.abs(targets.inverse_transform(mean + spread) - centre)

    @property
    def preparation(self) -> Preparation | None:
        """What turns raw rows into samples; it is the stack's, and saved with it."""
        return self.network.preparation

    @preparation.setter
    def preparation(self, preparation: Preparation | None) -> None:
        self.network.preparation = preparation

    @property
    def target_preparation(self) -> Preparation | None:
        """What turned a regression's targets into what is learned; it is the stack's."""
        return self.network.target_preparation

    @target_preparation.setter
    def target_preparation(self, preparation: Preparation | None) -> None:
        self.network.target_preparation = preparation

    # ------------------------------------------------------------ as files, as networks

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a copy whose numbers are of another type: float64 predicts without rounding."""
        left_behind = {id(self._going_on): None, id(self._predictor): None}
        other = copy.deepcopy(self, left_behind)
        other.shape = dataclasses.replace(self.shape, dtype=network_dtype(dtype).name)
        cast(other.network, other.shape.dtype)
        other._count(other.weights)
        return other

    def cool(self, temperature: float) -> None:
        """Divide what goes into the output layer by a temperature: above 1 makes less sure.

        It is the last linear layer's values that are divided, so that a file of the ensemble is
        calibrated as it stands. Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural
        Networks", 2017.
        """
        temperature = check_range("temperature", temperature, inclusive=False)
        last = [layer for layer in self.network if isinstance(layer, StackedLinear)][-1]
        for parameter in last.parameters():
            parameter.value = parameter.value / temperature
        self._count(self.weights)

    def networks(self) -> list[Network]:
        """Return the members as K single networks.

        They predict what `predict_members` does, but for the order in which products are summed:
        some units in the last place.
        """
        networks = []
        for k, member in enumerate(self.members):
            network = apart(self.network, self.shape, member, k)
            network.preparation = self.preparation
            network.target_preparation = self.target_preparation
            networks.append(network)
        return networks

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        class_names: Sequence[str] | None = None,
        preparation: Preparation | None = None,
        target_preparation: Preparation | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Write the ensemble into one ``.npz`` file, as `Network.save` writes a network.

        It is the file of the stack; `Network.load` reads it too, as a network (N, features) -> (N,
        K, outputs).
        """
        self.network.metadata = {**self.metadata, "ensemble": self._description()}
        self.network.save(
            path,
            class_names=class_names,
            preparation=preparation,
            target_preparation=target_preparation,
            metrics=metrics,
        )
        self.metadata = {k: v for k, v in self.network.metadata.items() if k != "ensemble"}

    def _description(self) -> dict[str, Any]:
        return {
            "members": [member.as_dict() for member in self.members],
            "weights": self.weights.tolist(),
            "best_epochs": self.best_epochs.tolist(),
            "notes": list(self.notes),
            **{name: getattr(self.shape, name) for name in KEPT},
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the ensemble that `save` wrote; its predictions are the same, bit for bit.

        Raises
        ------
        FileFormatError
            The file is damaged, or holds no ensemble.
        """
        network = Network.load(path)
        description = network.metadata.pop("ensemble", None)
        if not isinstance(description, dict):
            raise FileFormatError(f"{path} holds a network and no ensemble; use Network.load.")
        try:
            ensemble = cls(
                sizes_of(network),
                checked_members(description["members"], network),
                **categories_of(network),
                **{name: description[name] for name in KEPT},
            )
            weights = np.array(description["weights"], np.float64)
            ensemble.best_epochs = np.array(description["best_epochs"], np.int64)
            ensemble.notes = [str(note) for note in description["notes"]]
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"{path} does not describe an ensemble: {error}") from error
        if weights.shape != (len(ensemble),) or not (weights >= 0).all() or not weights.any():
            raise FileFormatError(f"{path} does not say how much each member counts.")
        ensemble.network.load_state(network.state())
        ensemble.preparation = network.preparation
        ensemble.target_preparation = network.target_preparation
        ensemble.metadata = network.metadata
        ensemble._count(weights)
        return ensemble

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        shape = self.shape
        return (
            f"Ensemble({list(shape.sizes)}, {len(self)} members, activation={shape.activation!r}, "
            f"batch_norm={shape.batch_norm}, output={shape.output!r})"
        )


def checked_optimizer(optimizer: MakeOptimizer) -> MakeOptimizer:
    """Return what makes an optimizer; refuse one that is made already."""
    if isinstance(optimizer, Optimizer) or not callable(optimizer):
        raise ConfigurationError(
            "optimizer must be the class of one, such as AdamW, or a function that makes one: each "
            f"member has a learning rate and a weight decay of its own. Got {optimizer!r}."
        )
    return optimizer


def sizes_of(network: Network) -> list[int]:
    """Return the sizes from input to output of a stack."""
    layers = [layer for layer in network if isinstance(layer, StackedLinear)]
    if not layers:
        raise FileFormatError("The file's network is no stack.")
    first = network[0] if isinstance(network[0], StackedCategoryEmbedding) else layers[0]
    return [first.in_features, *(layer.out_features for layer in layers)]


def categories_of(network: Network) -> dict[str, Any]:
    """Return the options of an ensemble that say how a stack embeds categories."""
    first = network[0]
    if not isinstance(first, StackedCategoryEmbedding):
        return {}
    return {"categories": first.categories, "embedding_dim": first.embedding_dim}


def checked_members(members: Any, network: Network) -> list[Any]:
    """Return what a file says about the members, one for each that the stack has."""
    count = next(layer.members for layer in network if isinstance(layer, StackedLinear))
    if not isinstance(members, list) or len(members) != count:
        raise FileFormatError(f"The stack in the file has {count} members, described are others.")
    return members
