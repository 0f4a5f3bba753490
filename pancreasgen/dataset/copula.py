"""Quantities that go together: a Gaussian copula on the uniform numbers that the laws are drawn with.

A correlation is one of normal scores, and holds for what is left of two quantities once they have followed others.
Plain Python, so that the same numbers come out on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

_LEAST_U = 2.0**-53
_LEAST_PIVOT = 1e-9


@dataclass(frozen=True, slots=True)
class Correlation:
    """How strongly two quantities go together.

    Attributes:
        between: Their keys, sorted.
        r: Correlation of their normal scores, above −1 and below 1.
        source: Where the number comes from, or an honest ``assumed``.
    """

    between: tuple[str, str]
    r: float
    source: str


def matrix(keys: Sequence[str], correlations: Mapping[tuple[str, str], Correlation]) -> list[list[float]]:
    """Return the correlation matrix of some quantities; pairs that are not named are independent."""

    def entry(one: str, other: str) -> float:
        if one == other:
            return 1.0
        found = correlations.get((min(one, other), max(one, other)))
        return found.r if found else 0.0

    return [[entry(one, other) for other in keys] for one in keys]


def cholesky(square: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """Return the lower triangle L with L Lᵀ = the matrix, or None if it is not positive definite.

    >>> cholesky([[1.0, 0.6], [0.6, 1.0]])
    [[1.0, 0.0], [0.6, 0.8]]
    >>> cholesky([[1.0, 0.9, 0.9], [0.9, 1.0, -0.9], [0.9, -0.9, 1.0]]) is None
    True
    """
    size = len(square)
    lower = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = square[i][j] - math.fsum(lower[i][k] * lower[j][k] for k in range(j))
            if i == j:
                if rest < _LEAST_PIVOT:
                    return None
                lower[i][i] = math.sqrt(rest)
            else:
                lower[i][j] = rest / lower[j][j]
    return lower


class Scores:
    """Normal scores of correlated quantities, drawn one after the other.

    Args:
        keys: The quantities, in the order in which they will come.
        correlations: Pair of sorted keys → correlation; together they must be possible.

    >>> pair = Scores(["a", "b"], {("a", "b"): Correlation(("a", "b"), 0.6, "t")})
    >>> pair.uniform("a", 0.9), round(pair.uniform("b", 0.5), 4)
    (0.9, 0.779...)
    """

    def __init__(self, keys: Sequence[str], correlations: Mapping[tuple[str, str], Correlation]) -> None:
        """Factor the matrix once."""
        paired = {key for pair in correlations for key in pair}
        self._keys = [key for key in keys if key in paired]
        lower = cholesky(matrix(self._keys, correlations))
        if lower is None:
            raise ValueError("these correlations exclude one another")
        self._lower = lower
        self._free: list[float] = []

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def uniform(self, key: str, own: float) -> float:
        """Return the uniform number of the next quantity: its own, moved by those before it that it goes with."""
        row = self._row(key)
        self._free.append(float(ndtri(min(max(own, _LEAST_U), 1.0 - _LEAST_U))))
        if not any(row[:-1]):
            return own
        score = math.fsum(weight * free for weight, free in zip(row, self._free, strict=True))
        return float(min(max(ndtr(score), 0.0), 1.0 - _LEAST_U))

    def given(self, key: str, level: float) -> None:
        """Tell the uniform number of the next quantity, whose value was given: those that come after it feel it."""
        row = self._row(key)
        known = math.fsum(weight * free for weight, free in zip(row, self._free, strict=False))
        self._free.append((float(ndtri(level)) - known) / row[-1])

    def _row(self, key: str) -> list[float]:
        number = len(self._free)
        if self._keys[number] != key:
            raise ValueError(f"{self._keys[number]} comes before {key}")
        return self._lower[number][: number + 1]
