"""The complementary error function, which NumPy lacks: erfc(x) = 2/√π ∫ exp(-t²) dt from x to ∞.

Three rational functions, from W. J. Cody, "Rational Chebyshev Approximations for the Error
Function", 1969, with erf(x) = 1 - erfc(x):

    erf(x)  = x P(x²) / Q(x²)                            for |x| <= 0.46875
    erfc(x) = exp(-x²) R(x) / S(x)                       up to 4
    erfc(x) = exp(-x²) (1/√π - z T(z) / U(z)) / x        beyond, with z = 1 / x²

and erfc(-x) = 2 - erfc(x). The relative error is below 2.5e-15 in float64 and 2e-6 in float32,
down to the smallest normal number.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.parameter import Array

NEAR, FAR = 0.46875, 4.0
GONE = 30.0  # erfc is 0 from 27.3 on; larger powers of x would only overflow
BLOCK = 32768  # numbers at a time, so that intermediate results stay in the cache: twice as fast

# Coefficients, the highest power first.
P = (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3)  # fmt: skip
Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3)  # fmt: skip
R = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3)  # fmt: skip
S = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
     1.23033935480374942e3)  # fmt: skip
T = (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
     1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4)  # fmt: skip
U = (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1,
     6.05183413124413191e-2, 2.33520497626869185e-3)  # fmt: skip


def erfc(x: Array) -> Array:
    """Return 1 - erf(x) elementwise, in the precision of x, accurate also where it is small."""
    y = np.empty_like(x)
    flat_x, flat_y = x.ravel(order="K"), y.ravel(order="K")  # in the order of memory
    for start in range(0, x.size, BLOCK):
        flat_y[start : start + BLOCK] = _erfc(flat_x[start : start + BLOCK])
    return y


def _erfc(x: Array) -> Array:
    size = np.minimum(np.abs(x), GONE)
    tail = _middle(size)
    far = size > FAR
    if far.any():  # only a few numbers are, and only they are computed
        tail[far] = _far(size[far])
    sign = np.copysign(x.dtype.type(1), x)
    y = sign * tail
    y += 1 - sign  # 2 - erfc(|x|) to the left, erfc(x) to the right
    return np.where(size <= NEAR, 1 - _near(x, size), y)


def _near(x: Array, size: Array) -> Array:
    """Return erf(x), valid where size = |x| <= NEAR."""
    square = size * size
    y = _polynomial(P, square)
    y /= _polynomial(Q, square)
    y *= x
    return y


def _middle(size: Array) -> Array:
    """Return erfc(size), valid from NEAR to FAR."""
    y = _polynomial(R, size)
    y /= _polynomial(S, size)
    y *= np.exp(-size * size)
    return y


def _far(size: Array) -> Array:
    """Return erfc(size), valid from FAR on.

    exp turns the rounding error of x², up to 6e-14, into a relative one. So x² is split exactly:
    x² = r² + (x - r)(x + r), where r is x rounded down to a multiple of 1/16.
    """
    z = 1 / (size * size)
    y = _polynomial(T, z)
    y /= _polynomial(U, z)
    y *= z
    y = (1 / math.sqrt(math.pi) - y) / size
    r = np.floor(size * 16) / 16
    y *= np.exp(-r * r)
    y *= np.exp((r - size) * (r + size))
    return y


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Return the value of a polynomial, by Horner's rule."""
    highest, *others = coefficients
    y = np.full_like(x, highest)
    for coefficient in others:
        y *= x
        y += coefficient
    return y
