"""Ensemble: many networks of one architecture that are trained at once and predict together."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from chainrule.checks import check_bool, check_finite, check_numbers, check_range, check_seed
from chainrule.checks.habits import ENSEMBLE_ATTRIBUTES, ENSEMBLE_OPTIONS, GivesAdvice, gives_advice
from chainrule.data.samples import Samples, check_samples
from chainrule.ensemble.architecture import Architecture
from chainrule.ensemble.folds import Fold, as_columns, member_folds
from chainrule.ensemble.members import Member, members_from
from chainrule.ensemble.objective import make_loss, without_logits
from chainrule.ensemble.optimizer import OptimizerFactory
from chainrule.ensemble.scorer import Metric, Scorer
from chainrule.ensemble.selection import greedy_selection
from chainrule.ensemble.stack import Stack
from chainrule.ensemble.training import EnsembleTrainer, EpochEnd, FitOptions, predict_in_batches
from chainrule.errors import ConfigurationError, FileFormatError, InputError, NotFiniteError
from chainrule.layers import StackedCategoryEmbedding, StackedLinear
from chainrule.layers.category_embedding import codes_of
from chainrule.loss_functions import Loss
from chainrule.loss_functions.class_weight import ClassWeight
from chainrule.module import cast
from chainrule.network import Network
from chainrule.optimizers import AdamW
from chainrule.parameter import ARRAY, Array, Initializer, bytes_of, limited_memory
from chainrule.preparation import Preparation
from chainrule.storage.comparison import refuse_differences
from chainrule.storage.schema import anything, dict_of, list_of, number, text, whole
from chainrule.training.state import exclusive_training

SAVED = ("activation", "batch_norm", "output", "dtype")
"""The options that a file names; its stack tells the sizes and the categories."""

DESCRIPTION = {
    **dict.fromkeys(SAVED, anything),
    "members": list_of(dict_of(anything)),
    "weights": list_of(number(0)),
    "best_epochs": list_of(whole(-1)),
    "notes": list_of(text),
}
"""What a file says of an ensemble; `Architecture` and `Member` check the rest."""

NO_PREPARATION = (
    "This ensemble does not know how its rows were prepared. Set ensemble.preparation = "
    "Standardizer().fit(X_train), or whatever prepared its training rows, before saving it; or "
    "call ensemble.predict with prepared rows."
)


class Ensemble(GivesAdvice):
    """K networks of one architecture, trained at once as one stack, each with hyperparameters.

    Each member has its own initial weights, order of samples, dropout masks, learning rate and
    weight decay, and is not affected by the others. What the stack saves is the overhead of
    NumPy's calls: it is paid once for all members.

    With validation samples, each member keeps its best weights, and the members that predict
    together are chosen greedily, some with a larger weight than others (Caruana et al., "Ensemble
    Selection from Libraries of Models", 2004). The prediction is their weighted mean, and the
    spread between them is an uncertainty (Lakshminarayanan, Pritzel, Blundell, "Simple and
    Scalable Predictive Uncertainty Estimation using Deep Ensembles", 2017).

    Parameters
    ----------
    sizes : sequence of int
        The sizes of the input, the hidden layers and the output, as in `Network`.
    members : int, or sequence of dict or Member
        How many members there are, or the hyperparameters of each: ``learning_rate`` (0.001),
        ``weight_decay`` (0), ``dropout`` (0; after each hidden layer) and ``seed`` (drawn from
        `seed`). See `Member`.
    activation : str
        After each hidden layer: ``"relu"``, ``"silu"``, ``"gelu"``, ``"mish"``, ``"elu"``,
        ``"selu"``, ``"leaky_relu"``, ``"tanh"`` or ``"sigmoid"``.
    batch_norm : bool
        Whether there is a `BatchNorm` before each activation.
    output : {"softmax", "sigmoid", "linear"}
        One class out of several; independent probabilities; or numbers.
    initialization : str or callable
        How each member's weights are initialized; see `chainrule.initializers`.
    categories : sequence of int
        The number of categories in each of the last columns, such as ``code_categories_`` of a
        `TablePreparation`: each member then starts with its own `CategoryEmbedding`. By default
        no column holds category codes.
    embedding_dim : int
        The length of each category's vector.
    seed : int or Generator, optional
        The same seed gives the same ensemble, bit for bit.
    dtype : {"float32", "float64"}
        The type of all numbers.

    Attributes
    ----------
    members : tuple of Member
        Their hyperparameters, seeds included.
    weights : ndarray, shape (K,)
        The weight of each member in the prediction; they sum to 1.
    network : Network
        The stack: (N, features) -> (N, K, outputs).
    architecture : Architecture
        What all members have in common.
    history : dict of str to ndarray, shape (epochs, K)
        ``"loss"``, and ``"val_"`` with the metric's name, of the last `fit`; NaN once a member has
        stopped.
    best_epochs : ndarray of int, shape (K,)
        The epoch, counted from 0, whose weights each member has; -1 if nothing was validated.
    out_of_fold : ndarray, shape (N, outputs), or None
        With `cv`: for each sample of the last `fit`, the mean prediction of the members that left
        it out. NaN if no member did. Samples of weight 0 are left out.
    notes : list of str
        Which members diverged.
    preparation, target_preparation : Preparation or None
        What prepares rows for `predict_raw`, and what prepared a regression's targets.
    metadata : dict
        What `save` was told about the ensemble.

    Raises
    ------
    ConfigurationError
        An option is invalid.

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

    attribute_advice, option_advice = ENSEMBLE_ATTRIBUTES, ENSEMBLE_OPTIONS

    def __init__(
        self,
        sizes: Sequence[int],
        members: int | Sequence[Mapping[str, Any] | Member],
        *,
        activation: str = "relu",
        batch_norm: bool = False,
        output: str = "softmax",
        initialization: str | Initializer = "kaiming",
        categories: Sequence[int] = (),
        embedding_dim: int = 8,
        seed: int | np.random.Generator | None = None,
        dtype: DTypeLike = "float32",
    ) -> None:
        self._rng = check_seed(seed)
        self.members = members_from(members, self._rng)
        dropout = any(member.dropout for member in self.members)
        self.architecture = Architecture(
            sizes, activation, batch_norm, dropout, output, dtype, categories, embedding_dim
        )
        networks = [self.architecture.network(member, initialization) for member in self.members]
        self.network = Stack.of(networks, self.architecture, self.members).network
        self._orders = [np.random.default_rng([member.seed, 1]) for member in self.members]
        self.history: dict[str, Array] = {}
        self.best_epochs = np.full(len(self.members), -1)
        self.out_of_fold: Array | None = None
        self.notes: list[str] = []
        self.metadata: dict[str, Any] = {}
        self._partial_trainer: EnsembleTrainer | None = None
        self._set_weights(np.full(len(self.members), 1 / len(self.members)))

    # ------------------------------------------------------------ training

    @gives_advice
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
        metric: str | Metric = "loss",
        mode: str | None = None,
        patience: int | None = None,
        min_delta: float = 0.0,
        selection_rounds: int = 30,
        loss: Loss | None = None,
        label_smoothing: float = 0.0,
        sample_weight: Any = None,
        class_weight: ClassWeight | str | None = None,
        optimizer: OptimizerFactory = AdamW,
        schedule: Callable[[int], float] | None = None,
        on_epoch_end: EpochEnd | None = None,
    ) -> Self:
        """Train all members at once, choose those that predict, and return the ensemble.

        Training continues from the present weights; the optimizer starts afresh.

        Parameters
        ----------
        X : array_like, shape (N, features)
            The samples, standardized.
        y : array_like
            For a softmax: classes counted from 0, (N,), or rows of probabilities. For a sigmoid: 0
            or 1, (N,) or (N, outputs). For a linear output: numbers, standardized.
        epochs : int
            How often to go through the data.
        batch_size : int
            Samples in a step of each member. A single sample left over joins the batch before it.
        validation_data : tuple of arrays, optional
            ``(X, y)`` or ``(X, y, weight)``, on which members are scored after every epoch. Each
            member keeps the weights of its best epoch. Without validation it keeps its last ones,
            and all members have the same weight.
        validation_split : float, optional
            Alternatively, the share of X and y to validate on: chosen at random, stratified by
            class.
        cv : int, or sequence of pairs of row numbers, optional
            Alternatively, the number of folds to split X and y into. Member k leaves out fold k
            (modulo `cv`), and is validated on it: no sample is lost to training, and
            `out_of_fold` holds a prediction for each by members that have not seen it. All
            members have the same weight. Folds are stratified by class, or by the size of numbers.
            Or the folds themselves: a pair ``(training rows, validation rows)`` for each.
        metric : str or callable
            What members are scored by: ``"loss"``, ``"accuracy"``, ``"rmse"``, or a function
            ``(y_true, y_pred) -> float``. It also chooses the members that predict.
        mode : {"min", "max"}, optional
            Whether a smaller or a larger score is better, if a function's name does not say so.
        patience : int, optional
            A member stops after this many epochs without an improvement by more than `min_delta`.
        min_delta : float
            The smallest change that counts as an improvement.
        selection_rounds : int
            How many times a member is added when those that predict are chosen; with 0 all have
            the same weight.
        loss : Loss, optional
            What to minimize. By default the categorical cross-entropy for a softmax, the binary
            one for a sigmoid, and the squared error for a linear output. A loss for classes is
            computed from logits: give it ``from_logits=True``.
        label_smoothing : float
            Of the default losses for classes.
        sample_weight : array_like, shape (N,), optional
            How much each sample counts, in the loss and, if it takes ``sample_weight``, in the
            metric.
        class_weight : mapping of int to float, sequence of float, or "balanced", optional
            How much each class counts in the loss.
        optimizer : callable
            The class of an optimizer, or a function that takes the same arguments, such as
            ``functools.partial(Adam, beta2=0.95)``.
        schedule : callable, optional
            A function of the step, counted from 0, such as ``CosineDecay(1.0, steps)``: it
            multiplies every member's learning rate.
        on_epoch_end : callable, optional
            ``on_epoch_end(epoch, row)`` is called after each epoch, counted from 0, with its row of
            the history. If it returns something true, training ends.

        Returns
        -------
        Ensemble
            Itself.

        Raises
        ------
        InputError, ConfigurationError
            The data or an option cannot be used. Raised before the first step.
        NotFiniteError
            All members met NaN or infinity. A single member that does is left out, with a note.
        """
        objective = make_loss(self.architecture.output, loss, label_smoothing)
        options = FitOptions(
            loss=objective,
            scorer=self._scorer(objective, metric, mode),
            optimizer=optimizer,
            schedule=schedule,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            min_delta=min_delta,
            selection_rounds=selection_rounds,
            on_epoch_end=on_epoch_end,
        )
        ways = sum(way is not None for way in (validation_data, validation_split, cv))
        if ways > 1:
            raise ConfigurationError("Give one of validation_data, validation_split and cv.")
        if patience is not None and not ways:
            raise ConfigurationError(
                "patience needs a validation: give validation_split=0.2, cv=5 or "
                "validation_data=(X, y)."
            )
        samples = self._samples(objective, X, y, sample_weight, class_weight)
        validation, folds = None, None
        if validation_data is not None:
            validation = self._validation_samples(objective, validation_data)
        elif validation_split is not None:
            samples, validation = self._split(samples, validation_split)
        elif cv is not None:
            if isinstance(cv, Iterable) and len(samples) < len(X):
                raise InputError(
                    "cv holds row numbers, and some samples have the weight 0 and are left out: "
                    "remove them from X, y and cv."
                )
            folds = member_folds(cv, samples.y[0], len(self), self._rng)
        self._partial_trainer = None
        trainer = EnsembleTrainer(self._stack(), self._orders, options)
        self._run(trainer, samples, validation, folds)
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        *,
        batch_size: int = 32,
        loss: Loss | None = None,
        label_smoothing: float | None = None,
        sample_weight: Any = None,
        optimizer: OptimizerFactory | None = None,
    ) -> Self:
        """Train all members for one more epoch, and return the ensemble.

        The optimizer continues where the last `partial_fit` left it: n calls with the same data
        are n epochs of one `fit`, bit for bit. All members have the same weight.

        Parameters
        ----------
        X, y, batch_size, sample_weight
            As in `fit`; the batch size may differ from call to call.
        loss, label_smoothing, optimizer
            As in `fit`, from this call on; by default those of the call before. An optimizer of
            the same class keeps its state (momentum, for example), another one starts afresh.

        Returns
        -------
        Ensemble
            Itself.

        Raises
        ------
        InputError, ConfigurationError, NotFiniteError
            As in `fit`.
        """
        trainer = self._partial_trainer
        if trainer is not None and loss is None and label_smoothing is None:
            objective = trainer.options.loss
        else:
            objective = make_loss(self.architecture.output, loss, label_smoothing or 0.0)
        if optimizer is None:
            optimizer = AdamW if trainer is None else trainer.options.optimizer
        scorer = self._scorer(objective, "loss", None)
        options = FitOptions(objective, scorer, optimizer, batch_size=batch_size)
        samples = self._samples(objective, X, y, sample_weight)
        if trainer is None:
            trainer = EnsembleTrainer(self._stack(), self._orders, options)
            self._partial_trainer = trainer
        else:
            trainer.change_options(options, self.members)
        self._run(trainer, samples)
        return self

    def _scorer(self, loss: Loss, metric: str | Metric, mode: str | None) -> Scorer:
        return Scorer(metric, mode, without_logits(loss), self.architecture.output == "sigmoid")

    def _stack(self) -> Stack:
        return Stack(self.network, self.architecture, self.members)

    def _run(
        self,
        trainer: EnsembleTrainer,
        samples: Samples,
        validation: Samples | None = None,
        folds: Sequence[Fold] | None = None,
    ) -> None:
        """Train, and set the attributes that describe the outcome."""
        with exclusive_training(self.network):
            self.out_of_fold = None
            try:
                trainer.run(samples, validation, folds)
            finally:
                self._describe(trainer)
                self._set_weights(self.weights)
        trained = [
            k for k in range(len(self)) if k not in trainer.diverged or self.best_epochs[k] >= 0
        ]
        if not trained:
            self._partial_trainer = None
            raise NotFiniteError(
                f"All {len(self)} members met NaN or infinity, the last one in epoch "
                f"{max(trainer.diverged.values()) + 1}; their weights are those from before. A "
                "smaller learning rate and standardized inputs usually help."
            )
        weights = np.zeros(len(self))
        weights[trained] = 1 / len(trained)
        if validation is not None and trainer.options.selection_rounds:
            weights[trained] = self._select(trained, trainer.options, validation)
        self._set_weights(weights)
        if folds is not None:
            self.out_of_fold = self._predict_out_of_fold(samples.X, folds)

    def _describe(self, trainer: EnsembleTrainer) -> None:
        """Set the history, the best epochs and the notes."""
        self.history = {name: np.array(rows) for name, rows in trainer.history.items()}
        self.best_epochs = np.array([monitor.best_epoch for monitor in trainer.monitors])
        self.notes = []
        for k, epoch in sorted(trainer.diverged.items()):
            best = int(self.best_epochs[k])
            kept = f"it has its weights of epoch {best + 1}, its best"
            rest = kept if best >= 0 else "it is left out"
            self.notes.append(
                f"Member {k} ({self.members[k]}) met NaN or infinity in epoch {epoch + 1}; {rest}."
            )
        if trainer.options.scorer.unweighted:
            self.notes.append(
                f"{trainer.options.scorer.name} takes no sample_weight, so all samples of a weight "
                "above 0 count the same in it."
            )

    def _select(self, trained: list[int], options: FitOptions, validation: Samples) -> Array:
        """Return the weights of these members, chosen on the validation samples."""
        outputs, scorer = self.predict_members(validation.X)[:, trained], options.scorer

        given = validation.weight, validation.class_weight

        def cost(outputs: Array) -> Array:
            return scorer.cost(scorer(validation.y, outputs, *given))

        return greedy_selection(outputs, cost, options.selection_rounds)

    def _predict_out_of_fold(self, X: Array, folds: Sequence[Fold]) -> Array:
        """Return the mean of the members that left a sample out, (N, outputs); NaN without one."""
        rows = [left_out for _, left_out in folds]
        outputs = predict_in_batches(self.network, X.take(as_columns(rows), axis=0))
        total = np.zeros((len(X), outputs.shape[-1]), outputs.dtype)
        counts = np.zeros((len(X), 1), outputs.dtype)
        for k, own in enumerate(rows):
            if self.weights[k]:
                total[own] += outputs[: len(own), k]
                counts[own] += 1
        return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)

    def _set_weights(self, weights: Array) -> None:
        """Set the members' weights in the prediction."""
        self.weights = weights
        self._predicting = np.flatnonzero(weights)
        self._predictor = self._stack().select(self._predicting.tolist(), output=True).network

    # ------------------------------------------------------------ data

    def _samples(
        self,
        loss: Loss,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: ClassWeight | str | None = None,
        called: str = "",
    ) -> Samples:
        """Return checked samples; their y is a pair, as given and as rows for the loss."""
        if y is None:
            raise InputError("An ensemble learns from arrays: give X and y.")
        given = check_samples(X, y, sample_weight, class_weight, called)
        if not (isinstance(given.X, np.ndarray) and isinstance(given.y, np.ndarray)):
            raise InputError(f"An ensemble learns from one array X{called}, and one array y.")
        if given.weight is not None and given.weight.ndim != 1:
            raise InputError(f"Give one weight for each sample, got shape {given.weight.shape}.")
        features = self._features(given.X, "X" + called)
        outputs = np.zeros((len(features), self.architecture.sizes[-1]), self.network.dtype)
        with np.errstate(over="ignore"):  # refused below
            targets = loss.rows(given.y, outputs)[0]
        too_large = f"a number too large for {self.architecture.dtype}"
        check_finite(f"y{called}", targets, wrong=too_large)
        rows = given.rows
        if loss.ignore_index is not None:
            rows = rows[targets[rows].any(axis=1)]
        samples = Samples(features, (given.y, targets), given.weight, rows, given.class_weight)
        return _taken(samples, rows) if len(rows) < len(given.y) else samples

    def _features(self, X: Any, name: str = "X") -> Array:
        """Return samples (N, features) in the ensemble's type, checked."""
        array = check_numbers(name, X, dtype=self.network.dtype, empty=True)
        features = self.architecture.sizes[0]
        if array.ndim != 2 or array.shape[1] != features:
            raise InputError(f"{name} must be (N, {features}), got the shape {array.shape}.")
        if self.architecture.categories:
            codes_of(array, self.architecture.categories)  # refuses invalid codes
        return np.ascontiguousarray(array)

    def _validation_samples(self, loss: Loss, given: Any) -> Samples:
        if not isinstance(given, tuple) or len(given) not in (2, 3):
            raise InputError("validation_data must be (X, y) or (X, y, weight).")
        X, y, weight = (*given, None)[:3]
        return self._samples(loss, X, y, weight, called=" of validation_data")

    def _split(self, samples: Samples, share: float) -> tuple[Samples, Samples]:
        """Return the training samples and the validation samples."""
        held_out, _ = Samples(samples.X, samples.y[0]).split(share, self._rng)
        training = np.setdiff1d(samples.rows, held_out)
        return _taken(samples, training), _taken(samples, held_out)

    # ------------------------------------------------------------ predicting

    def predict(self, X: Any, *, return_std: bool = False) -> Any:
        """Return the weighted mean of the members' predictions, (N, outputs).

        Parameters
        ----------
        X : array_like, shape (N, features)
            The samples, prepared as for `fit`.
        return_std : bool
            Whether to return the weighted standard deviation between the members, too: how far
            they disagree.

        Returns
        -------
        ndarray, or tuple of two of them
            Probabilities or numbers, (N, outputs), and their standard deviation.

        Raises
        ------
        InputError
            X is not (N, features), or holds NaN or infinity.
        """
        return_std = check_bool("return_std", return_std)
        outputs = predict_in_batches(self._predictor, self._features(X))
        weights = self.weights[self._predicting].astype(outputs.dtype)
        mean = np.einsum("nkc,k->nc", outputs, weights)
        if not return_std:
            return mean
        far = outputs.astype(np.float64) - mean[:, np.newaxis]  # whose squares overflow later
        variance = np.einsum("nkc,nkc,k->nc", far, far, weights)
        return mean, np.sqrt(variance).astype(outputs.dtype)

    def predict_members(self, X: Any) -> Array:
        """Return the prediction of every member, (N, K, outputs), also of those with weight 0.

        `X` is (N, features), as for `predict`.
        """
        return predict_in_batches(self.network, self._features(X))

    def predict_raw(self, X: Any, *, return_std: bool = False) -> Any:
        """Return `predict` for raw rows, in the units of the targets.

        The rows go through `preparation` first, and predictions come back through
        ``target_preparation.inverse_transform``, the standard deviation likewise.

        Parameters
        ----------
        X : data frame, mapping of str to columns, or array_like
            Rows as they were before `preparation`.
        return_std : bool
            As in `predict`.

        Raises
        ------
        ConfigurationError
            The ensemble has no preparation.
        """
        rows, targets = self.preparation, self.target_preparation
        if rows is None and targets is None:
            raise ConfigurationError(NO_PREPARATION)
        x = X if rows is None else rows.transform(X)
        mean, std = self.predict(x, return_std=True) if return_std else (self.predict(x), None)
        if targets is not None:
            upper = None if std is None else targets.inverse_transform(mean + std)
            mean = targets.inverse_transform(mean)
            std = None if upper is None else np.abs(upper - mean)
        return mean if std is None else (mean, std)

    @property
    def preparation(self) -> Preparation | None:
        """What turns raw rows into samples; it belongs to the stack, and is saved with it."""
        return self.network.preparation

    @preparation.setter
    def preparation(self, preparation: Preparation | None) -> None:
        self.network.preparation = preparation

    @property
    def target_preparation(self) -> Preparation | None:
        """What turned a regression's targets into what the stack learned."""
        return self.network.target_preparation

    @target_preparation.setter
    def target_preparation(self, preparation: Preparation | None) -> None:
        self.network.target_preparation = preparation

    # ------------------------------------------------------------ conversions, files

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a copy whose numbers are of another type.

        In float64 the prediction for a row hardly depends on the rows beside it, by which products
        in float32 are rounded differently.

        Parameters
        ----------
        dtype : {"float32", "float64"}
            The type of all numbers.
        """
        not_copied = {id(self._partial_trainer): None, id(self._predictor): None}
        other = copy.deepcopy(self, not_copied)
        other.architecture = dataclasses.replace(self.architecture, dtype=dtype)
        cast(other.network, other.architecture.dtype)
        other._set_weights(other.weights)
        return other

    def apply_temperature(self, temperature: float) -> None:
        """Divide the logits by a temperature, to calibrate probabilities.

        The values of the last linear layer are divided, so that a file of the ensemble is
        calibrated, too. Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks",
        2017.

        Parameters
        ----------
        temperature : float
            Greater than 0. Above 1 it makes predictions less confident.
        """
        temperature = check_range("temperature", temperature, inclusive=False)
        last = [layer for layer in self.network if isinstance(layer, StackedLinear)][-1]
        for parameter in last.parameters():
            parameter.value = parameter.value / temperature
        self._set_weights(self.weights)

    def networks(self) -> list[Network]:
        """Return the members as K single networks.

        They predict what `predict_members` does, except that products may be summed in another
        order: some units in the last place.
        """
        networks = [self._stack().unstack(k) for k in range(len(self))]
        for network in networks:
            network.preparation = self.preparation
            network.target_preparation = self.target_preparation
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

        It is the file of the stack: `Network.load` reads it, too, as a network (N, features) ->
        (N, K, outputs).

        Parameters
        ----------
        path : str or path
            Where to write.
        class_names, preparation, target_preparation, metrics
            As in `Network.save`.
        """
        refuse_differences(self.network, self.architecture.stack(self.members))
        description = {
            "members": [dataclasses.asdict(member) for member in self.members],
            "weights": self.weights.tolist(),
            "best_epochs": self.best_epochs.tolist(),
            "notes": list(self.notes),
            **{name: getattr(self.architecture, name) for name in SAVED},
        }
        self.network.metadata = {**self.metadata, "ensemble": description}
        self.network.save(
            path,
            class_names=class_names,
            preparation=preparation,
            target_preparation=target_preparation,
            metrics=metrics,
        )
        self.metadata = {k: v for k, v in self.network.metadata.items() if k != "ensemble"}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the ensemble that `save` wrote; its predictions are the same, bit for bit.

        Parameters
        ----------
        path : str or path
            The file.

        Raises
        ------
        FileFormatError
            The file is damaged, or does not hold an ensemble.
        """
        network = Network.load(path)
        description = network.metadata.pop("ensemble", None)
        if not isinstance(description, dict):
            raise FileFormatError(f"{path} holds a network, not an ensemble; use Network.load.")
        for name, schema in DESCRIPTION.items():
            schema(description.get(name), f"{path}: the ensemble's {name}")
        linear = [layer for layer in network if isinstance(layer, StackedLinear)]
        counts = {len(description[name]) for name in ("members", "weights", "best_epochs")}
        if not linear or counts != {linear[0].members}:
            raise FileFormatError(f"{path} does not describe each member of a stack.")
        first = network[0]
        categories: dict[str, Any] = {}
        if isinstance(first, StackedCategoryEmbedding):
            categories = {"categories": first.categories, "embedding_dim": first.embedding_dim}
        else:
            first = linear[0]
        state = network.state()
        of_members = len(state) * len(description["members"]) * ARRAY  # each has its own first
        try:
            with limited_memory(of_members + sum(map(bytes_of, state.values()))):
                ensemble = cls(
                    [first.in_features, *(layer.out_features for layer in linear)],
                    description["members"],
                    **categories,
                    **{name: description[name] for name in SAVED},
                )
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{path} does not describe an ensemble: {error!s:.300}"
            ) from error
        weights = np.array(description["weights"], np.float64)
        with np.errstate(over="ignore"):
            total = weights.sum()
        if not abs(total - 1) < 1e-6:  # predictions are Σ weight · output
            raise FileFormatError(f"{path} does not hold a valid weight for each member.")
        if repr(ensemble.network) != repr(network):
            raise FileFormatError(f"{path} holds another stack than that of its ensemble.")
        ensemble.network.load_state(state)
        ensemble.best_epochs = np.array(description["best_epochs"], np.int64)
        ensemble.notes = description["notes"]
        ensemble.preparation = network.preparation
        ensemble.target_preparation = network.target_preparation
        ensemble.metadata = network.metadata
        ensemble._set_weights(weights)
        return ensemble

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        of = self.architecture
        return (
            f"Ensemble({list(of.sizes)}, {len(self)} members, activation={of.activation!r}, "
            f"batch_norm={of.batch_norm}, output={of.output!r})"
        )


def _taken(samples: Samples, rows: Array) -> Samples:
    """Return samples that hold these rows alone."""
    return Samples(*samples.take(rows), class_weight=samples.class_weight)
