"""From line integrals of matter to corrected measurements: spectrum, bowtie, quanta, light, electronics, correction.

Order of events, as in XCIST (De Man et al., Phys Med Biol 67:194002, 2022): efficiency per energy, blur by the
aperture, quantum noise, energy-weighted sum, optical cross-talk, electronic noise; then air calibration, −log and
the water beam-hardening correction. Scatter and its correction: pancreasgen.scan.scatter.

The signal of an energy-integrating cell is S = Σ E N(E) with variance Σ E² N(E) (Whiting, SPIE 4682:53, 2002). It is
drawn as k · Poisson(S/k) with k = Σ E² N / Σ E N, which has that mean and that variance. A photon-counting detector
gives every quantum above its threshold the weight 1 instead of E (its signal is then a number of quanta, not keV),
and has no electronic noise; shared charge and pile-up are not simulated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import lock
from pancreasgen.scan.fast import exp_negative, fma
from pancreasgen.scan.materials import basis_attenuation, energies_kev
from pancreasgen.scan.project import BLOCK
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.quanta import draw, normals
from pancreasgen.scan.scatter import REFERENCE_WATER_MM, add_scatter, group_size, remove_scatter, scatter_kernel
from pancreasgen.scan.spectrum import aluminium_per_mm, bowtie_mm_al, detector_efficiency, tube_spectrum

# Energies are taken together in groups, narrow where attenuation is steep; the K edge of iodine (33.2 keV) is a border.
GROUPS_KEV = (10, 22, 26, 30, 34, 37, 40, 44, 48, 52, 56, 60, 65, 70, 76, 83, 91, 100, 111, 124, 138, 151)
LONGEST_WATER_MM = 1500.0
STARVED_QUANTA = 0.5  # a reading below half a quantum is read as half a quantum
_TABLE = 1024


def aperture_tap(protocol: Protocol) -> float:
    """Return the outer weight of the three taps that blur like cell and focal spot: width²/24, the same variance.

    At the isocentre a focal spot of width f is f · (1 − SID / SDD) wide.
    """
    far, near = protocol.source_to_detector_mm, protocol.source_to_isocentre_mm
    focus = protocol.focal_spot_mm * (1.0 - near / far) / (protocol.bin_angle_rad * near)
    return (protocol.aperture**2 + focus**2) / 24.0


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """What the detector of a protocol does, as tables.

    Attributes:
        attenuation: μ/ρ of the basis materials per energy group (3, G) [cm²/g].
        signal_kev: Mean signal of air per view and reading (bins, G) [keV].
        square_kev2: Its variance, Σ E² N (bins, G) [keV²].
        air_kev: Air calibration: signal of air behind aperture and cross-talk (bins,) [keV].
        floor_kev: Lowest signal that −log sees (bins,) [keV].
        water_mm: Water path for −log = 0, step, 2 step … (bins, 1024) [mm].
        step: Distance of the table's entries in −log.
        scatter: What each group of bins scatters into each (groups, groups).
        group_air_kev: Signal of air per group (groups,) [keV].
    """

    attenuation: NDArray[np.float32]
    signal_kev: NDArray[np.float32]
    square_kev2: NDArray[np.float32]
    air_kev: NDArray[np.float32]
    floor_kev: NDArray[np.float32]
    water_mm: NDArray[np.float32]
    step: float
    scatter: NDArray[np.float32]
    group_air_kev: NDArray[np.float32]


def counts(protocol: Protocol) -> bool:
    """Return whether the detector counts quanta instead of summing their energy."""
    return protocol.detector == "photon-counting"


def air_quanta(protocol: Protocol) -> NDArray[np.float64]:
    """Return the number of counted quanta of each energy in one reading without a body (shape (bins, 141)).

    Fluence at 1 m × (1 m / source-to-detector)² × mAs per view × area of a cell × bowtie × efficiency.
    """
    spectrum = tube_spectrum(protocol.kvp, protocol.filtration_mm_al, protocol.filtration_mm_sn)
    far = protocol.source_to_detector_mm
    cell_mm2 = protocol.bin_angle_rad * far * protocol.row_mm * far / protocol.source_to_isocentre_mm
    bowtie = bowtie_mm_al(
        protocol.bin_angles_rad(),
        protocol.source_to_isocentre_mm,
        protocol.bowtie_diameter_mm,
        protocol.bowtie_strength,
    )
    counted = spectrum * detector_efficiency(protocol.scintillator_mm, protocol.efficiency, counts(protocol))
    counted *= energies_kev() >= protocol.threshold_kev
    counted *= (1000.0 / far) ** 2 * protocol.mas / protocol.num_views * cell_mm2
    result: NDArray[np.float64] = counted * np.exp(-aluminium_per_mm() * bowtie[:, None])
    return result


def prepare_detector(protocol: Protocol) -> Detector:
    """Return the tables of a protocol's detector."""
    energy, quanta = energies_kev(), air_quanta(protocol)
    group = np.searchsorted(GROUPS_KEV, energy, side="right") - 1
    if counts(protocol):
        energy = np.ones_like(energy)
    one_hot = (group[:, None] == np.arange(len(GROUPS_KEV) - 1)).astype(np.float64)
    used = (one_hot * (quanta * energy).sum(axis=0)[:, None]).sum(axis=0) > 0.0
    one_hot = one_hot[:, used]
    signal, square = (quanta * energy) @ one_hot, (quanta * energy**2) @ one_hot
    weight = (quanta * energy).sum(axis=0)
    attenuation = (basis_attenuation() * weight) @ one_hot / (weight @ one_hot)
    air = signal.sum(axis=1)
    floor = STARVED_QUANTA * square.sum(axis=1) / air
    water = np.arange(0.0, LONGEST_WATER_MM, 1.0)
    behind = signal @ np.exp(-attenuation[0][:, None] * water / 10.0)
    minus_log = np.log(air[:, None] / behind)
    for side in (aperture_tap(protocol), protocol.crosstalk):
        three_taps(air[:, None], side)
    kernel = scatter_kernel(protocol, signal.sum(axis=1), _behind_cylinder(signal, attenuation[0], protocol))
    size = group_size(protocol.num_bins)
    groups = np.array([signal.sum(axis=1)[k : k + size].mean() for k in range(0, protocol.num_bins, size)])
    step = float(np.log(air / floor).max() * 1.01 / (_TABLE - 1))
    wanted = step * np.arange(_TABLE)
    table = np.stack([np.interp(wanted, row, water) for row in minus_log])
    return Detector(
        attenuation=_single(attenuation),
        signal_kev=_single(signal),
        square_kev2=_single(square),
        air_kev=_single(air),
        floor_kev=_single(floor),
        water_mm=_single(table),
        step=step,
        scatter=kernel,
        group_air_kev=_single(groups),
    )


def _behind_cylinder(
    signal: NDArray[np.float64], water: NDArray[np.float64], protocol: Protocol
) -> NDArray[np.float64]:
    """Return the signal of each bin behind the centred water cylinder that scatter is stated for (bins,) [keV]."""
    offset = protocol.source_to_isocentre_mm * np.sin(protocol.bin_angles_rad())
    path = 2.0 * np.sqrt(np.clip((REFERENCE_WATER_MM / 2.0) ** 2 - offset**2, 0.0, None))
    behind: NDArray[np.float64] = (signal * np.exp(-path[:, None] * water / 10.0)).sum(axis=1)
    return behind


def _single(array: NDArray[np.float64]) -> NDArray[np.float32]:
    return lock(np.ascontiguousarray(array, dtype=np.float32))


@njit(cache=True, inline="always")
def three_taps(values: Any, side: Any) -> None:
    """Blur (bins, rows) along the bins with the taps (side, 1 − 2 side, side), in place; the edge is repeated."""
    rows = values.shape[1]
    before = values[0].copy()
    for k in range(values.shape[0]):
        after = min(k + 1, values.shape[0] - 1)
        for z in range(rows):
            here = values[k, z]
            values[k, z] = here + side * (before[z] + values[after, z] - here - here)
            before[z] = here


@njit(cache=True, inline="always")
def _expect(signal: Any, square: Any, lines: Any, view: Any, tables: Any) -> None:
    """Fill signal and square (bins, rows) with the expected signal and its variance behind the line integrals."""
    attenuation, air, air_square = tables
    for k in range(signal.shape[0]):
        water, mineral, iodine = lines[0, view, k], lines[1, view, k], lines[2, view, k]
        s, v = signal[k], square[k]
        for z in range(BLOCK):
            s[z] = np.float32(0.0)
            v[z] = np.float32(0.0)
        for g in range(attenuation.shape[1]):
            a, b, c = attenuation[0, g], attenuation[1, g], attenuation[2, g]
            w, q = air[k, g], air_square[k, g]
            for z in range(BLOCK):
                through = exp_negative(fma(c, iodine[z], fma(b, mineral[z], a * water[z])))
                s[z] = fma(w, through, s[z])
                v[z] = fma(q, through, v[z])


@njit(cache=True, inline="always")
def _scale(values: Any, current: Any) -> None:
    """Multiply (bins, rows) by the tube current of each row."""
    for k in range(values.shape[0]):
        for z in range(current.size):
            values[k, z] *= current[z]


@njit(cache=True, parallel=True)
def _detect(out: Any, lines: Any, tables: Any, curve: Any, blur: Any, noise: Any) -> None:
    """Fill out (views, bins, rows) with water paths [mm]; lines: basis materials, views, bins, rows."""
    air, floor, water, step = curve  # air is calibrated with the same blur as the body
    aperture, crosstalk, electronic_kev, group_air, scatter, scatters, corrects, size = blur
    quantum, electronic, current = noise
    num_views, num_bins = out.shape[0], out.shape[1]
    for view in prange(num_views):
        signal = np.empty((num_bins, BLOCK), dtype=np.float32)
        square = np.empty((num_bins, BLOCK), dtype=np.float32)
        _expect(signal, square, lines, view, tables)
        if scatters:
            add_scatter(signal, square, group_air, scatter, size)
        _scale(signal, current[view])
        _scale(square, current[view])
        three_taps(signal, aperture)
        three_taps(square, aperture)
        if quantum.shape[0] > 0:
            draw(signal, square, quantum[:, view])
        three_taps(signal, crosstalk)
        for k in range(num_bins):
            for z in range(BLOCK):
                if z < electronic.shape[0]:
                    signal[k, z] += electronic_kev * electronic[z, view, k]
                if z < current.shape[1]:
                    signal[k, z] /= current[view, z]
        if scatters and corrects:
            remove_scatter(signal, group_air, scatter, size)
        for k in range(num_bins):
            for z in range(BLOCK):
                place = np.float32(math.log(air[k] / max(signal[k, z], floor[k]))) / step
                entry = min(max(int(place), 0), water.shape[1] - 2)
                part = place - np.float32(entry)
                out[view, k, z] = water[k, entry] + part * (water[k, entry + 1] - water[k, entry])


def detect(
    lines: NDArray[np.float32],
    protocol: Protocol,
    detector: Detector,
    chance: Chance,
    rows: Sequence[int],
    current: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return what the scanner believes: the path of water behind every reading.

    Args:
        lines: Line integrals of the basis densities, shape (3, views, bins, 32) [g/cm³ · mm].
        protocol: The setting; ``noise`` off gives the expected values.
        detector: Its tables, from :func:`prepare_detector`.
        chance: Stage of the noise; row k draws from its stream ``row{k}``.
        rows: Absolute index of the first ``len(rows)`` rows of the block; the rest is padding and gets no noise.
        current: Tube current of each view in these rows over that of the protocol (views, rows); None for 1.

    Returns:
        Shape (views, bins, 32) [mm of water]; exact for water of any length, noise and scatter apart.
    """
    shape = (protocol.num_views, protocol.num_bins)
    noisy = list(rows) if protocol.noise else []
    quantum = normals(chance, "quanta", noisy, shape)
    electronic = normals(chance, "electronics", [] if counts(protocol) else noisy, shape)
    if current is None:
        current = np.ones((protocol.num_views, len(rows)), dtype=np.float32)
    out = np.empty((*shape, BLOCK), dtype=np.float32)
    tables = (detector.attenuation * np.float32(0.1), detector.signal_kev, detector.square_kev2)  # per g/cm³ · mm
    curve = (detector.air_kev, detector.floor_kev, detector.water_mm, np.float32(detector.step))
    taps = np.array([aperture_tap(protocol), protocol.crosstalk, protocol.electronic_noise_kev], dtype=np.float32)
    scatter = (detector.group_air_kev, detector.scatter, protocol.scatter > 0.0, protocol.scatter_correction)
    blur = (*taps, *scatter, group_size(protocol.num_bins))
    _detect(out, lines, tables, curve, blur, (quantum, electronic, current))
    return out
