"""The functions of the language: what they compute, and how units go through them.

``how`` names the rule for units:
``same`` (all arguments and the result share a unit), ``plain`` (numbers in, number out), ``trig`` (angle in, number
out), ``arc`` (number in, angle out), ``root`` (half the powers),
``first`` (the first argument's unit, the others plain), ``pick`` (like same,
after a condition), ``sign`` and ``number`` (a number out), ``length`` (length in, length out).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pancreasgen.grammar import portable

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function: least and greatest number of arguments, unit rule, implementation on columns."""

    least: int
    most: int
    how: str
    compute: Callable[..., Any]


def murray_angle(fraction: Any, gamma: Any = 3.0) -> Floats:
    """Return the angle between a parent duct and the daughter that takes a share of its flow [rad].

    Minimum work (Murray 1926, 10.1085/jgp.9.6.835): with r₀^γ = r₁^γ + r₂^γ and r₁ = f^(1/γ) r₀,
    cos θ₁ = (r₀⁴ + r₁⁴ − r₂⁴) / (2 r₀² r₁²) = (1 + f^(4/γ) − (1 − f)^(4/γ)) / (2 f^(2/γ)).

    Args:
        fraction: Share f of the flow, 0 to 1.
        gamma: Exponent γ of Murray's law, above 0.

    >>> [round(float(np.degrees(murray_angle(f))), 1) for f in (0.5, 1.0)]
    [37.5, 0.0]
    """
    f = np.asarray(fraction, dtype=np.float64)
    f = np.where((f >= 0) & (f <= 1), f, np.nan)
    rise = 1.0 + portable.power(f, 4.0 / gamma) - portable.power(1.0 - f, 4.0 / gamma)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(f > 0, rise / (2.0 * portable.power(f, 2.0 / gamma)), 0.0)
    return portable.acos(np.clip(cosine, -1.0, 1.0))


def _tan(x: Any) -> Floats:
    sine, cosine = portable.sin_cos(x)
    return np.asarray(sine / cosine, dtype=np.float64)


def _asin(x: Any) -> Floats:
    return np.pi / 2.0 - portable.acos(x)


FUNCTIONS: dict[str, Builtin] = {
    "min": Builtin(1, 8, "same", lambda *x: _fold(np.minimum, x)),
    "max": Builtin(1, 8, "same", lambda *x: _fold(np.maximum, x)),
    "clamp": Builtin(3, 3, "same", lambda x, low, high: np.minimum(np.maximum(x, low), high)),
    "abs": Builtin(1, 1, "same", np.abs),
    "mod": Builtin(2, 2, "same", lambda x, y: x - y * np.floor(x / y)),
    "sign": Builtin(1, 1, "sign", np.sign),
    "sqrt": Builtin(1, 1, "root", np.sqrt),
    "exp": Builtin(1, 1, "plain", portable.exp),
    "log": Builtin(1, 1, "plain", portable.log),
    "floor": Builtin(1, 1, "plain", np.floor),
    "ceil": Builtin(1, 1, "plain", np.ceil),
    "round": Builtin(1, 1, "plain", np.rint),
    "sin": Builtin(1, 1, "trig", lambda x: portable.sin_cos(x)[0]),
    "cos": Builtin(1, 1, "trig", lambda x: portable.sin_cos(x)[1]),
    "tan": Builtin(1, 1, "trig", _tan),
    "asin": Builtin(1, 1, "arc", _asin),
    "acos": Builtin(1, 1, "arc", portable.acos),
    "atan": Builtin(1, 1, "arc", portable.atan),
    "murray_angle": Builtin(1, 2, "arc", murray_angle),
    "if": Builtin(3, 3, "pick", lambda test, yes, no: np.where(test, yes, no)),
}


def _fold(function: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    result = values[0]
    for value in values[1:]:
        result = function(result, value)
    return result


def _truncated(u: Floats, mean: Any, sd: Any, low: Any, high: Any) -> Any:
    first, last = special.ndtr((low - mean) / sd), special.ndtr((high - mean) / sd)
    value = mean + sd * special.ndtri(np.clip(first + u * (last - first), 1e-300, 1.0 - 2.0**-53))
    return np.minimum(np.maximum(value, low), high)


def _choice(u: Floats, *values: Any) -> Any:
    place = np.minimum((u * len(values)).astype(np.int64), len(values) - 1)
    return np.choose(place, [np.broadcast_to(value, u.shape) for value in values])


DRAWS: dict[str, Builtin] = {
    "uniform": Builtin(2, 2, "same", lambda u, low, high: low + u * (high - low)),
    "normal": Builtin(2, 2, "same", lambda u, mean, sd: mean + sd * special.ndtri(u)),
    "truncnormal": Builtin(4, 4, "same", _truncated),
    "lognormal": Builtin(2, 2, "first", lambda u, median, sigma: median * portable.exp(sigma * special.ndtri(u))),
    "exponential": Builtin(1, 1, "same", lambda u, mean: -mean * portable.log(u)),
    "beta": Builtin(2, 2, "plain", lambda u, a, b: special.betaincinv(a, b, u)),
    "bernoulli": Builtin(1, 1, "plain", lambda u, p: (u < p).astype(np.float64)),
    "choice": Builtin(1, 16, "same", _choice),
}
"""Draws by the inverse of the distribution function: the first argument is the uniform number."""

SPREADS = {"normal": 1, "truncnormal": 1, "lognormal": 1}
"""Draws whose argument of this index must not be negative."""

ENVIRONMENT: dict[str, Builtin] = {
    "surface": Builtin(1, 1, "length", np.abs),
    "duct": Builtin(1, 1, "length", np.abs),
    "axis": Builtin(0, 0, "number", np.abs),
    "region": Builtin(0, 0, "number", np.abs),
}
"""Functions that an organ answers; ``compute`` is never used."""

FUNCTION_NAMES = frozenset((*FUNCTIONS, *DRAWS, *ENVIRONMENT, "if"))
