"""LBFGS: the curvature of the loss from the last steps, for small data in one batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from chainrule.checks import check_range, check_whole
from chainrule.errors import ConfigurationError, InputError
from chainrule.network import Network
from chainrule.optimizers.base import LearningRate, Optimizer
from chainrule.optimizers.line_search import Place, search_line
from chainrule.parameter import Array

__all__ = ["LBFGS"]

NO_CLOSURE = (
    "LBFGS evaluates the loss several times in a step: optimizer.step(network, closure), where "
    "closure() sends the same batch forward and backward and returns the loss."
)


@dataclass(eq=False, repr=False)
class LBFGS(Optimizer):
    """w ← w - t · H g: Newton's method, with H, the inverse curvature, from the last steps.

    H follows from pairs of a step s and the change y of the gradient over it: H y = s holds for the
    last one. So it takes no more memory than `history_size` pairs of vectors. How far to go, t, is
    found by a line search that ends where the strong Wolfe conditions hold, mostly at the first
    place that it looks at.

    It is for small data: every step needs all of them, ``Trainer.fit(X, y, batch_size=len(X))``,
    so an epoch is one step. It is at its best in float64, ``Network(..., dtype="float64")``. Within
    a step of `Trainer`, dropout draws the same masks in every pass, and running statistics count
    one pass. `EarlyStopping("loss")` ends a training that has arrived.

    Liu, Nocedal, "On the limited memory BFGS method for large scale optimization", 1989; Nocedal,
    Wright, "Numerical Optimization", 2006, algorithm 7.4, with the options of PyTorch.

    Parameters
    ----------
    learning_rate : float
        The t that is tried first; 1 is Newton's step.
    iterations : int
        How many iterations one step makes. The first pass of a step is the last of the one before,
        made again; so many iterations in a step take half the passes of as many steps.
    history_size : int
        How many pairs are kept.
    max_evaluations : int
        How many passes a line search may make.
    tolerance_grad : float
        Where no value's gradient is larger, a step stays where it is.
    tolerance_change : float
        It stays, too, where the loss falls by less along the direction; and a line search ends
        where values would change by less.
    weight_decay : float
        λ of the L2 regularisation: λ / 2 · Σ w² is part of what is minimised.
    lr_multipliers : mapping of str to float, optional
        Patterns of names with 0, which freezes, or 1. See `Optimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Linear, MeanSquaredError, Network
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> y = 3 * X - 1
    >>> network, loss = Network([Linear(1, 1)], seed=0, dtype="float64"), MeanSquaredError()
    >>> def closure():
    ...     y_pred = network.forward(X)
    ...     network.backward(loss.backward(y, y_pred))
    ...     return loss.forward(y, y_pred)
    >>> optimizer = LBFGS()
    >>> for _ in range(10):
    ...     optimizer.step(network, closure)
    >>> [p.value.round(4).item() for p in network.parameters()]
    [3.0, -1.0]
    """

    elementwise = False
    finds_step_lengths = True
    needs_closure = True

    learning_rate: LearningRate = 1.0
    _: KW_ONLY
    iterations: int = 1
    history_size: int = 10
    max_evaluations: int = 25
    tolerance_grad: float = 1e-7
    tolerance_change: float = 1e-9

    def __post_init__(self) -> None:
        super().__post_init__()
        self.iterations = check_whole("iterations", self.iterations)
        self.history_size = check_whole("history_size", self.history_size)
        self.max_evaluations = check_whole("max_evaluations", self.max_evaluations)
        self.tolerance_grad = check_range("tolerance_grad", self.tolerance_grad)
        self.tolerance_change = check_range("tolerance_change", self.tolerance_change)
        numbers = range(1, self.history_size + 1)  # 1 is the last step
        self.remember(*[f"{what}_{n}" for what in ("move", "change") for n in numbers])

    def step(  # type: ignore[override]  # the others need no closure
        self,
        network: Network,
        closure: Callable[[], float] | None = None,
        *,
        loss: float | None = None,
    ) -> None:
        """Go to a lower loss, once.

        Parameters
        ----------
        network : Network
            What is trained.
        closure : callable
            Sends the whole data forward and backward through the network, and returns the loss.
        loss : float, optional
            The loss of the last backward pass, if that was made with the same data and values; it
            saves a call of the closure.

        Raises
        ------
        ConfigurationError
            There is no closure, or it returns no number.
        InputError
            The loss or the gradient is not finite to begin with.
        """
        if not callable(closure):
            raise ConfigurationError(NO_CLOSURE)
        loss = _number(closure()) if loss is None else loss
        self.bind(network)
        place = Place(0.0, loss + self._penalty(), 0.0, self._gradient())
        if not math.isfinite(place.loss) or not np.isfinite(place.gradient).all():
            raise InputError(
                "The loss or its gradient holds NaN or infinity before the step. Look for them in "
                "the data and the weights; standardised inputs usually help."
            )
        self.steps += 1
        for _ in range(self.iterations):
            end = self._iterate(closure, place)
            if end is None:
                break
            place = end

    def _iterate(self, closure: Callable[[], float], start: Place) -> Place | None:
        """Go to a lower loss along -H g; return what is known there, None if it is here already."""
        g = start.gradient
        pairs = list(self._pairs())
        d = self._direction(g, pairs)
        start = Place(0.0, start.loss, float(g @ d), g)
        if np.abs(g).max(initial=0) <= self.tolerance_grad:
            return None
        first = self.current_learning_rate()
        if not pairs:  # nothing is known about lengths
            first *= min(1.0, 1 / float(np.abs(g).sum()))
        w = self._vectors.values
        before, end = w.copy(), start
        try:
            if start.slope <= -self.tolerance_change:
                end = search_line(
                    lambda distance: self._look(closure, before, d, distance),
                    start,
                    first,
                    narrow=self.tolerance_change / float(np.abs(d).max()),
                    evaluations=self.max_evaluations,
                )
        except BaseException:
            w[...] = before
            raise
        self._go(before, d, end.distance)
        if end is start:
            self._forget()  # the next step begins along the gradient
            return None
        self._keep(end.distance * d, end.gradient - g, -end.distance * start.slope)
        return end

    # ------------------------------------------------------------ what is minimised

    def _look(
        self, closure: Callable[[], float], before: Array, d: Array, distance: float
    ) -> Place:
        """Return what is known at a distance; what cannot be computed there is too far."""
        self._go(before, d, distance)
        try:
            loss = _number(closure()) + self._penalty()
        except (InputError, ArithmeticError):
            loss = math.nan
        g = self._gradient()
        slope = float(g @ d)
        finite = math.isfinite(loss) and math.isfinite(slope)
        return Place(distance, loss if finite else math.inf, slope, g)

    def _go(self, before: Array, d: Array, distance: float) -> None:
        """Set the values to those at a distance; frozen ones stay as they are."""
        for block in self._blocks:
            block.w[...] = before[block.place] + distance * d[block.place]

    def _gradient(self) -> Array:
        """Return the gradient of the loss and the penalty; 0 for what is frozen."""
        gradient = np.zeros_like(self._vectors.grads)
        for block in self._blocks:
            pull = self.weight_decay * block.decay * block.w if self.weight_decay else 0
            gradient[block.place] = block.g + pull
        return gradient

    def _penalty(self) -> float:
        """Return λ / 2 · Σ w²."""
        if not self.weight_decay:
            return 0.0
        squares = sum(float(np.square(block.w[block.decay]).sum()) for block in self._blocks)
        return self.weight_decay / 2 * squares

    # ------------------------------------------------------------ the curvature

    def _direction(self, g: Array, pairs: list[tuple[Array, Array, float]]) -> Array:
        """Return -H g, by two passes through the pairs, of which the last step is the first."""
        d = -g
        shares = []
        for s, y, product in pairs:
            shares.append(float(s @ d) / product)
            d -= shares[-1] * y
        if pairs:
            _, y, product = pairs[0]
            d *= product / float(y @ y)
        for (s, y, product), share in zip(reversed(pairs), reversed(shares), strict=True):
            d += (share - float(y @ d) / product) * s
        return d

    def _pairs(self) -> Iterator[tuple[Array, Array, float]]:
        """Yield s, y and their product for each step that is kept, the last one first."""
        moves, changes = self._history()
        for s, y in zip(moves, changes, strict=True):
            product = float(s @ y)
            if product > 0:  # else there is none yet
                yield s, y, product

    def _history(self) -> tuple[list[Array], list[Array]]:
        vectors = [self.state_vectors[name] for name in self.state_names]
        return vectors[: self.history_size], vectors[self.history_size :]

    def _keep(self, move: Array, change: Array, fall: float) -> None:
        """Keep a pair as the last one, if the slope has risen: the loss is curved upwards there."""
        if float(move @ change) <= np.finfo(move.dtype).eps * fall:
            return
        moves, changes = self._history()
        vectors = itertools.chain([move], moves[:-1], [change], changes[:-1])
        self.state_vectors = dict(zip(self.state_names, vectors, strict=True))

    def _forget(self) -> None:
        for vector in self.state_vectors.values():
            vector[...] = 0

    # ------------------------------------------------------------ the network it belongs to

    def bind(self, network: Network) -> list[Any]:
        before = self._starts
        blocks = super().bind(network)
        starts: Any = self._starts
        if before is not None and before.tolist() != starts.tolist():
            self._forget()  # the pairs are of other parameters
        self._vectors = network.flat
        return blocks

    def check_network(self, network: Network) -> None:
        super().check_network(network)
        others = {p: f for p, f in self.lr_multipliers.items() if f not in (0, 1)}
        if others:
            raise ConfigurationError(
                "LBFGS finds one length for all parameters of a step: lr_multipliers may be 0, "
                f"which freezes, or 1; got {others}."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_vectors": None}


def _number(loss: Any) -> float:
    """Return a loss as a float."""
    try:
        return float(loss)
    except (TypeError, ValueError):
        raise ConfigurationError(f"The closure returned {loss!r} instead of the loss.") from None
