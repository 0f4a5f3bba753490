import numpy as np
from numba import njit

from pancreasgen.scan.fast import exp_negative, fma


@njit
def _all(x: np.ndarray) -> np.ndarray:
    result = np.empty_like(x)
    for i in range(x.size):
        result[i] = exp_negative(x[i])
    return result


def test_the_fast_exponential_is_exp() -> None:
    """exp(−x) errs by less than 1e-6 for |x| < 10 and 5e-6 for |x| < 87; beyond that it is held, not garbage."""
    x = np.linspace(-87.0, 87.0, 400_001).astype(np.float32)
    error = np.abs(_all(x) / np.exp(-x.astype(np.float64)) - 1.0)
    assert error[np.abs(x) < 10.0].max() < 1e-6
    assert error.max() < 6e-6
    held = _all(np.array([0.0, 500.0, -500.0], dtype=np.float32))
    assert abs(held[0] - 1.0) < 1e-6
    assert 0.0 < held[1] < 1e-37
    assert 1e37 < held[2] < np.inf


@njit
def _fused(a: float, b: float, c: float) -> float:
    return fma(a, b, c)


def test_fma_rounds_once() -> None:
    """(1 + ε)² − (1 + 2ε) is ε² when rounded once, and 0 when rounded twice; in both widths."""
    for kind in (np.float32, np.float64):
        one, epsilon = kind(1.0), np.finfo(kind).eps
        a = one + epsilon
        assert a * a - (one + epsilon + epsilon) == 0.0
        assert _fused(a, a, -(one + epsilon + epsilon)) == epsilon * epsilon
