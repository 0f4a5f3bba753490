"""Two spectra, one virtual image of a single photon energy.

Both spectra see the same rays, so they are mixed before the image is made: p = w p₁ + (1 − w) p₂. Water keeps its path
whatever w is; iodine behind a path q of water reads g(q) times its mass, and w(q) = (g(E) − g₂(q)) / (g₁(q) − g₂(q))
lets it read what it would at the energy E. So neither water nor, to first order, iodine hardens the beam in the mixed
image (Alvarez and Macovski, Phys Med Biol 21:733, 1976, with water and iodine as the two parts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.checks import lock
from pancreasgen.base.errors import BadInputError
from pancreasgen.scan.detect import Detector, prepare_detector
from pancreasgen.scan.materials import basis_attenuation, energies_kev
from pancreasgen.scan.protocol import Protocol

_STEP_MM, _NODES = 10.0, 81


def gain(detector: Detector, material: int, water_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much water a trace of a basis material reads as [mm per g/cm³ · mm].

    Args:
        detector: Tables of a spectrum.
        material: Place in BASIS.
        water_mm: Paths of water before and behind it (paths,) [mm].

    Returns:
        Shape (bins, paths).
    """
    attenuation = detector.attenuation.astype(np.float64)
    through = np.exp(-attenuation[0][:, None] * water_mm / 10.0)  # groups, paths
    signal = detector.signal_kev.astype(np.float64)
    result: NDArray[np.float64] = ((signal * attenuation[material]) @ through) / ((signal * attenuation[0]) @ through)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Mixer:
    """The second spectrum of a dual-energy scan, and the weights of the first.

    Attributes:
        protocol: The second spectrum's setting.
        detector: Its tables.
        weight: Of the first spectrum, behind 0, 10, 20 … mm of water (bins, 81).
    """

    protocol: Protocol
    detector: Detector
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, protocol: Protocol, first: Detector) -> Mixer:
        """Return the mixer of a protocol with ``second_kvp``.

        Raises:
            BadInputError: If the two spectra are so alike that they cannot be told apart.
        """
        other = protocol.second()
        second, water = prepare_detector(other), np.arange(_NODES, dtype=np.float64) * _STEP_MM
        wanted = np.interp(protocol.mono_kev, energies_kev(), basis_attenuation()[2] / basis_attenuation()[0])
        one, two = gain(first, 2, water), gain(second, 2, water)
        if (np.abs(one - two) < 0.05 * two).any():
            raise BadInputError(
                f"the spectra of {protocol.kvp:g} kV and {other.kvp:g} kV are too alike for a dual-energy scan",
                "take voltages further apart, for example 80 and 140",
            )
        return cls(other, second, lock(((wanted - two) / (one - two)).astype(np.float32)))

    def mix(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the paths at the wanted energy from those of the two spectra (views, bins, rows) [mm of water]."""
        out = np.empty_like(first)
        _mix(out, first, second, self.weight)
        return out


@njit(cache=True, parallel=True)
def _mix(out: Any, first: Any, second: Any, weight: Any) -> None:
    step, last = np.float32(_STEP_MM), weight.shape[1] - 2
    for view in prange(first.shape[0]):
        for k in range(first.shape[1]):
            for z in range(first.shape[2]):
                one, two = first[view, k, z], second[view, k, z]
                place = max(np.float32(0.5) * (one + two), np.float32(0.0)) / step
                entry = min(int(place), last)
                part = min(place - np.float32(entry), np.float32(1.0))
                w = weight[k, entry] + part * (weight[k, entry + 1] - weight[k, entry])
                out[view, k, z] = two + w * (one - two)
