"""Correction of the beam hardening of bone, in two passes.

The water correction reads a ray through bone wrongly by an amount that depends on the water and the bone behind it: the
dark bands between bones. So bone is segmented in the first image and projected; a table of the scanner's own spectrum
tells what water and bone of these paths read as and what they should read as, if bone were always as steep as in
200 mm of water; the difference is added, and a second image made (Joseph and Spital, J Comput Assist Tomogr 2:100,
1978).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.checks import lock
from pancreasgen.scan.detect import prepare_detector
from pancreasgen.scan.dual import gain
from pancreasgen.scan.materials import mineral_g_cm3
from pancreasgen.scan.project import Plane, fan_geometry, project_rays
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.tree import Tree

Image = NDArray[np.float32]
REFERENCE_WATER_MM = 200.0
_WATER_MM, _MINERAL = 5.0, 8.0  # steps of the table [mm], [g/cm³ · mm]
_WATERS, _MINERALS, _BINS = 181, 41, 17


@lru_cache(maxsize=8)
def bone_table(protocol: Protocol) -> NDArray[np.float32]:
    """Return what is to be added to a reading of water paths (17 places, 181 readings, 41 bone paths) [mm].

    Places lie evenly on the detector. Readings are 0, 5, 10 … mm of water; paths of bone mineral 0, 8, 16 … g/cm³ · mm.
    """
    detector = prepare_detector(protocol)
    places = np.linspace(0, protocol.num_bins - 1, _BINS).round().astype(int)
    steep = gain(detector, 1, np.array([REFERENCE_WATER_MM]))[protocol.num_bins // 2, 0]
    water, mineral = np.arange(_WATERS) * _WATER_MM, np.arange(_MINERALS) * _MINERAL
    attenuation, signal = detector.attenuation.astype(np.float64), detector.signal_kev[places].astype(np.float64)
    table = np.zeros((_BINS, _WATERS, _MINERALS))
    for i in range(_BINS):
        dense = np.arange(0.0, 2.0 * water[-1] + 2.0 * steep * mineral[-1])
        curve = np.log(signal[i].sum() / (signal[i] @ np.exp(-attenuation[0][:, None] * dense / 10.0)))
        for j, bone in enumerate(mineral):
            exponent = attenuation[0][:, None] * water / 10.0 + attenuation[1][:, None] * bone / 10.0
            reads = np.interp(np.log(signal[i].sum() / (signal[i] @ np.exp(-exponent))), curve, dense)
            true = water + steep * bone
            table[i, :, j] = np.interp(water, reads, true - reads)
    return lock(table.astype(np.float32))


@njit(cache=True, parallel=True)
def _correct(out: Any, sinogram: Any, mineral: Any, table: Any, steps: Any) -> None:
    """Fill out with the corrected readings; mineral: paths of bone mineral, of the sinogram's shape."""
    water_step, mineral_step = steps
    num_bins = sinogram.shape[1]
    for view in prange(sinogram.shape[0]):
        for k in range(num_bins):
            place = np.float32(k) * np.float32(table.shape[0] - 1) / np.float32(num_bins - 1)
            b = min(int(place), table.shape[0] - 2)
            along = place - np.float32(b)
            for z in range(sinogram.shape[2]):
                reading, bone = sinogram[view, k, z], max(mineral[view, k, z], np.float32(0.0))
                out[view, k, z] = reading
                if bone == 0.0:
                    continue
                x = min(max(reading, np.float32(0.0)) / water_step, np.float32(table.shape[1] - 1))
                y = min(bone / mineral_step, np.float32(table.shape[2] - 1))
                i, j = min(int(x), table.shape[1] - 2), min(int(y), table.shape[2] - 2)
                u, v = x - np.float32(i), y - np.float32(j)
                more = np.float32(0.0)
                for c in range(8):
                    weight = along if c & 1 else np.float32(1.0) - along
                    weight *= u if c & 2 else np.float32(1.0) - u
                    weight *= v if c & 4 else np.float32(1.0) - v
                    more += weight * table[b + (c & 1), i + ((c >> 1) & 1), j + ((c >> 2) & 1)]
                out[view, k, z] = reading + more


def correct_bone(sinogram: Image, image: Image, plane: Plane, protocol: Protocol, method: str = "fast") -> Image:
    """Return a sinogram whose bones do not harden the beam.

    Args:
        sinogram: Paths of water (views, bins, 32) [mm].
        image: Its first image (ny, nx, 32) [HU].
        plane: Pixels of the image.
        protocol: What measured it.
        method: As :func:`pancreasgen.scan.scan.scan`.

    Returns:
        Shape of the sinogram; the sinogram itself if there is no bone.
    """
    bone = mineral_g_cm3(image)
    if not bone.any():
        return sinogram
    rays = fan_geometry(protocol).rays()
    block = np.ascontiguousarray(bone[None])
    lines = Tree.of(plane, rays).forward()(block) if method == "fast" else project_rays(block, plane, rays)
    out = np.empty_like(sinogram)
    _correct(out, sinogram, lines[0], bone_table(protocol), (np.float32(_WATER_MM), np.float32(_MINERAL)))
    return out
