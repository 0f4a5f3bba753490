"""A Fourier transform of many columns at once: 32 slices side by side, two real columns as one complex.

scipy's transform takes one column after another and costs more than the whole backprojection. Here the slices are the
lanes of the SIMD unit. Stockham's algorithm (Cochran et al., IEEE Trans Audio 15:45, 1967), radices 4, 3 and 2; no
bit reversal. The butterflies are written as vectors, because numba cannot know that input and output do not overlap.

Layout: (sample, part, slice), flat; part 0 is real, part 1 imaginary.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from pancreasgen.base.checks import lock

LANES = 32
CELL = 2 * LANES  # floats of one complex sample of all slices
_VECTOR = 8


class _Complex:
    """A complex vector in a program that is being written."""

    def __init__(self, builder: Any, re: Any, im: Any) -> None:
        self.b, self.re, self.im = builder, re, im

    def __add__(self, other: _Complex) -> _Complex:
        return _Complex(self.b, self.b.fadd(self.re, other.re), self.b.fadd(self.im, other.im))

    def __sub__(self, other: _Complex) -> _Complex:
        return _Complex(self.b, self.b.fsub(self.re, other.re), self.b.fsub(self.im, other.im))

    def over_i(self) -> _Complex:
        """Return −i times this."""
        return _Complex(self.b, self.im, self.b.fneg(self.re))

    def scaled(self, factor: float) -> _Complex:
        constant = ir.Constant(self.re.type, [factor] * _VECTOR)
        return _Complex(self.b, self.b.fmul(self.re, constant), self.b.fmul(self.im, constant))

    def __mul__(self, other: _Complex) -> _Complex:
        name = f"llvm.fma.v{_VECTOR}f32"  # llvmlite's own fma takes no vectors
        known = self.b.module.globals.get(name)
        fused = known or ir.Function(self.b.module, ir.FunctionType(self.re.type, [self.re.type] * 3), name)
        re = self.b.call(fused, [self.b.fneg(self.im), other.im, self.b.fmul(self.re, other.re)])
        im = self.b.call(fused, [self.re, other.im, self.b.fmul(self.im, other.re)])
        return _Complex(self.b, re, im)


def _dft(x: list[_Complex]) -> list[_Complex]:
    if len(x) == 2:
        return [x[0] + x[1], x[0] - x[1]]
    if len(x) == 3:
        both, turn = x[1] + x[2], (x[1] - x[2]).over_i().scaled(math.sqrt(0.75))
        rest = x[0] - both.scaled(0.5)
        return [x[0] + both, rest + turn, rest - turn]
    even, odd, left, right = x[0] + x[2], x[0] - x[2], x[1] + x[3], (x[1] - x[3]).over_i()
    return [even + left, odd + right, even - left, odd - right]


def _butterfly(radix: int) -> Any:
    """Return the compiled-code function that takes a butterfly of 32 slices from one array to another."""

    @intrinsic
    def butterfly(typingctx: Any, out: Any, data: Any, cells: Any, twiddle: Any) -> Any:  # noqa: ARG001  numba asks for it
        """Store in out, at a cell and a step, the twiddled DFT of the cells of data at a cell and a step."""
        signature = types.void(out, data, cells, twiddle)

        def build(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
            target, source = (context.make_array(sig.args[i])(context, builder, arguments[i]).data for i in (0, 1))
            to, out_step, at, step = (builder.extract_value(arguments[2], i) for i in range(4))
            vector = ir.VectorType(ir.FloatType(), _VECTOR)

            def pointer(base: Any, first: Any, stride: Any, place: tuple[int, int]) -> Any:
                cell = builder.add(first, builder.mul(stride, ir.Constant(first.type, place[0])))
                index = builder.add(builder.mul(cell, ir.Constant(first.type, CELL)), ir.Constant(first.type, place[1]))
                return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

            def spread(number: Any) -> Any:
                one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
                zero = ir.Constant(ir.VectorType(ir.IntType(32), _VECTOR), [0] * _VECTOR)
                return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zero)

            numbers = [spread(builder.extract_value(arguments[3], i)) for i in range(2 * (radix - 1))]
            turns = [_Complex(builder, numbers[2 * k], numbers[2 * k + 1]) for k in range(radix - 1)]
            for lane in range(0, LANES, _VECTOR):
                places = [(k, lane + part * LANES) for k in range(radix) for part in (0, 1)]
                loads = [builder.load(pointer(source, at, step, p), align=4) for p in places]
                result = _dft([_Complex(builder, loads[2 * k], loads[2 * k + 1]) for k in range(radix)])
                for k, value in enumerate(result):
                    turned = value * turns[k - 1] if k else value
                    for part, number in enumerate((turned.re, turned.im)):
                        to_place = pointer(target, to, out_step, (k, lane + part * LANES))
                        builder.store(number, to_place, align=4)
            return context.get_dummy_value()

        return signature, build

    return butterfly


_two, _three, _four = _butterfly(2), _butterfly(3), _butterfly(4)


def fft_length(least: int) -> int:
    """Return the smallest length from ``least`` on that the transform can do: 1, 2, 3 or 6 times a power of 4.

    >>> fft_length(1471), fft_length(2943)
    (1536, 3072)
    """
    powers = [factor * 4**k for factor in (1, 2, 3, 6) for k in range(16)]
    return min(length for length in powers if length >= least)


@cache
def fft_plan(length: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the radices of a length, and its roots of unity (length, 2)."""
    radices, rest = [], length
    for radix in (4, 3, 2):
        while rest % radix == 0:
            radices.append(radix)
            rest //= radix
    roots = np.exp(-2j * np.pi * np.arange(length) / length)
    return lock(np.array(radices, dtype=np.int64)), lock(np.stack([roots.real, roots.imag], axis=1).astype(np.float32))


@njit(cache=True)
def transform(data: Any, scratch: Any, length: Any, radices: Any, roots: Any) -> bool:
    """Transform cells 0 … length − 1 of data, which is overwritten; return whether the result is in scratch.

    radices, roots: those of :func:`fft_plan`. The inverse is the same with the parts exchanged before and after.
    """
    size, stride, swapped = length, 1, False
    for radix in radices:
        part = size // radix
        source, target = (scratch, data) if swapped else (data, scratch)
        for p in range(part):
            w = p * stride
            one, two, three = roots[w], roots[(2 * w) % length], roots[(3 * w) % length]
            for q in range(stride):
                cells = (q + stride * radix * p, stride, q + stride * p, stride * part)
                if radix == 4:
                    turns = (one[0], one[1], two[0], two[1], three[0], three[1])
                    _four(target, source, cells, turns)
                elif radix == 3:
                    _three(target, source, cells, (one[0], one[1], two[0], two[1]))
                else:
                    _two(target, source, cells, (one[0], one[1]))
        size, stride, swapped = part, stride * radix, not swapped
    return swapped
