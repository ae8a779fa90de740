"""Exponentials and logarithms of one number, written so that loops over them become vector code.

The functions of the C library stop a loop from being vectorised, which makes it five to thirty times
slower. For float32 these functions compute in float64 instead, with few terms: one result in thousands is
off by one unit in the last place, all others are correctly rounded. For float64 they call the functions of
the C library. NaN, infinities and numbers out of range behave as in NumPy. The annotation ``float`` stands
for float32 and float64; a function returns the type that it is given.

A compiler may reorder the sums here, since float64 has 29 bits to spare.
"""

from __future__ import annotations

import numpy as np

from streamfit.kernels.decorator import inlined

_LOG2E, _LN2, _ROOT2 = 1.4426950408889634, 0.6931471805599453, 1.4142135623730951
# Chebyshev interpolants, in powers of the argument: of exp on [-log(2) / 2, log(2) / 2], and of
# 2 artanh(sqrt(z)) / sqrt(z) on [0, (sqrt(2) - 1)^4] and on [0, 1 / 9].
_E0, _E1, _E2, _E3 = 0.9999999999595297, 0.99999999999551, 0.5000000107793307, 0.16666666786348716
_E4, _E5, _E6, _E7 = 0.041666218140889215, 0.008333283524270554, 0.0013948590223997939, 0.00019907579913310515
_A0, _A1, _A2 = 2.000000000008358, 0.6666666524755372, 0.40000384662803784
_A3, _A4 = 0.285350515380816, 0.23616350547469628
_B0, _B1, _B2 = 1.9999999998090048, 0.6666667902645588, 0.39998711262366804
_B3, _B4, _B5 = 0.2862020740648996, 0.21398560630495922, 0.2439390734394335
_FRACTION, _ONE = (1 << 52) - 1, 1023 << 52


@inlined
def wide_exp(x: float) -> float:
    """Compute e ** x in float64 to ten digits: 2 ** k times a polynomial in what remains."""
    x = -700.0 if x < -700.0 else x
    x = 700.0 if x > 700.0 else x
    k = np.rint(x * _LOG2E)
    k = k if x == x else 0.0  # a NaN is no whole number
    r = x - k * _LN2
    p = _E4 + r * (_E5 + r * (_E6 + r * _E7))
    p = _E0 + r * (_E1 + r * (_E2 + r * (_E3 + r * p)))
    scale = np.int64((np.int64(np.int32(k)) + 1023) << 52).view(np.float64)
    return p * scale


@inlined
def wide_log(x: float) -> float:
    """Compute the logarithm in float64 to ten digits: the exponent, and 2 artanh for the mantissa."""
    bits = np.float64(x).view(np.int64)
    exponent: float = np.float64(np.int32(bits >> 52) - np.int32(1023))
    mantissa = np.int64((bits & _FRACTION) | _ONE).view(np.float64)
    halved = mantissa > _ROOT2
    exponent = exponent + 1.0 if halved else exponent
    mantissa = mantissa * 0.5 if halved else mantissa
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    value: float = exponent * _LN2 + s * (_A0 + z * (_A1 + z * (_A2 + z * (_A3 + z * _A4))))
    value = x if x == np.inf else value
    value = -np.inf if x == 0.0 else value
    return value if x >= 0.0 else np.nan


@inlined
def wide_log1p(x: float) -> float:
    """Compute log(1 + x) in float64 to eight digits, near 0 too."""
    near = x * (1.0 - x * (0.5 - x / 3.0))
    return near if abs(x) < 1e-3 else wide_log(1.0 + x)


@inlined
def wide_expm1(x: float) -> float:
    """Compute e ** x - 1 in float64 to eight digits, near 0 too."""
    near = x * (1.0 + x * (1 / 2 + x * (1 / 6 + x / 24)))
    return near if abs(x) < 0.02 else wide_exp(x) - 1.0


@inlined
def exp(x: float) -> float:
    """Compute e ** x."""
    if isinstance(x, np.float32):
        return np.float32(wide_exp(np.float64(x)))
    result: float = np.exp(x)
    return result


@inlined
def expm1(x: float) -> float:
    """Compute e ** x - 1, exact also near 0."""
    if isinstance(x, np.float32):
        return np.float32(wide_expm1(np.float64(x)))
    result: float = np.expm1(x)
    return result


@inlined
def log(x: float) -> float:
    """Compute the natural logarithm."""
    if isinstance(x, np.float32):
        return np.float32(wide_log(np.float64(x)))
    result: float = np.log(x)
    return result


@inlined
def log1p(x: float) -> float:
    """Compute log(1 + x), exact also near 0."""
    if isinstance(x, np.float32):
        return np.float32(wide_log1p(np.float64(x)))
    result: float = np.log1p(x)
    return result


@inlined
def tanh(x: float) -> float:
    """Compute the hyperbolic tangent."""
    if isinstance(x, np.float32):
        wide = np.float64(x)
        z = wide * wide
        near = wide * (1.0 - z * (1 / 3 - z * (2 / 15)))
        return np.float32(near if abs(wide) < 0.02 else 1.0 - 2.0 / (wide_exp(wide + wide) + 1.0))
    result: float = np.tanh(x)
    return result


@inlined
def sigmoid(x: float) -> float:
    """Compute 1 / (1 + e ** -x); where the power overflows, 1 / infinity is the right 0."""
    if isinstance(x, np.float32):
        return np.float32(1.0 / (1.0 + wide_exp(-np.float64(x))))
    power: float = np.exp(-x)
    return 1.0 / (1.0 + power)


@inlined
def softplus(x: float) -> float:
    """Compute log(1 + e ** x) as max(x, 0) + log1p(u), u = e ** -|x|, which cannot overflow.

    As u is at most 1, log1p(u) = 2 artanh(u / (2 + u)) needs no more than a short series.
    """
    if isinstance(x, np.float32):
        wide = np.float64(x)
        u = wide_exp(-abs(wide))
        s = u / (2.0 + u)
        z = s * s
        p = s * (_B0 + z * (_B1 + z * (_B2 + z * (_B3 + z * (_B4 + z * _B5)))))
        return np.float32((0.0 if wide < 0.0 else wide) + p)
    rest: float = np.log1p(np.exp(-abs(x)))
    return (0.0 if x < 0.0 else x) + rest
