"""Chance keyed by lineage: a draw is a pure function of (key, lineage, site, step), so order can never matter.

The mixer is the finaliser of splitmix64 (Steele, Lea, Flood 2014, 10.1145/2660193.2660195).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pancreasgen.grammar import kernels

Keys = NDArray[np.uint64]

_MASK = (1 << 64) - 1
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mix_number(*parts: int) -> int:
    """Return 64 well mixed bits of whole numbers.

    >>> mix_number(1, 2) == mix_number(2, 1)
    False
    """
    state = 0
    for part in parts:
        state = ((state ^ (part & _MASK)) + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * _FIRST) & _MASK
        state = ((state ^ (state >> 27)) * _SECOND) & _MASK
        state ^= state >> 31
    return state


def mix_keys(keys: Keys, number: int) -> Keys:
    """Return the keys (N,) mixed with one number; equals ``mix_number(key, number)`` for each."""
    return kernels.mixed(np.asarray(keys, dtype=np.uint64), np.uint64(number & _MASK))


def text_number(text: str) -> int:
    """Return 64 bits of a text (FNV-1a), the same in every process."""
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) & _MASK
    return state


def uniforms(lineage: Keys, key: int, site: int, step: int) -> NDArray[np.float64]:
    """Return one number in (0, 1) for each lineage, multiples of 2⁻⁵³ plus half of one.

    >>> lineage = np.arange(4, dtype=np.uint64)
    >>> draws = uniforms(lineage, 7, text_number("forks.l"), 3)
    >>> bool((uniforms(lineage[::-1].copy(), 7, text_number("forks.l"), 3)[::-1] == draws).all())
    True
    """
    return kernels.unit_numbers(np.asarray(lineage, dtype=np.uint64), np.uint64(mix_number(key, site, step)))
