"""How rough an image may be, so that a statistical reconstruction has a kernel's resolution and a wanted noise.

A wave of frequency f comes out of penalised least squares as G / (G + β R): G = 1 / (π f) is what the scan tells of it,
R its roughness (pancreasgen.scan.penalty), both over the information of the pixel. Noise has the spectrum
G / (G + β R)² (Fessler, IEEE Trans Image Process 5:493, 1996).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from pancreasgen.scan.kernels import KERNELS
from pancreasgen.scan.penalty import roughness
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.reconstruct import detector_mtf

KNEE = 2.0
"""Where a difference of neighbours counts as an edge, in standard deviations of their noise in the result; assumed."""
_MOST = 1e4  # how much more than for edges the roughness may weigh
_WAVES = 128  # waves along each axis over which noise is integrated


@dataclass(frozen=True, slots=True)
class Design:
    """What a protocol asks of the penalty on some pixels.

    Attributes:
        beta: Weight of the roughness [mm].
        excess: How much more of it there is below the knee.
        knee: Difference of neighbours at which an edge begins, times the root of the information.
        noise: Standard deviation of a pixel, times the root of the information.
    """

    beta: float
    excess: float
    knee: float
    noise: float


def _waves(
    spacing_mm: tuple[float, float], shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the frequency of waves along x, along y and in all [1/mm], kx from 0 up; shape: waves along y and x."""
    fy = np.fft.fftfreq(shape[0], spacing_mm[1]).astype(np.float64)[:, None]
    fx = np.fft.rfftfreq(shape[1], spacing_mm[0]).astype(np.float64)[None]
    frequency = np.hypot(fx, fy)
    cell = math.sqrt(1.0 / (shape[0] * spacing_mm[1] * shape[1] * spacing_mm[0]))
    frequency[0, 0] = cell / 3.53  # the mean of 1/f over a square about 0
    return fx, fy, frequency


def _gain(protocol: Protocol, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return AᵀA / g of the projector with the detector's blur [mm]."""
    result: NDArray[np.float64] = detector_mtf(protocol, frequency) ** 2 / (math.pi * frequency)
    return result


def curvature(
    protocol: Protocol, beta: float, spacing_mm: tuple[float, float], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the second derivative of the objective over g for waves (ky, kx), kx from 0 up [mm].

    Args:
        protocol: Its detector blurs.
        beta: Weight of the roughness [mm].
        spacing_mm: Pixels along x and y [mm].
        shape: Waves along y and x.
    """
    fx, fy, frequency = _waves(spacing_mm, shape)
    return _gain(protocol, frequency) + beta * roughness(spacing_mm, fx, fy)


def penalty_design(protocol: Protocol, spacing_mm: tuple[float, float], pixel_mm: float) -> Design:
    """Return the penalty with which edges have the MTF50 of the protocol's kernel, and less noise by its strength.

    The projector knows the blur D of the detector: a wave of frequency f comes out as D² G / (D² G + β R). β makes this
    ½ at the kernel's MTF50; s is such that noise falls by the protocol's strength (in an image without edges).

    Args:
        protocol: Kernel, strength and bins.
        spacing_mm: Pixels of the iteration along x and y [mm].
        pixel_mm: Pixels of the image; like FBP's, the kernel is held so that they can carry it.
    """
    half, tenth = KERNELS[protocol.kernel]
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    half *= min(1.0, min(1.0 / bin_mm, 0.8 / max(pixel_mm, *spacing_mm)) / tenth)
    angle = np.arange(64) * (math.pi / 64)
    rough = float(roughness(spacing_mm, half * np.cos(angle), half * np.sin(angle)).mean())
    beta = float(_gain(protocol, np.array([half]))[0]) / rough
    wanted = (1.0 - protocol.strength) * _noise(protocol, beta, spacing_mm)[0]
    share = 1.0
    if protocol.strength > 0.0:
        share = float(brentq(lambda more: _noise(protocol, beta * more, spacing_mm)[0] - wanted, 1.0, _MOST, rtol=1e-6))
    noise, difference = _noise(protocol, beta * share, spacing_mm)
    return Design(beta, share - 1.0, KNEE * difference, noise)


def _noise(protocol: Protocol, beta: float, spacing_mm: tuple[float, float]) -> tuple[float, float]:
    """Return the standard deviation of a pixel, and of neighbours' difference, times the root of the information."""
    fx, _, frequency = _waves(spacing_mm, (_WAVES, _WAVES))
    spectrum = _gain(protocol, frequency) / curvature(protocol, beta, spacing_mm, (_WAVES, _WAVES)) ** 2
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm  # cross-talk blurs the noise as well
    spectrum *= (1.0 - 2.0 * protocol.crosstalk * (1.0 - np.cos(2.0 * math.pi * frequency * bin_mm))) ** 2
    spectrum[:, 1:-1] *= 2.0  # of a real image half of the waves are given
    change = 2.0 * (1.0 - np.cos(2.0 * math.pi * fx * spacing_mm[0]))
    return math.sqrt(spectrum.sum()) / _WAVES, math.sqrt((spectrum * change).sum()) / _WAVES
