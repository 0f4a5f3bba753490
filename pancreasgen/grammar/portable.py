"""exp, log, sin, cos, tan, atan, acos and powers that give the same bits on every machine.

NumPy and libm choose other code on CPUs with AVX2, AVX-512 or FMA, and the last bit follows. A word must not: so these
are written with +, −, ×, ÷, √ and powers of two alone, which IEEE 754 fixes to the bit. Errors are a few units in the
last place.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_HALF_PI = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)


def _polynomial(x: Floats, coefficients: list[float]) -> Floats:
    """Return Σ c_k x^k by Horner's rule; the coefficients begin with the highest power."""
    result = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        result *= x
        result += coefficient
    return result


_EXP = [1.0 / math.factorial(k) for k in range(13, -1, -1)]
_SIN = [(-1.0) ** k / math.factorial(2 * k + 1) for k in range(8, -1, -1)]
_COS = [(-1.0) ** k / math.factorial(2 * k) for k in range(8, -1, -1)]
_ATANH = [1.0 / (2 * k + 1) for k in range(11, -1, -1)]
_ATAN = [(-1.0) ** k / (2 * k + 1) for k in range(12, -1, -1)]


def exp(x: Any) -> Floats:
    """Return e^x: x = k·ln 2 + r with |r| ≤ ln 2 / 2, and a Taylor series of degree 13 for e^r.

    >>> float(exp(0.0))
    1.0
    """
    value = np.clip(np.asarray(x, dtype=np.float64), -800.0, 800.0)
    k = np.rint(value / math.log(2.0))
    rest = value - k * _LN2_HIGH - k * _LN2_LOW
    whole = np.nan_to_num(k).astype(np.int64)
    half = whole // 2  # twice, so that neither factor overflows before the product does
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(np.ldexp(_polynomial(rest, _EXP), half), whole - half)


def log(x: Any) -> Floats:
    """Return the natural logarithm: x = m·2^k, log m = 2 atanh((m − 1)/(m + 1)). NaN below 0, −inf at 0.

    >>> float(log(1.0))
    0.0
    """
    value = np.asarray(x, dtype=np.float64)
    mantissa, exponent = np.frexp(np.where(value > 0, value, 1.0))
    low = mantissa < math.sqrt(0.5)
    mantissa = np.where(low, mantissa * 2.0, mantissa)
    k = exponent - low
    s = (mantissa - 1.0) / (mantissa + 1.0)
    result = k * _LN2_HIGH + (k * _LN2_LOW + 2.0 * s * _polynomial(s * s, _ATANH))
    return np.where(value > 0, result, np.where(value == 0, -np.inf, np.nan))


def sin_cos(x: Any) -> tuple[Floats, Floats]:
    """Return the sine and the cosine of x [rad], by quadrants and Taylor series of degree 17 and 16.

    >>> sine, cosine = sin_cos(0.0)
    >>> float(sine), float(cosine)
    (0.0, 1.0)
    """
    value = np.asarray(x, dtype=np.float64)
    value = np.where(np.abs(value) > 1e5, np.fmod(value, 2.0 * math.pi), value)
    k = np.rint(value / (math.pi / 2.0))
    rest = value - k * _HALF_PI[0] - k * _HALF_PI[1] - k * _HALF_PI[2]
    square = rest * rest
    sine, cosine = rest * _polynomial(square, _SIN), _polynomial(square, _COS)
    quarter = np.nan_to_num(k).astype(np.int64) & 3
    odd = (quarter & 1).astype(bool)
    first, second = np.where(odd, cosine, sine), np.where(odd, sine, cosine)
    return np.where(quarter >= 2, -first, first), np.where((quarter == 1) | (quarter == 2), -second, second)


def atan(x: Any) -> Floats:
    """Return the arc tangent [rad]: arctan x = 4 arctan t after halving the angle twice.

    >>> round(float(atan(1.0)) * 4, 12)
    3.14159265359
    """
    value = np.asarray(x, dtype=np.float64)
    large = np.abs(value) > 1.0
    with np.errstate(divide="ignore"):
        t = np.where(large, 1.0 / np.where(value == 0, 1.0, value), value)
    for _ in range(2):
        t = t / (1.0 + np.sqrt(1.0 + t * t))
    angle = 4.0 * t * _polynomial(t * t, _ATAN)
    return np.where(large, np.copysign(math.pi / 2.0, value) - angle, angle)


def acos(x: Any) -> Floats:
    """Return the arc cosine [rad]: 2 arctan √((1 − x)/(1 + x)). NaN outside [−1, 1].

    >>> float(acos(1.0)), round(float(acos(-1.0)), 12)
    (0.0, 3.14159265359)
    """
    value = np.asarray(x, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 2.0 * atan(np.sqrt((1.0 - value) / (1.0 + value)))


def power(base: Any, exponent: Any) -> Floats:
    """Return base^exponent; whole exponents up to 8 by multiplication, others as e^(y log x).

    A negative base with an exponent that is not whole gives NaN, as does 0 to a negative power infinity.

    >>> float(power(3.0, 2.0)), round(float(power(8.0, 1 / 3)), 12)
    (9.0, 2.0)
    """
    x, y = np.asarray(base, dtype=np.float64), np.asarray(exponent, dtype=np.float64)
    if y.ndim == 0 and float(y).is_integer() and abs(float(y)) <= 8:
        result = np.ones_like(x)
        for _ in range(int(abs(float(y)))):
            result = result * x
        with np.errstate(divide="ignore"):
            return 1.0 / result if y < 0 else result
    with np.errstate(invalid="ignore"):
        size = exp(y * log(np.abs(x)))
    whole = np.rint(y) == y
    signed = np.where(whole & (np.fmod(y, 2.0) != 0), -size, size)
    result = np.where(x > 0, size, np.where(whole, signed, np.nan))
    at_zero = np.where(y > 0, 0.0, np.where(y == 0, 1.0, np.inf))
    return np.where(x == 0, at_zero, result)
