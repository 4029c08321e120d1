"""NetworkRegressor: a scikit-learn regressor that is an ensemble of small networks."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from chainrule.errors import ConfigurationError
from chainrule.estimators import defaults
from chainrule.estimators.base import Course, Given, NetworkEstimator, Unseen
from chainrule.estimators.calibration import interval_half_width
from chainrule.estimators.targets import Numbers, check_numbers
from chainrule.parameter import Array


class NetworkRegressor(RegressorMixin, MultiOutputMixin, NetworkEstimator):
    """A regressor for tables: small networks, trained at once, that predict together.

    It takes the place of another of scikit-learn's regressors, in pipelines, searches and
    cross-validation. y holds one number a row, or several, (N, outputs).

    Parameters
    ----------
    hidden_layers : int or sequence of int
        The sizes of the hidden layers; ``()`` is a linear model.
    activation : str
        Behind each hidden layer: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``, ``"silu"``,
        ``"mish"``, ``"elu"``, ``"selu"`` or ``"leaky_relu"``.
    dropout : float
        The probability of dropping behind each hidden layer, 0 <= dropout < 1.
    batch_norm : bool or "auto"
        Whether there is a `BatchNorm` before each activation. "auto" is True from 50 rows on, and
        False where learning begins with `partial_fit`, which may bring single rows.
    optimizer : str or callable
        ``"adamw"``, ``"adam"``, ``"sgd"``, ``"momentum"``, ``"nesterov"``, ``"rmsprop"``,
        ``"nadam"``, ``"radam"``, ``"lion"``; or the class of an optimizer, or a function with its
        arguments, such as ``functools.partial(Adam, beta2=0.95)``.
    learning_rate, weight_decay : float
        The optimizer's. Of several members they are what the members' own are drawn around.
    loss : {"squared_error", "absolute_error", "huber"} or Loss
        On targets of mean 0 and standard deviation 1; or a loss on numbers, such as
        ``Quantile(0.9)``.
    epochs : int
        How often to go through the rows, at most. It is a plan and not a limit: reaching it warns
        of nothing.
    batch_size : int or "auto"
        Rows in a step; "auto" is a 64th of the rows, from 32 up to 256.
    early_stopping : bool or "auto"
        Whether to hold rows out, keep each member's best epoch on them, and stop a member that gets
        no better. "auto" does so from 50 rows on: with fewer, each is needed to learn from.
    validation_fraction : float
        The share to hold out. Of several members each leaves out a part of its own, one of as many
        as make about this share, so that no row is lost to learning. A single network leaves out
        one.
    patience : int
        How many epochs without getting better to bear. (scikit-learn's MLP says n_iter_no_change;
        what is counted here are epochs, as in `EarlyStopping`.)
    members : int
        How many networks are trained at once and predict together. One is a single network.
    preparation : "auto", Preparation or None
        What turns rows into numbers for the network: "auto" is a `TablePreparation`, which takes
        data frames, categories and missing values, with ``n_bins=16`` from 4,000 rows on and
        ``embed_from=50``: of a column with more categories than 50 each network learns a vector
        for each. Or one of one's own, which is copied. With None rows go in as they are. A ready
        network is given rows as they are, unless it has a preparation or one is given here.
    network : Network or callable, optional
        A ready network, which is copied and never changed, or a function ``(features, outputs) ->
        Network``. It is trained by `Trainer`; what would build one here (`hidden_layers`,
        `activation`, `dropout`, `batch_norm`, `members`, `dtype`) does not count then.
    dtype : {"float32", "float64"}
        What it learns in. Predictions are computed in float64 from what was learned, so that
        those for a row do not depend on the rows beside it.
    warm_start : bool
        Whether `fit` goes on from where the last one ended, with the networks and the preparation
        that there are. A changed learning rate or weight decay is followed.
    random_state : int, RandomState or None
        The same whole number gives the same estimator, to the last bit.
    verbose : bool or callable
        Whether to tell of every epoch, on standard error; or a function to tell it to, as
        `Ensemble.fit` takes for on_epoch_end (a ready network prints lines in any case).

    Attributes
    ----------
    network_ : Ensemble or Network
        What was learned, with its preparation. It can be saved as one file, which predicts rows as
        they are with NumPy alone.
    n_features_in_, feature_names_in_
        How many columns there are, and their names where there are any.
    n_outputs_ : int
        How many numbers the network puts out.
    history_ : dict of str to ndarray, or History
        What happened in each epoch: `Ensemble.history`, or that of the `Trainer`.
    loss_curve_ : list of float
        The loss of each epoch, on the rows that are learned from; a mean over members.
    loss_ : float
        Its value in the last epoch, or the kept one of a ready network.
    n_iter_ : int
        How many epochs there were; `partial_fit` counts on.
    validation_scores_ : list of float or None
        What early stopping went by in each epoch, greater being better: minus the loss on the
        held-out rows, a mean over the members that learn. None where nothing was held out.
    best_validation_score_ : float or None
        The largest of them.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from chainrule.estimators import NetworkRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = NetworkRegressor(members=4, epochs=40, random_state=0).fit(X, y)
    >>> low, high = regressor.predict_interval(X, coverage=0.8)
    >>> bool((low < high).all())
    True
    """

    def __init__(
        self,
        hidden_layers: Any = defaults.HIDDEN_LAYERS,
        *,
        activation: str = defaults.ACTIVATION,
        dropout: float = defaults.DROPOUT,
        batch_norm: Any = "auto",
        optimizer: Any = defaults.OPTIMIZER,
        learning_rate: float = defaults.LEARNING_RATE,
        weight_decay: float = defaults.WEIGHT_DECAY,
        loss: Any = "squared_error",
        epochs: int = defaults.EPOCHS,
        batch_size: Any = "auto",
        early_stopping: Any = "auto",
        validation_fraction: float = defaults.VALIDATION_FRACTION,
        patience: int = defaults.PATIENCE,
        members: int = defaults.MEMBERS,
        preparation: Any = "auto",
        network: Any = None,
        dtype: Any = "float32",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: Any = False,
    ) -> None:
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.loss = loss
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.members = members
        self.preparation = preparation
        self.network = network
        self.dtype = dtype
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------ learning

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None
    ) -> Self:
        """Learn from rows, and return the estimator.

        Parameters
        ----------
        X : data frame, array_like or sparse matrix, shape (N, features)
            The rows. Missing values are welcome, infinity is not, and dates are refused: say what
            matters in them. Sparse rows are made dense.
        y : array_like
            Numbers, (N,) or (N, outputs).
        sample_weight : array_like, shape (N,), optional
            How much each row counts; one of weight 0 is left out.
        validation_data : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)`` to hold out in place of a share of these rows.

        Raises
        ------
        InputError, ConfigurationError
            Something given cannot be used; told before the first step. Both are ValueErrors.
        NotFiniteError
            Training met NaN or infinity.
        """
        return self._fit(X, y, sample_weight, validation_data)

    @available_if(lambda estimator: estimator._can_go_on())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from rows for one epoch, and return the estimator.

        The optimizer goes on where the last call left it. Nothing is held out, so nothing is
        calibrated; `calibrate` does it when all is learned. What prepares the rows is measured on
        those of the first call.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Measure intervals on rows that were not trained on, and return the estimator.

        With rows that had no part in training, not even in early stopping, `predict_interval`
        promises its coverage exactly; see there.
        """
        check_is_fitted(self, "network_")
        self._calibrate(self._unseen(self._checked(X, y, sample_weight, reset=False)))
        return self

    # ------------------------------------------------------------ predicting

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return what is predicted for each row, in the shape of y.

        With ``return_std=True`` also the standard deviation between the members: how far they
        disagree. It is no interval for y; `predict_interval` gives one.
        """
        if not return_std:
            numbers = self._outputs(X)
            return self._course.targets.decode(numbers)
        numbers, spread = self._outputs_and_spread(X)
        return self._course.targets.decode(numbers), self._course.targets.decode(spread)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[Array, Array]:
        """Return the ends of an interval for each row's y, each in the shape of `predict`.

        Conformal prediction, with absolute residuals on rows that were not learned from: see
        `interval_half_width` for the formula and its sources. After `calibrate` with fresh rows y
        lies within with a probability of at least `coverage`, whatever the data are like, as long
        as the new rows come from where those did.

        After `fit` alone it is an approximation, by cross-validation: the residual of a row is that
        of the members that left it out. They err more than all members together, but the rows also
        decided when they stopped. Given `validation_data`, those rows decided which members count,
        too: residuals are a little smaller there than on new rows.

        Parameters
        ----------
        X : data frame or array_like
            The rows.
        coverage : float
            In which share of the cases y shall lie within, 0 < coverage < 1; of several outputs,
            each by itself.
        """
        width = self.interval_half_width(coverage)
        prediction = self._outputs(X)
        decode = self._course.targets.decode
        return decode(prediction - width), decode(prediction + width)

    def interval_half_width(self, coverage: float = 0.9) -> Array:
        """Return how far `predict_interval` reaches to each side of a prediction, (outputs,)."""
        check_is_fitted(self, "network_")
        if self._residuals is None:
            raise ConfigurationError(
                "No rows were left out to measure intervals on: they were too few for "
                "early_stopping='auto', or it is False, or partial_fit came last. Fit with "
                "early_stopping=True or validation_data, or call calibrate(X, y) with rows that "
                "were not trained on."
            )
        return interval_half_width(*self._residuals, coverage)

    def _in_units(self, outputs: Array) -> Array:
        """Return what is predicted, in the units of y."""
        return self._course.targets.in_units(outputs)

    # ------------------------------------------------------------ the parts of _fit

    def _check_y(self, y: Any) -> Array:
        return check_numbers(y)

    def _targets_of(
        self, y: Array, classes: Any, course: Course | None, incremental: bool
    ) -> Numbers:
        if course is None:
            return Numbers(y)
        course.targets.encode(y)
        return course.targets

    def _weigh(self, given: Given, targets: Numbers, incremental: bool) -> Array | None:
        return given.weight

    def _refuse_what_is_left(self, given: Given, targets: Numbers) -> None:
        """Numbers may all be the same."""

    def _strata(self, targets: Numbers, y: Array) -> None:
        return None

    def _note_targets(self, targets: Numbers) -> None:
        self.network_.target_preparation = targets.scaler

    def _calibrate(self, unseen: Unseen | None) -> None:
        """Keep how far predictions are from the truth on rows that were not learned from."""
        self._residuals = None
        if unseen is not None:
            predictions = np.einsum("k,kno->no", unseen.counts, unseen.outputs)
            residuals = np.abs(unseen.y.reshape(len(predictions), -1) - predictions)
            self._residuals = residuals, unseen.weight
