"""The law of one quantity: how it is spread over people, and how it follows others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from pancreasgen.base.checks import checked_number
from pancreasgen.base.errors import UsageError

Drawn = float | str
DISTRIBUTIONS = ("normal", "lognormal", "uniform", "choice", "constant")
CONTINUOUS = ("normal", "lognormal", "uniform")
_DIGITS = 6
_LEAST_U = 2.0**-53


@dataclass(frozen=True, slots=True)
class Law:
    """How one quantity is spread over people.

    Attributes:
        key: Dotted name such as ``gland.length_mm``.
        distribution: ``normal``, ``lognormal``, ``uniform``, ``choice`` or ``constant``.
        low: Smallest value.
        high: Largest value.
        unit: Unit of all numbers here.
        source: Where the numbers come from, or an honest ``assumed``.
        mean: Mean of the untruncated normal or lognormal quantity itself.
        sd: Its standard deviation.
        value: The value of a constant.
        choices: Names to choose from.
        weights: Their weights, in the same order; they need not sum to 1.
        follows: Keys of the quantities that shift the mean.
        slope: Shift of the mean for each unit of each of these.
        at: Value of each of these at which the mean holds.
    """

    key: str
    distribution: str
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    source: str = ""
    mean: float = math.nan
    sd: float = math.nan
    value: Drawn = math.nan
    choices: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    follows: tuple[str, ...] = ()
    slope: tuple[float, ...] = ()
    at: tuple[float, ...] = ()

    def shift(self, values: Mapping[str, Drawn]) -> float:
        """Return how far the quantities that it follows move the mean: Σ slope × (value − at).

        >>> Law("a", "normal", follows=("b", "c"), slope=(2.0, -1.0), at=(10.0, 0.0)).shift({"b": 11, "c": 0.5})
        1.5
        """
        parts = zip(self.follows, self.slope, self.at, strict=True)
        return sum(slope * (float(values[key]) - at) for key, slope, at in parts)

    def draw(self, uniform: float, shift: float = 0.0) -> Drawn:
        """Return the value at a uniform number in [0, 1), the mean moved by a shift.

        >>> Law("a", "normal", low=110, high=210, mean=162, sd=17).draw(0.5)
        161.97...
        >>> Law("b", "choice", choices=("x", "y"), weights=(1, 3)).draw(0.3)
        'y'
        """
        if self.distribution == "constant":
            return self.value
        if self.distribution == "choice":
            mark = uniform * sum(self.weights)
            for name, weight in zip(self.choices, self.weights, strict=True):
                if mark < weight:
                    return name
                mark -= weight
            return self.choices[-1]
        if self.distribution == "uniform":
            return round(self.low + uniform * (self.high - self.low), _DIGITS)
        return round(self._truncated(uniform, self.mean + shift), _DIGITS)

    def level(self, value: float, shift: float = 0.0) -> float:
        """Return the uniform number in (0, 1) at which a continuous law draws a value: the inverse of :meth:`draw`.

        A value beyond the range, which only a user can give, counts as its end.

        >>> law = Law("a", "lognormal", low=1, high=40, mean=16, sd=7)
        >>> round(law.level(float(law.draw(0.3))), 6)
        0.3
        """
        if self.distribution == "uniform":
            level = (value - self.low) / (self.high - self.low)
        else:
            centre, spread, low, high = self._cut(self.mean + shift)
            log = self.distribution == "lognormal"
            place = (math.log(value) if value > 0 else -math.inf) if log else value
            below, above = ndtr((low - centre) / spread), ndtr((high - centre) / spread)
            level = (ndtr((place - centre) / spread) - below) / max(above - below, _LEAST_U)
        return float(min(max(level, _LEAST_U), 1.0 - _LEAST_U))

    def _cut(self, mean: float) -> tuple[float, float, float, float]:
        """Return centre, spread and ends of the normal law behind it (of the logarithm, if it is a lognormal)."""
        if self.distribution == "normal":
            return mean, self.sd, self.low, self.high
        mean = max(mean, self.low, 1e-9)  # a lognormal cannot follow down to nought
        spread = math.sqrt(math.log1p((self.sd / mean) ** 2))
        low = math.log(self.low) if self.low > 0 else -math.inf
        high = math.log(self.high) if self.high > 0 else -math.inf
        return math.log(mean) - 0.5 * spread**2, spread, low, high

    def _truncated(self, uniform: float, mean: float) -> float:
        """Return the quantile of the (log)normal law cut to [low, high]; q = F⁻¹(F(low) + u (F(high) − F(low)))."""
        centre, spread, low, high = self._cut(mean)
        below, above = ndtr((low - centre) / spread), ndtr((high - centre) / spread)
        value = centre + spread * float(ndtri(below + uniform * (above - below)))
        value = math.exp(value) if self.distribution == "lognormal" else value
        return min(max(value, self.low), self.high)

    def check(self, value: Drawn) -> Drawn:
        """Return a value given by the user, if the law could have drawn it.

        Raises:
            UsageError: If it is outside the range or not among the choices.
        """
        if self.distribution == "choice":
            if value not in self.choices:
                raise UsageError(f"{self.key} must be one of {', '.join(self.choices)}, not {value}")
            return value
        if self.distribution == "constant" and isinstance(self.value, str):
            return value
        return checked_number(self.key, value, self.low, self.high, self.unit)


def standing(source: str) -> str:
    """Return what a source is worth: ``sourced``, ``partly`` (some of the numbers), ``recalled`` or ``assumed``.

    >>> standing("78 dissections, doi:10.1"), standing("assumed: round numbers"), standing("recalled: 7 ± 1")
    ('sourced', 'assumed', 'recalled')
    >>> standing("27.9 ± 4.5 mm, 241 CT; the slope is assumed")
    'partly'
    """
    words = source.strip().lower()
    for word in ("assumed", "recalled"):
        if words.startswith(word):
            return word
    return "partly" if "assumed" in words or "recalled" in words else "sourced"
